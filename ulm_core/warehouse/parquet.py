"""Parquet files of a workspace, encrypted (AES-GCM) where the workspace is."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from ulm_core.keys import Keys
from ulm_core.warehouse.access import memory_database
from ulm_core.warehouse.database import Database, literal, quote


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
    database.execute(
        f"COPY ({sql}) TO {literal(str(path))} (FORMAT parquet, COMPRESSION zstd, PARQUET_VERSION v2{sealed})"
    )


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


def drop_rows(path: Path, ids: Iterable[str], keys: Keys | None = None) -> int:
    """Rewrite a Parquet file without the rows that name any of `ids`; return how many went.

    An id counts where it stands on its own in a column of text. One made of digits counts only as the whole of a
    cell in a column named after the user, because a number says nothing.

    Raises
    ------
    UlmError
        When the file cannot be read.
    """
    with memory_database(keys) as database:
        rows = source(path, keys)
        found = database.query(f"DESCRIBE SELECT * FROM {rows}")
        kinds = dict(zip(found["column_name"].to_pylist(), found["column_type"].to_pylist(), strict=True))
        tests = [test for name in ids for test in _tests(kinds, name)]
        named = f"coalesce({' OR '.join(tests) or 'false'}, false)"
        count = int(str(database.scalar(f"SELECT count(*) FROM {rows} WHERE {named}")))
        if count:
            partial = path.with_name(f".{path.name}.part")
            copy(database, f"SELECT * FROM {rows} WHERE NOT {named}", partial, keys)
            partial.replace(path)
        return count


def _tests(kinds: dict[str, str], name: str) -> list[str]:
    """Return SQL conditions under which a row names the user `name`; a NULL is no match."""
    if name.isdigit():
        users = [column for column in kinds if re.search("user|customer|visitor|member", column, re.IGNORECASE)]
        return [f"coalesce(CAST({quote(column)} AS VARCHAR) = {literal(name)}, false)" for column in users]
    # A number or a moment can hold no name; a list, struct or map of texts can.
    texts = [column for column, kind in kinds.items() if "VARCHAR" in kind or kind in {"JSON", "BLOB"}]
    return [
        f"coalesce(regexp_matches(CAST({quote(column)} AS VARCHAR), {literal(mention(name))}), false)"
        for column in texts
    ]


def mention(text: str) -> str:
    """Return a regular expression that finds `text` standing on its own, not inside a longer word."""
    return rf"(^|[^\p{{L}}\p{{N}}_])({re.escape(text)})($|[^\p{{L}}\p{{N}}_])"
