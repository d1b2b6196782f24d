"""The queue (huey on SQLite) and the worker that serves it.

Two lanes, so that a long training never blocks a load: each lane runs one job at a time, every job in a
process of its own. Jobs outlive browser tabs and restarts of the dashboard; they end with the worker.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from types import FrameType
from typing import Any

from huey import SqliteHuey
from huey.consumer import Consumer

from ulm_core.errors import BusyError
from ulm_core.jobs.records import JobRecord, JobState, JobStore, utc_now
from ulm_core.jobs.tasks import TRAINING_KINDS, task_for
from ulm_core.workspace import Workspace

LANES = ("loads", "training")
STOP_SECONDS = 10


def _lane(kind: str) -> str:
    return "training" if kind in TRAINING_KINDS else "loads"


def _huey(workspace: Workspace, lane: str) -> SqliteHuey:
    return SqliteHuey(name=lane, filename=str(workspace.queue_path), results=False)


def submit(workspace: Workspace, kind: str, parameters: Mapping[str, Any]) -> JobRecord:
    """Put a job into the queue and return its record; a worker takes it from there.

    Raises
    ------
    NotFoundError
        When there is no such kind of job.
    """
    task_for(kind)
    record = JobStore(workspace).create(kind, parameters)
    _runner(_huey(workspace, _lane(kind)), workspace, {})(record.id)
    return record


def worker_is_running(workspace: Workspace) -> bool:
    """Whether a worker serves this workspace."""
    try:
        with workspace.lock("worker"):
            return False
    except BusyError:
        return True


def _runner(huey: SqliteHuey, workspace: Workspace, running: dict[str, subprocess.Popen[bytes]]) -> Any:
    """Return huey's task that runs a job in a process of its own and waits for it."""

    @huey.task(name="run_job")  # type: ignore[untyped-decorator, unused-ignore]
    def run(job_id: str) -> None:
        command = [sys.executable, "-m", "ulm_core", "job-run", job_id, "--workspace", str(workspace.root)]
        environment = {"MALLOC_MMAP_THRESHOLD_": "4294967296", "MALLOC_TRIM_THRESHOLD_": "8589934592", **os.environ}
        store = JobStore(workspace)
        with (store.directory(job_id) / "log.txt").open("ab") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log, env=environment, start_new_session=True)
            running[job_id] = process
            process.wait()
            running.pop(job_id, None)
        if store.get(job_id).state is JobState.PENDING:  # it died before it could say anything
            store.update(job_id, state=JobState.CRASHED, ended_at=utc_now())

    return run


def serve(workspace: Workspace) -> None:
    """Serve the queue until SIGINT or SIGTERM; running jobs are stopped then and say so.

    Raises
    ------
    BusyError
        When a worker serves this workspace already.
    """
    stopping = threading.Event()

    def stop(_signal: int, _frame: FrameType | None) -> None:
        stopping.set()

    with workspace.lock("worker"):
        running: dict[str, subprocess.Popen[bytes]] = {}
        consumers = []
        for lane in LANES:
            huey = _huey(workspace, lane)
            _runner(huey, workspace, running)
            consumers.append(Consumer(huey, workers=1, periodic=False, initial_delay=0.1, max_delay=1.0, backoff=1.2))
        for consumer in consumers:
            consumer.start()
        # After start(), which sets handlers of its own.
        signal.signal(signal.SIGINT, stop)
        signal.signal(signal.SIGTERM, stop)
        stopping.wait()
        _end(running)
        for consumer in consumers:
            consumer.stop(graceful=True)


def _end(running: dict[str, subprocess.Popen[bytes]]) -> None:
    processes = list(running.values())
    for process in processes:
        process.terminate()
    for process in processes:
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
