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

LOADS = ("load-sample", "load-file", "simulate", "undo-load")
POLL_SECONDS = 1.0
WATCHED = "_watched_load"
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
    "load-file": N_("Load data"),
    "simulate": N_("Simulate a shop"),
    "undo-load": N_("Undo the last load"),
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


def begin_load(kind: str, parameters: Mapping[str, Any]) -> None:
    """Start a load (or its undo) and draw the page again, with its progress."""
    record = start(kind, parameters)
    if record is None:
        return
    st.session_state[WATCHED] = record.id  # at once: it may be over before the page is drawn again
    if has_worker():
        st.rerun()


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
