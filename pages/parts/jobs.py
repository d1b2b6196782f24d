"""Background work on a page: start it, watch it, stop it. Closing the tab stops nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st

from pages.parts import fmt
from pages.parts.data import open_workspace
from pages.parts.guard import guarded
from pages.parts.i18n import N_, _, term
from ulm_core.jobs.queue import submit, worker_is_running
from ulm_core.jobs.records import JobRecord, JobState, JobStore, ProgressReport, seconds_left
from ulm_core.messages import Message

LOADS = ("load-sample", "load-file")
POLL_SECONDS = 1.0
BADGES = {
    JobState.PENDING: (":material/schedule:", "gray"),
    JobState.RUNNING: (":material/progress_activity:", "blue"),
    JobState.FINISHED: (":material/check_circle:", "green"),
    JobState.FAILED: (":material/error:", "red"),
    JobState.KILLED: (":material/cancel:", "orange"),
    JobState.CRASHED: (":material/heart_broken:", "red"),
}
KINDS = {
    "load-sample": N_("Load sample data"),
    "load-file": N_("Load a file"),
    "train": N_("Fine-tuning"),
    "score-churn": N_("Scoring churn risks"),
}


def store() -> JobStore:
    """Return the jobs of the workspace."""
    return JobStore(open_workspace())


def start(kind: str, parameters: Mapping[str, Any]) -> JobRecord | None:
    """Put a job into the queue and say so; None when that did not work (the reason is shown)."""
    record: JobRecord | None = None
    with guarded():
        record = submit(open_workspace(), kind, parameters)
        if not has_worker():
            st.warning(
                _("No worker is running, so this waits. Start one with “make run” or “python -m ulm_core worker”."),
                title=_("Waiting for a worker"),
                icon=":material/hourglass_empty:",
            )
    return record


def has_worker() -> bool:
    """Whether anybody serves the queue."""
    return worker_is_running(open_workspace())


def title(record: JobRecord) -> str:
    """Return what a job does, in words."""
    return _(KINDS.get(record.kind, record.kind))


def error_text(record: JobRecord) -> str:
    """Return why a job failed, in the session's language."""
    if record.error_template:
        return Message(record.error_template, record.error_fields).render(_)
    return record.error or _("The process ended without a word. The log has what it said last.")


def badge(state: JobState) -> None:
    """Draw a state as icon and word."""
    icon, color = BADGES[state]
    st.badge(term(str(state)), icon=icon, color=color)  # type: ignore[arg-type]


def progress_line(record: JobRecord, reports: list[ProgressReport]) -> None:
    """Draw the bar with step k of n and the time left."""
    if not reports:
        waiting = _("Waiting for its turn") if has_worker() else _("Waiting for a worker")
        st.progress(0.0, text=waiting if record.state is JobState.PENDING else _("Starting"))
        return
    last = reports[-1]
    words = [_("Step {k} of {n}").format(k=fmt.number(last.step), n=fmt.number(last.total))]
    left = seconds_left(reports)
    if left is not None and not record.state.is_over:
        words.append(_("about {time} left").format(time=fmt.duration(left)))
    st.progress(min(1.0, last.step / max(last.total, 1)), text=" · ".join(words))


def is_active(kinds: tuple[str, ...]) -> bool:
    """Whether a job of these kinds waits or runs."""
    return any(not record.state.is_over for kind in kinds for record in store().all(kind)[:5])


def latest(kinds: tuple[str, ...]) -> JobRecord | None:
    """Return the newest job of these kinds."""
    found = [record for kind in kinds for record in store().all(kind)[:1]]
    return max(found, key=lambda record: record.created_at) if found else None


def draw_running_loads(*, remember_failure: bool = False) -> None:
    """Draw the newest load while it runs; when it ends, draw the page again with the new data.

    Parameters
    ----------
    remember_failure
        Also tell of a load that failed before this session looked at it.
    """
    record = latest(LOADS)
    if record is None:
        return
    was_watched = st.session_state.get("_watched_load") == record.id
    if not record.state.is_over:
        st.session_state["_watched_load"] = record.id
        _watch_load(record.id)
    elif (was_watched or remember_failure) and record.state in {JobState.FAILED, JobState.CRASHED}:
        st.error(error_text(record), title=_("The load did not work; the data is as it was"))
        if was_watched and st.session_state.get("_told_load") != record.id:
            st.session_state["_told_load"] = record.id
            # Whoever pressed the button at the foot of the page does not see its head.
            st.toast(error_text(record), icon=":material/error:")


@st.fragment(run_every=POLL_SECONDS)
def _watch_load(job_id: str) -> None:
    with guarded():
        jobs = store()
        record = jobs.get(job_id)
        if record.state.is_over:
            st.rerun()
        with st.container(border=True):
            st.markdown(f"**{title(record)}**")
            progress_line(record, jobs.progress(job_id))
            lines = jobs.log(job_id, last=1)
            if lines:
                st.caption(lines)
