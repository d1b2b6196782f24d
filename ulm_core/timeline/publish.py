"""Publishing: from the warehouse to an immutable version (snapshot and timeline index) in one switch."""

from __future__ import annotations

import errno
import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path

from ulm_core.events.samples import LogBundle
from ulm_core.messages import N_, Message, message
from ulm_core.settings import get_settings
from ulm_core.timeline.build import build_index
from ulm_core.warehouse.database import Database, disk_full_error
from ulm_core.warehouse.loading import LoadReport, Mode, Report, load_bundle, load_file
from ulm_core.warehouse.snapshot import Snapshot, write_snapshot
from ulm_core.workspace import Workspace

KEPT_VERSIONS = 2  # the published one, and the one a process may have opened a moment ago


def _quiet(_: Message) -> None:
    return None


def publish(workspace: Workspace, load_id: int, fingerprint: str, report: Report = _quiet) -> str:
    """Write a new version of everything readers need and make it current; return its name.

    The pointer is replaced last, so a crash leaves the version before, whole.
    """
    name = f"{load_id:06d}-{hashlib.sha256(fingerprint.encode()).hexdigest()[:8]}"
    partial = workspace.versions_dir / f".{name}.part"
    shutil.rmtree(partial, ignore_errors=True)
    (partial / "timeline").mkdir(parents=True)
    report(message(N_("Writing the snapshot")))
    with Database.open_writer(workspace.warehouse_path) as database:
        write_snapshot(database, partial)
    report(message(N_("Building the timeline index")))
    build_index(Snapshot(partial), partial / "timeline", name, get_settings().partition_events)
    target = workspace.versions_dir / name
    shutil.rmtree(target, ignore_errors=True)
    partial.rename(target)
    workspace.publish(name)
    _drop_old_versions(workspace, name)
    return name


def _drop_old_versions(workspace: Workspace, current: str) -> None:
    """Remove versions nobody can be told about any more; a process that mapped one keeps its pages."""
    others = sorted(
        (path for path in workspace.versions_dir.iterdir() if path.name != current),
        key=lambda path: path.stat().st_mtime,
    )
    for path in others[: len(others) - (KEPT_VERSIONS - 1)]:
        shutil.rmtree(path, ignore_errors=True)


def _locked(workspace: Workspace, report: Report, load: Callable[[], LoadReport]) -> LoadReport:
    try:
        with workspace.lock("load"):
            done = load()
            if done.is_new or workspace.current_version() is None:
                publish(workspace, done.load_id, done.fingerprint, report)
            return done
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise disk_full_error() from error
        raise


def import_bundle(
    workspace: Workspace, bundle: LogBundle, mode: Mode = "replace", report: Report = _quiet
) -> LoadReport:
    """Load a sample and publish it; the sample's configuration becomes the workspace's.

    Raises
    ------
    BusyError
        When another load into this workspace is running.
    """

    def load() -> LoadReport:
        done = load_bundle(workspace, bundle, mode, report)
        workspace.save_config(bundle.config)
        return done

    return _locked(workspace, report, load)


def import_file(workspace: Workspace, path: Path, mode: Mode = "append", report: Report = _quiet) -> LoadReport:
    """Load a CSV or Parquet file with the standard columns and publish it.

    Raises
    ------
    BusyError
        When another load into this workspace is running.
    InputError
        When the file cannot be used; nothing is changed then.
    """

    def load() -> LoadReport:
        done = load_file(workspace, path, mode, report)
        if mode == "replace":
            workspace.save_config(workspace.config.__class__(name=path.stem))
        return done

    return _locked(workspace, report, load)
