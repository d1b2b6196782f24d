"""Stages: how users flow through them, how long they stay, what comes next, and the rules that define them."""

from __future__ import annotations

import streamlit as st

from pages.parts import url
from pages.parts.frame import begin_page
from pages.parts.i18n import N_, _
from pages.parts.stages import dwell, editor, flow, forecast, history, horizon

CONTROLS = ("period", "interval", "stage", "segment")
SECTIONS = {
    "flow": N_("Flow"),
    "time": N_("Time in a stage"),
    "forecast": N_("Forecast"),
    "rules": N_("Rules"),
}


def pick_section() -> str:
    """Draw which section is shown, kept in the URL, and return it."""
    asked = url.get("section", "flow")
    st.session_state["stages_section"] = asked if asked in SECTIONS else "flow"
    return str(
        st.segmented_control(
            _("Section"),
            list(SECTIONS),
            format_func=lambda name: _(SECTIONS[name]),
            key="stages_section",
            required=True,
            on_change=lambda: url.put("section", st.session_state["stages_section"]),
            label_visibility="collapsed",
        )
    )


with begin_page("stages", controls=CONTROLS) as view:
    section = pick_section()
    if section == "flow":
        flow.draw_flow(view)
        flow.draw_rates(view)
    elif section == "time":
        dwell.draw(view)
    elif section == "forecast":
        forecast.draw_what_if(view, forecast.draw_mix(view))
    else:
        editor.draw(view)
        history.draw(view, horizon.ask(view).days)
        horizon.draw(view)
