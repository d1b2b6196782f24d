"""The live panel of a training: how far, how good, how long still; cancelling asks once."""

from __future__ import annotations

from datetime import UTC, datetime

import pandas as pd
import streamlit as st

from pages.parts import fmt, jobs
from pages.parts.charts import training as charts
from pages.parts.charts.base import CONFIG
from pages.parts.guard import guarded
from pages.parts.i18n import N_, _
from ulm_core.jobs.records import JobRecord, JobState, ProgressReport

SERIES = {
    "loss": N_("total loss"),
    "loss_recommendation": N_("recommendation loss"),
    "loss_churn": N_("churn loss"),
    "validation_ndcg10": N_("validation NDCG@10"),
    "validation_churn_auc": N_("validation churn AUC"),
}


def name_of(series: str) -> str:
    """Return a curve's name in words."""
    return _(SERIES[series]) if series in SERIES else series.replace("_", " ")


def curve_frame(points: list[dict[str, float]], *, losses: bool) -> pd.DataFrame:
    """Return step, series, value for the losses, or for everything that is validated.

    Parameters
    ----------
    points
        One mapping a step: ``step`` and whatever was measured there.
    losses
        Which of the two kinds.
    """
    rows = [
        {"step": point["step"], "series": name_of(name), "value": value}
        for point in points
        for name, value in point.items()
        if name != "step" and name.startswith("loss") == losses
    ]
    return pd.DataFrame(rows, columns=["step", "series", "value"])


def points_of(reports: list[ProgressReport]) -> list[dict[str, float]]:
    """Return the progress reports of a job as points of a curve."""
    return [{"step": float(report.step), **report.metrics} for report in reports]


def draw_curves(points: list[dict[str, float]], key: str) -> None:
    """Draw losses and validation metrics with smoothing and log scale."""
    losses, checks = curve_frame(points, losses=True), curve_frame(points, losses=False)
    if losses.empty:
        return
    with st.container(horizontal=True, vertical_alignment="bottom"):
        smoothing = st.slider(_("Smoothing"), 0.0, 0.95, 0.6, 0.05, key=f"{key}_smoothing", width=220)
        log_scale = st.toggle(_("Log scale"), key=f"{key}_log")
    left, right = st.columns([3, 2], gap="medium") if not checks.empty else (st.container(), None)
    last = losses[losses["step"] == losses["step"].max()]
    alt = _("Loss by step; now {value}.").format(value=f"{last['value'].iloc[0]:.4f}")
    with left:
        st.plotly_chart(
            charts.loss_curves(losses, smoothing=smoothing, log_scale=log_scale),
            key=f"{key}_losses",
            alt=alt,
            config=CONFIG,
        )
    if right is not None:
        with right:
            best = checks.groupby("series", sort=False)["value"].max().iloc[0]
            st.plotly_chart(
                charts.validation_curves(checks),
                key=f"{key}_checks",
                config=CONFIG,
                alt=_("Validation by step; best {value}.").format(value=f"{best:.4f}"),
            )


def elapsed(record: JobRecord) -> float:
    """Return the seconds a job has run."""
    if record.started_at is None:
        return 0.0
    return ((record.ended_at or datetime.now(UTC)) - record.started_at).total_seconds()


def _figures(record: JobRecord, reports: list[ProgressReport]) -> None:
    losses = [report.metrics["loss"] for report in reports if "loss" in report.metrics]
    recent = losses[-20:]
    items = [
        (_("Elapsed"), fmt.duration(elapsed(record))),
        (_("Loss now"), f"{sum(recent) / len(recent):.4f}" if recent else fmt.MISSING),
        (_("Steps per second"), _pace(reports)),
    ]
    with st.grid(3, min_column_width=110, gap="small"):
        for label, value in items:
            st.metric(label, value)


def _pace(reports: list[ProgressReport]) -> str:
    recent = reports[-30:]
    if len(recent) < 2:
        return fmt.MISSING
    seconds = (recent[-1].at - recent[0].at).total_seconds()
    return f"{(recent[-1].step - recent[0].step) / seconds:.1f}" if seconds > 0 else fmt.MISSING


def _cancel(job_id: str) -> None:
    with guarded():
        jobs.store().request_cancel(job_id)
        st.session_state["_stopping"] = job_id


def _confirm_cancel(job_id: str) -> None:
    @st.dialog(_("Stop this fine-tuning?"), width="small", icon=":material/stop_circle:")
    def dialog() -> None:
        st.markdown(_("The best model so far, the log and the curves are kept. It is not compared with the baselines."))
        with st.container(horizontal=True):
            label = _("Stop it")
            if st.button(
                label, type="primary", icon=":material/stop:", key="cancel_yes", on_click=_cancel, args=(job_id,)
            ):
                st.rerun()
            if st.button(_("Let it run"), key="cancel_no"):
                st.rerun()

    dialog()


@st.fragment(run_every=jobs.POLL_SECONDS)
def watch(job_id: str) -> None:
    """Draw a running job until it is over; then draw the page again."""
    with guarded():
        store = jobs.store()
        record = store.get(job_id)
        if record.state.is_over:
            st.rerun()
        reports = store.progress(job_id)
        with st.container(border=True, key="live_panel"):
            with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
                st.subheader(str(record.parameters.get("name") or jobs.title(record)), anchor=False, width="content")
                jobs.badge(record.state)
            jobs.progress_line(record, reports)
            if not reports and (lines := store.log(job_id, last=1)):
                st.caption(lines)
            _figures(record, reports)
            draw_curves(points_of(reports), "live")
            with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
                is_stopping = st.session_state.get("_stopping") == job_id
                note = (
                    _("Stopping after this step; the best model so far is being saved.")
                    if is_stopping
                    else _("You can leave this page or close the tab; the work goes on.")
                )
                st.caption(note, width="content")
                if st.button(_("Stop"), icon=":material/stop:", key=f"cancel_{job_id}", disabled=is_stopping):
                    _confirm_cancel(job_id)
            with st.expander(_("Log"), icon=":material/terminal:"):
                st.code(store.log(job_id, last=80) or "…", language=None, height=240)


def draw_ended(record: JobRecord) -> None:
    """Say how the last training ended, when it did not end well."""
    if record.state in {JobState.FAILED, JobState.CRASHED}:
        st.error(jobs.error_text(record), title=_("The last fine-tuning did not work"), icon=":material/error:")
        with st.expander(_("Log"), icon=":material/terminal:"):
            st.code(jobs.store().log(record.id, last=120) or "…", language=None, height=240)
