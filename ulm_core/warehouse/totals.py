"""Totals of a version, kept beside it: what a page shows first needs no look at the events.

``totals.parquet`` has one row for each kind of event (`what` = "event": how often, first and last moment) and one for
each count of users and items. A load that appends adds its own events to the totals of the version before.
"""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa

from ulm_core.keys import Keys
from ulm_core.warehouse import parquet
from ulm_core.warehouse.access import memory_database

FILE = "totals.parquet"
_EVENTS = "'event' AS what, event AS name, count(*) AS n, min(time) AS first_at, max(time) AS last_at"


def write_totals(
    directory: Path, base: Path | None, rows: pa.Table | None, keys: Keys | None, *, ids: dict[str, pa.Array]
) -> None:
    """Write the totals of the version in `directory`.

    Parameters
    ----------
    base, rows
        The version it appends to, which has totals, and the events it adds; both None: all events are counted.
    ids
        The distinct "users" and "items" of the log.
    """
    with memory_database(keys) as database:
        if base is not None and rows is not None:
            database.register("added", rows)
            counted = (
                "SELECT what, name, sum(n)::BIGINT AS n, min(first_at) AS first_at, max(last_at) AS last_at FROM ("
                f"SELECT * FROM {parquet.source(base / FILE, keys)} WHERE what = 'event' "
                f"UNION ALL SELECT {_EVENTS} FROM added GROUP BY event) GROUP BY what, name"
            )
        else:
            events = parquet.source(directory / "events" / "*.parquet", keys, by_name=True)
            counted = f"SELECT {_EVENTS} FROM {events} GROUP BY event"
        for name, known in ids.items():
            database.register(f"known_{name}", pa.table({"id": known}))
            table = parquet.source(directory / f"{name}.parquet", keys)
            key = "user_id" if name == "users" else "item_id"
            counted += (
                f" UNION ALL SELECT '{name}', 'in the log', {len(known)}, NULL, NULL"
                f" UNION ALL SELECT '{name}', 'described', count(*), NULL, NULL FROM {table}"
                f" UNION ALL SELECT '{name}', 'both', count(*), NULL, NULL FROM {table}"
                f" WHERE {key} IN (SELECT id FROM known_{name})"
            )
        parquet.copy(database, f"SELECT * FROM ({counted}) ORDER BY what, n DESC, name", directory / FILE, keys)


def read_totals(directory: Path, keys: Keys | None) -> pa.Table | None:
    """Return the totals, None for a version of an older program."""
    path = directory / FILE
    return parquet.read_table(path, keys) if path.exists() else None
