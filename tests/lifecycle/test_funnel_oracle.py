"""Funnels equal an oracle that enumerates every attempt, whatever is asked, on timelines full of ties."""

from __future__ import annotations

import tempfile
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.lifecycle.funnel_oracle import Event, Found, Oracle
from tests.lifecycle.logs import CONFIG, NEW_YORK, RANDOM_START_US, random_rows, timelines
from ulm_core.lifecycle.conditions import EventMatch, Where
from ulm_core.lifecycle.filters import UserLabels
from ulm_core.lifecycle.funnel import Exclusion, Funnel, FunnelSpec, FunnelStep, compute_funnel
from ulm_core.lifecycle.periods import HOUR_US, SECOND_US
from ulm_core.timeline.index import TimelineIndex
from ulm_core.timeline.testing import index_from_events

_ROOT = tempfile.TemporaryDirectory(prefix="ulm-funnel-")
NAMES = ("a", "b", "c", "x", "mail")
Log = dict[str, list[Event]]


@st.composite
def logs(draw: st.DrawFn, n_users: int = 4, max_size: int = 8) -> Log:
    """Return short timelines, events 0 to 3 seconds apart."""
    step = st.tuples(
        st.sampled_from([0, 1, 1, 2, 3]),
        st.sampled_from(["a", "a", "b", "b", "c", "x", "mail"]),
        st.sampled_from([1.0, 2.0, 3.0]),
        st.sampled_from([None, "i", "j"]),
        st.sampled_from([None, "s", "t"]),
    )
    log: Log = {"zz": [Event(0, name, session="s") for name in NAMES]}  # so that every name, and a session, exist
    for user in range(n_users):
        now, events = 0, []
        for gap, name, value, item, session in draw(st.lists(step, max_size=max_size)):
            now += gap * SECOND_US
            events.append(Event(now, name, value, item, session))
        if events:
            log[f"u{user}"] = events
    return log


def index_of(log: Log, n_partitions: int = 2) -> TimelineIndex:
    rows = [(user, *event) for user, events in log.items() for event in events]
    frame = pd.DataFrame(rows, columns=["user", "time", "event", "value", "item", "session"])
    return index_from_events(frame, Path(tempfile.mkdtemp(dir=_ROOT.name)), n_partitions)


@st.composite
def steps(draw: st.DrawFn, order: str, with_optional: bool) -> tuple[FunnelStep, ...]:
    n = draw(st.integers(2, 4))
    found = []
    for k in range(n):
        conditions = draw(st.sampled_from([(), (), (), (Where(field="event.value", op=">=", values=("2",)),)]))
        found.append(
            FunnelStep(
                event=draw(st.sampled_from("aabbc*")),
                where=conditions,
                window_seconds=draw(st.sampled_from([None, None, 1, 2])) if k and order != "any" else None,
                is_optional=with_optional and 0 < k < n - 1 and draw(st.booleans()),
            )
        )
    return tuple(found)


@st.composite
def specs(draw: st.DrawFn, **fixed: Any) -> FunnelSpec:
    order = fixed.pop("order", None) or draw(st.sampled_from(["ordered", "strict", "any"]))
    with_optional = order == "ordered" and draw(st.booleans())
    asked = draw(steps(order, with_optional))
    exclusions: tuple[Exclusion, ...] = ()
    if order != "any" and not with_optional and draw(st.booleans()):
        after = draw(st.integers(1, len(asked) - 1))
        before = draw(st.integers(after + 1, len(asked)))
        exclusions = (Exclusion(event=draw(st.sampled_from("xxb")), after_step=after, before_step=before),)
    drawn: dict[str, Any] = {
        "window_seconds": st.integers(1, 8),
        "entry": st.sampled_from(["any", "any", "first"]),
        "grace_seconds": st.sampled_from([0, 0, 1, 2]),
        **fixed,
    }
    fields = {name: draw(value) if isinstance(value, st.SearchStrategy) else value for name, value in drawn.items()}
    return FunnelSpec(steps=asked, order=order, exclusions=exclusions, **fields)


def lanes(spec: FunnelSpec, events: list[Event]) -> list[list[Event]]:
    """Return the timelines to walk on their own: per session where sessions count, per item where it is held."""
    by_session, by_item = spec.counting == "sessions", spec.hold == "item"
    groups: dict[tuple[str, str], list[Event]] = {}
    for event in events:
        if not (by_session and event.session is None) and not (by_item and event.item is None):
            key = (event.session or "" if by_session else "", event.item or "" if by_item else "")
            groups.setdefault(key, []).append(event)
    return [Oracle(spec).snapped(groups[key]) for key in sorted(groups)]


def best(found: list[Found]) -> Found:
    """Return what counts for a user: the furthest lane, of these the one that entered first."""
    if not found:
        return 0, set(), []
    rank = {0: -2}
    return min(found, key=lambda one: (-rank.get(one[0], one[0]), one[2][0] if one[0] > 0 else 0))


def times_of(funnel: Funnel) -> list[list[int]]:
    _, rows, flat = funnel.times
    return [flat[a:b].tolist() for a, b in pairwise(rows.tolist())]


def known(found: Found) -> list[int]:
    return [-(2**62) if t is None else t for t in found[2]]


def agree(spec: FunnelSpec, times: list[list[int]], expected: list[Found]) -> None:
    """Compare step times where they mean something: up to the level, and of optional steps done."""
    assert len(times) == len(expected)
    for own, one in zip(times, expected, strict=True):
        places = [k for k, step in enumerate(spec.steps) if step.is_optional or k < one[0]]
        assert [own[k] for k in places] == [known(one)[k] for k in places]


@settings(max_examples=350, deadline=None)
@given(logs(), specs(hold=st.sampled_from([None, None, None, "item"])))
def test_users(log: Log, spec: FunnelSpec) -> None:
    funnel = compute_funnel(index_of(log), CONFIG, spec)
    oracle = Oracle(spec)
    expected = [best([oracle.one(lane) for lane in lanes(spec, log[user])]) for user in sorted(log)]
    assert funnel.levels.tolist() == [one[0] for one in expected]
    entered = [one for one in expected if one[0] > 0]
    agree(spec, times_of(funnel), entered)
    for k, step in enumerate(spec.steps):
        n = sum(k in one[1] for one in entered) if step.is_optional else sum(one[0] > k for one in entered)
        assert funnel.counts[k] == n == len(funnel.users((k + 1, "converted")))


@settings(max_examples=150, deadline=None)
@given(logs(), specs(counting=st.sampled_from(["sessions", "totals"]), hold=st.sampled_from([None, None, "item"])))
def test_sessions_and_totals(log: Log, spec: FunnelSpec) -> None:
    funnel = compute_funnel(index_of(log), CONFIG, spec)
    oracle = Oracle(spec)
    expected = []
    for code, user in enumerate(sorted(log)):
        for lane in lanes(spec, log[user]):
            found = oracle.totals(lane) if spec.counting == "totals" else [oracle.one(lane)]
            expected += [(code, one[0], known(one)) for one in found if one[0] > 0]
    owners = funnel.reached.owners.tolist()
    required = [k for k, step in enumerate(spec.steps) if not step.is_optional]
    rows = [
        (owner, level, [t[k] for k in required if k < level])
        for owner, level, t in zip(owners, funnel.levels.tolist(), times_of(funnel), strict=True)
    ]
    assert sorted(rows) == sorted((o, level, [t[k] for k in required if k < level]) for o, level, t in expected)
    for k, n in enumerate(funnel.counts.tolist()):
        if k in required:
            users = {owner for owner, level, _ in expected if level > k}
            assert n == sum(level > k for _, level, _ in expected)
            assert funnel.users((k + 1, "converted")).tolist() == sorted(users)


@settings(max_examples=150, deadline=None)
@given(random_rows(max_size=40, n_users=4, hours=24 * 20), specs(grace_seconds=0), st.sampled_from(["day", "week"]))
def test_trend_over_days_of_a_clock_change(rows: list[Any], spec: FunnelSpec, period: str) -> None:
    rows = [*rows, *(("zz", RANDOM_START_US, name, 1.0) for name in NAMES)]
    log = {user: [Event(t, name) for t, name in events] for user, events in timelines(rows).items()}
    spec = spec.model_copy(
        update={
            "window_seconds": spec.window_seconds * 86_400,
            "trend": period,
            "steps": tuple(
                step.model_copy(update={"where": (), "window_seconds": None, "is_optional": False})
                for step in spec.steps
            ),
        }
    )
    funnel = compute_funnel(index_of(log), NEW_YORK, spec)
    assert funnel.trend is not None
    periods = funnel.trend.periods
    expected = np.array([Oracle(spec).trend(log[user], periods) for user in sorted(log)])
    assert funnel.trend.entered.tolist() == (expected > 0).sum(axis=0).tolist()
    assert funnel.trend.converted.tolist() == (expected == len(spec.steps)).sum(axis=0).tolist()
    for k in range(len(periods)):
        assert funnel.trend.users(k, True).tolist() == np.flatnonzero(expected[:, k] == len(spec.steps)).tolist()


@settings(max_examples=60, deadline=None)
@given(logs(), specs(trend="day", counting=st.sampled_from(["users", "sessions", "totals"])), st.integers(0, 7))
def test_identities(log: Log, spec: FunnelSpec, group_bits: int) -> None:
    names = sorted(log)
    codes = np.array([-1 if k == 3 else group_bits >> k & 1 for k in range(len(names))], np.int32)
    spec = spec.model_copy(update={"labels": UserLabels("side", ("l", "r"), codes)})
    one, many = (compute_funnel(index_of(log, n), CONFIG, spec) for n in (1, 64))
    assert one.levels.tobytes() == many.levels.tobytes()
    assert one.times.flat.tobytes() == many.times.flat.tobytes()
    stamp = {"elapsed_seconds": 0}
    assert one.to_json() | stamp == many.to_json() | stamp
    required = [k for k, step in enumerate(spec.steps) if not step.is_optional]
    assert (np.diff(one.counts[required]) <= 0).all()
    for k in range(len(spec.steps)):
        by_group = [one.users((k + 1, "converted", name)) for name in one.groups]
        everyone = one.users((k + 1, "converted"))
        assert sorted(np.concatenate(by_group)) == [user for user in everyone.tolist() if codes[user] >= 0]
        if spec.counting == "users":
            assert one.group_counts[:, k].tolist() == [len(users) for users in by_group]
            dropped = one.users((k + 1, "dropped"))
            assert len(dropped) == (one.counts[one.walk.plan.previous[k]] - one.counts[k] if k else 0)
    assert one.trend is not None
    if spec.counting != "users":  # every session or attempt that entered did so in one period
        assert one.trend.entered.sum() >= one.counts[0]


def test_a_conversion_after_the_range_counts_where_asked_for() -> None:
    log = {"u": [Event(0, "a"), Event(25 * HOUR_US, "b")], "v": [Event(25 * HOUR_US, "a"), Event(26 * HOUR_US, "b")]}
    fields: dict[str, Any] = {"steps": ("a", "b"), "from_us": 0, "to_us": HOUR_US, "window_seconds": 30 * 3_600}
    assert compute_funnel(index_of(log), CONFIG, FunnelSpec(**fields)).counts.tolist() == [1, 0]
    later = compute_funnel(index_of(log), CONFIG, FunnelSpec(**fields, counts_after_range=True))
    assert later.counts.tolist() == [1, 1]  # u converts after the day; v enters after it, and does not count


def test_conditions_that_overlap_share_no_event() -> None:
    costly = EventMatch(event="a", where=(Where(field="event.value", op=">=", values=("2",)),))
    steps = (FunnelStep(event="a"), FunnelStep(event="a", where=costly.where))
    one = {"u": [Event(0, "a", 3.0)], "v": [Event(0, "a", 3.0), Event(0, "a", 1.0)]}
    # u's one event fills one step; of v's two the cheap one is step 1 and the costly one step 2.
    assert compute_funnel(index_of(one), CONFIG, FunnelSpec(steps=steps)).counts.tolist() == [2, 1]
