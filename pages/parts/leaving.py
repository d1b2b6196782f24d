"""Who is about to leave: the users at risk, the most valuable first."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from pages.parts import fmt, navigation
from pages.parts.cards import card, download
from pages.parts.charts.stages import stage_label
from pages.parts.frame import View
from pages.parts.i18n import _, term
from pages.parts.states import draw_nothing
from ulm_core.lifecycle.at_risk import AtRiskSpec, compute_at_risk

SHOWN = 300


def _table(frame: pd.DataFrame, alt: str) -> int | None:
    """Draw the list; return the row that was selected."""
    shown = frame.head(SHOWN)
    stages = [stage_label(str(name)) if name else fmt.MISSING for name in shown["previous_stage"]]
    state = st.dataframe(
        shown.assign(previous_stage=stages),
        hide_index=True,
        on_select="rerun",
        selection_mode="single-row",
        key="at_risk",
        alt=alt,
        height=420 if len(shown) > 10 else "auto",
        column_config={
            "user_id": st.column_config.TextColumn(_("User")),
            "days_since_last": st.column_config.NumberColumn(_("Silent for (days)"), format="%.0f"),
            "active_days": st.column_config.NumberColumn(_("Active days"), format="localized"),
            "conversions": st.column_config.NumberColumn(_("Conversions"), format="localized"),
            "value": st.column_config.ProgressColumn(
                _("Value so far"), format="localized", min_value=0, max_value=float(frame["value"].max() or 1)
            ),
            "previous_stage": st.column_config.TextColumn(_("Before")),
        },
    )
    return int(state.selection.rows[0]) if state.selection.rows else None


def draw(view: View) -> None:
    """Draw the card; a selected row opens the user."""
    options = view.data.rules.quiet_stages or view.data.rules.stages
    stage = str(st.session_state.get("at_risk_stage", options[0]))
    result = view.ask(compute_at_risk, AtRiskSpec(stage=stage))
    frame = result.to_pandas()
    with card(
        _("Who is about to leave"),
        how=_(
            "Users in the chosen stage just after the last event, the most valuable first. Silence is counted from "
            "the last activity. “Before” is the stage right after it."
        ),
    ):
        st.segmented_control(
            _("Stage"),
            options,
            default=options[0],
            format_func=term,
            required=True,
            key="at_risk_stage",
            label_visibility="collapsed",
        )
        if frame.empty:
            draw_nothing(_("Nobody is in this stage."))
            return
        worth = fmt.money(frame["value"].sum(), view.data.config.currency, short=True)
        alt = _("{n} users, worth {value} so far.").format(n=fmt.number(len(frame)), value=worth)
        st.caption(alt + " " + _("Select a row to open the user."))
        row = _table(frame, alt)
        download(frame, f"{stage.replace(' ', '-')}-users", key="csv_at_risk")
        if row is not None:
            navigation.go("user", user=str(result.user_ids[row]))
