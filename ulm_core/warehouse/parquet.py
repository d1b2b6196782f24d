"""Parquet files of a workspace, encrypted (AES-GCM) where the workspace is."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from ulm_core.keys import Keys
from ulm_core.warehouse.access import memory_database
from ulm_core.warehouse.database import Database, literal


def source(pattern: Path, keys: Keys | None, *, by_name: bool = False) -> str:
    """Return SQL for the rows of the Parquet files that `pattern` names.

    `by_name`: files may lack columns that others have.
    """
    if keys is None:
        return f"read_parquet({literal(str(pattern))}{', union_by_name = true' if by_name else ''})"
    sealed = "encryption_config = {footer_key: 'workspace'}"
    if not by_name:
        return f"read_parquet({literal(str(pattern))}, {sealed})"
    # union_by_name and encryption_config together crash DuckDB 1.5 (its issue 21508); a union does the same.
    paths = sorted(pattern.parent.glob(pattern.name))
    rows = [f"SELECT * FROM read_parquet({literal(str(path))}, {sealed})" for path in paths]
    return f"({' UNION ALL BY NAME '.join(rows)})"


def copy(database: Database, sql: str, path: Path, keys: Keys | None) -> None:
    """Write the rows of a SELECT to a Parquet file; `database` must know the keys."""
    sealed = ", ENCRYPTION_CONFIG {footer_key: 'workspace'}" if keys else ""
    database.execute(f"COPY ({sql}) TO {literal(str(path))} (FORMAT parquet, COMPRESSION zstd{sealed})")


def write_table(path: Path, table: pa.Table, keys: Keys | None) -> None:
    """Write an Arrow table."""
    if keys is None:
        pq.write_table(table, path)
        return
    with memory_database(keys) as database:
        database.register("rows_to_write", table)
        copy(database, "SELECT * FROM rows_to_write", path, keys)


def read_table(path: Path, keys: Keys | None) -> pa.Table:
    """Return a Parquet file as an Arrow table."""
    if keys is None:
        return pq.read_table(path)
    with memory_database(keys) as database:
        return database.query(f"SELECT * FROM {source(path, keys)}")
