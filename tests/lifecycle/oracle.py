"""Slow, obvious versions of the kernels: they enumerate what the definitions say."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from ulm_core.lifecycle.periods import DAY_US, Periods, local_datetime
from ulm_core.lifecycle.rules import StageRules
from ulm_core.lifecycle.stage_conditions import Condition

Timeline = Sequence[tuple[int, str]]


def is_active(event: str) -> bool:
    return event != "mail"


def matches(event: str, step: str) -> bool:
    return is_active(event) if step == "*" else event == step


WholeTimeline = Sequence[tuple[int, str, float, "str | None"]]


def feature(condition: Condition, events: WholeTimeline, t: int, timezone: str) -> float:
    """Return the feature of a condition at t, from the active events before t (there is at least one)."""
    before = [row for row in events if row[0] < t and is_active(row[1])]
    times = [row[0] for row in before]
    window = round(condition.window * DAY_US)
    inside = [row for row in before if row[0] >= t - window]
    dates = sorted({local_datetime(when, timezone).date() for when in times})
    today = local_datetime(t - 1, timezone).date()  # at midnight, the day that has just ended

    returns = [b for a, b in itertools.pairwise(times) if b - a > window]
    return {
        "days_since_first": (t - times[0]) / DAY_US,
        "days_since_last": (t - times[-1]) / DAY_US,
        "days_since_return": (t - returns[-1]) / DAY_US if returns else float("inf"),
        "active_days": len(dates),
        "active_days_window": len({local_datetime(row[0], timezone).date() for row in inside}),
        "conversions_window": sum(row[1] == "buy" for row in inside),
        "conversions": sum(row[1] == "buy" for row in before),
        "events_window": len(inside),
        "sessions_window": sum(not _same_session(a, b) for a, b in itertools.pairwise(inside)) + bool(inside),
        "value_window": sum(round(v * 100) for _, e, v, _ in inside if e == "buy" and v == v) / 100,
        "calendar_days_since_first": (today - dates[0]).days,
        "calendar_days_since_last": (today - dates[-1]).days,
        "calendar_days_between": (dates[-1] - dates[-2]).days if len(dates) > 1 else float("inf"),
    }[condition.feature]


def _same_session(one: tuple[int, str, float, str | None], other: tuple[int, str, float, str | None]) -> bool:
    if one[3] is None or other[3] is None:
        return other[0] - one[0] <= 30 * 60 * 1_000_000
    return one[3] == other[3]


def stage(rules: StageRules, events: WholeTimeline, t: int, timezone: str) -> str | None:
    """Return the stage at t: the first rule that holds; None before the first active event."""
    compare = {
        "<": float.__lt__, "<=": float.__le__, ">": float.__gt__, ">=": float.__ge__, "==": float.__eq__,
    }  # fmt: skip
    if not any(row[0] < t and is_active(row[1]) for row in events):
        return None
    for rule in rules.rules:
        if all(compare[c.op](float(feature(c, events, t, timezone)), c.threshold) for c in rule.conditions):
            return rule.name
    raise AssertionError("the last rule always holds")


def position(periods: Periods, t: int) -> int | None:
    """Return which period holds t."""
    for k in range(len(periods)):
        if periods.starts_us[k] <= t < periods.starts_us[k + 1]:
            return k
    return None


def activity(events: Timeline, periods: Periods, before_us: int) -> list[str | None]:
    """Return the activity of one user per period; `before_us` starts the period before the first."""
    times = [t for t, e in events if is_active(e)]

    def active_in(start: int, end: int) -> bool:
        return any(start <= t < end for t in times)

    bounds = [before_us, *periods.starts_us.tolist()]
    found: list[str | None] = []
    for k in range(1, len(bounds) - 1):
        now, previous = active_in(bounds[k], bounds[k + 1]), active_in(bounds[k - 1], bounds[k])
        if now and min(times) >= bounds[k]:
            found.append("new")
        elif now:
            found.append("returning" if previous else "resurrecting")
        else:
            found.append("dormant" if previous else None)
    return found


def cohorts(events: Timeline, periods: Periods, start: str, kind: str) -> set[int]:
    """Return the cohorts (period numbers) of one user."""
    times = [t for t, e in events if matches(e, start)]
    inside = [k for k in (position(periods, t) for t in times) if k is not None]
    if kind == "recurring":
        return set(inside)
    if kind == "first-ever":
        return {k for k in [position(periods, min(times))] if k is not None} if times else set()
    return set(inside[:1])


def returns(events: Timeline, periods: Periods, name: str, least: int) -> set[int]:
    """Return the periods with at least `least` return events."""
    inside = [position(periods, t) for t, e in events if matches(e, name)]
    return {k for k in inside if k is not None and inside.count(k) >= least}


def cohort_starts(events: Timeline, periods: Periods, start: str, kind: str) -> dict[int, int]:
    """Return the user's cohorts (period numbers) with the time of the first start event in each."""
    first: dict[int, int] = {}
    for t, e in events:
        k = position(periods, t)
        if k is not None and matches(e, start):
            first.setdefault(k, t)
    return {k: first[k] for k in cohorts(events, periods, start, kind)}


def back_at(events: Timeline, bounds: Sequence[int], name: str, least: int) -> list[bool]:
    """Return for each stretch between two bounds whether it holds enough return events."""
    inside = [[t for t, e in events if matches(e, name) and a <= t < b] for a, b in itertools.pairwise(bounds)]
    return [len(times) >= least for times in inside]


def counts_in(back: Sequence[bool], first: int, last: int, mode: str) -> bool:
    """Return whether a user who was back at these lags counts in the column of lags `first` to `last`."""
    lags = [lag for lag, is_back in enumerate(back) if is_back and lag >= 1]
    if mode == "on":
        return any(first <= lag <= last for lag in lags)
    if mode == "on-or-after":
        return any(lag >= first for lag in lags)
    return any(lag <= last for lag in lags)


def churn(events: Timeline, horizon: int, end: int, origin: int | None = None) -> tuple[int, bool] | None:
    """Return (observed us, churned) of one user, None when not at risk."""
    times = [t for t, e in events if is_active(e)]
    if not times or (origin is not None and not any(t < origin for t in times)):
        return None
    start = times[0] if origin is None else origin
    known = [t for t in times if t < start] if origin is not None else []
    if known and start - known[-1] > horizon:
        return None
    later = known[-1:] + [t for t in times if t >= start]
    for t, following in zip(later, [*later[1:], end], strict=True):
        if following - t > horizon:
            return t + horizon - start, True
    return end - start, False
