"""Whose work it is: the name a reader goes by in this session. Nobody signs in yet, so it proves nothing."""

from __future__ import annotations

import streamlit as st

from pages.parts.i18n import _

_OWNER = "_owner"
MAX_OWNER = 60


def owner() -> str:
    """Return the name the reader chose for this session; empty when none."""
    return str(st.session_state.get(_OWNER, ""))


def _chose(key: str) -> None:
    st.session_state[_OWNER] = " ".join(str(st.session_state[key]).split())[:MAX_OWNER]


def owner_input(key: str) -> None:
    """Draw the field for the name, remembered for this session."""
    st.session_state[key] = owner()
    st.text_input(
        _("Your name"),
        key=key,
        max_chars=MAX_OWNER,
        placeholder=_("shown beside what you save"),
        help=_("Kept for this visit only. Nobody signs in yet: it says who saved something, and proves nothing."),
        on_change=_chose,
        args=(key,),
    )
