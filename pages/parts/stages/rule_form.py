"""The form of one stage rule: name, colour, conditions with units."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import cast

import streamlit as st

from pages.parts.i18n import _
from pages.parts.palette import has_color
from pages.parts.stages.draft import DAY_UNITS, Amount, DayUnit, Draft, DraftRule, Row
from pages.parts.stages.words import FEATURE_WORDS, OP_WORDS, UNIT_WORDS
from ulm_core.lifecycle.rules import NOT_YET_SEEN
from ulm_core.lifecycle.stage_colors import OWN_COLORS, is_readable, next_color
from ulm_core.lifecycle.stage_conditions import MAX_DAYS, OPS

Edit = Callable[[Draft], None]
MAX_NAME = 60


def _name(draft: Draft, rule: DraftRule, edit: Edit) -> None:
    key = f"rule_name_{rule.key}"
    st.session_state[key] = rule.name

    def rename() -> None:
        name = " ".join(str(st.session_state[key]).split())
        if name and name != NOT_YET_SEEN:
            order = tuple(name if shown == rule.name else shown for shown in draft.order)
            color = rule.color or next_color(other.color for other in draft.rules if other.color)
            edit(replace(draft.change(rule.key, name=name, color=color), order=order))

    st.text_input(_("Name"), key=key, max_chars=MAX_NAME, on_change=rename, width=240)


def _color(draft: Draft, rule: DraftRule, edit: Edit) -> None:
    if has_color(rule.name):
        st.caption(_("“{name}” has its own colour everywhere.").format(name=_(rule.name)), width=200)
        return
    key = f"rule_color_{rule.key}"
    st.session_state[key] = (rule.color or OWN_COLORS[0]).lower()

    def recolor() -> None:
        color = str(st.session_state[key]).upper()
        st.session_state["_refused_color"] = None if is_readable(color) else color
        if is_readable(color):
            edit(draft.change(rule.key, color=color))

    st.color_picker(_("Colour"), key=key, on_change=recolor)
    refused = st.session_state.pop("_refused_color", None)
    if refused:
        st.caption(
            ":material/contrast: "
            + _("{color} would be hard to see on the light or on the dark page; the colour before it stays.").format(
                color=refused
            ),
            width=260,
        )


def _active(draft: Draft, rule: DraftRule, edit: Edit) -> None:
    key = f"rule_active_{rule.key}"
    st.session_state[key] = rule.active
    st.toggle(
        _("Counts as active"),
        key=key,
        on_change=lambda: edit(draft.change(rule.key, active=bool(st.session_state[key]))),
        help=_("Whether its users are among the active users that a forecast speaks of."),
    )


def _amount(
    label: str, amount: Amount, key: str, *, units: bool, least: float, changed: Callable[[Amount], None]
) -> None:
    """Draw a number, with its unit where it is a span of days."""
    number, unit = f"{key}_number", f"{key}_unit"
    st.session_state[number], st.session_state[unit] = amount.number, amount.unit

    def took() -> None:
        value = float(st.session_state[number])
        kind = cast(DayUnit, st.session_state[unit]) if units else "days"
        changed(Amount(value, kind))

    step = 0.25 if units and amount.unit == "horizons" else 1.0
    st.number_input(
        label,
        least,
        float(MAX_DAYS) if units else None,
        step=step,
        format="%.12g",
        key=number,
        on_change=took,
        width=120,
    )
    if units:
        st.selectbox(
            _("Unit"),
            DAY_UNITS,
            format_func=lambda name: _(UNIT_WORDS[name]),
            key=unit,
            on_change=took,
            width=150,
        )


def _row(draft: Draft, rule: DraftRule, place: int, edit: Edit) -> None:
    row = rule.rows[place]
    key = f"rule_{rule.key}_{place}"

    def set_row(new: Row | None) -> None:
        if new is None or new.is_valid:  # else the number before it stays
            edit(draft.change_row(rule.key, place, new))

    feature, op = f"{key}_feature", f"{key}_op"
    st.session_state[feature], st.session_state[op] = row.feature, row.op
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small", key=f"{key}_row"):
        st.selectbox(
            _("What") if place == 0 else _("and"),
            list(FEATURE_WORDS),
            format_func=lambda name: _(FEATURE_WORDS[name]),
            key=feature,
            on_change=lambda: set_row(replace(row, feature=st.session_state[feature])),
            width=330,
        )
        if row.has_window:
            _amount(
                _("Window"), row.window, f"{key}_window", units=True, least=0.0,
                changed=lambda amount: set_row(replace(row, window=amount)),
            )  # fmt: skip
        st.selectbox(
            _("is"),
            OPS,
            format_func=lambda name: _(OP_WORDS[name]),
            key=op,
            on_change=lambda: set_row(replace(row, op=st.session_state[op])),
            width=130,
        )
        _amount(
            _("Threshold"), row.value, f"{key}_value", units=row.has_days, least=0.0,
            changed=lambda amount: set_row(replace(row, value=amount)),
        )  # fmt: skip
        st.button(
            "",
            icon=":material/close:",
            type="tertiary",
            key=f"{key}_remove",
            disabled=len(rule.rows) == 1,
            help=_("A rule before the last one needs a condition.") if len(rule.rows) == 1 else _("Remove"),
            on_click=lambda: set_row(None),
        )


def draw(draft: Draft, rule: DraftRule, edit: Edit) -> None:
    """Draw the form of one rule.

    Parameters
    ----------
    edit
        Takes the draft that follows a change.
    """
    with st.container(border=True, key=f"rule_form_{rule.key}"):
        with st.container(horizontal=True, vertical_alignment="center"):
            _name(draft, rule, edit)
            _color(draft, rule, edit)
            _active(draft, rule, edit)
        if rule is draft.rules[-1]:
            st.caption(_("The last rule has no condition: it is for everyone the rules above leave."))
            return
        for place in range(len(rule.rows)):
            _row(draft, rule, place, edit)
        st.button(
            _("Add a condition"),
            icon=":material/add:",
            type="tertiary",
            key=f"rule_add_{rule.key}",
            on_click=lambda: edit(draft.add_row(rule.key)),
        )
