"""Databases of other people: opened read-only, their tables listed and found."""

from __future__ import annotations

from dataclasses import dataclass

from ulm_core.errors import InputError, NotFoundError, UlmError
from ulm_core.events.sources import TableSource, database_source, without_secret
from ulm_core.messages import N_
from ulm_core.warehouse.database import Database, literal, quote
from ulm_core.warehouse.extensions import load_extension


@dataclass(frozen=True)
class TableName:
    """A table or view; `rows` is what its database says of its size, None where it says nothing."""

    schema: str
    name: str
    rows: int | None

    @property
    def full(self) -> str:
        """Name as `find_table` takes it."""
        return self.name if self.schema in _USUAL else f"{self.schema}.{self.name}"


_USUAL = ("public", "main")


def attach_source(database: Database, source: TableSource) -> None:
    """Attach the database of `source` as ``ulm_source``, read-only.

    Raises
    ------
    InputError
        When it cannot be opened; a password in its address is left out of the message.
    """
    options = "READ_ONLY"
    if source.kind != "duckdb":
        load_extension(database, f"{source.kind}_scanner")
        options = f"TYPE {source.kind}, READ_ONLY"
    try:
        database.execute(f"ATTACH {literal(source.address)} AS ulm_source ({options})")
    except UlmError as error:
        reason = without_secret(str(error.message.fields.get("reason", error)))
        raise InputError(N_("{name} cannot be opened: {reason}"), name=source.name, reason=reason) from None


def _tables(database: Database) -> list[TableName]:
    found = database.query(
        "SELECT schema_name AS s, table_name AS t, estimated_size AS n FROM duckdb_tables() "
        "WHERE database_name = 'ulm_source' UNION ALL SELECT schema_name, view_name, NULL FROM duckdb_views() "
        "WHERE database_name = 'ulm_source' AND NOT internal ORDER BY 1, 2"
    ).to_pylist()
    return [TableName(row["s"], row["t"], row["n"] or None) for row in found]


def list_tables(address: str) -> list[TableName]:
    """Return the tables and views of a database.

    Parameters
    ----------
    address
        A DuckDB or SQLite file, or ``postgresql://user@host/name``.

    Raises
    ------
    NotFoundError
        When there is no such file.
    InputError
        When it is no database, or cannot be reached.
    """
    source = database_source(address)
    with Database.private() as database:
        attach_source(database, source)
        return _tables(database)


def find_table(database: Database, name: str) -> tuple[str, int | None]:
    """Return the full name in SQL of a table of ``ulm_source``, and how many rows its database says it has.

    Raises
    ------
    NotFoundError
        When there is no such table; the message names those there are.
    """
    found = _tables(database)
    schema, _, table = name.rpartition(".")
    matching = [each for each in found if each.name == table and schema in {"", each.schema}]
    if not matching:
        raise NotFoundError.for_name("table", name, [each.name for each in found])
    # "public" or "main" first where several schemas hold a table of that name.
    best = min(matching, key=lambda each: (each.schema not in _USUAL, each.schema))
    return f"ulm_source.{quote(best.schema)}.{quote(best.name)}", best.rows
