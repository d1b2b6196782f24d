"""Colours by meaning, resolved by the browser for the light or dark theme.

Streamlit replaces a handful of reserved colours in a plotly figure by those of the theme that the
reader sees, at draw time. Using them means a figure is right on the first paint and stays right when
the reader switches theme, which a colour chosen on the server is not (`st.context.theme` lags one run).
The colours themselves are in `.streamlit/config.toml`; the order of `_SLOTS` is the order there.
"""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

_SLOTS = (
    "new",
    "returning",
    "resurrected",
    "dormant",
    "activated",
    "active",
    "converted",
    "loyal",
    "at risk",
    "churned",
)
_ALIASES = {"resurrecting": "resurrected"}

LIFECYCLE_ORDER = ("new", "returning", "resurrecting", "dormant")

# A shape beside the name: colour is never the only carrier of meaning.
STAGE_SHAPES = {
    "new": "✚",
    "activated": "◆",
    "active": "●",
    "converted": "■",
    "loyal": "★",
    "resurrected": "▲",
    "resurrecting": "▲",
    "returning": "●",
    "at risk": "◑",
    "churned": "○",
    "dormant": "▼",
    "current": "●",
    "reactivated": "△",
    "at-risk WAU": "◐",
    "at-risk MAU": "◑",
}
OWN_SHAPE = "◇"

_CATEGORY = tuple(f"#{slot:06d}" for slot in range(1, 11))
SEQUENTIAL = tuple(f"#{slot:06d}" for slot in range(11, 21))
_DIVERGING = tuple(f"#{slot:06d}" for slot in range(21, 31))

NEGATIVE = _DIVERGING[1]
POSITIVE = _DIVERGING[8]
BRAND = SEQUENTIAL[6]
BRAND_SOFT = SEQUENTIAL[3]
MUTED = "#000036"
TEXT = "#000037"
BACKGROUND = "#000038"
FAINT = "#000039"

SEQUENTIAL_SCALE = tuple((index / 9, colour) for index, colour in enumerate(SEQUENTIAL))
SERIES = (_CATEGORY[5], _CATEGORY[0], _CATEGORY[3], _CATEGORY[2], _CATEGORY[6], _CATEGORY[7])


_OWN = "_stage_colors"


def use_own_colors(colors: Mapping[str, str]) -> None:
    """Take the colours of the workspace's own stages (``#RRGGBB`` by name) for this session."""
    st.session_state[_OWN] = dict(colors)


def has_color(name: str) -> bool:
    """Return whether the house gives a stage its colour; those of other stages are stored with their rule."""
    return _ALIASES.get(name, name) in _SLOTS


def stage_color(name: str) -> str:
    """Return the colour of a stage or lifecycle status, the same wherever the name appears.

    Parameters
    ----------
    name
        A stage or a lifecycle status. One the house knows has its colour in the theme, one of the workspace's
        own the colour stored with its rule; any other name takes the muted grey.
    """
    if has_color(name):
        return _CATEGORY[_SLOTS.index(_ALIASES.get(name, name))]
    own: Mapping[str, str] = st.session_state.get(_OWN, {}) if get_script_run_ctx(suppress_warning=True) else {}
    return own.get(name, MUTED)


def faded(color: str, opacity: float) -> str:
    """Return a theme colour with `opacity` in 0..1; the browser keeps the two last digits when it resolves it."""
    return f"{color}{round(opacity * 255):02x}"


def series_colors(names: list[str]) -> dict[str, str]:
    """Return one colour for each group name: a stage keeps its own, others go round `SERIES`."""
    others = [name for name in names if stage_color(name) == MUTED]
    ring = {name: SERIES[i % len(SERIES)] for i, name in enumerate(others)}
    return {name: ring.get(name, stage_color(name)) for name in names}
