"""Data: what is loaded, how good it is, where it came from, and adding more."""

from __future__ import annotations

import streamlit as st

from pages.parts import loadprogress, url
from pages.parts.adddata import draft, flow
from pages.parts.datapage import history, quality, summary
from pages.parts.frame import begin_admin_page
from pages.parts.guard import guarded
from pages.parts.i18n import N_, _

SECTIONS = {
    "loaded": (N_("What is loaded"), ":material/database:"),
    "quality": (N_("Quality"), ":material/fact_check:"),
    "loads": (N_("Loads"), ":material/history:"),
    "add": (N_("Add data"), ":material/add_circle:"),
}


def chose() -> None:
    url.put("section", st.session_state["data_section"])


def section() -> str:
    """Draw the sections of the page and return the chosen one; it stands in the address."""
    wanted = url.get("section")
    st.session_state["data_section"] = wanted if wanted in SECTIONS else "loaded"
    return str(
        st.segmented_control(
            _("Section"),
            list(SECTIONS),
            format_func=lambda name: f"{SECTIONS[name][1]} {_(SECTIONS[name][0])}",
            key="data_section",
            required=True,
            on_change=chose,
            label_visibility="collapsed",
        )
    )


with begin_admin_page("data") as data:
    draft.keep_choices()
    history.start_confirmed_undo()
    loadprogress.draw_loads(remember_failure=True)
    if data is None:
        with guarded():
            flow.draw(has_data=False)
    else:
        chosen = section()
        with guarded():
            if chosen == "add":
                flow.draw(has_data=True)
            else:
                {"loaded": summary, "quality": quality, "loads": history}[chosen].draw(data)
