"""The control that picks an event of the log, or any."""

from __future__ import annotations

import streamlit as st

from pages.parts import url
from pages.parts.frame import View
from pages.parts.i18n import _, term
from ulm_core.lifecycle.conditions import EventMatch
from ulm_core.lifecycle.events import ANY_EVENT


def _spelled(name: str) -> str:
    return _("Anything active") if name == ANY_EVENT else term(name)


def pick_event(view: View, name: str, label: str, *, default: str = ANY_EVENT, any_event: bool = True) -> EventMatch:
    """Draw the choice and return the event.

    Parameters
    ----------
    name
        Its key in the URL.
    default
        The event without a word in the URL.
    any_event
        Whether "anything active" is a choice.
    """
    options = [*([ANY_EVENT] if any_event else []), *view.data.summary.events]
    key = f"choose_{name}"
    asked = url.get(name, default)
    st.session_state[key] = asked if asked in options else default
    st.selectbox(
        label,
        options,
        format_func=_spelled,
        key=key,
        width=190,
        on_change=lambda: url.put(name, None if st.session_state[key] == default else st.session_state[key]),
    )
    # Not parsed: a name may hold brackets.
    return EventMatch.model_construct(event=str(st.session_state[key]), where=())
