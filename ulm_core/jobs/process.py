"""One job in one process of its own: a crash or a memory shortage there takes nothing else down."""

from __future__ import annotations

import fcntl
import logging
import secrets
import signal
import traceback
from types import FrameType

from ulm_core.errors import UlmError
from ulm_core.jobs.records import JobProgress, JobState, JobStore, utc_now
from ulm_core.jobs.tasks import task_for
from ulm_core.messages import N_
from ulm_core.workspace import Workspace

logger = logging.getLogger(__name__)


def _stop(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def run_job(workspace: Workspace, job_id: str) -> JobState:
    """Run a pending job to its end in this process and return how it ended.

    Raises
    ------
    NotFoundError
        When there is no such job.
    """
    store = JobStore(workspace)
    directory = store.directory(job_id)
    with (directory / ".alive").open("a+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if store.get(job_id).state is not JobState.PENDING:  # cancelled while it waited
            return store.get(job_id).state
        store.update(job_id, state=JobState.RUNNING, started_at=utc_now())
        changes = _attempt(workspace, store, job_id)
        store.update(job_id, ended_at=utc_now(), **changes)
        state = changes["state"]
        return state if isinstance(state, JobState) else JobState.FAILED


def _attempt(workspace: Workspace, store: JobStore, job_id: str) -> dict[str, object]:
    """Run the task; return the fields of the record that its end changes."""
    record = store.get(job_id)
    directory = store.directory(job_id)
    progress = JobProgress(directory)
    signal.signal(signal.SIGTERM, _stop)
    try:
        result = task_for(record.kind)(workspace, record.parameters, progress)
    except KeyboardInterrupt:
        progress.log("stopped")
        return {"state": JobState.KILLED}
    except UlmError as error:
        progress.log(f"failed: {error}")
        return {"state": JobState.FAILED, **_described(error)}
    except Exception:
        reference = secrets.token_hex(4)
        progress.log(f"unexpected error, reference {reference}\n{traceback.format_exc()}")
        problem = UlmError(
            N_("Something unexpected went wrong (reference {reference}). The job's log has the details."),
            code="unexpected",
            reference=reference,
        )
        return {"state": JobState.FAILED, **_described(problem)}
    finally:
        cancelled = progress.should_stop()
        progress.close()
    return {"state": JobState.KILLED if cancelled else JobState.FINISHED, "result": result}


def _described(error: UlmError) -> dict[str, object]:
    fields = {name: str(value) for name, value in error.message.fields.items()}
    return {"error": str(error), "error_template": error.message.template, "error_fields": fields}
