"""Cohorts: named groups of users, their sizes over time, a builder with a live size, lists, and overlap."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from pages.parts import fmt, url
from pages.parts.cards import card
from pages.parts.cohort_asked import Asked
from pages.parts.cohort_builder import draw_builder
from pages.parts.cohort_detail import draw_detail
from pages.parts.frame import begin_page
from pages.parts.i18n import N_, _, text
from pages.parts.states import draw_nothing
from ulm_core.documents import Saved
from ulm_core.lifecycle.cohorts.model import Cohort
from ulm_core.lifecycle.cohorts.sentences import describe

CONTROLS = ("period", "interval")
LIST_POINTS = 12
KINDS = {
    "behaviour": N_("behaviour"),
    "attribute": N_("attribute"),
    "stage": N_("stage"),
    "transition": N_("move"),
    "users": N_("list"),
    "cohort": N_("combination"),
    "all": N_("combination"),
    "any": N_("combination"),
    "not": N_("combination"),
}


def chosen_name(names: list[str]) -> str | None:
    asked = url.get("show")
    return asked if asked in names else None


def list_frame(asked: Asked, cohorts: dict[str, Saved[Cohort]]) -> pd.DataFrame:
    seen = max(int((asked.view.data.index.time[asked.view.data.index.offsets[:-1]] < asked.at_us).sum()), 1)
    rows = []
    for name, saved in cohorts.items():
        rule = saved.body.rule
        size = asked.size(rule)
        rows.append(
            {
                "name": name,
                "users": size,
                "share": size / seen,
                "trend": asked.trend(rule, LIST_POINTS)["value"].tolist(),
                "kind": _(KINDS[rule.kind]) + ("" if saved.body.is_live else f" · {_('fixed')}"),
                "description": text(describe(rule)),
                "owner": saved.owner or fmt.MISSING,
                "saved": saved.saved_at.date(),
            }
        )
    return pd.DataFrame(rows)


def draw_list(asked: Asked, cohorts: dict[str, Saved[Cohort]]) -> None:
    with card(
        _("Saved cohorts"),
        how=_(
            "Users who belong at the end of the period, as far as events up to then tell. *Share* is of all users seen "
            "by then; *trend* is the size at the end of the last 12 intervals. Fixed cohorts are lists of ids; all "
            "others are computed anew from each version of the data."
        ),
    ):
        if not cohorts:
            draw_nothing(_("No cohort is saved yet. Build one below, or save any list of users on any page."))
            return
        frame = list_frame(asked, cohorts)
        state = st.dataframe(
            frame,
            hide_index=True,
            on_select="rerun",
            selection_mode="single-row",
            key="cohort_list",
            alt=_("{n} saved cohorts with their sizes").format(n=len(frame)),
            column_config={
                "name": st.column_config.TextColumn(_("Cohort"), pinned=True),
                "users": st.column_config.NumberColumn(_("Users"), format="localized"),
                "share": st.column_config.NumberColumn(_("Share"), format="percent"),
                "trend": st.column_config.LineChartColumn(_("Trend"), y_min=0),
                "kind": st.column_config.TextColumn(_("Kind")),
                "description": st.column_config.TextColumn(_("Who they are"), width="large"),
                "owner": st.column_config.TextColumn(_("Saved by")),
                "saved": st.column_config.DateColumn(_("Saved on"), format="YYYY-MM-DD"),
            },
        )
        rows = state.selection.rows
        name = str(frame.iloc[rows[0]]["name"]) if rows else None
        if name and name != st.session_state.get("_cohort_row"):
            url.put("show", name)
        st.session_state["_cohort_row"] = name
        st.caption(_("Select a row to see the cohort."))


with begin_page("cohorts", controls=CONTROLS) as view:
    asked = Asked(view)
    cohorts = asked.saved.all()
    draw_list(asked, cohorts)
    shown = chosen_name(list(cohorts))
    if shown:
        draw_detail(asked, shown, cohorts)
    draw_builder(asked)
