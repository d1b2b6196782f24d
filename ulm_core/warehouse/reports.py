"""What is loaded, and look-ups of users and items: plain SQL over a snapshot."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pyarrow as pa

from ulm_core.errors import NotFoundError
from ulm_core.warehouse.snapshot import Snapshot
from ulm_core.warehouse.totals import read_totals
from ulm_core.workspace import Workspace

# The same table as `totals.parquet`, for a version that an older program published.
_COUNTED = """
SELECT 'event' AS what, event AS name, count(*) AS n, min(time) AS first_at, max(time) AS last_at FROM events GROUP BY 2
UNION ALL SELECT 'users', 'in the log', count(DISTINCT user_id), NULL, NULL FROM events
UNION ALL SELECT 'items', 'in the log', count(DISTINCT item_id), NULL, NULL FROM events
UNION ALL SELECT 'items', 'described', count(*), NULL, NULL FROM items
UNION ALL SELECT 'users', 'both', count(*), NULL, NULL FROM users WHERE user_id IN (SELECT user_id FROM events)"""


@dataclass(frozen=True)
class LoadRow:
    """One line of the history of loads."""

    load_id: int
    loaded_at: datetime
    source: str
    rows_read: int
    rows_loaded: int
    rows_quarantined: int
    rows_overlapping: int


@dataclass(frozen=True)
class DatasetSummary:
    """What a workspace holds. Times are UTC; `as_of` is the last event's time.

    `first_at` is the first thing a user did: a campaign sent before the log begins does not start it.

    ``rows_read == rows_loaded + rows_quarantined + rows_overlapping``: what the loads did when they ran. `rows`
    counts the events there are now; those erased since make it smaller than `rows_loaded`.
    """

    version: str
    rows: int
    rows_read: int
    rows_loaded: int
    rows_overlapping: int
    users: int
    items: int
    items_known: int
    users_described: int
    first_at: datetime
    as_of: datetime
    events: dict[str, int]
    quarantine: dict[str, int]
    loads: tuple[LoadRow, ...]

    @property
    def rows_quarantined(self) -> int:
        """Rows that could not be loaded, each standing in the quarantine with its reason."""
        return sum(self.quarantine.values())

    def to_json(self) -> dict[str, object]:
        """Return the summary as plain values, times in ISO 8601."""
        return {
            **vars(self),
            "rows_quarantined": self.rows_quarantined,
            "first_at": self.first_at.isoformat(),
            "as_of": self.as_of.isoformat(),
            "loads": [{**vars(load), "loaded_at": load.loaded_at.isoformat()} for load in self.loads],
        }


def _counts(snapshot: Snapshot, sql: str) -> dict[str, int]:
    table = snapshot.query(sql)
    return dict(zip(table.column(0).to_pylist(), table.column(1).to_pylist(), strict=True))


def dataset_summary(workspace: Workspace) -> DatasetSummary:
    """Return what the published version holds.

    Raises
    ------
    EmptyWorkspaceError
        When nothing was loaded yet.
    """
    snapshot = Snapshot.open(workspace)
    totals = _totals(snapshot, workspace.config.passive_events)
    totals |= snapshot.query(
        """SELECT sum(rows_read)::BIGINT AS rows_read, sum(rows_loaded)::BIGINT AS rows_loaded,
        coalesce(sum(rows_overlapping), 0)::BIGINT AS rows_overlapping FROM loads"""
    ).to_pylist()[0]
    loads = snapshot.query(
        "SELECT load_id, loaded_at, source, rows_read, rows_loaded, rows_quarantined, "
        "coalesce(rows_overlapping, 0) AS rows_overlapping FROM loads ORDER BY load_id DESC"
    )
    return DatasetSummary(
        version=snapshot.version,
        quarantine=_counts(snapshot, "SELECT reason, count(*) FROM quarantine GROUP BY reason ORDER BY 2 DESC, 1"),
        loads=tuple(LoadRow(**row) for row in loads.to_pylist()),
        **totals,
    )


def _totals(snapshot: Snapshot, passive: Sequence[str]) -> dict[str, Any]:
    """Return what is counted in events, users and items; kept beside the version since the program does so."""
    kept = read_totals(snapshot.directory, snapshot.keys)
    rows = (kept or snapshot.query(_COUNTED)).to_pylist()
    events = [row for row in rows if row["what"] == "event"]
    counts = {(row["what"], row["name"]): row["n"] for row in rows}
    starts = [row["first_at"] for row in events if row["name"] not in passive] or [row["first_at"] for row in events]
    return {
        "events": {row["name"]: row["n"] for row in sorted(events, key=lambda row: (-row["n"], row["name"]))},
        "rows": sum(row["n"] for row in events),
        "first_at": min(starts, default=None),
        "as_of": max((row["last_at"] for row in events), default=None),
        "users": counts["users", "in the log"],
        "items": counts["items", "in the log"],
        "items_known": counts["items", "described"],
        "users_described": counts["users", "both"],
    }


def quarantine_rows(snapshot: Snapshot, limit: int = 100) -> pa.Table:
    """Return examples of quarantined rows: source, row_number, reason, original."""
    return snapshot.query(
        "SELECT source, row_number, reason, original FROM quarantine ORDER BY load_id, row_number LIMIT ?", [limit]
    )


def erasure_rows(snapshot: Snapshot) -> pa.Table:
    """Return when somebody was erased and how many events went, newest first: erased_at, events."""
    return snapshot.query("SELECT erased_at, events FROM erasures ORDER BY erased_at DESC")


def search_users(snapshot: Snapshot, text: str, limit: int = 20) -> list[str]:
    """Return user ids that start with `text` (exact match first, then shortest)."""
    table = snapshot.query(
        """SELECT DISTINCT user_id FROM events WHERE starts_with(lower(user_id), lower(?))
        ORDER BY length(user_id), user_id LIMIT ?""",
        [text.strip(), limit],
    )
    return [str(value) for value in table["user_id"].to_pylist()]


def user_attributes(snapshot: Snapshot, user_id: str) -> dict[str, str]:
    """Return what is known of a user beside the log; empty when nothing is (most users of the sample)."""
    table = snapshot.query("SELECT attributes FROM users WHERE user_id = ?", [user_id])
    return dict(table["attributes"][0].as_py()) if table.num_rows else {}


def attribute_values(snapshot: Snapshot) -> dict[str, list[str]]:
    """Return the values of every user attribute that has at most 50 of them, for filters and breakdowns."""
    table = snapshot.query(
        """WITH pairs AS (SELECT unnest(map_entries(attributes)) AS entry FROM users)
        SELECT entry.key AS name, list_sort(list(DISTINCT entry.value)) AS known FROM pairs
        GROUP BY entry.key HAVING count(DISTINCT entry.value) <= 50 ORDER BY name"""
    )
    return dict(zip(table["name"].to_pylist(), table["known"].to_pylist(), strict=True))


def users_with(snapshot: Snapshot, attribute: str, values: Sequence[str]) -> list[str]:
    """Return the users whose `attribute` is one of `values`.

    Raises
    ------
    NotFoundError
        When no user has such an attribute.
    """
    known = attribute_values(snapshot)
    if attribute not in known:
        raise NotFoundError.for_name("attribute", attribute, known)
    table = snapshot.query(
        "SELECT user_id FROM users WHERE list_contains(?, attributes[?]) ORDER BY user_id", [list(values), attribute]
    )
    return [str(value) for value in table["user_id"].to_pylist()]


def sign_ups(snapshot: Snapshot) -> dict[str, int]:
    """Return when users signed up (UTC us), for those of whom it is known."""
    if "signed_up_at" not in snapshot.query("SELECT * FROM users LIMIT 0").column_names:
        return {}
    table = snapshot.query("SELECT user_id, epoch_us(signed_up_at) AS at FROM users WHERE signed_up_at IS NOT NULL")
    return dict(zip(table["user_id"].to_pylist(), table["at"].to_pylist(), strict=True))


def attribute_of_users(snapshot: Snapshot, attribute: str) -> dict[str, str]:
    """Return user id -> value for one attribute, users without it left out."""
    table = snapshot.query(
        "SELECT user_id, attributes[?] AS value FROM users WHERE attributes[?] IS NOT NULL", [attribute, attribute]
    )
    return dict(zip(table["user_id"].to_pylist(), table["value"].to_pylist(), strict=True))


def user_attribute_names(snapshot: Snapshot) -> list[str]:
    """Return the names of all user attributes, sorted."""
    table = snapshot.query("SELECT DISTINCT unnest(map_keys(attributes)) AS name FROM users ORDER BY 1")
    return [str(name) for name in table["name"].to_pylist()]


_ITEM_COLUMNS = ("category", "text", "price")


def item_attribute_names(snapshot: Snapshot) -> list[str]:
    """Return what items can be told apart by: their id, the columns all items have, and their own attributes."""
    table = snapshot.query("SELECT DISTINCT unnest(map_keys(attributes)) AS name FROM items ORDER BY 1")
    return ["id", *_ITEM_COLUMNS, *(str(name) for name in table["name"].to_pylist() if name not in _ITEM_COLUMNS)]


def item_values(snapshot: Snapshot, attribute: str) -> dict[str, str]:
    """Return item id -> value of ``category``, ``text``, ``price`` or one attribute, items without it left out."""
    column = f"CAST({attribute} AS VARCHAR)" if attribute in _ITEM_COLUMNS else "attributes[?]"
    values = f"SELECT item_id, {column} AS value FROM items"
    table = snapshot.query(
        f"SELECT * FROM ({values}) WHERE value IS NOT NULL", [] if attribute in _ITEM_COLUMNS else [attribute]
    )
    return dict(zip(table["item_id"].to_pylist(), table["value"].to_pylist(), strict=True))


def item_texts(snapshot: Snapshot) -> dict[str, str]:
    """Return item id -> text for every described item."""
    table = snapshot.query("SELECT item_id, text FROM items WHERE text IS NOT NULL AND text <> ''")
    return dict(zip(table["item_id"].to_pylist(), table["text"].to_pylist(), strict=True))


def describe_items(snapshot: Snapshot, item_ids: Sequence[str]) -> dict[str, dict[str, str]]:
    """Return text, category and attributes of items by id; unknown ids are left out."""
    table = snapshot.query(
        "SELECT item_id, text, category, attributes FROM items WHERE list_contains(?, item_id)", [list(item_ids)]
    )
    return {
        row["item_id"]: {"text": row["text"] or "", "category": row["category"] or "", **dict(row["attributes"] or [])}
        for row in table.to_pylist()
    }
