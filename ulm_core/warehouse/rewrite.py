"""Rewriting the warehouse file, so that no byte of a deleted row stays in it.

DuckDB's DELETE, CHECKPOINT and VACUUM leave deleted bytes in free blocks; only a new file leaves them out.
"""

from __future__ import annotations

import os
from pathlib import Path

from ulm_core.warehouse.access import WAREHOUSE, attach, unlock
from ulm_core.warehouse.database import Database
from ulm_core.workspace import Workspace


def rewrite_warehouse(workspace: Workspace) -> None:
    """Copy every row into a new file that takes the old one's place; the caller holds the load lock.

    A process killed here leaves the old file, which still says that it must be rewritten.
    """
    keys = workspace.file_keys()
    old, new = workspace.warehouse_path, workspace.root / ".warehouse.rewritten.part"
    _remove(new)
    with unlock(Database.private(), keys) as database:
        attach(database, old, WAREHOUSE, keys)
        attach(database, new, "rewritten", keys)
        database.execute(f"COPY FROM DATABASE {WAREHOUSE} TO rewritten")
        database.execute("UPDATE rewritten.head SET must_rewrite = false")
        database.execute("CHECKPOINT rewritten")
        database.execute("DETACH rewritten")
    with new.open("rb+") as file:
        os.fsync(file.fileno())
    # The log beside the old file is empty: the connection that closed last wrote it into the file.
    old.with_name(f"{old.name}.wal").unlink(missing_ok=True)
    new.replace(old)


def _remove(path: Path) -> None:
    path.unlink(missing_ok=True)
    path.with_name(f"{path.name}.wal").unlink(missing_ok=True)
