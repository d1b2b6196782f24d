"""Immutable Parquet snapshots of the warehouse: what pages, workers and the CLI read.

One writer excludes every reader of a DuckDB file (ADR 0003), so readers never open it. A published
version is a folder that no longer changes; a process keeps reading the one it opened. A version that
appends to the one before shares its files by hard links and adds the new rows as a part of its own
(ADR 0008).
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import pyarrow as pa
from pydantic import BaseModel, ConfigDict

from ulm_core.keys import Keys
from ulm_core.warehouse import parquet
from ulm_core.warehouse.access import memory_database
from ulm_core.warehouse.database import Database, literal
from ulm_core.warehouse.head import Head
from ulm_core.workspace import Workspace

FORMAT = 2
MAX_PARTS = 24  # then all parts become one again
MAX_APPENDED_ROWS = 20_000_000  # what is appended passes through memory; more is built anew, streaming

# Ties are ordered by content, never by the order of the source: The Complete Journey sorts a basket by
# product, which would tell a model the next item.
SESSION = "CASE WHEN session_id IS NULL THEN -1 ELSE (hash(session_id) >> 1)::BIGINT END"
EVENT_ORDER = f"user_id, time, {SESSION}, hash(event, item_id, value, quantity)"

# Tables written whole; one that did not change is linked.
_EXPORTS = {
    "items": "item_id",
    "users": "user_id",
    "loads": "load_id",
    "quarantine": "load_id, source, row_number",
    "attributes": "target, name",
    "returns": "user_id, time, item_id, session_id, quantity",
    "user_flags": "load_id, user_id, flag",
    "erasures": "erased_at",
}
TABLES = ("events", *_EXPORTS)


class VersionRecord(BaseModel):
    """What a version was made of, kept beside it in ``version.json``.

    Attributes
    ----------
    previous
        The version it replaced: what an undo goes back to.
    epoch, loads, rows
        Which rows of the warehouse it holds; a later version may append to it when they still stand.
    contents
        Per table written whole, a digest of its rows.
    config_before
        Configuration (JSON) to go back to; only where the load brought one of its own.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: int = FORMAT
    version: str
    previous: str | None = None
    epoch: int = 0
    loads: tuple[int, ...] = ()
    rows: int = 0
    contents: dict[str, str] = {}
    config_before: str | None = None


def read_record(directory: Path) -> VersionRecord | None:
    """Return the record of a version, None for a version of an older program or a folder that is gone."""
    try:
        record = VersionRecord.model_validate_json((directory / "version.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return record if record.format == FORMAT else None


def loads_to_append(database: Database, head: Head, base: VersionRecord | None) -> tuple[int, ...] | None:
    """Return the loads that the warehouse has beyond `base`; None when `base` is nothing to append to."""
    if base is None or base.epoch != head.epoch:
        return None
    loads = [int(load) for load in database.query("SELECT load_id FROM loads ORDER BY load_id")["load_id"].to_pylist()]
    new = tuple(load for load in loads if load not in base.loads)
    rows = int(str(database.scalar("SELECT count(*) FROM events")))
    # Blocks of rows know the loads they hold: this reads those of the new loads, not all.
    listed = ", ".join(map(str, new)) or "NULL"
    appended = int(str(database.scalar(f"SELECT count(*) FROM events WHERE load_id IN ({listed})")))
    stands = set(base.loads) <= set(loads) and base.rows + appended == rows
    return new if stands and appended <= min(base.rows, MAX_APPENDED_ROWS) else None


def _content(database: Database, table: str) -> str:
    digest = database.query(
        f"SELECT count(*) AS n, bit_xor(hash(t)) AS h, sum(hash(t) % 4294967291) AS s FROM {table} t"
    )
    return ":".join(str(column[0].as_py()) for column in digest.columns)


def _write_events(
    database: Database, directory: Path, base: Path | None, new: tuple[int, ...] | None, keys: Keys | None
) -> None:
    """Write the events: everything as one part, or the parts of `base` and one more."""
    (directory / "events").mkdir()
    parts = sorted((base / "events").iterdir()) if base and new is not None else []
    if len(parts) >= MAX_PARTS or new is None:
        parts, where = [], ""
    else:
        where = f"WHERE load_id IN ({', '.join(map(str, new)) or 'NULL'})"
    for part in parts:
        os.link(part, directory / "events" / part.name)
    if new or not parts:
        target = directory / "events" / f"{len(parts):04d}-{max(new or (0,)):06d}.parquet"
        parquet.copy(database, f"SELECT * FROM events {where} ORDER BY {EVENT_ORDER}", target, keys)


def write_snapshot(
    database: Database,
    directory: Path,
    head: Head,
    *,
    base: Path | None = None,
    new: tuple[int, ...] | None = None,
    keys: Keys | None = None,
) -> VersionRecord:
    """Write every table of the warehouse as Parquet into `directory`.

    Parameters
    ----------
    database
        The warehouse.
    directory
        An empty folder.
    head
        State of the warehouse.
    base
        Version whose unchanged files are linked.
    new
        Loads that `base` lacks (`loads_to_append`); None writes all events anew.
    keys
        Keys of an encrypted workspace.
    """
    before = read_record(base) if base else None
    contents = {name: _content(database, name) for name in _EXPORTS}
    for name, order in _EXPORTS.items():
        target = directory / f"{name}.parquet"
        if base and before and new is not None and before.contents.get(name) == contents[name]:
            os.link(base / f"{name}.parquet", target)
        else:
            parquet.copy(database, f"SELECT * FROM {name} ORDER BY {order}", target, keys)
    _write_events(database, directory, base, new, keys)
    loads = database.query("SELECT load_id FROM loads ORDER BY load_id")["load_id"].to_pylist()
    return VersionRecord(
        version=str(head.version),
        previous=base.name if base else None,
        epoch=head.epoch,
        loads=tuple(loads),
        rows=int(str(database.scalar("SELECT count(*) FROM events"))),
        contents=contents,
    )


def files_of(directory: Path, table: str) -> Path:
    """Return the file, or the pattern of files, that holds a table of a version."""
    single = directory / f"{table}.parquet"
    return directory / table / "*.parquet" if table == "events" and not single.exists() else single


class Snapshot:
    """Read-only SQL over one published version.

    Views: ``events(user_id, time, event, item_id, value, quantity, session_id, properties)``, ``items``,
    ``users``, ``loads``, ``quarantine``, ``attributes``, ``returns``, ``user_flags``, ``erasures``; and
    ``arrivals(load_id, time, event)``: which load brought each event.
    """

    def __init__(self, directory: Path, keys: Keys | None = None) -> None:
        self.directory = directory
        self.version = directory.name
        self.keys = keys
        self._database = memory_database(keys)
        # A version published by an older program lacks the tables that came later.
        self.views = tuple(name for name in TABLES if self._has(name))
        for name in self.views:
            rows = parquet.source(files_of(directory, name), keys, by_name=name == "events")
            columns = "* EXCLUDE (load_id)" if name == "events" and self._is_parted else "*"
            self._database.execute(f"CREATE VIEW {name} AS SELECT {columns} FROM {rows}")
            if name == "events":
                load = "load_id" if self._is_parted else "0"
                self._database.execute(f"CREATE VIEW arrivals AS SELECT {load} AS load_id, time, event FROM {rows}")
        self._database.confine(directory)

    @property
    def _is_parted(self) -> bool:
        return (self.directory / "events").is_dir()

    def _has(self, table: str) -> bool:
        return (table == "events" and self._is_parted) or (self.directory / f"{table}.parquet").exists()

    def files(self, table: str) -> list[Path]:
        """Return the Parquet files that hold a table, sorted."""
        pattern = files_of(self.directory, table)
        return sorted(pattern.parent.glob(pattern.name))

    @staticmethod
    def open(workspace: Workspace) -> Snapshot:
        """Open the published version; processes share one object per version.

        Raises
        ------
        EmptyWorkspaceError
            When nothing was loaded yet.
        """
        return _open(workspace.version_dir(), workspace.file_keys())

    def query(self, sql: str, parameters: Sequence[object] = ()) -> pa.Table:
        """Return the rows of one SELECT, values bound to ``?``."""
        return self._database.query(sql, parameters)

    def stream(self, sql: str, parameters: Sequence[object] = ()) -> pa.RecordBatchReader:
        """Return the rows of one SELECT batch by batch."""
        return self._database.stream(sql, parameters)

    @property
    def is_in_order(self) -> bool:
        """Whether events are read in the order of `EVENT_ORDER`: one part is, several are so each by itself."""
        return self._is_parted and len(list((self.directory / "events").iterdir())) == 1


def property_sql(name: str) -> str:
    """Return SQL for one property of an event as text, NULL where it has none."""
    place = '$."' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return f"json_extract_string(properties, {literal(place)})"


@lru_cache(maxsize=4)
def _open(directory: Path, keys: Keys | None) -> Snapshot:
    return Snapshot(directory, keys)
