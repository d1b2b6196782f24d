"""Undo of the last load: warehouse, published version and configuration go back together."""

from __future__ import annotations

from dataclasses import dataclass

from ulm_core.messages import Message
from ulm_core.timeline.publish import locked
from ulm_core.warehouse.access import open_warehouse
from ulm_core.warehouse.loading import Report
from ulm_core.warehouse.snapshot import VersionRecord, read_record
from ulm_core.warehouse.undo import cannot_undo, restore
from ulm_core.workspace import Workspace


def _quiet(_: Message) -> None:
    return None


@dataclass(frozen=True)
class UndoPlan:
    """What an undo would do.

    Attributes
    ----------
    loads
        Loads that would be gone; empty where the last change only described users or items.
    returning
        Loads that would come back, because the last load replaced them.
    rows_now, rows_then
        Events before and after the undo.
    """

    loads: tuple[int, ...]
    returning: tuple[int, ...]
    rows_now: int
    rows_then: int


def plan_undo(workspace: Workspace) -> UndoPlan | None:
    """Return what `undo_last_load` would do, None where the state before is no longer kept."""
    records = _records(workspace)
    if records is None:
        return None
    now, then = records
    return UndoPlan(
        tuple(load for load in now.loads if load not in then.loads),
        tuple(load for load in then.loads if load not in now.loads),
        now.rows,
        then.rows,
    )


def _records(workspace: Workspace) -> tuple[VersionRecord, VersionRecord] | None:
    """Return the records of the published version and of the one before it."""
    name = workspace.current_version()
    now = read_record(workspace.versions_dir / name) if name else None
    then = read_record(workspace.versions_dir / now.previous) if now and now.previous else None
    return (now, then) if now and then else None


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
    records = _records(workspace)
    if records is None:
        raise cannot_undo()
    now, then = records
    directory = workspace.versions_dir / then.version
    with open_warehouse(workspace) as database:
        return restore(database, directory, then, now.config_before, workspace.file_keys())
