"""The question of the page Retention: its controls, all in the URL, and the spec they stand for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import streamlit as st

from pages.parts import url
from pages.parts.breakdown import pick_breakdown
from pages.parts.controls import choose
from pages.parts.events import pick_event
from pages.parts.frame import View
from pages.parts.i18n import N_, _, text
from ulm_core.errors import InputError
from ulm_core.lifecycle.filters import UserLabels
from ulm_core.lifecycle.parsing import parse_brackets
from ulm_core.lifecycle.periods import INTERVALS
from ulm_core.lifecycle.retention import RetentionSpec

KINDS = {"first-time": N_("First time"), "first-ever": N_("First ever"), "recurring": N_("Recurring")}
MODES = {
    "on": N_("On exactly"),
    "on-or-after": N_("On or after"),
    "on-or-before": N_("On or before"),
    "streak": N_("Streak"),
}
WINDOWS = {"calendar": N_("Calendar"), "own": N_("24-hour windows")}
MEASURES = {"users": N_("Users"), "sum": N_("Sum of value"), "average": N_("Value per user")}
SHAPES = {"triangle": N_("Up to the end of the period"), "square": N_("As long for every cohort")}
PERIOD_WORDS = {
    "hour": N_("Hour"), "day": N_("Day"), "week": N_("Week"), "month": N_("Month"), "quarter": N_("Quarter"),
}  # fmt: skip
KIND_HELP = N_(
    "First time: everybody's first start in the period shown. First ever: only users whose first start in the whole "
    "log lies in it. Recurring: a user is in the cohort of every period with a start."
)
MODE_HELP = N_(
    "On: back in exactly that period. On or after: in it or any later one. On or before: in it or any one since the "
    "start. Streak: in it and every one since the start."
)
WINDOW_HELP = N_(
    "Calendar: days, weeks, months of the time zone. 24-hour windows: each user's own day begins with the start event; "
    "a week is 7 such days, a month 30."
)


@dataclass(frozen=True)
class Asked:
    """What the reader asks: the spec, how to show it, and what its groups stand for."""

    spec: RetentionSpec
    measure: str
    by: str


def draw_question(view: View) -> Asked:
    """Draw the controls and return the question."""
    with st.container(border=True, key="retention_question"):
        with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
            fields: dict[str, Any] = {
                "start_event": pick_event(view, "start", _("Starts with")),
                "return_event": pick_event(view, "return", _("Comes back with")),
            }
            fields["interval"] = _interval(view)
            by, labels = pick_breakdown(view)
        with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
            fields["kind"] = choose("kind", _("Cohort"), KINDS, "first-time", help_text=_(KIND_HELP))
            fields["mode"] = choose("mode", _("Back"), MODES, "on", help_text=_(MODE_HELP))
            measure = _more(fields)
    return Asked(_spec(view, fields, labels), measure, by)


def _interval(view: View) -> str:
    """Draw the length of a period: all the kernel knows, not only those of the filter bar."""
    asked = url.get("unit", view.filters.interval)
    st.session_state["retention_interval"] = asked if asked in INTERVALS else view.filters.interval
    st.selectbox(
        _("Length of a period"),
        INTERVALS,
        format_func=lambda word: _(PERIOD_WORDS[word]),
        key="retention_interval",
        width=150,
        on_change=lambda: url.put("unit", st.session_state["retention_interval"]),
    )
    return str(st.session_state["retention_interval"])


def _more(fields: dict[str, Any]) -> str:
    """Draw what is asked less often, fill it into `fields` and return the measure."""
    with st.popover(_("More"), icon=":material/tune:", key="retention_more"):
        windows = choose("windows", _("Windows"), WINDOWS, "calendar", help_text=_(WINDOW_HELP))
        shape = choose("shape", _("Followed"), SHAPES, "triangle")
        measure = choose("measure", _("Cells show"), MEASURES, "users")
        least = _least()
        brackets = _brackets()
    fields |= {"own_windows": windows == "own", "min_occurrences": least, "brackets": brackets}
    fields["is_square"] = shape == "square"
    fields["with_value"] = measure != "users"
    return measure


def _least() -> int:
    asked = url.get("least", "1") or ""
    st.session_state["retention_least"] = int(asked) if asked.isdecimal() and 1 <= int(asked) <= 1000 else 1
    st.number_input(
        _("Return events per period, at least"),
        min_value=1,
        max_value=1000,
        key="retention_least",
        on_change=lambda: url.put(
            "least", str(st.session_state["retention_least"]) if st.session_state["retention_least"] > 1 else None
        ),
    )
    return int(st.session_state["retention_least"])


def _brackets() -> tuple[tuple[int, int], ...] | None:
    st.session_state["retention_brackets"] = asked = url.get("brackets", "") or ""
    st.text_input(
        _("Columns of several periods"),
        key="retention_brackets",
        placeholder="1, 2-7, 8-14",
        help=_("Lags and ranges of them, both ends included; leave empty for one column a period."),
        on_change=lambda: url.put("brackets", st.session_state["retention_brackets"].strip() or None),
    )
    if not asked:
        return None
    try:
        brackets = parse_brackets(asked)
        RetentionSpec.checked(brackets=brackets)
    except InputError as error:
        st.caption(":material/error: " + text(error.message))
        return None
    return brackets


def _spec(view: View, fields: dict[str, Any], labels: UserLabels | None) -> RetentionSpec:
    """Return the spec; values are added up in mode "on" only, whatever the mode of the users."""
    is_square = fields.pop("is_square")
    if fields["with_value"]:
        fields["mode"] = "on"
    low, high = view.range_us
    spec = RetentionSpec.checked(**fields, labels=labels, from_us=low, to_us=high)
    if not is_square:
        return spec
    n_cohorts = len(spec.periods(view.data.index, view.data.config, spec.interval))
    return spec.model_copy(update={"follow": n_cohorts})
