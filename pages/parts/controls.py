"""Controls whose value is in the URL."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date

import streamlit as st

from pages.parts import url
from pages.parts.i18n import _


def choose(name: str, label: str, options: Mapping[str, str], default: str, *, help_text: str | None = None) -> str:
    """Draw a choice among few and return it.

    Parameters
    ----------
    name
        Its key in the URL.
    options
        Language-neutral word -> what is shown (a template of the catalogue).
    default
        The option without a word in the URL.
    """
    key = f"choose_{name}"
    asked = url.get(name, default)
    st.session_state[key] = asked if asked in options else default

    def changed() -> None:
        chosen = st.session_state[key]
        url.put(name, None if chosen == default else chosen)

    st.segmented_control(
        label,
        list(options),
        format_func=lambda word: _(options[word]),
        key=key,
        required=True,
        on_change=changed,
        help=help_text,
    )
    return str(st.session_state[key])


def choose_number(
    name: str, label: str, default: int, least: int, most: int, *, width: int = 150, help_text: str | None = None
) -> int:
    """Draw a whole number from `least` to `most` and return it; what the URL asks beyond them is the default."""
    key = f"choose_{name}"
    asked = url.get(name, str(default)) or ""
    st.session_state[key] = int(asked) if asked.isdecimal() and least <= int(asked) <= most else default
    st.number_input(
        label,
        min_value=least,
        max_value=most,
        key=key,
        width=width,
        on_change=lambda: url.put(name, str(st.session_state[key])),
        help=help_text,
    )
    return int(st.session_state[key])


def choose_day(name: str, label: str, default: date, first: date, last: date, *, help_text: str | None = None) -> date:
    """Draw a calendar day within bounds and return it."""
    key = f"choose_{name}"
    try:
        asked = date.fromisoformat(url.get(name) or "")
    except ValueError:
        asked = default
    st.session_state[key] = min(max(asked, first), last)

    def changed() -> None:
        chosen = st.session_state[key]
        url.put(name, None if chosen == default else chosen.isoformat())

    st.date_input(
        label,
        min_value=first,
        max_value=last,
        format="YYYY-MM-DD",
        width=170,
        key=key,
        on_change=changed,
        help=help_text,
    )
    return st.session_state[key]  # type: ignore[no-any-return]


def choose_some(
    name: str, label: str, options: Sequence[str], *, most: int | None = None, help_text: str | None = None
) -> tuple[str, ...]:
    """Draw a choice of any number of names that come from the data, and return it."""
    key = f"choose_{name}"
    st.session_state[key] = [word for word in url.get_all(name) if word in options][:most]
    st.multiselect(
        label,
        list(options),
        format_func=spelled,
        key=key,
        max_selections=most,
        placeholder=_("None"),
        on_change=lambda: url.put(name, st.session_state[key]),
        help=help_text,
    )
    return tuple(st.session_state[key])


def choose_one(name: str, label: str, options: Sequence[str], *, width: int = 220) -> str:
    """Draw a choice among many names that come from the data, and return it; the first is the default."""
    key = f"choose_{name}"
    asked = url.get(name)
    st.session_state[key] = asked if asked in options else options[0]
    st.selectbox(
        label,
        list(options),
        format_func=spelled,
        key=key,
        width=width,
        on_change=lambda: url.put(name, st.session_state[key]),
    )
    return str(st.session_state[key])


def spelled(name: str) -> str:
    """Return a column's name as a word."""
    return name.replace("_", " ").capitalize()
