"""Rules that need more than one row: rows loaded before, exact duplicates, returns, event storms.

All work on the temporary table ``staging`` (`ulm_core.warehouse.staging`) and only change its `reason`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ulm_core.events.cleaning import CleaningRules
from ulm_core.warehouse.database import Database, literal
from ulm_core.warehouse.staging import DUPLICATE, EVENT_COLUMNS, IDENTITY, OVERLAP, RETURNED, STORM
from ulm_core.warehouse.storms import find_storms

_COLUMNS = ", ".join(EVENT_COLUMNS)
_SAME = " AND ".join(f"s.{name} IS NOT DISTINCT FROM p.{name}" for name in EVENT_COLUMNS)


@dataclass(frozen=True)
class Counts:
    """What the rules met in one source, whatever was chosen."""

    duplicates: int
    returns: int
    storms: int
    storm_users: int


def _count(database: Database, sql: str, parameters: tuple[object, ...] = ()) -> int:
    return int(str(database.scalar(sql, parameters) or 0))


def mark_overlap(database: Database, before_load: int | None) -> int:
    """Mark rows that stand in the warehouse already; return how many.

    A row that occurs n times here and m times there is marked min(n, m) times, so that the warehouse holds the
    larger count: two exports that overlap are counted once, a basket with two equal lines keeps both.

    Parameters
    ----------
    database
        The warehouse, with ``staging``.
    before_load
        Compare with rows of earlier loads only; None compares with this load's earlier files too.
    """
    # Rejected rows are compared by identity alone; their times, from 1970 or 2999, would only widen the span.
    span = database.query("SELECT min(time) AS a, max(time) AS b FROM staging WHERE reason IS NULL").to_pylist()[0]
    earlier = "" if before_load is None else f" AND load_id < {int(before_load)}"
    # The time span is what keeps this cheap: DuckDB skips blocks of rows outside it.
    database.execute(
        f"""CREATE OR REPLACE TEMP TABLE present AS
        SELECT {_COLUMNS}, identity, count(*) AS n FROM (
            SELECT {_COLUMNS}, {IDENTITY} AS identity FROM events WHERE time BETWEEN ? AND ?{earlier}
            UNION ALL BY NAME
            SELECT identity FROM quarantine WHERE identity IS NOT NULL{earlier})
        WHERE identity IN (SELECT identity FROM staging) GROUP BY ALL""",
        [span["a"], span["b"]],
    )
    if not _count(database, "SELECT count(*) FROM present"):
        database.execute("DROP TABLE present")
        return 0
    # An event is compared column by column; a rejected row (no event to lose) by its identity. A duplicate set
    # aside earlier counts with the event it equals.
    database.execute(
        f"""CREATE OR REPLACE TEMP TABLE seen AS
        WITH p AS (SELECT * FROM present), extra AS (SELECT identity, n FROM p WHERE user_id IS NULL AND time IS NULL),
        ranked AS (SELECT rowid AS place, *, row_number() OVER (PARTITION BY identity, {_COLUMNS} ORDER BY rowid) AS k
            FROM staging WHERE identity IN (SELECT identity FROM p))
        SELECT s.place FROM ranked s LEFT JOIN p ON s.identity = p.identity AND s.reason IS NULL AND {_SAME}
            AND p.time IS NOT NULL
        LEFT JOIN extra ON s.identity = extra.identity
        WHERE s.k <= coalesce(p.n, 0) + coalesce(extra.n, 0)"""
    )
    database.execute(f"UPDATE staging SET reason = '{OVERLAP}' WHERE rowid IN (SELECT place FROM seen)")
    found = _count(database, "SELECT count(*) FROM seen")
    for table in ("present", "seen"):
        database.execute(f"DROP TABLE {table}")
    return found


def mark_duplicates(database: Database, rules: CleaningRules) -> int:
    """Mark all but the first of equal rows, where the rules say so; return how many there are.

    Without the rule the warehouse keeps them; with it, a row that an earlier source brought is one, too.
    """
    again = _repeated(database, f"SELECT identity FROM staging WHERE reason IS NULL OR reason = '{OVERLAP}'")
    if not len(again):
        return 0
    database.keep("again", pa.table({"identity": again}))
    database.execute(
        f"""CREATE OR REPLACE TEMP TABLE twins AS
        SELECT place FROM (SELECT rowid AS place, reason,
                row_number() OVER (PARTITION BY {_COLUMNS} ORDER BY coalesce(reason, '') <> '{OVERLAP}', rowid) AS k
            FROM staging WHERE (reason IS NULL OR reason = '{OVERLAP}') AND identity IN (SELECT identity FROM again))
        WHERE k > 1 AND reason IS NULL"""
    )
    database.execute("DROP TABLE again")
    if rules.duplicates == "drop":
        database.execute(f"UPDATE staging SET reason = '{DUPLICATE}' WHERE rowid IN (SELECT place FROM twins)")
    found = _count(database, "SELECT count(*) FROM twins")
    database.execute("DROP TABLE twins")
    return found


def _repeated(database: Database, sql: str) -> npt.NDArray[np.uint64]:
    """Return the identities that occur more than once. Sorting plain numbers takes a twentieth of a GROUP BY."""
    identities = np.sort(database.query(sql)["identity"].to_numpy())
    return np.unique(identities[1:][identities[1:] == identities[:-1]])


def mark_returns(database: Database, rules: CleaningRules) -> int:
    """Set returns and cancellations aside, where the rules say so; return how many there are."""
    found = _count(database, "SELECT count(*) FROM staging WHERE is_return AND reason IS NULL")
    if rules.returns == "drop" and found:
        database.execute(f"UPDATE staging SET reason = '{RETURNED}' WHERE is_return AND reason IS NULL")
    return found


def apply_rules(database: Database, rules: CleaningRules) -> Counts:
    """Apply the rules to ``staging`` after the overlap was marked; leaves the table ``storms``."""
    duplicates = mark_duplicates(database, rules)
    returns = mark_returns(database, rules)
    find_storms(database, rules)
    in_storm = "user_id IN (SELECT user_id FROM storms)"
    storms = _count(database, f"SELECT count(*) FROM staging WHERE reason IS NULL AND {in_storm}")
    users = _count(database, "SELECT count(DISTINCT user_id) FROM storms")
    if rules.robots == "drop" and storms:
        database.execute(f"UPDATE staging SET reason = '{STORM}' WHERE reason IS NULL AND {in_storm}")
    return Counts(duplicates, returns, storms, users)


def record_storms(database: Database, load_id: int) -> None:
    """Keep the flagged users."""
    database.execute("INSERT INTO user_flags SELECT ?, user_id, flag, rows, detail FROM storms", [load_id])
    database.execute("DROP TABLE storms")


def link_returns(database: Database, load_id: int, rules: CleaningRules) -> tuple[int, int]:
    """Link this load's returns to what they take back: the user's latest earlier event with the same item.

    Returns
    -------
    tuple of int
        (returns, those with a link). A return without an item, or older than the log, has none.
    """
    if rules.returns != "event":
        return 0, 0
    names = f"({literal(rules.return_event)}, {literal(rules.cancel_event)})"
    if not _count(database, f"SELECT count(*) FROM events WHERE load_id = ? AND event IN {names}", (load_id,)):
        return 0, 0
    database.execute(
        f"""INSERT INTO returns
        WITH r AS (SELECT * FROM events WHERE load_id = ? AND event IN {names}),
        bought AS (SELECT user_id, item_id, time, any_value(session_id ORDER BY session_id) AS session_id FROM events
            WHERE event NOT IN {names} AND quantity > 0 AND item_id IS NOT NULL
                AND user_id IN (SELECT user_id FROM r) GROUP BY ALL)
        SELECT ?, r.user_id, r.time, r.event, r.item_id, r.session_id, r.quantity, b.time, b.session_id
        FROM r ASOF LEFT JOIN bought b ON r.user_id = b.user_id AND r.item_id = b.item_id AND r.time >= b.time""",
        [load_id, load_id],
    )
    linked = database.query(
        "SELECT count(*) AS n, count(bought_at) AS linked FROM returns WHERE load_id = ?", [load_id]
    ).to_pylist()[0]
    return int(linked["n"]), int(linked["linked"])
