"""Read-only SQL for analysts: one SELECT over the published tables, on a connection that can do nothing else.

Four walls, each enough on its own for most of what could go wrong:

1. the text is parsed by DuckDB itself and must be one SELECT that reads published tables and its own CTEs only,
   with table functions that make rows and never read files;
2. the connection is in memory and may open the Parquet files of this version and no other file, host or extension;
   variables of this process are no tables; its settings are locked;
3. memory is bounded and nothing spills to disk; a query that takes too long is interrupted, and killed if it does
   not listen (`adhoc_process`, which pages and commands go through);
4. rows beyond the limit are never fetched.
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from ulm_core.errors import InputError, UlmError
from ulm_core.messages import N_
from ulm_core.settings import get_settings
from ulm_core.warehouse.access import unlock
from ulm_core.warehouse.database import Database, quote
from ulm_core.warehouse.parquet import source
from ulm_core.warehouse.snapshot import Snapshot

MAX_QUERY = 20_000
ROW_MAKERS = frozenset({"range", "generate_series", "unnest"})
REFUSED_FUNCTIONS = frozenset({"current_setting", "getenv", "write_log", "nextval", "currval"})
_NAME = re.compile(r"\w+")

EXAMPLES = (
    (
        N_("Events by month and name"),
        "SELECT date_trunc('month', time) AS month, event, count(*) AS events, count(DISTINCT user_id) AS users\n"
        "FROM events GROUP BY ALL ORDER BY month, event",
    ),
    (
        N_("Users with the most conversions in value"),
        "SELECT user_id, count(*) AS events, round(sum(value), 2) AS value\n"
        "FROM events GROUP BY user_id ORDER BY value DESC NULLS LAST LIMIT 20",
    ),
    (
        N_("Days between two sessions of a user"),
        "WITH visits AS (SELECT user_id, session_id, min(time) AS began FROM events GROUP BY ALL),\n"
        "gaps AS (SELECT date_diff('day', lag(began) OVER (PARTITION BY user_id ORDER BY began), began) AS days\n"
        "  FROM visits)\n"
        "SELECT days, count(*) AS times FROM gaps WHERE days IS NOT NULL GROUP BY days ORDER BY days LIMIT 60",
    ),
    (
        N_("Attributes of users"),
        "WITH pairs AS (SELECT user_id, unnest(map_keys(attributes)) AS attribute FROM users)\n"
        "SELECT attribute, count(*) AS users FROM pairs GROUP BY attribute ORDER BY users DESC",
    ),
)


@dataclass(frozen=True)
class Answer:
    """What a query gave.

    Attributes
    ----------
    table
        At most the row limit of rows.
    is_cut
        Whether there were more.
    elapsed_seconds
        How long it took.
    """

    table: pa.Table
    is_cut: bool
    elapsed_seconds: float


def _walk(node: Any) -> Iterator[dict[str, Any]]:
    """Yield every object of a parsed statement."""
    if isinstance(node, dict):
        yield node
        for value in node.values():
            yield from _walk(value)
    elif isinstance(node, list):
        for value in node:
            yield from _walk(value)


def _cte_names(tree: Any) -> set[str]:
    maps = [node["cte_map"] for node in _walk(tree) if isinstance(node.get("cte_map"), dict)]
    return {str(entry["key"]).lower() for ctes in maps for entry in ctes.get("map", ())}


def _refused(what: str) -> InputError:
    return InputError(
        N_("This query may not use “{what}”. It reads the published tables and its own WITH tables only."),
        code="refused_sql",
        what=what,
    )


def _check_table(node: dict[str, Any], known: set[str]) -> None:
    name = str(node.get("table_name") or "").lower()
    place = {str(node.get("schema_name") or "main").lower(), str(node.get("catalog_name") or "main").lower()}
    if name not in known or not _NAME.fullmatch(name) or place != {"main"}:
        raise _refused(str(node.get("table_name")))


def check(database: Database, sql: str, tables: tuple[str, ...]) -> None:
    """Refuse everything but one SELECT over `tables`, as DuckDB's own parser reads the text.

    Raises
    ------
    InputError
        With code ``refused_sql``, naming what is refused; or with the parser's message when it is no SQL.
    """
    if len(sql) > MAX_QUERY:
        raise InputError(N_("A query has at most {n} characters."), n=MAX_QUERY)
    parsed = json.loads(str(database.scalar("SELECT json_serialize_sql(?)", [sql])))
    if parsed.get("error"):
        raise _not_select(str(parsed.get("error_message", "")))
    if len(parsed["statements"]) != 1:
        raise InputError(N_("Write one statement at a time."), code="refused_sql")
    known = set(tables) | _cte_names(parsed)
    for node in _walk(parsed):
        _check_node(node, known)


def _not_select(reason: str) -> InputError:
    if reason.startswith("Only SELECT"):
        return InputError(N_("Only SELECT is allowed here."), code="refused_sql")
    return InputError(N_("This is not valid SQL: {reason}"), code="bad_sql", reason=reason.split("\n")[0])


def _check_node(node: dict[str, Any], known: set[str]) -> None:
    kind = node.get("type")
    if kind == "BASE_TABLE" or (kind == "SHOW_REF" and node.get("table_name")):
        _check_table({**node, "table_name": str(node["table_name"]).strip('"')}, known)
    elif kind == "TABLE_FUNCTION":
        name = str((node.get("function") or {}).get("function_name"))
        if name.lower() not in ROW_MAKERS:
            raise _refused(name)
    elif kind == "FUNCTION" and str(node.get("function_name", "")).lower() in REFUSED_FUNCTIONS:
        raise _refused(str(node["function_name"]))


class Analyst:
    """A locked-down connection over one published version; close it after use (it is a context manager)."""

    def __init__(self, snapshot: Snapshot) -> None:
        settings = get_settings()
        self._database = unlock(Database.private(), snapshot.keys)
        self.tables = snapshot.views
        files: list[Path] = []
        for table in self.tables:
            own = snapshot.files(table)
            files += own
            body = " UNION ALL BY NAME ".join(f"SELECT * FROM {source(path, snapshot.keys)}" for path in own)
            self._database.execute(f"CREATE VIEW {quote(table)} AS {body}")
        self._database.execute(f"SET memory_limit = '{float(settings.sql_memory_gb)}GB'")
        self._database.lock_down(files)

    def __enter__(self) -> Analyst:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the connection."""
        self._database.close()

    def schema(self) -> dict[str, list[tuple[str, str]]]:
        """Return the columns (name, type) of every table."""
        found = {name: self._database.query(f"DESCRIBE {quote(name)}") for name in self.tables}
        return {
            name: list(zip(rows["column_name"].to_pylist(), rows["column_type"].to_pylist(), strict=True))
            for name, rows in found.items()
        }

    def ask(self, sql: str, rows: int | None = None, seconds: float | None = None) -> Answer:
        """Return the rows of one SELECT.

        Parameters
        ----------
        rows
            Most rows that are fetched; default: the setting `query_rows_limit`.
        seconds
            How long it may take; default: the setting `sql_timeout_seconds`.

        Raises
        ------
        InputError
            When the query is refused, is wrong, takes too long or needs too much memory.
        """
        settings = get_settings()
        sql = sql.strip().rstrip(";")
        if not sql:
            raise InputError(N_("Write a query first."), code="bad_sql")
        check(self._database, sql, self.tables)
        limit = min(rows or settings.query_rows_limit, settings.query_rows_limit)
        began = time.monotonic()
        table, is_cut = self._fetch(sql, limit, seconds or settings.sql_timeout_seconds)
        return Answer(table, is_cut, time.monotonic() - began)

    def _fetch(self, sql: str, limit: int, seconds: float) -> tuple[pa.Table, bool]:
        over = threading.Event()

        def stop() -> None:
            over.set()
            self._database.interrupt()

        timer = threading.Timer(seconds, stop)
        timer.start()
        try:
            return _first_rows(self._database.stream(sql), limit)
        except (UlmError, pa.ArrowException, OSError) as error:
            raise _explained(error, seconds if over.is_set() else None) from error
        finally:
            timer.cancel()


def slow_error(seconds: float) -> InputError:
    """Return the error for a query that took longer than it may."""
    return InputError(
        N_("The query took longer than {seconds:g} seconds and was stopped."), code="slow_sql", seconds=seconds
    )


def _explained(error: Exception, stopped_after: float | None) -> InputError:
    """Return what went wrong in words an analyst can act on."""
    if stopped_after is not None:
        return slow_error(stopped_after)
    reason = str(error).split("\n")[0]
    if "Out of Memory" in reason:
        return InputError(
            N_("The query needs more than {n:g} GB of memory. Ask for fewer rows, columns or groups."),
            code="large_sql",
            n=get_settings().sql_memory_gb,
        )
    if isinstance(error, InputError):
        return error
    return InputError(N_("The database could not do that: {reason}"), code="database", reason=reason)


def _first_rows(reader: pa.RecordBatchReader, limit: int) -> tuple[pa.Table, bool]:
    batches, count = [], 0
    for batch in reader:
        batches.append(batch)
        count += batch.num_rows
        if count > limit:
            break
    table = pa.Table.from_batches(batches, reader.schema)
    return table.slice(0, limit), count > limit
