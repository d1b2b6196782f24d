"""The warehouse's own word on which version it stands for; what a killed process left is finished from it.

`head` has one row, changed in the same transaction as the data. While it names another version than the
file `CURRENT`, a commit was not published yet (ADR 0008).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from ulm_core.warehouse.database import Database
from ulm_core.workspace import WorkspaceConfig


@dataclass(frozen=True)
class Head:
    """State of the warehouse.

    Attributes
    ----------
    version
        Name of the version that holds exactly this state; None while nothing was loaded.
    epoch
        Grows when rows of earlier loads change (an erasure): versions of another epoch are no base to
        append to.
    config
        Configuration (JSON) that becomes the workspace's when the version is published, or None.
    must_rewrite
        Rows were erased and their bytes still lie in the database file.
    """

    version: str | None = None
    epoch: int = 0
    config: str | None = None
    must_rewrite: bool = False


def version_name(load_id: int, fingerprint: str) -> str:
    """Return the name of the version that a load leads to."""
    return f"{load_id:06d}-{hashlib.sha256(fingerprint.encode()).hexdigest()[:8]}"


def read_head(database: Database) -> Head:
    """Return the state; a warehouse from before this table existed stands for its last load."""
    rows = database.query("SELECT version, epoch, config, must_rewrite FROM head").to_pylist()
    if rows:
        return Head(**rows[0])
    last = database.query("SELECT load_id, fingerprint FROM loads ORDER BY load_id DESC LIMIT 1").to_pylist()
    return Head(version_name(**last[0])) if last else Head()


def write_head(database: Database, head: Head) -> None:
    """Replace the state, as part of the caller's transaction."""
    database.execute("DELETE FROM head")
    database.execute("INSERT INTO head VALUES (?, ?, ?, ?)", [head.version, head.epoch, head.config, head.must_rewrite])


def advance_head(database: Database, load_id: int, fingerprint: str, config: WorkspaceConfig | None) -> None:
    """Record, inside the transaction of a load, the version it leads to and the configuration it brings."""
    text = config.model_dump_json(indent=2) if config else None
    write_head(database, Head(version_name(load_id, fingerprint), read_head(database).epoch, text))
