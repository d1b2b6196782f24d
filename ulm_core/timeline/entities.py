"""Timelines of something else than the user: of an account, a device, a session.

The same events, re-keyed: whoever reads the index sees entities where users were. Built once a version and key,
kept below ``cache/entities/<version>/`` (never in the version's folder, which is immutable).
"""

from __future__ import annotations

import secrets
import shutil
from pathlib import Path
from urllib.parse import quote

from ulm_core.errors import NotFoundError
from ulm_core.messages import N_
from ulm_core.settings import get_settings
from ulm_core.timeline.build import build_index
from ulm_core.timeline.index import TimelineIndex, open_index
from ulm_core.timeline.properties import property_names
from ulm_core.warehouse.database import literal
from ulm_core.warehouse.reports import attribute_values
from ulm_core.warehouse.snapshot import Snapshot, property_sql
from ulm_core.workspace import Workspace

SESSION = "session"
_COLUMNS = {SESSION: "session_id", "session_id": "session_id", "item": "item_id", "item_id": "item_id"}
_KIND = N_("property or attribute")


def entity_index(workspace: Workspace, column: str) -> TimelineIndex:
    """Return the published log with `column` in the place of the user; events without it are left out.

    Parameters
    ----------
    workspace
        The workspace.
    column
        ``session``, ``item``, a property of events, or an attribute of users, looked for in this order; ``user``
        is the index as it is.

    Raises
    ------
    EmptyWorkspaceError
        When nothing was loaded yet.
    NotFoundError
        When no event has such a key; the message names the known ones.
    """
    if column in ("user", "user_id"):
        return TimelineIndex.open(workspace)
    directory = entities_dir(workspace, workspace.version_dir().name) / quote(column, safe="")
    if not directory.is_dir():
        _build(workspace, column, directory)
    return open_index(directory, workspace.file_keys())


def entities_dir(workspace: Workspace, version: str) -> Path:
    """Return the folder of the re-keyed indexes of a version."""
    return workspace.cache_dir / "entities" / version


def _build(workspace: Workspace, column: str, directory: Path) -> None:
    """Build beside the place and move it there: readers see a whole index or none."""
    snapshot = Snapshot(workspace.version_dir(), workspace.file_keys())
    rows = f"({_rows(snapshot, column)})"
    partial = directory.with_name(f".{secrets.token_hex(4)}.part")
    partial.mkdir(parents=True)
    try:
        build_index(snapshot, partial, snapshot.version, get_settings().partition_events, rows)
        partial.rename(directory)
    except OSError:
        if not directory.is_dir():  # else another process was quicker
            raise
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _rows(snapshot: Snapshot, column: str) -> str:
    """Return SQL for the events with the key as their user."""
    if column in _COLUMNS:
        return _replaced(snapshot, column, _COLUMNS[column], "events")
    names = property_names(snapshot)
    if column in names:
        return _replaced(snapshot, column, property_sql(column), "events")
    attributes = attribute_values(snapshot)
    if column not in attributes:
        raise NotFoundError.for_name(_KIND, column, (SESSION, *names, *attributes))
    key = f"attributes[{literal(column)}]"
    return _replaced(snapshot, column, key, "events JOIN (SELECT user_id, attributes FROM users) USING (user_id)")


def _replaced(snapshot: Snapshot, column: str, key: str, source: str) -> str:
    columns = "time, event, item_id, value, quantity, session_id"
    rows = f"SELECT {key} AS user_id, {columns} FROM {source} WHERE {key} IS NOT NULL"
    if not snapshot.query(f"SELECT 1 FROM ({rows}) LIMIT 1").num_rows:
        raise NotFoundError.for_name(_KIND, column, property_names(snapshot))
    return rows
