"""Taking back the last load: the warehouse returns to the state of the version before it."""

from __future__ import annotations

from pathlib import Path

from ulm_core.errors import UlmError
from ulm_core.keys import Keys
from ulm_core.messages import N_
from ulm_core.warehouse import parquet
from ulm_core.warehouse.database import Database, quote
from ulm_core.warehouse.head import Head, read_head, write_head
from ulm_core.warehouse.snapshot import TABLES, VersionRecord, files_of


def cannot_undo() -> UlmError:
    """Return the error for a state that is no longer kept."""
    return UlmError(
        N_("The last load cannot be taken back: the state before it is no longer kept. One load can be undone, once."),
        code="cannot_undo",
    )


def restore(
    database: Database, directory: Path, before: VersionRecord, config: str | None, keys: Keys | None
) -> tuple[int, ...]:
    """Bring the warehouse back to a version, in one transaction; return the loads that are gone.

    Parameters
    ----------
    database
        The warehouse, its transaction not begun.
    directory
        Folder of the version to go back to.
    before
        Its record.
    config
        Configuration (JSON) that comes back with it, or None.
    keys
        Keys of an encrypted workspace.
    """
    database.execute("BEGIN")
    loads = database.query("SELECT load_id FROM loads ORDER BY load_id")["load_id"].to_pylist()
    undone = tuple(load for load in loads if load not in before.loads)
    only_added = set(before.loads) <= set(loads)
    for table in TABLES:
        if table == "events" and only_added:  # the old rows still stand: nothing to read back
            database.execute("DELETE FROM events WHERE list_contains(?, load_id)", [list(undone)])
        elif (directory / table).is_dir() or (directory / f"{table}.parquet").exists():
            _replace(database, table, parquet.source(files_of(directory, table), keys, by_name=table == "events"))
        else:
            database.execute(f"DELETE FROM {table}")
    write_head(database, Head(before.version, read_head(database).epoch, config))
    database.execute("COMMIT")
    return undone


def _replace(database: Database, table: str, rows: str) -> None:
    known = {str(name) for name in database.query(f"DESCRIBE SELECT * FROM {rows}")["column_name"].to_pylist()}
    columns = database.query(f"DESCRIBE {table}")["column_name"].to_pylist()
    names = ", ".join(quote(str(name)) for name in columns if name in known)
    database.execute(f"DELETE FROM {table}")
    database.execute(f"INSERT INTO {table} ({names}) SELECT {names} FROM {rows}")
