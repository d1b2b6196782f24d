"""Cohorts by behaviour, stage, transition and set operations: by hand, and against a naive oracle."""

from __future__ import annotations

from datetime import date
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.lifecycle.cohorts import oracle
from tests.lifecycle.logs import CONFIG, EVENTS, RANDOM_START_US, Row, days, index_of, random_rows
from ulm_core.errors import InputError, NotFoundError
from ulm_core.lifecycle.cohorts import model as m
from ulm_core.lifecycle.cohorts.evaluate import Log, cohort_mask, cohort_sizes
from ulm_core.lifecycle.periods import DAY_US
from ulm_core.lifecycle.rules import default_rules
from ulm_core.lifecycle.stages import assign_stages

RULES = default_rules(56)


def log_of(rows: list[Row], n_partitions: int = 1, saved: dict[str, Any] | None = None) -> Log:
    return Log(index_of(rows, n_partitions), CONFIG, None, (saved or {}).__getitem__, RULES)


def who(rule: dict[str, Any], rows: list[Row], at_day: float, saved: dict[str, Any] | None = None) -> str:
    """Return the ids (one letter each) of the users who belong."""
    log = log_of(rows, saved=saved)
    mask = cohort_mask(log, m.read_rule({"kind": "behaviour", **rule}), round(at_day * DAY_US))
    return "".join(log.index.user_ids[mask])


def clause(event: str = "buy", amount: float = 1, op: str = ">=", **window: Any) -> dict[str, Any]:
    return {"event": event, "amount": amount, "op": op, "window": window}


BUYERS = [
    *days("a", 0, 10, event="buy"),  # twice within 10 days, then silent
    *days("b", 0, 45, event="buy"),  # twice, 45 days apart
    *days("c", 0, 10, event="buy"),
    *days("c", 50),  # as a, but seen on day 50
    *days("d", 20),
]


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ({"clauses": [clause(amount=2)]}, "abc"),
        ({"clauses": [clause(amount=2, within_days=30)]}, "ac"),
        ({"clauses": [clause(amount=2, within_days=10)]}, "ac"),  # boundary included
        ({"clauses": [clause(amount=2, within_days=9.9)]}, ""),
        ({"clauses": [clause(amount=2, within_days=30)], "then_silent": {"days": 28}}, "a"),
        # silence of 28 days before day 60 begins on day 32; the 32 days before that begin on day 0
        ({"clauses": [clause(amount=2, last_days=32)], "then_silent": {"days": 28}}, "a"),
        ({"clauses": [clause(amount=2, last_days=31)], "then_silent": {"days": 28}}, ""),
        ({"clauses": [clause(amount=2, last_days=32)], "then_silent": {"days": 28, "event": "buy"}}, "ac"),
        ({"clauses": [clause(amount=1, op="==")]}, ""),
        ({"clauses": [clause(amount=0, op="==")]}, "d"),
        ({"clauses": [clause(amount=1, op="<=", last_days=20)]}, "abcd"),
        ({"clauses": [clause(amount=1, last_days=15)]}, "b"),  # day 45 is 15 days before day 60
        ({"clauses": [clause(first_day="1970-01-11", last_day="1970-01-11")]}, "ac"),  # day 10
        ({"clauses": [clause(last_day="1970-01-01")]}, "abc"),
        ({"clauses": [clause(), clause("a")]}, "c"),
        ({"clauses": [clause(), clause("a")], "in_order": True}, "c"),
        ({"clauses": [clause("a"), clause()], "in_order": True}, ""),
        ({"clauses": [clause(amount=2), clause(amount=1)], "in_order": True}, ""),  # no third purchase
        ({"clauses": [clause(amount=2), clause("*", 0, "==")], "in_order": True}, "ab"),  # then nothing, for c a visit
    ],
)
def test_behaviour_by_hand(rule: dict[str, Any], expected: str) -> None:
    assert who(rule, BUYERS, 60) == expected


def test_events_from_the_evaluation_time_on_are_not_known() -> None:
    rule = {"clauses": [clause(amount=2)]}
    assert who(rule, BUYERS, 10) == ""  # the second purchase happens at that very moment
    assert who(rule, BUYERS, 10.001) == "ac"
    assert who({"clauses": [clause(amount=0, op="==")]}, BUYERS, 20) == ""  # d is not seen yet


def test_sums_of_values() -> None:
    rows: list[Row] = [("a", 0, "buy", 3.0), ("a", 5 * DAY_US, "buy", 4.0), ("b", 0, "buy", 6.0)]
    worth = {"event": "buy", "measure": "value", "op": ">=", "amount": 7}
    assert who({"clauses": [worth]}, rows, 9) == "a"  # 3 + 4
    assert who({"clauses": [{**worth, "window": {"within_days": 4}}]}, rows, 9) == ""
    assert who({"clauses": [{**worth, "op": "<=", "amount": 6}]}, rows, 9) == "b"


def test_events_with_conditions() -> None:
    rows: list[Row] = [("a", 0, "buy", 3.0), ("a", DAY_US, "buy", 9.0), ("b", 0, "buy", 8.0), ("b", DAY_US, "a", 9.0)]
    assert who({"clauses": [clause("buy[value>=5]")]}, rows, 9) == "ab"
    assert who({"clauses": [clause("buy[value<5]")]}, rows, 9) == "a"
    late = {"clauses": [clause()], "then_silent": {"days": 8.5, "event": "buy[value>8.5]"}}
    assert who(late, rows, 9) == "b"  # a bought for 9.0 on day 1, within the 8.5 days before day 9


STAGE_ROWS = [*days("a", 0), *days("b", 39), *days("c", 0, 39)]


def test_stages_and_moves_are_those_of_the_analyses() -> None:
    log = log_of(STAGE_ROWS)
    at = 40 * DAY_US
    codes = assign_stages(log.index, RULES, [at - 30 * DAY_US, at], CONFIG)
    new, risk = RULES.code("new"), RULES.code("at risk")
    risky = m.InStage(stages=("at risk",))
    assert cohort_mask(log, risky, at).tolist() == (codes[:, 1] == risk).tolist() == [True, False, False]
    moved = m.Moved(before=("new",), after=("at risk",), first=m.Moment(days_ago=30))
    expected = (codes[:, 0] == new) & (codes[:, 1] == risk)
    assert cohort_mask(log, moved, at).tolist() == expected.tolist() == [True, False, False]
    arrived = m.Moved(before=("not yet seen",), first=m.Moment(day=date(1970, 1, 31)))
    assert cohort_mask(log, arrived, at).tolist() == [False, True, False]


def test_a_moment_in_the_future_is_the_moment_itself() -> None:
    log = log_of(STAGE_ROWS)
    later = m.InStage(stages=("new",), at=m.Moment(day=date(1980, 1, 1)))
    now = m.InStage(stages=("new",))
    assert cohort_mask(log, later, 40 * DAY_US).tolist() == cohort_mask(log, now, 40 * DAY_US).tolist()
    with pytest.raises(InputError, match="before the second"):
        cohort_mask(log, m.Moved(first=m.Moment(day=date(1980, 1, 1))), 40 * DAY_US)


def test_set_operations() -> None:
    rows = BUYERS
    bought, seen_a = {"kind": "behaviour", "clauses": [clause()]}, {"kind": "behaviour", "clauses": [clause("a")]}
    assert who({"kind": "all", "rules": [bought, seen_a]}, rows, 60) == "c"
    assert who({"kind": "any", "rules": [bought, seen_a]}, rows, 60) == "abcd"
    assert who({"kind": "not", "rule": bought}, rows, 60) == "d"
    assert who({"kind": "not", "rule": bought}, rows, 20) == ""  # d comes on day 20
    nested = {"kind": "all", "rules": [{"kind": "not", "rule": seen_a}, {"kind": "cohort", "name": "buyers"}]}
    assert who(nested, rows, 60, {"buyers": m.read_rule(bought)}) == "ab"


def test_cohorts_that_name_each_other_are_refused() -> None:
    saved: dict[str, Any] = {"x": m.SavedCohort(name="y"), "y": m.SavedCohort(name="x")}
    with pytest.raises(InputError, match="part of itself"):
        cohort_mask(log_of(BUYERS, saved=saved), m.SavedCohort(name="x"), DAY_US)


def test_an_unknown_event_is_named() -> None:
    with pytest.raises(NotFoundError, match="bought"):
        who({"clauses": [clause("bought")]}, BUYERS, 60)


windows = st.one_of(
    st.just({}),
    st.builds(lambda d: {"last_days": d}, st.integers(1, 60)),
    st.builds(lambda a, n: {"first_day": date(2024, 3, a), "last_day": date(2024, 3, a + n)}, st.integers(1, 20),
              st.integers(0, 10)),
)  # fmt: skip


@st.composite
def clauses(draw: st.DrawFn) -> m.Clause:
    measure = draw(st.sampled_from(m.MEASURES[:2]))
    op = draw(st.sampled_from(m.CLAUSE_OPS if measure == "times" else m.CLAUSE_OPS[:2]))
    window = draw(windows)
    if op == ">=" and draw(st.booleans()):
        window = {**window, "within_days": draw(st.integers(1, 20))}
    amount = draw(st.integers(1 if op == ">=" else 0, 4)) if measure == "times" else draw(st.integers(1, 12))
    event = draw(st.sampled_from(("*", *EVENTS)))
    return m.Clause(event=event, measure=measure, op=op, amount=amount, window=m.Window(**window))


silences = st.none() | st.builds(m.Silence, days=st.integers(1, 30), event=st.sampled_from(("*", "buy", "a")))
behaviours = st.builds(
    m.Behaviour,
    clauses=st.lists(clauses(), min_size=1, max_size=3).map(tuple),
    in_order=st.booleans(),
    then_silent=silences,
)


@settings(max_examples=150, deadline=None)
@given(random_rows(), behaviours, st.integers(0, 24 * 75), st.sampled_from((1, 3)))
def test_the_kernel_equals_the_definition(rows: list[Row], rule: m.Behaviour, hours: int, n_partitions: int) -> None:
    rows = [*rows, *((("zz", RANDOM_START_US, event, 1.0)) for event in EVENTS)]
    at = RANDOM_START_US + hours * 3_600_000_000
    mask = cohort_mask(log_of(rows, n_partitions), rule, at)
    assert mask.tolist() == oracle.members(rule, rows, at)


@settings(max_examples=40, deadline=None)
@given(random_rows(), behaviours, st.integers(1, 24 * 70))
def test_what_comes_later_changes_nothing(rows: list[Row], rule: m.Behaviour, hours: int) -> None:
    at = RANDOM_START_US + hours * 3_600_000_000
    everyone = [("zz", RANDOM_START_US, event, 1.0) for event in EVENTS]
    past = [row for row in [*rows, *everyone] if row[1] < at]
    now, then = log_of([*rows, *everyone]), log_of(past)
    members = set(now.index.user_ids[cohort_mask(now, rule, at)])
    assert members == set(then.index.user_ids[cohort_mask(then, rule, at)])


@settings(max_examples=40, deadline=None)
@given(random_rows(), behaviours, behaviours)
def test_sets_follow_de_morgan(rows: list[Row], one: m.Behaviour, other: m.Behaviour) -> None:
    rows = [*rows, *((("zz", RANDOM_START_US, event, 1.0)) for event in EVENTS)]
    log, at = log_of(rows), RANDOM_START_US + 50 * DAY_US
    none = m.NoneOf(rule=m.AnyOf(rules=(one, other)))
    both = m.AllOf(rules=(m.NoneOf(rule=one), m.NoneOf(rule=other)))
    assert cohort_mask(log, none, at).tolist() == cohort_mask(log, both, at).tolist()
    sizes = [cohort_sizes(log, rule, [at])[0] for rule in (one, m.NoneOf(rule=one))]
    assert sum(sizes) == np.count_nonzero(log.index.time[log.index.offsets[:-1]] < at)
