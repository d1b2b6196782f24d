"""Immutable Parquet snapshots of the warehouse: what pages, workers and the CLI read.

One writer excludes every reader of a DuckDB file (ADR 0003), so readers never open it. A published
version is a folder that no longer changes; a process keeps reading the one it opened.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import pyarrow as pa

from ulm_core.warehouse.database import Database, literal
from ulm_core.workspace import Workspace

# Ties are ordered by content, never by the order of the source: The Complete Journey sorts a basket by
# product, which would tell a model the next item.
_ORDER = "user_id, time, session_id NULLS FIRST, hash(event, item_id, value, quantity), event, item_id, value, quantity"

_EXPORTS = {
    "events": f"SELECT * EXCLUDE (load_id) FROM events ORDER BY {_ORDER}",
    "items": "SELECT * FROM items ORDER BY item_id",
    "users": "SELECT * FROM users ORDER BY user_id",
    "loads": "SELECT * FROM loads ORDER BY load_id",
    "quarantine": "SELECT * FROM quarantine ORDER BY load_id, source, row_number",
    "attributes": "SELECT * FROM attributes ORDER BY target, name",
    "returns": "SELECT * FROM returns ORDER BY user_id, time, item_id, session_id, quantity",
    "user_flags": "SELECT * FROM user_flags ORDER BY load_id, user_id, flag",
}


def write_snapshot(database: Database, directory: Path) -> None:
    """Write every table of the warehouse as a Parquet file into `directory`."""
    for name, sql in _EXPORTS.items():
        target = literal(str(directory / f"{name}.parquet"))
        database.execute(f"COPY ({sql}) TO {target} (FORMAT parquet, COMPRESSION zstd)")


class Snapshot:
    """Read-only SQL over one published version.

    Views: ``events(user_id, time, event, item_id, value, quantity, session_id, properties)``, ``items``,
    ``users``, ``loads``, ``quarantine``, ``attributes``, ``returns``, ``user_flags``.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.version = directory.name
        self._database = Database.in_memory()
        # A version published by an older program lacks the tables that came later.
        self.views = tuple(name for name in _EXPORTS if (directory / f"{name}.parquet").exists())
        for name in self.views:
            path = literal(str(directory / f"{name}.parquet"))
            self._database.execute(f"CREATE VIEW {name} AS SELECT * FROM read_parquet({path})")
        self._database.confine(directory)

    @staticmethod
    def open(workspace: Workspace) -> Snapshot:
        """Open the published version; processes share one object per version.

        Raises
        ------
        EmptyWorkspaceError
            When nothing was loaded yet.
        """
        return _open(workspace.version_dir())

    def query(self, sql: str, parameters: Sequence[object] = ()) -> pa.Table:
        """Return the rows of one SELECT, values bound to ``?``."""
        return self._database.query(sql, parameters)

    def stream(self, sql: str, parameters: Sequence[object] = ()) -> pa.RecordBatchReader:
        """Return the rows of one SELECT batch by batch."""
        return self._database.stream(sql, parameters)


@lru_cache(maxsize=4)
def _open(directory: Path) -> Snapshot:
    return Snapshot(directory)
