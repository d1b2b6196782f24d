"""Jobs: what a record says, how a job ends, and that a worker runs what is submitted."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ulm_core.errors import NotFoundError
from ulm_core.events.simulator import campaigns_that_fit
from ulm_core.jobs import process as job_process
from ulm_core.jobs.process import run_job
from ulm_core.jobs.queue import submit, worker_is_running
from ulm_core.jobs.records import JobProgress, JobState, JobStore, ProgressReport, seconds_left
from ulm_core.warehouse.reports import dataset_summary
from ulm_core.workspace import Workspace

GOOD = "user,time,event\nann,2024-01-01,view\n"


def csv(tmp_path: Path, text: str = GOOD) -> str:
    path = tmp_path / "log.csv"
    path.write_text(text)
    return str(path)


def test_a_job_runs_to_its_end(workspace: Workspace, tmp_path: Path) -> None:
    store = JobStore(workspace)
    job = store.create("load-file", {"path": csv(tmp_path)})
    assert run_job(workspace, job.id) is JobState.FINISHED
    assert store.get(job.id).result["rows_loaded"] == 1
    assert store.progress(job.id)[-1].total >= len(store.progress(job.id))


def test_a_failure_keeps_its_reason_in_words_that_can_be_translated(workspace: Workspace, tmp_path: Path) -> None:
    store = JobStore(workspace)
    job = store.create("load-file", {"path": csv(tmp_path, "a,b\n1,2\n")})
    assert run_job(workspace, job.id) is JobState.FAILED
    record = store.get(job.id)
    assert record.error_template is not None
    assert record.error_template.format(**record.error_fields) == record.error
    assert "lacks the column" in (record.error or "")


def test_a_bug_shows_a_reference_and_logs_the_rest(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> dict[str, object]:
        raise ZeroDivisionError

    monkeypatch.setattr(job_process, "task_for", lambda kind: broken)
    store = JobStore(workspace)
    job = store.create("load-file", {})
    assert run_job(workspace, job.id) is JobState.FAILED
    reference = store.get(job.id).error_fields["reference"]
    assert reference in store.log(job.id)
    assert "ZeroDivisionError" in store.log(job.id)
    assert "Traceback" not in (store.get(job.id).error or "")


def test_a_cancelled_job_is_killed_and_what_it_returned_is_kept(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = JobStore(workspace)
    job = store.create("train", {})

    def task(_: Workspace, __: object, progress: JobProgress) -> dict[str, object]:
        store.request_cancel(job.id)
        assert progress.should_stop()
        return {"run_id": "best so far"}

    monkeypatch.setattr(job_process, "task_for", lambda kind: task)
    assert run_job(workspace, job.id) is JobState.KILLED
    assert store.get(job.id).result == {"run_id": "best so far"}


def test_a_pending_job_can_be_cancelled_and_never_runs(workspace: Workspace, tmp_path: Path) -> None:
    store = JobStore(workspace)
    job = store.create("load-file", {"path": csv(tmp_path)})
    assert store.request_cancel(job.id).state is JobState.KILLED
    assert run_job(workspace, job.id) is JobState.KILLED
    assert workspace.current_version() is None


def test_a_job_whose_process_died_is_crashed(workspace: Workspace) -> None:
    store = JobStore(workspace)
    job = store.create("train", {})
    store.update(job.id, state=JobState.RUNNING)
    assert store.get(job.id).state is JobState.CRASHED


def test_unknown_jobs_and_kinds_are_refused(workspace: Workspace) -> None:
    with pytest.raises(NotFoundError):
        JobStore(workspace).get("../../etc")
    with pytest.raises(NotFoundError, match="Known: load-sample"):
        submit(workspace, "bake", {})


def test_a_half_written_line_of_progress_is_left_out(workspace: Workspace) -> None:
    store = JobStore(workspace)
    job = store.create("train", {})
    progress = JobProgress(store.directory(job.id))
    progress.report(1, 10, loss=0.5)
    progress.close()
    with (store.directory(job.id) / "progress.jsonl").open("a") as handle:
        handle.write('{"at": "2024-')
    reports = store.progress(job.id)
    assert [(report.step, report.metrics) for report in reports] == [(1, {"loss": 0.5})]


def test_time_left_follows_the_pace() -> None:
    start = datetime(2024, 1, 1, tzinfo=UTC)
    reports = [ProgressReport(at=start + timedelta(seconds=2 * step), step=step, total=10) for step in range(1, 5)]
    assert seconds_left(reports) == 2 * (10 - 4)
    assert seconds_left(reports[:1]) is None


@pytest.mark.slow
def test_a_worker_takes_jobs_and_ends_with_a_signal(workspace: Workspace, tmp_path: Path) -> None:
    job = submit(workspace, "load-file", {"path": csv(tmp_path)})
    worker = subprocess.Popen([sys.executable, "-m", "ulm_core", "worker", "--workspace", str(workspace.root)])
    try:
        store = JobStore(workspace)
        deadline = time.monotonic() + 60
        while not store.get(job.id).state.is_over and time.monotonic() < deadline:
            time.sleep(0.1)
        assert store.get(job.id).state is JobState.FINISHED
        assert worker_is_running(workspace)
    finally:
        os.kill(worker.pid, signal.SIGTERM)
        assert worker.wait(30) == 0
    assert not worker_is_running(workspace)


def test_a_load_reports_its_phases_and_rows(workspace: Workspace, tmp_path: Path) -> None:
    store = JobStore(workspace)
    job = store.create("load-file", {"path": csv(tmp_path)})
    run_job(workspace, job.id)
    reports = store.progress(job.id)
    assert [report.step for report in reports] == sorted(report.step for report in reports)
    assert (reports[-1].step, reports[-1].total) == (6, 6)
    assert (reports[-1].metrics["rows"], reports[-1].metrics["share"]) == (1, 1)


def test_a_load_that_is_stopped_changes_nothing(workspace: Workspace, tmp_path: Path) -> None:
    store = JobStore(workspace)
    job = store.create("load-file", {"path": csv(tmp_path)})
    (store.directory(job.id) / "cancel").touch()
    assert run_job(workspace, job.id) is JobState.KILLED
    assert workspace.current_version() is None


def test_a_password_in_an_address_does_not_stay(workspace: Workspace) -> None:
    store = JobStore(workspace)
    job = store.create("load-file", {"path": "postgresql://me:secret@127.0.0.1:1/shop", "options": {"table": "t"}})
    assert run_job(workspace, job.id) is JobState.FAILED
    assert store.get(job.id).parameters["path"] == "postgresql://127.0.0.1:1/shop"
    assert "secret" not in (store.get(job.id).error or "")


def test_an_upload_is_kept_after_a_failure_and_removed_after_a_load(workspace: Workspace) -> None:
    store = JobStore(workspace)
    path = workspace.uploads_dir / "a" / "log.csv"
    path.parent.mkdir(parents=True)
    path.write_text("colour\nred\n")
    job = store.create("load-file", {"path": str(path)})
    assert run_job(workspace, job.id) is JobState.FAILED
    assert path.exists()
    path.write_text(GOOD)
    job = store.create("load-file", {"path": str(path)})
    assert run_job(workspace, job.id) is JobState.FINISHED
    assert not path.exists()


def test_a_shop_is_simulated_into_the_workspace_and_taken_back(workspace: Workspace, tmp_path: Path) -> None:
    store = JobStore(workspace)
    run_job(workspace, store.create("load-file", {"path": csv(tmp_path)}).id)
    job = store.create("simulate", {"users": 40, "days": 30, "seed": 3, "campaigns": campaigns_that_fit(30)})
    assert run_job(workspace, job.id) is JobState.FINISHED
    assert store.get(job.id).result["rows_loaded"] > 40
    assert (workspace.root / "simulation").is_dir()
    undo = store.create("undo-load", {})
    assert run_job(workspace, undo.id) is JobState.FINISHED
    assert store.get(undo.id).result == {"loads": [2]}
    assert dataset_summary(workspace).rows == 1
