"""The address is the state: filters are read from the URL, and a change is written back to it.

Streamlit's own `bind="query-params"` writes an option's *label*, which differs by language; a link
copied in Chinese would then be broken in English. So values here are language-neutral words.
"""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

KEPT = (
    "period",
    "from",
    "to",
    "interval",
    "stage",
    "segment",
    "cohort",
    "sample",
    "compare",
    "compare_from",
    "match",
    "lang",
)
_SAVED = "_url_params"
_PAGE = "_url_page"


def get(key: str, default: str | None = None) -> str | None:
    """Return one value of the URL."""
    value = st.query_params.get(key, default)
    return value if value is None else str(value)


def get_all(key: str) -> list[str]:
    """Return every value of a repeated key."""
    return [str(value) for value in st.query_params.get_all(key)]


def put(key: str, value: str | Sequence[str] | None) -> None:
    """Set `key` in the URL; nothing, or an empty list, removes it."""
    if not value:
        st.query_params.pop(key, None)
    else:
        st.query_params[key] = value if isinstance(value, str) else list(value)
    _remember()


def _remember() -> None:
    st.session_state[_SAVED] = {key: get_all(key) for key in KEPT if key in st.query_params}


def keep(page: str) -> None:
    """Carry the shared filters along when the reader moves to another page.

    Streamlit clears the URL on navigation. Coming back to the same page with a key missing is the
    reader's own doing (browser back, edited address) and is left alone.
    """
    saved = st.session_state.get(_SAVED, {})
    if st.session_state.get(_PAGE) not in (None, page):
        for key, values in saved.items():
            if key not in st.query_params and values:
                st.query_params[key] = values if len(values) > 1 else values[0]
    st.session_state[_PAGE] = page
    _remember()
