"""Opening databases of a workspace, with its keys where it is protected."""

from __future__ import annotations

from pathlib import Path

from ulm_core.keys import Keys
from ulm_core.warehouse.database import Database, literal
from ulm_core.warehouse.extensions import load_extension
from ulm_core.warehouse.schema import migrate
from ulm_core.workspace import Workspace

WAREHOUSE = "warehouse"  # name of an encrypted warehouse inside its connection


def unlock(database: Database, keys: Keys | None) -> Database:
    """Let `database` read and write what is encrypted with `keys`; returns it.

    DuckDB encrypts with OpenSSL, which comes with the extension httpfs. Without it nothing is opened: there
    is no weaker cipher to fall back to.

    Raises
    ------
    UlmError
        When the extension's package is not installed.
    """
    if keys is not None:
        load_extension(database, "httpfs")
        database.execute("SET temp_file_encryption = true")
        database.execute(f"PRAGMA add_parquet_key('workspace', {literal(keys.parquet)})")
    return database


def memory_database(keys: Keys | None = None) -> Database:
    """Return a private in-memory database that can read the workspace's files."""
    return unlock(Database.in_memory(), keys)


def attach(database: Database, path: Path, name: str, keys: Keys | None) -> None:
    """Attach a database file, encrypted with `keys` (AES-256-GCM); it is created when it is missing."""
    sealed = f" (ENCRYPTION_KEY {literal(keys.database)}, ENCRYPTION_CIPHER 'GCM')" if keys else ""
    database.execute(f"ATTACH {literal(str(path))} AS {name}{sealed}")


def open_database_file(path: Path, keys: Keys | None) -> Database:
    """Open a warehouse file for writing; the caller holds the workspace's load lock.

    Raises
    ------
    BusyError
        When another process has the file open.
    """
    if keys is None:
        return Database.open_writer(path)
    database = unlock(Database.private(), keys)
    database.execute(f"SET temp_directory = {literal(f'{path}.tmp')}")
    attach(database, path, WAREHOUSE, keys)
    database.execute(f"USE {WAREHOUSE}")
    return database


def open_warehouse(workspace: Workspace) -> Database:
    """Open the system of record for writing, its schema up to date; the caller holds the load lock.

    Raises
    ------
    BusyError
        When another process has the file open.
    InputError
        When the workspace is protected and its key is missing or another one.
    """
    database = open_database_file(workspace.warehouse_path, workspace.file_keys())
    try:
        migrate(database)
    except BaseException:
        database.close()
        raise
    return database
