"""Commands that run things: start (dashboard and worker), worker, jobs."""

from __future__ import annotations

from typing import Annotated

import typer

from ulm_core.cli.common import JsonOption, WorkspaceOption, emit, open_workspace, table_lines
from ulm_core.jobs.process import run_job
from ulm_core.jobs.queue import serve
from ulm_core.jobs.records import JobRecord, JobStore, seconds_left


def register(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    app.command()(start)
    app.command()(worker)
    app.command()(jobs)
    app.command("job-run", hidden=True)(job_run)
    app.command(hidden=True)(warm)


def start(
    workspace: WorkspaceOption = None,
    port: Annotated[int | None, typer.Option(help="Port of the dashboard; the next free one when it is taken.")] = None,
) -> None:
    """Open the product: load the sample if the workspace is empty, start worker and dashboard."""
    from ulm_core.jobs.studio import run_studio

    run_studio(open_workspace(workspace), port)


def worker(workspace: WorkspaceOption = None, as_json: JsonOption = False) -> None:
    """Serve the job queue until Ctrl-C."""
    served = open_workspace(workspace)
    serve(served)
    emit({"workspace": served.root, "state": "stopped"}, as_json, ["The worker stopped."])


def job_run(job_id: str, workspace: WorkspaceOption = None) -> None:
    """Run one pending job in this process (the worker calls this)."""
    run_job(open_workspace(workspace), job_id)


def warm(workspace: WorkspaceOption = None) -> None:
    """Compile every kernel ahead of the first question (start calls this)."""
    from ulm_core.jobs.studio import warm_beside

    warm_beside(open_workspace(workspace))


def jobs(
    job: Annotated[str | None, typer.Argument(help="One job; without it, all of them.")] = None,
    cancel: Annotated[bool, typer.Option("--cancel", help="Ask the job to stop.")] = False,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """List background jobs, look at one, or stop it."""
    store = JobStore(open_workspace(workspace))
    if job is None:
        records = store.all()
        rows = [(record.id, record.state.value, record.error or "") for record in records]
        emit(
            {"jobs": [record.model_dump(mode="json") for record in records]},
            as_json,
            table_lines(("job", "state", "error"), rows),
        )
        return
    record = store.request_cancel(job) if cancel else store.get(job)
    reports = store.progress(job)
    latest = reports[-1].model_dump(mode="json") if reports else None
    answer = {**record.model_dump(mode="json"), "progress": latest, "seconds_left": seconds_left(reports)}
    emit(answer, as_json, [*_job_lines(record), store.log(job, last=20)])


def _job_lines(record: JobRecord) -> list[str]:
    return table_lines(
        ("what", "value"),
        [("job", record.id), ("state", record.state.value), ("error", record.error or "-"), ("result", record.result)],
    )
