"""The language of this session, and the translation of everything shown in it."""

from __future__ import annotations

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from ulm_core.i18n import LANGUAGES, translator
from ulm_core.messages import N_, Message

__all__ = ["LANGUAGES", "LANGUAGE_KEY", "N_", "_", "language", "term", "text"]

LANGUAGE_KEY = "lang"
DEFAULT_LANGUAGE = "en"


def language() -> str:
    """Return the session's language: from the URL, else as chosen earlier, else the browser's.

    Outside a session (a unit test of a chart) there is none of these, and it is English.
    """
    if get_script_run_ctx(suppress_warning=True) is None:
        return DEFAULT_LANGUAGE
    for choice in (st.query_params.get(LANGUAGE_KEY), st.session_state.get("_language")):
        if choice in LANGUAGES:
            return str(choice)
    browser = (st.context.locale or DEFAULT_LANGUAGE).replace("_", "-").split("-")[0].lower()
    return browser if browser in LANGUAGES else DEFAULT_LANGUAGE


def _(template: str) -> str:
    """Return `template` in the session's language."""
    return translator(language())(template)


def text(message: Message | str) -> str:
    """Return a message of `ulm_core` in the session's language."""
    return message.render(_) if isinstance(message, Message) else str(message)


# Words of the house that arrive as data: stages, lifecycle statuses, intervals, event names of the
# sample, job and run states. Listing them here puts them into the catalogues.
TERMS = (
    N_("new"),
    N_("activated"),
    N_("active"),
    N_("converted"),
    N_("loyal"),
    N_("at risk"),
    N_("churned"),
    N_("resurrected"),
    N_("returning"),
    N_("resurrecting"),
    N_("dormant"),
    N_("day"),
    N_("week"),
    N_("month"),
    N_("purchase"),
    N_("coupon redeemed"),
    N_("campaign received"),
    N_("rating"),
    N_("pending"),
    N_("running"),
    N_("finished"),
    N_("failed"),
    N_("cancelled"),
    N_("killed"),
    N_("crashed"),
)


def term(word: str) -> str:
    """Return a word that arrives as data (a stage, an event) in the session's language, or itself."""
    return _(word) if word else ""
