import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.lifecycle.logs import CONFIG, NEW_YORK, dense_rows, index_of, timelines
from tests.lifecycle.oracle import is_active
from ulm_core.lifecycle.periods import DAY_US, SECOND_US
from ulm_core.lifecycle.sessions import SessionsSpec, compute_sessions, learn_session_gap

MINUTE_US = 60 * SECOND_US


def at(user: str, *minutes: float, event: str = "a"):
    return [(user, round(minute * MINUTE_US), event) for minute in minutes]


class TestDefinitions:
    def test_table_of_cases(self):
        # u: 0, 10 and 40 are one session (a pause of exactly 30 minutes ends none), 71 is the next.
        rows = [*at("u", 0, 10, 40, 71), *at("v", 5), *at("v", 6, event="mail")]
        found = compute_sessions(index_of(rows), CONFIG, SessionsSpec(interval="day"))
        assert found.sessions.tolist() == [3]
        assert found.users_by_period.tolist() == [2]
        assert found.events.tolist() == [5]
        assert found.single.tolist() == [2]
        assert found.median_seconds.tolist() == [40 * 60]
        assert found.lengths.tolist() == [40 * 60]
        assert found.to_json()["sessions_per_user"] == [3 / 2]

    def test_a_session_belongs_to_the_period_it_begins_in(self):
        rows = [*at("u", 1430, 1450), *at("v", 3000)]
        found = compute_sessions(index_of(rows), CONFIG, SessionsSpec(interval="day"))
        assert found.sessions.tolist() == [1, 0, 1]
        assert found.users(2).tolist() == [1]
        inside = SessionsSpec(interval="day", from_us=DAY_US, to_us=2 * DAY_US)
        assert compute_sessions(index_of(rows), CONFIG, inside).sessions.tolist() == [0]

    def test_a_period_without_sessions_has_no_length(self):
        found = compute_sessions(index_of(at("u", 0, 1500)), CONFIG, SessionsSpec(interval="day"))
        assert np.isnan(found.median_seconds).all()


class TestLearning:
    def test_the_valley_between_two_hills_is_found(self):
        # Pauses of about a minute within sessions, of about a day between them, and a few of two hours.
        rng = np.random.default_rng(1)
        pauses = np.concatenate([rng.lognormal(4, 0.5, 400), rng.lognormal(11.3, 0.4, 100), [7000, 8000]])
        times = np.cumsum(rng.permutation(pauses))
        gap = learn_session_gap(index_of([("u", round(t * SECOND_US), "a") for t in times]), CONFIG)
        assert gap.is_learnt
        assert 10 * 60 <= gap.seconds <= 4 * 3600
        assert gap.counts.sum() == len(pauses) - 1
        assert "rarest" in str(gap.sentence())

    @pytest.mark.parametrize("minutes", [range(0, 300, 1), [0], range(0, 40_000, 1440)])
    def test_without_a_valley_it_is_half_an_hour(self, minutes):
        gap = learn_session_gap(index_of(at("u", *minutes)), CONFIG)
        assert (gap.seconds, gap.is_learnt) == (1800, False)
        assert "30 minutes" in str(gap.sentence())


@settings(max_examples=60, deadline=None)
@given(dense_rows(events="ab", max_size=12), st.sampled_from([0.5, 1, 2, 100]))
def test_equals_the_oracle(rows, gap):
    one, many = (
        compute_sessions(index_of(rows, n), NEW_YORK, SessionsSpec(interval="hour", gap_seconds=gap)) for n in (1, 64)
    )
    expected = []
    for events in timelines(rows).values():
        times = [t for t, e in events if is_active(e)]
        cuts = [k for k in range(1, len(times)) if times[k] - times[k - 1] > gap * SECOND_US]
        expected += [part.tolist() for part in np.split(np.array(times), cuts)]
    assert one.sessions.sum() == len(expected)
    assert one.events.sum() == sum(map(len, expected))
    assert one.lengths.tolist() == sorted((part[-1] - part[0]) / SECOND_US for part in expected if len(part) > 1)
    assert one.lengths.tobytes() == many.lengths.tobytes()
    for period in range(len(one.periods)):
        assert len(one.users(period)) == one.users_by_period[period]
