"""A load while it runs: rows so far, rows a second, time left as far as it can be known, and the way to stop it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st

from pages.parts import fmt, jobs
from pages.parts.adddata import draft
from pages.parts.guard import guarded
from pages.parts.i18n import _
from ulm_core.jobs.records import JobRecord, JobState, ProgressReport, utc_now
from ulm_core.warehouse.progress import Phase

WINDOW_SECONDS = 5.0
REMEMBERED_SECONDS = 24 * 3600
PHASES = tuple(Phase)
READING = PHASES.index(Phase.READING) + 1


def pace(reports: list[ProgressReport]) -> float | None:
    """Return rows read a second over the last seconds of reading, None while there is nothing to judge by.

    Parameters
    ----------
    reports
        Progress of a load, oldest first.
    """
    reading = [report for report in reports if report.step == READING and "rows" in report.metrics]
    if len(reading) < 2:
        return None
    last = reading[-1]
    window = [report for report in reading if last.metrics["seconds"] - report.metrics["seconds"] <= WINDOW_SECONDS]
    seconds = last.metrics["seconds"] - window[0].metrics["seconds"]
    rows = last.metrics["rows"] - window[0].metrics["rows"]
    return rows / seconds if seconds > 0 and rows > 0 else None


def reading_left(reports: list[ProgressReport]) -> float | None:
    """Return the seconds until everything is read, None where nobody knows.

    Judged by the share of bytes (or of rows that are to be made); where only rows are known, by their number.
    """
    last = reports[-1]
    share, seconds = last.metrics.get("share"), last.metrics.get("seconds", 0.0)
    if share is None and last.metrics.get("rows_expected"):
        share = min(1.0, last.metrics.get("rows", 0.0) / last.metrics["rows_expected"])
    if not share or seconds < 1:
        return None
    return seconds * (1 - share) / share


def draw_loads(*, remember_failure: bool = False) -> None:
    """Draw the newest load while it runs, how it ended to whoever watched it.

    Parameters
    ----------
    remember_failure
        Also tell of a load that failed before this session looked at it.
    """
    record = jobs.latest(jobs.LOADS)
    if record is None:
        return
    is_recent = (utc_now() - record.created_at).total_seconds() < REMEMBERED_SECONDS
    was_watched = st.session_state.get(jobs.WATCHED) == record.id
    if not record.state.is_over:
        st.session_state[jobs.WATCHED] = record.id
        _watch(record.id)
    elif st.session_state.get("_closed_load") == record.id:
        return
    elif (was_watched or (remember_failure and is_recent)) and record.state in {JobState.FAILED, JobState.CRASHED}:
        st.error(jobs.error_text(record), title=_("The load did not work; the data is as it was"))
        with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
            is_kept = was_watched and record.kind == "load-file" and draft.current() is not None
            words = _("Your choices are kept under “Add data”: correct them and load again.") if is_kept else ""
            st.caption(words, width="content")
            st.button(_("Close"), type="tertiary", key="close_outcome", on_click=_close, args=(record.id,))
        if was_watched and st.session_state.get("_told_load") != record.id:
            st.session_state["_told_load"] = record.id
            # Whoever pressed the button at the foot of the page does not see its head.
            st.toast(jobs.error_text(record), icon=":material/error:")
    elif was_watched:
        _draw_end(record)


def _draw_end(record: JobRecord) -> None:
    """Say how a watched load ended, until the reader closes it."""
    row = st.container(
        border=True, key="load_outcome", horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"
    )
    with row:
        if record.state is JobState.KILLED:
            st.markdown(":material/cancel: " + _("Stopped. Nothing was changed."), width="content")
        elif record.kind == "undo-load":
            st.markdown(":material/undo: " + _("Taken back: the data is as it was before."), width="content")
        else:
            st.markdown(":material/check_circle: **" + outcome(record.result) + "**", width="content")
        st.button(
            _("Close"),
            icon=":material/close:",
            type="tertiary",
            key="close_outcome",
            on_click=_close,
            args=(record.id,),
        )
    if record.state is JobState.FINISHED and record.kind == "load-file":
        draft.forget()


def _close(job_id: str) -> None:
    st.session_state["_closed_load"] = job_id


def outcome(result: Mapping[str, Any]) -> str:
    """Return what a load did, in one sentence whose numbers add up."""
    if not result.get("is_new", True):
        return _("“{source}” was loaded before; nothing changed.").format(source=result["source"])
    return _("“{source}”: {read} rows read = {loaded} loaded + {aside} set aside + {seen} seen before.").format(
        source=result["source"],
        read=fmt.number(result["rows_read"]),
        loaded=fmt.number(result["rows_loaded"]),
        aside=fmt.number(result["rows_quarantined"]),
        seen=fmt.number(result["rows_overlapping"]),
    )


def _stop(job_id: str) -> None:
    with guarded():
        jobs.store().request_cancel(job_id)


@st.fragment(run_every=jobs.POLL_SECONDS)
def _watch(job_id: str) -> None:
    with guarded():
        store = jobs.store()
        record = store.get(job_id)
        if record.state.is_over:
            st.rerun()
        reports = store.progress(job_id)
        with st.container(border=True, key="load_progress"):
            with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
                st.markdown(f"**{jobs.title(record)}**", width="content")
                is_stopping = (store.directory(job_id) / "cancel").exists()
                st.button(
                    _("Stopping …") if is_stopping else _("Stop"),
                    icon=":material/stop:",
                    key=f"stop_{job_id}",
                    disabled=is_stopping,
                    on_click=_stop,
                    args=(job_id,),
                    help=_("Nothing is changed by a load that is stopped before it is stored."),
                )
            if reports:
                draw(reports)
            else:
                jobs.progress_line(record, reports)


def draw(reports: list[ProgressReport]) -> None:
    """Draw how far a load is."""
    last = reports[-1]
    phase = PHASES[min(last.step, len(PHASES)) - 1]
    share = last.metrics.get("share")
    rows, expected = last.metrics.get("rows"), last.metrics.get("rows_expected")
    if share is None and rows and expected:
        share = min(1.0, rows / expected)
    st.progress(_done(last.step, share), text=_steps(phase, last.step))
    left = reading_left(reports) if phase is Phase.READING else None
    speed = pace(reports)
    with st.grid(3, min_column_width=130, gap="small"):
        st.metric(_("Rows read so far"), fmt.number(rows) if rows is not None else fmt.MISSING, help=_rows_help(last))
        st.metric(_("Rows a second"), fmt.compact(speed, 0) if speed else fmt.MISSING)
        st.metric(_("Time left for reading"), _left(phase, left))
    st.caption(_note(phase, rows, expected, share))


def _done(step: int, share: float | None) -> float:
    """Return how much of the bar is filled: reading takes the first 60%, the other phases 10% each."""
    if step <= READING:
        return 0.6 * (share or 0.0)
    return min(1.0, 0.6 + 0.1 * (step - READING - 1))


def _steps(phase: Phase, step: int) -> str:
    return _("Step {k} of {n}").format(k=fmt.number(step), n=fmt.number(len(PHASES))) + f" · {_(phase)}"


def _left(phase: Phase, seconds: float | None) -> str:
    if phase is not Phase.READING:
        return fmt.MISSING if phase is Phase.LOOKING else _("read")
    return fmt.MISSING if seconds is None else _("about {time}").format(time=fmt.duration(seconds))


def _rows_help(last: ProgressReport) -> str:
    if last.step == READING and "share" in last.metrics:
        return _("Judged by the bytes read; exact when the file is read.")
    return _("Exact.")


def _note(phase: Phase, rows: float | None, expected: float | None, share: float | None) -> str:
    if phase is not Phase.READING:
        return _("You can leave this page or close the tab; the work goes on.")
    if expected:
        return _("About {n} rows in all. After reading come cleaning, the snapshot and the index.").format(
            n=fmt.compact(expected)
        )
    if share is not None:
        return _("{share} read. After reading come cleaning, the snapshot and the index.").format(
            share=fmt.percent(share, 0)
        )
    return _("The source does not say how much it holds, so the time left is not known.")
