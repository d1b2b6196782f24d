"""The form that builds an alert: a number, a condition, and where the message goes."""

from __future__ import annotations

from typing import Any

import streamlit as st

from pages.parts.cohort_forms import choice, row
from pages.parts.data import Data
from pages.parts.i18n import N_, _, term
from ulm_core.alerts import model as m
from ulm_core.lifecycle.cohorts.store import Cohorts
from ulm_core.lifecycle.events import ANY_EVENT
from ulm_core.lifecycle.overview import KPI_TITLES, KPIS

NUMBERS = {
    "kpi": N_("Figure of the overview"),
    "stage": N_("Share of a stage"),
    "cohort": N_("Size of a cohort"),
    "funnel": N_("Conversion of a funnel"),
    "retention": N_("Retention at a lag"),
}
WHENS = {"threshold": N_("crosses a limit"), "change": N_("changes"), "anomaly": N_("is unusual")}
INTERVALS = {"day": N_("Day"), "week": N_("Week"), "month": N_("Month")}


def _event(data: Data, label: str, key: str) -> str:
    spelled = {ANY_EVENT: _("any event"), **{name: term(name) for name in data.summary.events}}
    return str(st.selectbox(label, list(spelled), format_func=spelled.__getitem__, key=key, width=200))


def _number(data: Data, kind: str) -> Any | None:
    if kind == "kpi":
        titles = {name: _(title) for name, title in zip(KPIS, KPI_TITLES, strict=True)}
        name = st.selectbox(_("Figure"), KPIS, format_func=titles.__getitem__, key="alert_kpi", width=220)
        return m.KpiNumber(name=name)
    if kind == "stage":
        stages = {stage: term(stage) for stage in dict.fromkeys(rule.name for rule in data.rules.rules)}
        chosen = st.selectbox(_("Stage"), list(stages), format_func=stages.__getitem__, key="alert_stage", width=220)
        return m.StageNumber(stage=chosen)
    if kind == "cohort":
        name = st.selectbox(_("Cohorts"), Cohorts(data.workspace).names(), key="alert_cohort", width=260)
        return m.CohortNumber(name=name) if name else None
    if kind == "funnel":
        steps = st.multiselect(_("Steps in order"), list(data.summary.events), key="alert_steps", width=380,
                               placeholder=_("Choose"))  # fmt: skip
        return m.FunnelNumber(steps=tuple(steps)) if len(steps) > 1 else None
    start, back = _event(data, _("From"), "alert_start"), _event(data, _("Back with"), "alert_back")
    lag = st.number_input(_("Periods later"), min_value=1, max_value=52, value=1, key="alert_lag", width=140)
    return m.RetentionNumber(start=start, back=back, lag=int(lag))


def _when(kind: str) -> Any:
    if kind == "threshold":
        side = choice(_("Which way"), {"above": N_("above"), "below": N_("below")}, "alert_side", 130)
        limit = st.number_input(_("Limit"), value=0.0, key="alert_limit", width=160, format="%g",
                                help=_("A share is written as 0.25, not as 25%."))  # fmt: skip
        return m.Threshold(side=side, limit=limit)
    if kind == "change":
        ways = {"any": N_("either way"), "rise": N_("up"), "fall": N_("down")}
        direction = choice(_("Which way"), ways, "alert_direction", 140)
        percent = st.number_input(_("At least (%)"), min_value=1.0, value=20.0, key="alert_share", width=140)
        return m.Change(direction=direction, share=percent / 100)
    meaning = _("0.6745 × (value − median) / median absolute deviation; 3.5 is the usual limit.")
    z = st.number_input(_("Robust z"), min_value=1.0, value=3.5, step=0.5, key="alert_z", width=130, help=meaning)
    past = st.number_input(_("Past periods"), min_value=5, max_value=m.MAX_PAST, value=12, key="alert_past", width=140)
    return m.Anomaly(z=z, past=int(past))


def alert_form(data: Data) -> m.Alert | None:
    """Draw the form and return the alert it describes, None while it is not whole."""
    with row():
        kind = choice(_("Number"), NUMBERS, "alert_number", 220)
        number = _number(data, kind)
        interval = choice(_("Per"), {key: INTERVALS[key] for key in ("week", "day", "month")}, "alert_interval", 120)
    with row():
        when = _when(choice(_("Speaks when it"), WHENS, "alert_when", 180))
    webhook = st.text_input(
        _("Webhook (optional)"),
        key="alert_webhook",
        placeholder="https://…",
        type="password",
        help=_(
            "A message with names and numbers is posted here when the alert begins to speak. Private addresses are "
            "refused unless the setting webhook_private_addresses allows them."
        ),
    )
    return m.Alert(number=number, interval=interval, when=when, webhook=webhook.strip()) if number else None
