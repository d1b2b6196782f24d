"""What the tests of loading share."""

from __future__ import annotations

from ulm_core.warehouse.access import open_warehouse
from ulm_core.workspace import Workspace


def events_in(workspace: Workspace) -> list[tuple[object, ...]]:
    """Return (user, time, event, item, value, quantity, session) of every event in the warehouse, by time."""
    with open_warehouse(workspace) as database:
        rows = database.query(
            "SELECT user_id, time, event, item_id, value, quantity, session_id FROM events "
            "ORDER BY time, event, item_id, user_id"
        ).to_pylist()
    return [tuple(value.isoformat() if key == "time" else value for key, value in row.items()) for row in rows]


def rejected_in(workspace: Workspace) -> list[tuple[str, int, str]]:
    """Return (source, row number, reason) of every rejected row."""
    with open_warehouse(workspace) as database:
        rows = database.query("SELECT source, row_number, reason FROM quarantine ORDER BY ALL").to_pylist()
    return [tuple(row.values()) for row in rows]
