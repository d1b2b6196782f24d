"""Loading a log into the warehouse: cast, check, quarantine, count; nothing is dropped silently."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pyarrow as pa

from ulm_core.errors import InputError, NotFoundError, UlmError
from ulm_core.events.columns import STANDARD, Columns, match_columns
from ulm_core.events.samples import LogBundle
from ulm_core.messages import N_, Message, message
from ulm_core.warehouse.access import open_warehouse
from ulm_core.warehouse.database import Database, literal, quote
from ulm_core.warehouse.head import advance_head
from ulm_core.warehouse.privacy import pseudonymise, pseudonymise_users
from ulm_core.workspace import Workspace, WorkspaceConfig

Mode = Literal["append", "replace"]
Report = Callable[[Message], None]

# A moment is text in ISO 8601 (without a zone it is UTC) or an epoch in s, ms or us, told apart by its digits.
_TIME = """CASE
    WHEN regexp_full_match({0}, '[0-9]{{9,10}}(\\.[0-9]+)?')
        THEN make_timestamp(CAST(CAST({0} AS DOUBLE) * 1e6 AS BIGINT))
    WHEN regexp_full_match({0}, '[0-9]{{12,13}}') THEN make_timestamp(CAST({0} AS BIGINT) * 1000)
    WHEN regexp_full_match({0}, '[0-9]{{15,16}}') THEN make_timestamp(CAST({0} AS BIGINT))
    ELSE TRY_CAST({0} AS TIMESTAMPTZ) AT TIME ZONE 'UTC' END"""

# Order matters: the first reason that holds is the one recorded.
REASONS: tuple[tuple[str, str], ...] = (
    (N_("no user"), "user_id IS NULL"),
    (N_("no event"), "event IS NULL"),
    (N_("no time"), "raw_time IS NULL"),
    (N_("unreadable time"), "time IS NULL"),
    (N_("implausible time"), "time < TIMESTAMP '1970-01-02' OR time > TIMESTAMP '2100-01-01'"),
    (N_("unreadable value"), "value IS NULL AND raw_value IS NOT NULL OR isinf(value) OR isnan(value)"),
    (N_("unreadable quantity"), "quantity IS NULL AND raw_quantity IS NOT NULL OR isinf(quantity) OR isnan(quantity)"),
)


@dataclass(frozen=True)
class LoadReport:
    """What one load did; `rows_read == rows_loaded + rows_quarantined` always holds."""

    load_id: int
    source: str
    fingerprint: str
    rows_read: int
    rows_loaded: int
    rows_quarantined: int
    is_new: bool

    def to_json(self) -> dict[str, object]:
        """Return the report as plain values."""
        return dict(vars(self))


@dataclass(frozen=True)
class _Source:
    """A relation to load: how it is named in SQL, its bound parameters and its columns by standard name."""

    relation: str
    parameters: tuple[object, ...]
    columns: dict[str, str]
    name: str


def _quiet(_: Message) -> None:
    return None


def file_fingerprint(path: Path) -> str:
    """Return the SHA-256 of a file's bytes."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def _reader(path: Path) -> str:
    if path.suffix.lower() in {".parquet", ".pq"}:
        return "read_parquet(?)"
    return "read_csv(?, all_varchar = true, header = true)"


def _file_source(database: Database, path: Path) -> _Source:
    """Describe a CSV or Parquet file; the reader's own complaint becomes part of ours."""
    relation = _reader(path)
    try:
        described = database.query(f"DESCRIBE SELECT * FROM {relation}", [str(path)])
    except UlmError as error:
        raise InputError(
            N_("{file} cannot be read as a table: {reason} Give a CSV or Parquet file with a header."),
            file=path.name,
            reason=error.message.fields.get("reason", error.message),
        ) from error
    return _Source(relation, (str(path),), match_columns(described["column_name"].to_pylist()), path.name)


def _text(source: _Source, column: str) -> str:
    """Return SQL for one standard column as trimmed text, '' counting as absent."""
    if column not in source.columns:
        return "NULL::VARCHAR"
    return f"nullif(trim(CAST({quote(source.columns[column])} AS VARCHAR)), '')"


def _stage(database: Database, source: _Source) -> None:
    """Cast every row into the temporary table `staging`, with the reason why it cannot be loaded, if any."""
    selected = ", ".join(f"{_text(source, name)} AS {quote('raw_' + name)}" for name in STANDARD)
    time = _TIME.format("raw_time")
    reason = " ".join(f"WHEN {condition} THEN '{name}'" for name, condition in REASONS)
    database.execute("DROP TABLE IF EXISTS staging")
    database.execute(
        f"""CREATE TEMP TABLE staging AS
        WITH source AS (SELECT row_number() OVER () AS row_number, {selected} FROM {source.relation}),
        typed AS (SELECT row_number, raw_user AS user_id, {time} AS time, raw_event AS event, raw_item AS item_id,
            TRY_CAST(raw_value AS DOUBLE) AS value, TRY_CAST(raw_quantity AS DOUBLE) AS quantity,
            raw_session AS session_id, raw_properties AS properties,
            raw_time, raw_value, raw_quantity FROM source)
        SELECT *, CASE {reason} END AS reason FROM typed""",
        source.parameters,
    )


def _move(database: Database, source: _Source, load_id: int, *, keep_original: bool) -> tuple[int, int]:
    """Move `staging` into events and quarantine; return (rows loaded, rows quarantined)."""
    database.execute(
        """INSERT INTO events SELECT user_id, time, event, item_id, value, quantity, session_id, properties, ?
        FROM staging WHERE reason IS NULL""",
        [load_id],
    )
    database.execute(
        """INSERT INTO quarantine (load_id, source, row_number, reason, original)
        SELECT ?, ?, row_number, reason, CASE WHEN ? THEN to_json({
            'user': user_id, 'time': raw_time, 'event': event, 'item': item_id,
            'value': raw_value, 'quantity': raw_quantity, 'session': session_id}) END
        FROM staging WHERE reason IS NOT NULL""",
        [load_id, source.name, keep_original],
    )
    counts = database.query("SELECT count(*) FILTER (reason IS NULL), count(reason) FROM staging")
    database.execute("DROP TABLE staging")
    return counts.column(0)[0].as_py(), counts.column(1)[0].as_py()


def _load_attributes(database: Database, table: pa.Table | None, target: str, plain: tuple[str, ...]) -> None:
    """Upsert an items or users table; every column that is not `plain` becomes an attribute."""
    if table is None:
        return
    database.register("incoming", table)
    named = [name for name in table.column_names if name not in plain]
    entries = ", ".join(f"{{'k': {literal(name)}, 'v': CAST({quote(name)} AS VARCHAR)}}" for name in named)
    attributes = f"map_from_entries(list_filter([{entries}], e -> e.v IS NOT NULL))" if named else "MAP {}"
    columns = ", ".join(quote(name) for name in plain)
    database.execute(
        f"INSERT OR REPLACE INTO {target} ({columns}, attributes) SELECT {columns}, {attributes} FROM incoming"
    )
    database.unregister("incoming")


def _known_load(database: Database, fingerprint: str) -> LoadReport | None:
    found = database.query(
        "SELECT load_id, source, rows_read, rows_loaded, rows_quarantined FROM loads WHERE fingerprint = ?",
        [fingerprint],
    )
    if not found.num_rows:
        return None
    return LoadReport(**found.slice(0, 1).to_pylist()[0], fingerprint=fingerprint, is_new=False)


def _empty(database: Database) -> None:
    for table in ("events", "items", "users", "quarantine", "loads"):
        database.execute(f"DELETE FROM {table}")


def _load(
    workspace: Workspace,
    mode: Mode,
    fingerprint: str,
    name: str,
    sources: Callable[[Database], Iterable[_Source]],
    tables: tuple[pa.Table | None, pa.Table | None],
    report: Report,
    config: WorkspaceConfig | None,
) -> LoadReport:
    """Run one load in one transaction: it is there whole, with its configuration, or not at all."""
    with open_warehouse(workspace) as database:
        known = None if mode == "replace" else _known_load(database, fingerprint)
        if known:
            return known
        database.execute("BEGIN")
        if mode == "replace":
            _empty(database)
        load_id = int(str(database.scalar("SELECT nextval('load_ids')")))
        loaded = quarantined = 0
        for source in sources(database):
            _stage(database, source)
            pseudonymise(database, workspace, "staging")
            good, bad = _move(database, source, load_id, keep_original=not workspace.protection.pseudonymised)
            loaded, quarantined = loaded + good, quarantined + bad
            report(message(N_("{n} rows read"), n=f"{loaded + quarantined:,}"))
        if loaded == 0:
            raise _nothing_loaded(database, name, quarantined)
        _load_attributes(database, tables[0], "items", ("item_id", "text", "category"))
        _load_attributes(database, pseudonymise_users(workspace, tables[1]), "users", ("user_id",))
        database.execute(
            """INSERT INTO loads (load_id, loaded_at, source, fingerprint, rows_read, rows_loaded, rows_quarantined)
            VALUES (?, now() AT TIME ZONE 'UTC', ?, ?, ?, ?, ?)""",
            [load_id, name, fingerprint, loaded + quarantined, loaded, quarantined],
        )
        advance_head(database, load_id, fingerprint, config)
        database.execute("COMMIT")
        database.execute("CHECKPOINT")
    return LoadReport(load_id, name, fingerprint, loaded + quarantined, loaded, quarantined, is_new=True)


def _nothing_loaded(database: Database, name: str, quarantined: int) -> InputError:
    """Return the error for a load without one good row; leaving the block rolls everything back."""
    if not quarantined:
        return InputError(N_("{file} holds no rows. Nothing was changed."), file=name)
    worst = database.query("SELECT reason, count(*) AS n FROM quarantine GROUP BY ALL ORDER BY n DESC, reason LIMIT 1")
    return InputError(
        N_("None of the {n} rows of {file} can be loaded; the most frequent reason: {reason}. Nothing was changed."),
        n=f"{quarantined:,}",
        file=name,
        reason=message(worst["reason"][0].as_py()),
    )


def load_bundle(workspace: Workspace, bundle: LogBundle, mode: Mode = "replace", report: Report = _quiet) -> LoadReport:
    """Load a sample or any other `LogBundle` into the warehouse.

    Publishing what was loaded is a step of its own (`ulm_core.timeline.publish`).
    """

    def sources(database: Database) -> Iterable[_Source]:
        for table in bundle.events():
            database.register("log", table)
            yield _Source("log", (), match_columns(table.column_names), bundle.source)
            database.unregister("log")

    tables = (bundle.items, bundle.users)
    return _load(workspace, mode, bundle.fingerprint, bundle.source, sources, tables, report, bundle.config)


def load_file(workspace: Workspace, path: Path, mode: Mode = "append", report: Report = _quiet) -> LoadReport:
    """Load a CSV or Parquet file with the standard column names.

    A file whose content was loaded before changes nothing (`is_new` is False then).

    Raises
    ------
    NotFoundError
        When there is no such file.
    InputError
        When it is no table, lacks a column, or holds no row that can be loaded.
    """
    if not path.is_file():
        raise NotFoundError(N_("There is no file {path}. Check the path; it is read on the server."), path=path)
    if path.stat().st_size == 0:
        raise InputError(N_("{file} is empty. Nothing was changed."), file=path.name)
    report(message(N_("Reading {file}"), file=path.name))
    config = WorkspaceConfig(name=path.stem) if mode == "replace" else None

    def sources(database: Database) -> Iterable[_Source]:
        return [_file_source(database, path)]

    return _load(workspace, mode, file_fingerprint(path), path.name, sources, (None, None), report, config)


__all__ = ["Columns", "LoadReport", "Mode", "Report", "file_fingerprint", "load_bundle", "load_file"]
