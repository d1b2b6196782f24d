"""Publishing: from the warehouse to an immutable version (snapshot and timeline index) in one switch.

A load commits to the warehouse, together with the name of the version it leads to (`Head`). Then that version
is written beside the others and the file ``CURRENT`` is replaced. A process killed anywhere leaves readers with
the version before, whole; `settle` finishes the rest before anything else happens to the warehouse.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pyarrow as pa

from ulm_core.events.samples import LogBundle
from ulm_core.events.sources import FrameSource
from ulm_core.messages import N_, Message, message
from ulm_core.settings import get_settings
from ulm_core.timeline.append import ROWS, append_index, can_append_to, link_index
from ulm_core.timeline.build import DICTIONARIES, build_index
from ulm_core.timeline.ids import read_ids
from ulm_core.warehouse.access import open_warehouse
from ulm_core.warehouse.database import Database, disk_full_error
from ulm_core.warehouse.head import Head, read_head
from ulm_core.warehouse.loading import (
    LoadOptions,
    LoadReport,
    Mode,
    Report,
    load_bundle,
    load_file,
    load_log,
    load_tables,
)
from ulm_core.warehouse.rewrite import rewrite_warehouse
from ulm_core.warehouse.snapshot import (
    Snapshot,
    VersionRecord,
    loads_to_append,
    read_record,
    write_snapshot,
)
from ulm_core.warehouse.tables import TableReport
from ulm_core.warehouse.totals import read_totals, write_totals
from ulm_core.workspace import Workspace, WorkspaceConfig, write_atomically

T = TypeVar("T")
VERSION_CACHES = ("columns", "entities", "risk")  # folders of the cache that hold one folder a version


def _quiet(_: Message) -> None:
    return None


def publish(workspace: Workspace, report: Report = _quiet) -> Head:
    """Make the state of the warehouse the version everybody reads; return that state.

    The pointer is replaced last, so a crash leaves the version before, whole. The caller holds the load lock.
    Nothing is published while erased rows still lie in the warehouse file.
    """
    with open_warehouse(workspace) as database:
        head = read_head(database)
        if head.version is None or head.must_rewrite:
            return head
        if not (workspace.versions_dir / head.version).is_dir():  # it is there after an undo or a crash
            _write_version(workspace, database, head, report)
    if workspace.current_version() != head.version:
        workspace.publish(head.version, WorkspaceConfig.model_validate_json(head.config) if head.config else None)
    _drop_old_versions(workspace, head.version)
    return head


def _write_version(workspace: Workspace, database: Database, head: Head, report: Report) -> None:
    """Write a version's folder under a name nobody reads, then give it its own."""
    target = workspace.versions_dir / str(head.version)
    partial = workspace.versions_dir / f".{target.name}.part"
    shutil.rmtree(partial, ignore_errors=True)
    (partial / "timeline").mkdir(parents=True)
    base = _base(workspace, head)
    new = loads_to_append(database, head, read_record(base)) if base else None
    keys = workspace.file_keys()
    if base and not can_append_to(base / "timeline", keys):
        new = None
    report(message(N_("Writing the snapshot")))
    record = write_snapshot(database, partial, head, base=base, new=new, keys=keys)
    rows = _new_rows(database, new) if base and new is not None else None
    report(message(N_("Building the timeline index")))
    size = get_settings().partition_events
    if base is None or rows is None:
        build_index(Snapshot(partial, keys), partial / "timeline", target.name, size)
    elif rows.num_rows:
        append_index(base / "timeline", rows, partial / "timeline", target.name, size, keys)
    else:
        link_index(base / "timeline", partial / "timeline", target.name, keys)
    ids = {name: read_ids(partial / "timeline" / f"{name}.parquet", keys) for name in DICTIONARIES}
    has_totals = base is not None and read_totals(base, keys) is not None
    write_totals(partial, base if has_totals else None, rows, keys, ids=ids)
    _seal(workspace, partial, record, head)
    partial.rename(target)


def _seal(workspace: Workspace, partial: Path, record: VersionRecord, head: Head) -> None:
    """Write the version's record and bring every file of it to the disk, before anybody is sent there."""
    if head.config:
        record = record.model_copy(update={"config_before": workspace.config.model_dump_json()})
    write_atomically(partial / "version.json", record.model_dump_json(indent=2))
    for path in partial.rglob("*"):
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _base(workspace: Workspace, head: Head) -> Path | None:
    """Return the folder of the version that is published now; None when it holds rows that were erased since."""
    name = workspace.current_version()
    directory = workspace.versions_dir / name if name else None
    if directory is None or not directory.is_dir():
        return None
    record = read_record(directory)
    return None if record and record.epoch != head.epoch else directory


def _new_rows(database: Database, loads: tuple[int, ...]) -> pa.Table:
    return database.query(f"SELECT {ROWS} FROM events WHERE load_id IN ({', '.join(map(str, loads)) or 'NULL'})")


def _drop_old_versions(workspace: Workspace, current: str) -> None:
    """Keep the published version and the one an undo goes back to; who mapped another keeps its pages."""
    record = read_record(workspace.versions_dir / current)
    kept = {current, record.previous if record else None}
    caches = [path for path in workspace.cache_dir.glob("*/*") if path.parent.name in VERSION_CACHES]
    for path in [*workspace.versions_dir.iterdir(), *caches]:
        if path.name not in kept:
            shutil.rmtree(path, ignore_errors=True)


def settle(workspace: Workspace, report: Report = _quiet) -> bool:
    """Finish what a killed process left: publish what is committed, remove what is half written.

    The caller holds the load lock. Returns whether there was anything to publish.
    """
    workspace.settle_config()
    _sweep(workspace)
    if not workspace.warehouse_path.exists():
        return False
    before = workspace.current_version()
    if publish(workspace, report).must_rewrite:
        rewrite_warehouse(workspace)
        publish(workspace, report)
    return workspace.current_version() != before


def _sweep(workspace: Workspace) -> None:
    """Remove what killed processes left half written; nobody else writes here while the lock is held."""
    if workspace.versions_dir.is_dir():
        for path in workspace.versions_dir.glob(".*.part"):
            shutil.rmtree(path, ignore_errors=True)
    shutil.rmtree(workspace.root / f"{workspace.warehouse_path.name}.tmp", ignore_errors=True)  # spilled rows
    for name in ("CURRENT", "workspace.json"):
        for path in workspace.root.glob(f".{name}.*.part"):
            path.unlink(missing_ok=True)


@contextlib.contextmanager
def _disk_full_in_words() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise disk_full_error() from error
        raise


def locked(workspace: Workspace, work: Callable[[], T], report: Report = _quiet) -> T:
    """Run what changes the warehouse: alone, after what a killed process left is finished; then publish.

    Raises
    ------
    BusyError
        When another load into this workspace is running.
    """
    with _disk_full_in_words(), workspace.lock("load"):
        settle(workspace, report)
        done = work()
        settle(workspace, report)
        return done


def import_bundle(
    workspace: Workspace, bundle: LogBundle, mode: Mode = "replace", report: Report = _quiet
) -> LoadReport:
    """Load a sample and publish it; the sample's configuration becomes the workspace's.

    Raises
    ------
    BusyError
        When another load into this workspace is running.
    """
    return locked(workspace, lambda: load_bundle(workspace, bundle, mode, report), report)


def import_file(workspace: Workspace, path: Path, mode: Mode = "append", report: Report = _quiet) -> LoadReport:
    """Load a CSV or Parquet file with the standard columns and publish it.

    Raises
    ------
    BusyError
        When another load into this workspace is running.
    InputError
        When the file cannot be used; nothing is changed then.
    """
    return locked(workspace, lambda: load_file(workspace, path, mode, report), report)


def import_log(
    workspace: Workspace,
    place: str | Path | FrameSource,
    mode: Mode = "append",
    report: Report = _quiet,
    options: LoadOptions | None = None,
) -> LoadReport:
    """Load a file, folder, pattern, address, database table or frame, and publish it.

    Raises
    ------
    BusyError
        When another load into this workspace is running.
    InputError
        When the source cannot be used; nothing is changed then.
    """
    return locked(workspace, lambda: load_log(workspace, place, mode, report, options), report)


def import_tables(
    workspace: Workspace, users: str | None = None, items: str | None = None, report: Report = _quiet
) -> tuple[TableReport, ...]:
    """Describe users or items of a loaded log by file, and publish it.

    Raises
    ------
    BusyError
        When another load into this workspace is running.
    InputError
        When nothing is loaded yet, or a file has no id.
    """
    return locked(workspace, lambda: load_tables(workspace, users, items, report=report), report)


def repair(workspace: Workspace, report: Report = _quiet) -> bool:
    """Finish what a killed load left, now; the next load does the same. Returns whether anything was published."""
    with _disk_full_in_words(), workspace.lock("load"):
        return settle(workspace, report)
