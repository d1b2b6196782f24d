"""Alerts: numbers looked at after every load, what the last check found, and the history of all checks."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from pages.parts import fmt
from pages.parts.alert_form import alert_form
from pages.parts.cards import card, download
from pages.parts.frame import View, begin_page
from pages.parts.guard import guarded
from pages.parts.i18n import N_, _, text
from pages.parts.owner import owner, owner_input
from pages.parts.states import draw_nothing
from ulm_core.alerts.check import Alerts, Check, check_alerts, series
from ulm_core.alerts.judge import judge
from ulm_core.alerts.model import Alert
from ulm_core.alerts.numbers import Ground
from ulm_core.alerts.sentences import describe_when
from ulm_core.alerts.webhook import masked
from ulm_core.documents import MAX_NAME, Saved
from ulm_core.errors import InputError

STATES = {
    "speaks": (N_("speaks"), ":material/notifications_active:", "red"),
    "quiet": (N_("quiet"), ":material/check_circle:", "green"),
    "unknown": (N_("cannot tell"), ":material/help:", "gray"),
    "unchecked": (N_("not checked yet"), ":material/schedule:", "gray"),
}


def value_text(alert: Alert, value: float | None) -> str:
    if value is None:
        return fmt.MISSING
    is_share = alert.number.kind in ("stage", "funnel", "retention")
    return fmt.percent(value) if is_share else fmt.number(value, 0 if value == int(value) else 2)


def draw_alert(alerts: Alerts, name: str, saved: Saved[Alert], check: Check | None) -> None:
    word, icon, color = STATES[check.status if check else "unchecked"]
    with st.container(border=True, horizontal=True, vertical_alignment="center", key=f"alert_row_{name}"):
        st.badge(_(word), icon=icon, color=color)  # type: ignore[arg-type]
        with st.container(width="stretch", gap=None):
            st.markdown(f"**{name}**")
            st.caption(text(describe_when(saved.body)))
        if check is not None:
            st.markdown(
                _("{value} · {period}").format(value=value_text(saved.body, check.value), period=check.period),
                width="content",
            )
        where = masked(saved.body.webhook)
        parts = [saved.owner, where, (check.delivered or check.reason) if check else ""]
        st.caption(" · ".join(part for part in parts if part), width=220)
        if st.button("", icon=":material/delete:", key=f"alert_delete_{name}", help=_("Delete this alert")):
            alerts.delete(name)
            st.rerun()


def draw_list(alerts: Alerts) -> None:
    with card(
        _("Alerts"),
        how=_(
            "Each number is taken over complete calendar periods and judged after every load. *Change* is against the "
            "period before; *unusual* is a robust z: 0.6745 × (value − median) / median absolute deviation of the past "
            "periods. A webhook is told once, when an alert begins to speak."
        ),
    ):
        saved = alerts.all()
        if not saved:
            draw_nothing(_("No alert is set yet. Choose a number and a condition below."))
            return
        latest = alerts.latest()
        for name, entry in saved.items():
            draw_alert(alerts, name, entry, latest.get(name))
        if st.button(_("Check now"), icon=":material/refresh:", key="alerts_check"):
            check_alerts(alerts.workspace, again=True)
            st.rerun()


def draw_preview(view: View, alert: Alert) -> None:
    """Say what the alert would have found in the data of today."""
    data = view.data
    question = f"{alert.model_dump_json(exclude={'webhook'})} {data.rules.model_dump_json()}"

    def find() -> tuple[list[str], list[float]]:
        found = series(Ground(data.workspace, data.index, data.config, data.snapshot, data.rules), alert)
        return found.labels, found.values

    labels, values = data.remember("alert_series", question, find)
    verdict = judge(alert.when, values)
    word = "unknown" if verdict.speaks is None else "speaks" if verdict.speaks else "quiet"
    st.markdown(
        _("{sentence}. In the period of {period} it is {value}: the alert {state}.").format(
            sentence=text(describe_when(alert)),
            period=labels[-1],
            value=value_text(alert, verdict.value),
            state=_(STATES[word][0]),
        )
    )


def draw_builder(view: View, alerts: Alerts) -> None:
    with card(
        _("New alert"), how=_("What it would have found in the last complete period is shown before you save it.")
    ):
        alert = alert_form(view.data)
        if alert is None:
            st.caption(_("Choose what the number is made of."))
            return
        draw_preview(view, alert)
        with st.container(horizontal=True, vertical_alignment="bottom"):
            name = st.text_input(_("Name"), key="alert_name", max_chars=MAX_NAME, width=280)
            with st.container(width=220):
                owner_input("alert_owner")
            if st.button(_("Save alert"), type="primary", icon=":material/save:", key="alert_save"):
                with guarded():
                    if " ".join(name.split()) in alerts.all():
                        raise InputError(
                            N_("There is already an alert called “{name}”. Choose another name."), name=name
                        )
                    alerts.save(name, alert, owner())
                    check_alerts(alerts.workspace)
                    st.rerun()


def draw_history(alerts: Alerts) -> None:
    history = alerts.history()
    with card(_("History"), how=_("Every check that was made, the latest first; numbers only.")):
        if not history:
            draw_nothing(_("Nothing was checked yet."))
            return
        frame = pd.DataFrame(
            {
                _("Checked"): [check.checked_at for check in history],
                _("Alert"): [check.alert for check in history],
                _("State"): [_(STATES[check.status][0]) for check in history],
                _("Period"): [check.period for check in history],
                _("Value"): [check.value for check in history],
                _("Against"): [check.against for check in history],
                _("Score"): [check.score for check in history],
                _("Message"): [check.delivered or check.reason for check in history],
            }
        )
        st.dataframe(frame, hide_index=True, alt=_("{n} checks").format(n=len(frame)), key="alert_history")
        download(frame, "alert-history", key="csv_alerts")


with begin_page("alerts") as view:
    alerts = Alerts(view.data.workspace)
    draw_list(alerts)
    draw_builder(view, alerts)
    draw_history(alerts)
