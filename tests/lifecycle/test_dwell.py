import numpy as np
import pytest
from hypothesis import given, settings

from tests.lifecycle import oracle
from tests.lifecycle.logs import CONFIG, NEW_YORK, days, index_of, random_rows, whole_timelines
from tests.lifecycle.test_stage_flow import ACTIVE_OR_GONE
from ulm_core.errors import NotFoundError
from ulm_core.lifecycle.dwell import STAYING, DwellSpec, compute_dwell
from ulm_core.lifecycle.periods import DAY_US, make_periods
from ulm_core.lifecycle.rules import default_rules


def dwell(rows, n_partitions=1, **fields):
    return compute_dwell(index_of(rows, n_partitions), CONFIG, DwellSpec(rules=ACTIVE_OR_GONE, **fields))


# Day by day, u: here here gone here; v: - here gone gone.
ROWS = [*days("u", 0.5, 1.5, 3.5), *days("v", 1.5)]


class TestByHand:
    def test_stays_begin_and_end_at_the_end_of_days(self):
        found = dwell(ROWS)
        stays = found.stays
        names = [found.stages[code] for code in stays.stage]
        assert list(zip(stays.user.tolist(), names, stays.days.tolist(), strict=True)) == [
            (0, "here", 2.0),  # from the end of day 0 to the end of day 2
            (0, "gone", pytest.approx(0.5)),  # the log ends at noon of day 3
            (0, "here", 0.0),
            (1, "here", 1.0),
            (1, "gone", pytest.approx(0.5)),
        ]
        assert stays.next_stage.tolist() == [1, 0, STAYING, 1, STAYING]

    def test_kaplan_meier_over_stays(self):
        here = dwell(ROWS).curve("here")
        # Three stays: of 0 days (censored), 1 day and 2 days (ended): 1/2 after a day, 0 after two.
        assert (here.n_users, here.n_churned) == (3, 2)
        assert here.survival_at([1, 2]).tolist() == [0.5, 0.0]
        assert here.median_days == 1.0

    def test_where_users_went(self):
        assert dwell(ROWS).next_counts.tolist() == [[0, 2], [1, 0]]

    def test_users_are_counted_once(self):
        found = dwell(ROWS)
        assert found.users(("here", "entered")).tolist() == [0, 1]
        assert found.users(("here", "left")).tolist() == [0, 1]
        assert found.users(("here", "staying")).tolist() == [0]
        here = found.to_json()["stages"][0]
        assert (here["stays"], here["users"], here["ended"], here["next"]) == (3, 2, 2, {"gone": 2})

    def test_stays_that_began_before_the_range_are_not_in_it(self):
        found = dwell(ROWS, from_us=2 * DAY_US)
        assert [found.stages[code] for code in found.stays.stage] == ["gone", "here", "gone"]

    def test_the_end_of_the_range_censors(self):
        found = dwell(ROWS, to_us=2 * DAY_US)
        assert found.stays.next_stage.tolist() == [STAYING, STAYING]
        assert found.stays.days.tolist() == [1.0, 0.0]

    def test_weeks_are_coarser(self):
        # Weeks end on days 4, 11 and 18; the log on day 20. u: here, gone, gone, here; v: gone throughout.
        found = dwell([*ROWS, *days("u", 20)], interval="week")
        assert found.stays.days.tolist() == pytest.approx([7, 9, 0, 16])

    def test_a_filter_leaves_the_others_out(self):
        assert dwell(ROWS, users=np.array([False, True])).stays.user.tolist() == [1, 1]

    def test_a_stage_nobody_entered_has_no_curve(self):
        with pytest.raises(NotFoundError):
            dwell(days("u", 0.5)).curve("gone")

    def test_a_log_without_activity_has_no_stays(self):
        assert dwell(days("u", 0.5, event="mail")).curves == ()


@settings(max_examples=30, deadline=None)
@given(random_rows())
def test_stays_equal_the_oracle(rows):
    rules = default_rules(14)
    index = index_of(rows, 3)
    found = compute_dwell(index, NEW_YORK, DwellSpec(rules=rules))
    begin, _ = index.active_span(NEW_YORK)
    until = index.manifest.last_us + 1
    expected = []
    if any(oracle.is_active(row[2]) for row in rows):
        days_of_log = make_periods(begin, until, "day", "America/New_York")
        at = np.minimum(days_of_log.starts_us[1:], until).tolist()
        for user, events in enumerate(whole_timelines(rows).values()):
            expected += [
                (user, *stay)
                for stay in _naive_stays([oracle.stage(rules, events, t, "America/New_York") for t in at], at)
            ]
    stays = found.stays
    names = [found.stages[code] for code in stays.stage]
    following = [None if code == STAYING else found.stages[code] for code in stays.next_stage]
    assert list(zip(stays.user.tolist(), names, following, stays.days.tolist(), strict=True)) == expected
    one = compute_dwell(index_of(rows, 1), NEW_YORK, DwellSpec(rules=rules))
    assert one.stays.days.tobytes() == stays.days.tobytes()


def _naive_stays(names: list[str | None], at: list[int]) -> list[tuple[str, str | None, float]]:
    found, start = [], 0
    for k in range(1, len(names) + 1):
        if k < len(names) and names[k] == names[start]:
            continue
        if names[start] is not None:
            has_ended = k < len(names)
            found.append(
                (names[start], names[k] if has_ended else None, (at[k if has_ended else -1] - at[start]) / DAY_US)
            )
        start = k
    return found
