"""Undo of the last load: warehouse, published version and configuration go back together."""

from __future__ import annotations

from ulm_core.messages import Message
from ulm_core.timeline.publish import locked
from ulm_core.warehouse.access import open_warehouse
from ulm_core.warehouse.loading import Report
from ulm_core.warehouse.snapshot import read_record
from ulm_core.warehouse.undo import cannot_undo, restore
from ulm_core.workspace import Workspace


def _quiet(_: Message) -> None:
    return None


def undo_last_load(workspace: Workspace, report: Report = _quiet) -> tuple[int, ...]:
    """Take back the last load; return the ids of the loads that are gone.

    The state before is the version that was published before the load, so one load can be undone, once.
    A file that was undone may be loaded again. A process killed here leaves the state before or after.

    Raises
    ------
    UlmError
        Code "cannot_undo": nothing is loaded, or the state before is no longer kept.
    BusyError
        When a load into this workspace is running.
    """
    return locked(workspace, lambda: _undo(workspace), report)


def _undo(workspace: Workspace) -> tuple[int, ...]:
    name = workspace.current_version()
    record = read_record(workspace.versions_dir / name) if name else None
    before = read_record(workspace.versions_dir / record.previous) if record and record.previous else None
    if record is None or before is None:
        raise cannot_undo()
    directory = workspace.versions_dir / before.version
    with open_warehouse(workspace) as database:
        return restore(database, directory, before, record.config_before, workspace.file_keys())
