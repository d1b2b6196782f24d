import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.lifecycle import oracle
from tests.lifecycle.logs import CONFIG, NEW_YORK, RANDOM_START_US, days, index_of, random_rows, timelines
from ulm_core.errors import InputError, NotFoundError
from ulm_core.lifecycle.periods import DAY_US, make_periods
from ulm_core.lifecycle.stickiness import StickinessSpec, compute_stickiness

# day   0   1   2   3   4
# u     x   x       x
# v     xx  xx
# w                     x
ROWS = (*days("u", 0, 1, 3), *days("v", 0, 0.5, 1, 1.5), *days("w", 4))


def by_number(rows=ROWS, **fields) -> list[int]:
    return compute_stickiness(index_of(rows), CONFIG, StickinessSpec(**fields)).counts.tolist()


class TestDefinitions:
    @pytest.mark.parametrize(
        ("fields", "found"),
        [
            ({}, [1, 1, 1, 0, 0]),  # w once, v on two days, u on three
            ({"cumulative": True}, [3, 2, 1, 0, 0]),
            ({"value": 2}, [0, 1, 0, 0, 0]),  # v did it twice on both days
            ({"operator": "eq", "value": 1}, [1, 0, 1, 0, 0]),
            ({"operator": "eq", "value": 2}, [0, 1, 0, 0, 0]),
            ({"operator": "lte", "value": 1}, [1, 0, 1, 0, 0]),  # a day without the event does not count
            # Pairs of days, counted back from the last: 0 | 1, 2 | 3, 4.
            ({"every": 2}, [1, 1, 1]),
            ({"every": 2, "value": 2}, [0, 1, 0]),  # v on day 0 and in the pair of days 1 and 2
            ({"every": 9}, [3]),
            ({"interval": "week"}, [3, 0]),  # day 4, 1970-01-05, is a Monday: only w is in the second week
            ({"from_us": DAY_US, "to_us": 2 * DAY_US}, [2]),
        ],
    )
    def test_table_of_cases(self, fields, found):
        assert by_number(**fields) == found

    def test_star_is_no_passive_event_and_conditions_count(self):
        rows = [("u", 0, "buy", 1.0), ("u", DAY_US, "buy", 9.0), ("u", 2 * DAY_US, "mail")]
        assert by_number(rows) == [0, 1, 0]
        assert by_number(rows, event="buy[value>5]") == [1, 0, 0]
        with pytest.raises(NotFoundError):
            by_number(rows, event="bye")

    def test_json_has_the_keys_of_the_contract(self):
        answer = compute_stickiness(index_of(ROWS), CONFIG, StickinessSpec()).to_json()
        assert answer["users_by_active_periods"] == {"1": 1, "2": 1, "3": 1, "4": 0, "5": 0}

    def test_a_number_of_periods_there_is_not_is_refused(self):
        with pytest.raises(InputError):
            compute_stickiness(index_of(ROWS), CONFIG, StickinessSpec()).users(6)


@settings(max_examples=100, deadline=None)
@given(
    random_rows(), st.sampled_from(["day", "week", "month"]), st.integers(1, 3), st.sampled_from(["gte", "lte", "eq"]),
    st.integers(1, 3), st.booleans(), st.sampled_from(["*", "zz"]), st.integers(0, 20),
)  # fmt: skip
def test_equals_the_oracle(rows, interval, every, operator, value, cumulative, event, skip):
    rows = [*rows, ("zz", RANDOM_START_US, "zz"), ("zz", RANDOM_START_US + 30 * DAY_US, "zz")]
    start, end = RANDOM_START_US + skip * DAY_US, RANDOM_START_US + (skip + 25) * DAY_US
    spec = StickinessSpec(
        from_us=start, to_us=end, interval=interval, every=every, operator=operator, value=value,
        cumulative=cumulative, event=event,
    )  # fmt: skip
    one, many = (compute_stickiness(index_of(rows, n), NEW_YORK, spec) for n in (1, 64))
    assert one.counts.tobytes() == many.counts.tobytes()
    bounds = make_periods(start, end, interval, "America/New_York").starts_us.tolist()
    ends = bounds[:0:-every]
    stretches = [(bounds[max(0, bounds.index(b) - every)], b) for b in ends]
    compare = {"gte": int.__ge__, "lte": int.__le__, "eq": int.__eq__}[operator]
    active = []
    for events in timelines(rows).values():
        times = [sum(a <= t < b and oracle.matches(e, event) for t, e in events) for a, b in stretches]
        active.append(sum(n > 0 and compare(n, value) for n in times))
    for k, count in enumerate(one.counts.tolist(), start=1):
        behind = [user for user, n in enumerate(active) if (n >= k if cumulative else n == k)]
        assert count == len(behind)
        assert one.users(k).tolist() == behind
