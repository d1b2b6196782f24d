"""The control "Break down by", and the groups it stands for."""

from __future__ import annotations

import streamlit as st

from pages.parts import url
from pages.parts.controls import spelled
from pages.parts.frame import View
from pages.parts.i18n import _, term
from ulm_core.lifecycle.cohorts.store import Cohorts
from ulm_core.lifecycle.filters import UserLabels
from ulm_core.lifecycle.groups import BY_COHORT, BY_STAGE, group_labels, largest_groups
from ulm_core.warehouse.reports import attribute_values

NONE = "none"


def _spelled(by: str) -> str:
    if by == NONE:
        return _("Nothing")
    if by == BY_STAGE:
        return _("Stage")
    return _("Cohort: {name}").format(name=by.removeprefix(BY_COHORT)) if by.startswith(BY_COHORT) else spelled(by)


def pick_breakdown(view: View, name: str = "by") -> tuple[str, UserLabels | None]:
    """Draw the choice and return it with its largest groups, as they are at the end of the period.

    Parameters
    ----------
    name
        Its key in the URL.
    """
    data, end = view.data, view.range_us[1]
    attributes = data.remember("attribute_values", "", lambda: attribute_values(data.snapshot))
    cohorts = Cohorts(data.workspace)
    options = [NONE, BY_STAGE, *attributes, *(BY_COHORT + cohort for cohort in cohorts.names())]
    asked = url.get(name, NONE)
    key = f"choose_{name}"
    st.session_state[key] = asked if asked in options else NONE
    st.selectbox(
        _("Break down by"),
        options,
        format_func=_spelled,
        key=key,
        width=200,
        help=_("The five largest groups, as they are at the end of the period; all others together."),
        on_change=lambda: url.put(name, None if st.session_state[key] == NONE else st.session_state[key]),
    )
    by = str(st.session_state[key])
    if by == NONE:
        return "", None
    question = f"{by}@{end} {cohorts.stamp() if by.startswith(BY_COHORT) else ''}"
    labels = data.remember(
        "largest_groups",
        question,
        lambda: largest_groups(group_labels(data.index, data.config, data.snapshot, by, end)),
    )
    return question, labels


def group_name(name: str) -> str:
    """Return a group's name as it is shown."""
    return term(name)
