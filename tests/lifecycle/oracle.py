"""Slow, obvious versions of the kernels: they enumerate what the definitions say."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from ulm_core.lifecycle.periods import DAY_US, Periods, local_datetime
from ulm_core.lifecycle.rules import Condition, StageRules

Timeline = Sequence[tuple[int, str]]


def is_active(event: str) -> bool:
    return event != "mail"


def matches(event: str, step: str) -> bool:
    return is_active(event) if step == "*" else event == step


def feature(condition: Condition, events: Timeline, t: int, timezone: str) -> float:
    """Return the feature of a condition at t, from the active events before t (there is at least one)."""
    before = [(when, event) for when, event in events if when < t and is_active(event)]
    times = [when for when, _ in before]
    window = round((condition.window_days or 0) * DAY_US)
    inside = [(when, event) for when, event in before if when >= t - window]

    def n_days(rows: Timeline) -> int:
        return len({local_datetime(when, timezone).date() for when, _ in rows})

    returns = [b for a, b in itertools.pairwise(times) if b - a > window]
    return {
        "days_since_first": (t - times[0]) / DAY_US,
        "days_since_last": (t - times[-1]) / DAY_US,
        "days_since_return": (t - returns[-1]) / DAY_US if returns else float("inf"),
        "active_days": n_days(before),
        "active_days_window": n_days(inside),
        "conversions_window": sum(event == "buy" for _, event in inside),
    }[condition.feature]


def stage(rules: StageRules, events: Timeline, t: int, timezone: str) -> str | None:
    """Return the stage at t: the first rule that holds; None before the first active event."""
    compare = {
        "<": float.__lt__, "<=": float.__le__, ">": float.__gt__, ">=": float.__ge__, "==": float.__eq__,
    }  # fmt: skip
    if not any(when < t and is_active(event) for when, event in events):
        return None
    for rule in rules.rules:
        if all(compare[c.op](float(feature(c, events, t, timezone)), c.value) for c in rule.conditions):
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
