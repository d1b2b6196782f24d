"""Who meets a behaviour, decided by reading the definition aloud: no pointers, no running sums."""

from __future__ import annotations

import math
from collections.abc import Sequence

from tests.lifecycle.logs import CONFIG, Row
from ulm_core.lifecycle.cohorts.evaluate import day_start_us
from ulm_core.lifecycle.cohorts.model import Behaviour, Clause
from ulm_core.lifecycle.periods import DAY_US

Event = tuple[int, str, float | None]


def counts(event: str, name: str) -> bool:
    return event == name or (name == "*" and event not in CONFIG.passive_events)


def amount(clause: Clause, event: Event) -> float:
    return 1.0 if clause.measure == "times" else float(event[2] or 0.0)


def looked_at(clause: Clause, events: Sequence[Event], end: int, after: float) -> list[Event]:
    window = clause.window
    found = [event for event in events if event[0] < end and event[0] > after and counts(event[1], clause.event)]
    if window.last_days:
        found = [event for event in found if event[0] >= end - window.last_days * DAY_US]
    if window.first_day:
        found = [event for event in found if event[0] >= day_start_us(window.first_day, CONFIG)]
    if window.last_day:
        found = [event for event in found if event[0] < day_start_us(window.last_day, CONFIG) + DAY_US]
    return found


def met_at(clause: Clause, events: Sequence[Event], end: int, after: float) -> float | None:
    """Return when the clause is met; `after` itself for clauses met by what did not happen; None: not met."""
    found = looked_at(clause, events, end, after)
    if clause.op != ">=":
        total = sum(amount(clause, event) for event in found)
        holds = total <= clause.amount if clause.op == "<=" else total == clause.amount
        return after if holds else None
    for i, last in enumerate(found):
        span = clause.window.within_days
        inside = [event for event in found[: i + 1] if not span or event[0] >= last[0] - span * DAY_US]
        if sum(amount(clause, event) for event in inside) >= clause.amount:
            return last[0]
    return None


def belongs(rule: Behaviour, events: Sequence[Event], at_us: int) -> bool:
    quiet = rule.then_silent
    end = at_us - round(quiet.days * DAY_US) if quiet else at_us
    after: float = -math.inf
    for clause in rule.clauses:
        met = met_at(clause, events, end, after)
        if met is None:
            return False
        after = met if rule.in_order else -math.inf
    return quiet is None or not [e for e in events if end <= e[0] < at_us and counts(e[1], quiet.event)]


def members(rule: Behaviour, rows: Sequence[Row], at_us: int) -> list[bool]:
    """Return who belongs, users in the order of their ids; nobody without an event before `at_us`."""
    users: dict[str, list[Event]] = {}
    for row in sorted(rows, key=lambda row: (row[0], row[1])):
        users.setdefault(row[0], []).append((row[1], row[2], row[3] if len(row) > 3 else None))
    return [belongs(rule, events, at_us) and events[0][0] < at_us for events in users.values()]
