"""One job in one process of its own: a crash or a memory shortage there takes nothing else down."""

from __future__ import annotations

import fcntl
import logging
import secrets
import signal
import traceback
from types import FrameType

from ulm_core.errors import CancelledError, UlmError
from ulm_core.events.sources import without_secret
from ulm_core.jobs.records import JobProgress, JobState, JobStore, utc_now
from ulm_core.jobs.tasks import TRAINING_KINDS, task_for
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
        record = store.update(job_id, state=JobState.RUNNING, started_at=utc_now())
        changes = _attempt(workspace, store, job_id)
        # A password in the address of a database is needed no longer.
        plain = {name: without_secret(value) if name == "path" else value for name, value in record.parameters.items()}
        store.update(job_id, ended_at=utc_now(), parameters=plain, **changes)
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
    except (KeyboardInterrupt, CancelledError):
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
        # A training that is stopped ends early with what it has; a load that ended had no way back any more.
        was_cut = progress.should_stop() and record.kind in TRAINING_KINDS
        progress.close()
    return {"state": JobState.KILLED if was_cut else JobState.FINISHED, "result": result}


def _described(error: UlmError) -> dict[str, object]:
    fields = {name: str(value) for name, value in error.message.fields.items()}
    return {"error": str(error), "error_template": error.message.template, "error_fields": fields}
