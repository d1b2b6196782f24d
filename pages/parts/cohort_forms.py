"""The forms that build cohorts, one a kind; each returns the rule it describes, None while it is not whole."""

from __future__ import annotations

from datetime import date
from typing import Any

import streamlit as st

from pages.parts.frame import View
from pages.parts.i18n import N_, _, term
from ulm_core.lifecycle.cohorts import model as m
from ulm_core.lifecycle.cohorts.store import Cohorts
from ulm_core.lifecycle.events import ANY_EVENT
from ulm_core.lifecycle.rules import NOT_YET_SEEN
from ulm_core.warehouse.reports import attribute_values

OPS = {">=": N_("at least"), "<=": N_("at most"), "==": N_("exactly")}
MEASURES = {"times": N_("times"), "value": N_("in value"), "quantity": N_("in pieces")}
WINDOWS = {
    "ever": N_("at any time"),
    "last": N_("in the last … days"),
    "within": N_("within any … days"),
    "between": N_("between two days"),
}
MOMENTS = {"now": N_("at the end of the period"), "ago": N_("days before"), "day": N_("on a day")}
JOINS = {"all": N_("all of them"), "any": N_("any of them"), "not": N_("none of them")}
_CLAUSES = "cohort_clauses"


def row() -> Any:
    """Return a row of controls that stand on one line."""
    return st.container(horizontal=True, vertical_alignment="bottom", gap="small")


def choice(label: str, options: dict[str, str], key: str, width: int = 150) -> str:
    """Draw a choice among words of ours, spelled in the session's language, and return the word."""
    spelled = {word: _(template) for word, template in options.items()}
    shown = st.selectbox(
        label,
        list(options),
        format_func=spelled.__getitem__,
        key=key,
        width=width,
    )
    return str(shown)


def _event(view: View, key: str, label: str) -> str:
    spelled = {ANY_EVENT: _("any event"), **{name: term(name) for name in view.data.summary.events}}
    chosen = st.selectbox(
        label,
        list(spelled),
        key=key,
        width=240,
        accept_new_options=True,
        format_func=lambda name: spelled.get(name, name),
        help=_("An event of the log, or one with conditions: purchase[item.category=MILK][value>=5]."),
    )
    return str(chosen or ANY_EVENT)


def _days(key: str, label: str, value: int = 30) -> float:
    return float(st.number_input(label, min_value=1, max_value=3650, value=value, step=1, key=key, width=120))


def _dates(view: View, key: str, label: str) -> tuple[date, date] | None:
    first, last = view.data.local_days
    chosen = st.date_input(label, value=(first, last), key=key, format="YYYY-MM-DD", width=230)
    return (chosen[0], chosen[1]) if isinstance(chosen, tuple) and len(chosen) == 2 else None


def _window(view: View, key: str, op: str) -> m.Window:
    options = {word: label for word, label in WINDOWS.items() if word != "within" or op == ">="}
    kind = choice(_("When"), options, f"{key}_window", 190)
    if kind == "last":
        return m.Window(last_days=_days(f"{key}_days", _("Days")))
    if kind == "within":
        return m.Window(within_days=_days(f"{key}_span", _("Days")))
    if kind == "between":
        chosen = _dates(view, f"{key}_between", _("From – to"))
        return m.Window(first_day=chosen[0], last_day=chosen[1]) if chosen else m.Window()
    return m.Window()


def _clause(view: View, number: int) -> m.Clause:
    key = f"cohort_clause_{number}"
    with row():
        event = _event(view, f"{key}_event", _("Did"))
        op = choice(_("How often"), OPS, f"{key}_op", 120)
        least = 1 if op == ">=" else 0
        amount = st.number_input(_("Amount"), min_value=least, value=1, step=1, key=f"{key}_amount", width=110)
        measures = {word: label for word, label in MEASURES.items() if word == "times" or op != "=="}
        measure = choice(_("Counted"), measures, f"{key}_measure", 110)
        window = _window(view, key, op)
        if number and st.button("", icon=":material/delete:", key=f"{key}_drop", help=_("Remove this condition")):
            st.session_state[_CLAUSES].remove(number)
            st.rerun()
    return m.Clause(event=event, op=op, amount=amount, measure=measure, window=window)


def behaviour(view: View) -> m.Behaviour:
    """Draw the form of a cohort by what users did, and return its rule."""
    numbers = st.session_state.setdefault(_CLAUSES, [0])
    clauses = tuple(_clause(view, number) for number in numbers)
    quiet = None
    with row():
        if len(numbers) < m.MAX_CLAUSES and st.button(_("Add a condition"), icon=":material/add:", key="cohort_add"):
            numbers.append(max(numbers) + 1)
            st.rerun()
        in_order = len(numbers) > 1 and st.toggle(
            _("In this order"),
            key="cohort_in_order",
            help=_("Each condition counts only what came after the one before was met."),
        )
        if st.toggle(_("Then nothing"), key="cohort_silent", help=_("Silent up to the time the cohort is looked at.")):
            days = _days("cohort_silent_days", _("for days"), 28)
            quiet = m.Silence(days=days, event=_event(view, "cohort_silent_event", _("Nothing means no")))
    return m.Behaviour(clauses=clauses, in_order=bool(in_order), then_silent=quiet)


def attribute(view: View) -> m.HasAttribute | None:
    """Draw the form of a cohort by a user attribute, and return its rule."""
    known = view.data.remember("attribute_values", "", lambda: attribute_values(view.data.snapshot))
    if not known:
        st.caption(_("This data says nothing about its users beside the log."))
        return None
    with row():
        name = st.selectbox(
            _("Attribute"),
            list(known),
            key="cohort_attribute",
            width=220,
            format_func=lambda word: word.replace("_", " ").capitalize(),
        )
        is_in = choice(_("Condition"), {"in": N_("is"), "out": N_("is not")}, "cohort_attribute_is", 110) == "in"
        values = st.multiselect(
            _("Values"), known[name], key=f"cohort_attribute_{name}", placeholder=_("known at all"), width=380
        )
    return m.HasAttribute(name=name, values=tuple(values), is_in=is_in)


def _stages(view: View, label: str, key: str, *, also_unseen: bool = False) -> tuple[str, ...]:
    named = dict.fromkeys(rule.name for rule in view.data.rules.rules)
    options = [*named, *([NOT_YET_SEEN] if also_unseen else [])]
    return tuple(st.multiselect(label, options, key=key, format_func=term, placeholder=_("Any"), width=330))


def _moment(view: View, label: str, key: str, default: str) -> m.Moment:
    options = list(MOMENTS)
    ordered = {word: MOMENTS[word] for word in [default, *(word for word in options if word != default)]}
    kind = choice(label, ordered, f"{key}_kind", 190)
    if kind == "ago":
        return m.Moment(days_ago=_days(f"{key}_days", _("Days"), 28))
    if kind == "day":
        last = view.data.local_days[1]
        return m.Moment(day=st.date_input(_("Day"), value=last, key=f"{key}_day", format="YYYY-MM-DD", width=150))
    return m.NOW


def stage(view: View) -> m.InStage | None:
    """Draw the form of a cohort by stage, and return its rule."""
    with row():
        stages = _stages(view, _("In one of the stages"), "cohort_stages")
        at = _moment(view, _("When"), "cohort_stage_at", "now")
    return m.InStage(stages=stages, at=at) if stages else None


def transition(view: View) -> m.Moved | None:
    """Draw the form of a cohort by a move between stages, and return its rule."""
    with row():
        before = _stages(view, _("Was in"), "cohort_before", also_unseen=True)
        first = _moment(view, _("When"), "cohort_first", "ago")
    with row():
        after = _stages(view, _("Then in"), "cohort_after")
        second = _moment(view, _("Then when"), "cohort_second", "now")
    return m.Moved(before=before, after=after, first=first, second=second) if before or after else None


def combination(view: View) -> Any | None:
    """Draw the form of a cohort made of saved ones, and return its rule."""
    names = Cohorts(view.data.workspace).names()
    if not names:
        st.caption(_("Save a cohort first; then it can be combined with others here."))
        return None
    with row():
        how = choice(_("Users who belong to"), JOINS, "cohort_join", 160)
        chosen = st.multiselect(_("Cohorts"), names, key="cohort_parts", placeholder=_("Choose"), width=340)
        without = st.multiselect(_("but not to"), names, key="cohort_without", placeholder=_("none"), width=300)
    parts = tuple(m.SavedCohort(name=name) for name in chosen)
    if not parts:
        return None
    base: Any = m.AllOf(rules=parts) if how == "all" else m.AnyOf(rules=parts)
    base = m.NoneOf(rule=base) if how == "not" else base
    if not without:
        return base
    return m.AllOf(rules=(base, m.NoneOf(rule=m.AnyOf(rules=tuple(m.SavedCohort(name=name) for name in without)))))


def written(_view: View) -> Any | None:
    """Draw the field for a rule in JSON, and return the rule; any nesting can be written so."""
    text = st.text_area(
        _("Rule (JSON)"), key="cohort_json", height=180, placeholder='{"kind": "stage", "stages": ["new"]}'
    )
    st.caption(_("Every kind of rule, nested as you like: see docs/cohorts.md."))
    return m.read_rule(text) if text.strip() else None


FORMS = {
    "behaviour": (N_("What they did"), behaviour),
    "attribute": (N_("Who they are"), attribute),
    "stage": (N_("Stage"), stage),
    "transition": (N_("Move between stages"), transition),
    "combination": (N_("Combine cohorts"), combination),
    "written": (N_("JSON"), written),
}
