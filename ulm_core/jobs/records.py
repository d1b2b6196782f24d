"""What is known of one job, kept as plain files so that any process can look without asking the worker.

A job folder holds ``job.json`` (this record), ``progress.jsonl`` (one line a report), ``log.txt`` and,
once somebody asked to stop it, ``cancel``. The running process holds a lock on ``.alive``: when the
record says *running* and nobody holds the lock, the process died without a word.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from ulm_core.errors import NotFoundError
from ulm_core.messages import N_
from ulm_core.workspace import Workspace, write_atomically


class JobState(StrEnum):
    """Where a job stands. *killed*: somebody cancelled it; *crashed*: its process died without a word."""

    PENDING = N_("pending")
    RUNNING = N_("running")
    FINISHED = N_("finished")
    FAILED = N_("failed")
    KILLED = N_("killed")
    CRASHED = N_("crashed")

    @property
    def is_over(self) -> bool:
        """Whether the job will not change any more."""
        return self not in {JobState.PENDING, JobState.RUNNING}


class JobRecord(BaseModel):
    """One background job. Times are UTC."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    kind: str
    parameters: dict[str, Any] = Field(default_factory=dict)
    state: JobState = JobState.PENDING
    created_at: datetime
    started_at: datetime | None = None
    ended_at: datetime | None = None
    result: dict[str, Any] = Field(default_factory=dict)
    error: str | None = None
    error_template: str | None = None
    error_fields: dict[str, str] = Field(default_factory=dict)


class ProgressReport(BaseModel):
    """One line of progress: step `step` of `total`, with whatever was measured there."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    at: datetime
    step: int
    total: int
    metrics: dict[str, float] = Field(default_factory=dict)


def utc_now() -> datetime:
    """Return the present moment in UTC."""
    return datetime.now(UTC)


class JobStore:
    """The jobs of one workspace."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace
        workspace.jobs_dir.mkdir(exist_ok=True)

    def directory(self, job_id: str) -> Path:
        """Return a job's folder.

        Raises
        ------
        NotFoundError
            When there is no such job.
        """
        # The name is looked up among the folders that exist, so that no text can point elsewhere.
        known = {path.name: path for path in self.workspace.jobs_dir.iterdir() if path.is_dir()}
        if job_id not in known:
            raise NotFoundError.for_name("job", job_id, sorted(known, reverse=True))
        return known[job_id]

    def create(self, kind: str, parameters: Mapping[str, Any]) -> JobRecord:
        """Write a new pending job and return it."""
        now = utc_now()
        job_id = f"{now:%Y%m%d-%H%M%S}-{kind}-{secrets.token_hex(2)}"
        (self.workspace.jobs_dir / job_id).mkdir()
        record = JobRecord(id=job_id, kind=kind, parameters=dict(parameters), created_at=now)
        self.save(record)
        return record

    def save(self, record: JobRecord) -> None:
        """Replace a job's record atomically."""
        write_atomically(self.workspace.jobs_dir / record.id / "job.json", record.model_dump_json(indent=2))

    def update(self, job_id: str, **changes: Any) -> JobRecord:
        """Change fields of a job's record and return it."""
        record = self._read(self.directory(job_id)).model_copy(update=changes)
        self.save(record)
        return record

    @staticmethod
    def _read(directory: Path) -> JobRecord:
        return JobRecord.model_validate_json((directory / "job.json").read_text(encoding="utf-8"))

    def get(self, job_id: str) -> JobRecord:
        """Return a job; one whose process died without a word is *crashed*."""
        directory = self.directory(job_id)
        record = self._read(directory)
        if record.state is JobState.RUNNING and not is_alive(directory):
            record = self._read(directory)  # it may have ended properly between the two looks
            if record.state is JobState.RUNNING:
                record = self.update(job_id, state=JobState.CRASHED, ended_at=utc_now())
        return record

    def all(self, kind: str | None = None) -> list[JobRecord]:
        """Return the jobs, newest first."""
        names = sorted((path.name for path in self.workspace.jobs_dir.iterdir() if path.is_dir()), reverse=True)
        records = []
        for name in names:
            with contextlib.suppress(OSError, ValueError):  # a folder being created or removed this instant
                records.append(self.get(name))
        return [record for record in records if kind is None or record.kind == kind]

    def progress(self, job_id: str) -> list[ProgressReport]:
        """Return every report of a job, oldest first."""
        path = self.directory(job_id) / "progress.jsonl"
        if not path.exists():
            return []
        reports = []
        for line in path.read_text(encoding="utf-8").splitlines():
            with contextlib.suppress(ValueError):  # the last line may be half written
                reports.append(ProgressReport.model_validate_json(line))
        return reports

    def log(self, job_id: str, last: int = 200) -> str:
        """Return the last lines of a job's log."""
        path = self.directory(job_id) / "log.txt"
        if not path.exists():
            return ""
        return "\n".join(path.read_text(encoding="utf-8", errors="replace").splitlines()[-last:])

    def request_cancel(self, job_id: str) -> JobRecord:
        """Ask a job to stop. One that has not begun is over at once; a running one stops at its next step."""
        record = self.get(job_id)
        if record.state is JobState.PENDING:
            return self.update(job_id, state=JobState.KILLED, ended_at=utc_now())
        if record.state is JobState.RUNNING:
            (self.directory(job_id) / "cancel").touch()
        return record


def is_alive(directory: Path) -> bool:
    """Whether a process holds the job's lock."""
    try:
        with (directory / ".alive").open("a+") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return False
    except BlockingIOError:
        return True


def seconds_left(reports: list[ProgressReport], window: int = 30) -> float | None:
    """Return the expected seconds until the last step, from the pace of the last `window` reports.

    None while there is nothing to judge by.
    """
    recent = reports[-window:]
    if len(recent) < 2 or recent[-1].step <= recent[0].step:
        return None
    elapsed = (recent[-1].at - recent[0].at).total_seconds()
    pace = elapsed / (recent[-1].step - recent[0].step)
    return max(0.0, pace * (recent[-1].total - recent[-1].step))


class JobProgress:
    """What a job's code reports to; the same shape as `ulm_core.training.progress.Progress`."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._reports = (directory / "progress.jsonl").open("a", encoding="utf-8", buffering=1)
        self._log = (directory / "log.txt").open("a", encoding="utf-8", buffering=1)

    def report(self, step: int, total: int, **metrics: float) -> None:
        """Record that step `step` of `total` is done, and what was measured."""
        line = {"at": utc_now().isoformat(), "step": step, "total": total, "metrics": metrics}
        self._reports.write(json.dumps(line) + "\n")

    def log(self, text: str) -> None:
        """Add a line to the job's log."""
        self._log.write(f"{utc_now():%H:%M:%S} {text}\n")

    def should_stop(self) -> bool:
        """Whether somebody asked the job to stop."""
        return (self._directory / "cancel").exists()

    def close(self) -> None:
        """Close the files."""
        self._reports.close()
        self._log.close()
