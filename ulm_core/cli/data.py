"""Commands about the data: load, sample, info."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ulm_core.cli.common import JsonOption, WorkspaceOption, emit, note, open_workspace, table_lines
from ulm_core.events.samples import DEFAULT_SAMPLE, get_sample, samples
from ulm_core.timeline.publish import import_bundle, import_file
from ulm_core.warehouse.loading import LoadReport
from ulm_core.warehouse.reports import DatasetSummary, dataset_summary


def register(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    app.command()(load)
    app.command()(sample)
    app.command()(info)


def load(
    file: Annotated[Path, typer.Argument(help="CSV or Parquet file with the columns user, time, event (and more).")],
    replace: Annotated[bool, typer.Option("--replace", help="Replace what is loaded instead of adding to it.")] = False,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Load an event file; the same content a second time changes nothing."""
    report = import_file(open_workspace(workspace), file, "replace" if replace else "append", note)
    emit(report.to_json(), as_json, _load_lines(report))


def sample(
    name: Annotated[str, typer.Argument(help="Which sample; 'list' names them.")] = DEFAULT_SAMPLE,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Replace the workspace's data by a sample that ships with the product."""
    if name == "list":
        listed = {entry.name: str(entry.description) for entry in samples().values()}
        emit({"samples": listed}, as_json, table_lines(("name", "what it is"), listed.items()))
        return
    bundle = get_sample(name).read()
    report = import_bundle(open_workspace(workspace), bundle, report=note)
    emit(report.to_json(), as_json, _load_lines(report))


def info(workspace: WorkspaceOption = None, as_json: JsonOption = False) -> None:
    """Say what is loaded: rows, users, items, period, what was quarantined and why."""
    summary = dataset_summary(open_workspace(workspace))
    emit(summary.to_json(), as_json, _info_lines(summary))


def _load_lines(report: LoadReport) -> list[str]:
    if not report.is_new:
        return [f"{report.source} was loaded before; nothing changed."]
    return [f"{report.source}: {report.rows_loaded:,} rows loaded, {report.rows_quarantined:,} quarantined."]


def _info_lines(summary: DatasetSummary) -> list[str]:
    rows: list[tuple[str, object]] = [
        ("rows", f"{summary.rows:,}"),
        ("quarantined", f"{summary.rows_quarantined:,}"),
        ("users", f"{summary.users:,}"),
        ("items", f"{summary.items:,}"),
        ("first", summary.first_at),
        ("as of", summary.as_of),
    ]
    rows += [(f"event: {name}", f"{count:,}") for name, count in summary.events.items()]
    rows += [(f"quarantine: {reason}", f"{count:,}") for reason, count in summary.quarantine.items()]
    return table_lines(("what", "value"), rows)
