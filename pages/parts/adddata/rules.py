"""Cleaning rules: each a choice with its unit; the report says what another choice would have changed."""

from __future__ import annotations

from datetime import date, datetime, time
from typing import Any

import streamlit as st

from pages.parts.adddata.draft import Draft, begin
from pages.parts.i18n import N_, _
from ulm_core.events.cleaning import CleaningRules

CHOICES = {
    "duplicates": (
        N_("Exact duplicates"),
        {"drop": N_("count once"), "keep": N_("count each")},
        N_("Rows that are equal in every mapped column."),
    ),
    "missing_user": (
        N_("Rows without a user"),
        {"quarantine": N_("set aside"), "session": N_("use the session")},
        N_("A session can stand for an anonymous user."),
    ),
    "returns": (
        N_("Returns and cancellations"),
        {"event": N_("own event"), "keep": N_("as they are"), "drop": N_("set aside")},
        N_("Rows with a negative quantity, and cancelled orders."),
    ),
    "robots": (
        N_("Event storms"),
        {"flag": N_("flag the user"), "drop": N_("set aside"), "off": N_("do not look")},
        N_("Users too fast or too regular to be people."),
    ),
}


def draw(draft: Draft, rules: CleaningRules) -> CleaningRules:
    """Draw the rules and return them as they were edited."""
    found: dict[str, Any] = {}
    with st.grid(4, min_column_width=220, gap="small") as grid:
        for name, (label, words, meaning) in CHOICES.items():
            with grid.cell(), st.container():
                found[name] = _choice(draft, rules, name, _(label), words, _(meaning))
    with st.grid(4, min_column_width=220, gap="small"):
        found["earliest"] = _day(draft, "earliest", _("Earliest believable day"), rules.earliest)
        found["latest"] = _day(draft, "latest", _("Latest believable day"), rules.latest)
        found["max_value"] = st.number_input(
            _("Largest believable value (money or points)"), 1.0, 1e15, format="%.0f",
            key=begin(draft.key("max_value"), rules.max_value),
            help=_("Either sign. Beyond it a row is set aside as impossible."),
        )  # fmt: skip
        found["max_quantity"] = st.number_input(
            _("Largest believable quantity (pieces)"), 1.0, 1e12, format="%.0f",
            key=begin(draft.key("max_quantity"), rules.max_quantity),
            help=_("Either sign. Beyond it a row is set aside as impossible."),
        )  # fmt: skip
    if found["robots"] != "off":
        found |= _storms(draft, rules)
    return rules.model_copy(update=found)


def _choice(draft: Draft, rules: CleaningRules, name: str, label: str, words: dict[str, str], meaning: str) -> str:
    return str(
        st.segmented_control(
            label,
            list(words),
            format_func=lambda value: _(words[value]),
            required=True,
            key=begin(draft.key(name), getattr(rules, name)),
            help=meaning,
        )
    )


def _day(draft: Draft, name: str, label: str, given: datetime | None) -> datetime | None:
    day = st.date_input(
        label,
        min_value=date(1900, 1, 1),
        max_value=date(2100, 1, 1),
        key=begin(draft.key(name), given.date() if given else None),
        format="YYYY-MM-DD",
        help=_("UTC. Empty: one day after the load.") if name == "latest" else _("UTC. Earlier rows are set aside."),
    )
    if not day:
        return None if name == "latest" else given
    return given if given and given.date() == day else datetime.combine(day, time())


def _storms(draft: Draft, rules: CleaningRules) -> dict[str, Any]:
    with st.grid(3, min_column_width=220, gap="small"):
        return {
            "robot_moments_per_hour": st.number_input(
                _("Too fast: moments in one hour"), 60, 100_000, step=100,
                key=begin(draft.key("robot_moments_per_hour"), rules.robot_moments_per_hour),
            ),
            "robot_regular_share": st.number_input(
                _("Too regular: share of equal gaps (%)"), 51, 100,
                key=begin(draft.key("robot_regular_share"), round(rules.robot_regular_share * 100)),
            ) / 100,
            "robot_min_moments": st.number_input(
                _("… from so many moments on"), 20, 100_000, step=10,
                key=begin(draft.key("robot_min_moments"), rules.robot_min_moments),
            ),
        }  # fmt: skip
