"""Every cohort in words: templates that are translated where they are shown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ulm_core.lifecycle.cohorts import model as m
from ulm_core.lifecycle.events import ANY_EVENT
from ulm_core.messages import N_, Message, message

_TIMES = {
    ">=": N_("did {event} at least {n:g} times {window}"),
    "<=": N_("did {event} at most {n:g} times {window}"),
    "==": N_("did {event} exactly {n:g} times {window}"),
}
_PLAIN: dict[tuple[str, float], str] = {
    (">=", 1): N_("did {event} at least once {window}"),
    ("==", 0): N_("did no {event} {window}"),
    ("<=", 0): N_("did no {event} {window}"),
}
_SUMS = {
    ("value", ">="): N_("have {event} worth at least {n:g} in all {window}"),
    ("value", "<="): N_("have {event} worth at most {n:g} in all {window}"),
    ("quantity", ">="): N_("have {event} of at least {n:g} pieces {window}"),
    ("quantity", "<="): N_("have {event} of at most {n:g} pieces {window}"),
}
_SOURCES = {
    "upload": N_("are in an uploaded list of {n:,} ids"),
    "static": N_("are among {n:,} users fixed on {day} who {rule}"),
    "list": N_("are in a list of {n:,} users"),
}


def describe(rule: Any) -> Message:
    """Return "users who ..." for a rule."""
    return message(N_("Users who {rule}"), rule=_phrase(rule))


def _phrase(rule: Any) -> Message:
    phrase: Message = _PHRASES[rule.kind](rule)
    return phrase


def _event(name: str) -> Message:
    return message(N_("any event")) if name == ANY_EVENT else message(N_("“{event}”"), event=message(name))


def _window(window: m.Window) -> Message:
    if window.last_days:
        span = message(N_("in the last {days:g} days"), days=window.last_days)
    elif window.first_day and window.last_day:
        span = message(N_("from {first} to {last}"), first=window.first_day, last=window.last_day)
    elif window.first_day:
        span = message(N_("since {first}"), first=window.first_day)
    elif window.last_day:
        span = message(N_("up to {last}"), last=window.last_day)
    else:
        span = message(N_("at any time"))
    if window.within_days:
        if window == m.Window(within_days=window.within_days):
            return message(N_("within {days:g} days"), days=window.within_days)
        return message(N_("{span} within {days:g} days of each other"), span=span, days=window.within_days)
    return span


def clause_sentence(clause: m.Clause) -> Message:
    """Return one clause in words."""
    if clause.measure == "times":
        template = _PLAIN.get((clause.op, clause.amount), _TIMES[clause.op])
    else:
        template = _SUMS[clause.measure, clause.op]
    return message(template, event=_event(clause.event), n=clause.amount, window=_window(clause.window))


def _joined(phrases: Sequence[Message], template: str) -> Message:
    whole = phrases[0]
    for phrase in phrases[1:]:
        whole = message(template, first=whole, second=phrase)
    return whole


def _behaviour(rule: m.Behaviour) -> Message:
    template = N_("{first}, then {second}") if rule.in_order else N_("{first} and {second}")
    whole = _joined([clause_sentence(clause) for clause in rule.clauses], template)
    quiet = rule.then_silent
    if quiet is None:
        return whole
    if quiet.event == ANY_EVENT:
        return message(N_("{behaviour}, then nothing for {days:g} days"), behaviour=whole, days=quiet.days)
    return message(
        N_("{behaviour}, then no {event} for {days:g} days"),
        behaviour=whole,
        event=_event(quiet.event),
        days=quiet.days,
    )


def _attribute(rule: m.HasAttribute) -> Message:
    fields = {"name": rule.name.replace("_", " "), "values": ", ".join(rule.values)}
    if not rule.values:
        return message(N_("have the attribute {name}") if rule.is_in else N_("lack the attribute {name}"), **fields)
    return message(N_("have {name}: {values}") if rule.is_in else N_("do not have {name}: {values}"), **fields)


def _moment(moment: m.Moment) -> Message:
    if moment.day is not None:
        return message(N_("at the end of {day}"), day=moment.day)
    return message(N_("{days:g} days ago"), days=moment.days_ago) if moment.days_ago else message(N_("now"))


def _stages(names: Sequence[str]) -> Message:
    if not names:
        return message(N_("any stage"))
    return _joined([message(N_("“{event}”"), event=message(name)) for name in names], N_("{first} or {second}"))


def _stage(rule: m.InStage) -> Message:
    return message(N_("are in stage {stages} {when}"), stages=_stages(rule.stages), when=_moment(rule.at))


def _moved(rule: m.Moved) -> Message:
    return message(
        N_("went from {before} ({first}) to {after} ({second})"),
        before=_stages(rule.before), first=_moment(rule.first), after=_stages(rule.after), second=_moment(rule.second),
    )  # fmt: skip


def _listed(rule: m.Listed) -> Message:
    if rule.source == "static" and rule.origin is not None:
        day = rule.as_of.date() if rule.as_of else ""
        return message(_SOURCES["static"], n=rule.n_given - rule.n_unmatched, day=day, rule=_phrase(rule.origin))
    source = "list" if rule.source == "static" else rule.source
    return message(_SOURCES[source], n=rule.n_given)


def _saved(rule: m.SavedCohort) -> Message:
    return message(N_("are in the cohort “{name}”"), name=rule.name)


def _grouped(rule: Any) -> Message:
    phrase = _phrase(rule)
    return message(N_("({rule})"), rule=phrase) if m.parts(rule) and rule.kind != "not" else phrase


def _all(rule: m.AllOf) -> Message:
    return _joined([_grouped(part) for part in rule.rules], N_("{first} and {second}"))


def _any(rule: m.AnyOf) -> Message:
    return _joined([_grouped(part) for part in rule.rules], N_("{first} or {second}"))


def _not(rule: m.NoneOf) -> Message:
    return message(N_("do not belong to: {rule}"), rule=_phrase(rule.rule))


_PHRASES: dict[str, Any] = {
    "behaviour": _behaviour,
    "attribute": _attribute,
    "stage": _stage,
    "transition": _moved,
    "users": _listed,
    "cohort": _saved,
    "all": _all,
    "any": _any,
    "not": _not,
}
