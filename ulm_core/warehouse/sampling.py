"""The first rows of a source as text, for recognition and preview."""

from __future__ import annotations

import json
import re

import pyarrow as pa

from ulm_core.warehouse.database import Database, quote
from ulm_core.warehouse.readers import SAMPLE_ROWS, Relation, forget_rejects

_ATTRIBUTE = re.compile(r'\s([A-Za-z_][\w.-]*)="([^"]*)"')


def sample_rows(database: Database, relation: Relation, limit: int = SAMPLE_ROWS) -> pa.Table:
    """Return the first rows, every column as text (nested fields by their dotted names).

    What was read to find the layout is used again; only tables and Parquet are queried.
    """
    if relation.kind == "xml":
        rows = [dict(_ATTRIBUTE.findall(line)) for line in relation.sample[:limit]]
    elif relation.kind == "json":
        rows = [_flat_row(line) for line in relation.sample[:limit]]
    elif relation.sample and set(relation.columns) == set(json.loads(relation.sample[0])):
        rows = [json.loads(line) for line in relation.sample[:limit]]
    else:
        columns = ", ".join(f"CAST({quote(name)} AS VARCHAR) AS {quote(name)}" for name in relation.columns)
        sampled = database.query(f"SELECT {columns} FROM {relation.sql} LIMIT {int(limit)}", relation.parameters)
        forget_rejects(database, relation)
        return sampled
    return pa.table({name: pa.array([row.get(name) for row in rows], pa.string()) for name in relation.columns})


def _flat_row(line: str) -> dict[str, str | None]:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    found: dict[str, str | None] = {}
    _flatten(value, "", found, 0)
    return found


def _flatten(value: object, prefix: str, found: dict[str, str | None], depth: int) -> None:
    if not isinstance(value, dict):
        return
    for key, entry in value.items():
        text = entry if isinstance(entry, str) else json.dumps(entry, ensure_ascii=False)
        found[f"{prefix}{key}"] = None if entry is None else text
        if depth < 2:
            _flatten(entry, f"{prefix}{key}.", found, depth + 1)
