"""Event properties as columns beside the timeline index, read from the snapshot when first asked for.

Properties are the free JSON of an event; the index does not carry them. One property of one version becomes a
column of codes in the order of the index, kept under ``cache/columns/<version>/``: made again where it is
missing, erased with the cache and pruned with its version.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ulm_core.errors import InputError, NotFoundError, UlmError
from ulm_core.messages import N_
from ulm_core.timeline.ids import as_ids, read_ids, write_ids
from ulm_core.timeline.index import TimelineIndex
from ulm_core.warehouse.snapshot import EVENT_ORDER, Snapshot
from ulm_core.workspace import write_atomically

COLUMNS_CACHE = "columns"
NO_VALUE = -1

_VALUE = "json_extract_string(properties, ?)"
_VALUES = f"SELECT DISTINCT {_VALUE} AS id FROM events WHERE {_VALUE} IS NOT NULL ORDER BY 1"
_CODES = f"""
WITH coded AS (SELECT id, row_number() OVER (ORDER BY id) - 1 AS code FROM ({_VALUES}))
SELECT coalesce(coded.code, {NO_VALUE})::INTEGER AS code
FROM events LEFT JOIN coded ON {_VALUE} = coded.id ORDER BY {EVENT_ORDER}, properties NULLS FIRST
"""


@dataclass(frozen=True, eq=False)
class PropertyColumn:
    """One property of every event.

    Attributes
    ----------
    values
        The distinct values as texts, in byte order; a value's place is its code.
    codes
        int32[n_events] in the order of the index; -1 where the event lacks the property.
    """

    values: tuple[str, ...]
    codes: npt.NDArray[np.int32]


def cache_of(snapshot: Snapshot) -> Path:
    """Return the folder that holds the columns of a version."""
    return snapshot.directory.parents[1] / "cache" / COLUMNS_CACHE / snapshot.version


def property_names(snapshot: Snapshot) -> list[str]:
    """Return the names of all properties that any event carries, sorted."""
    path = cache_of(snapshot) / "names.json"
    if path.exists():
        return list(json.loads(path.read_text(encoding="utf-8")))
    table = snapshot.query(
        """SELECT DISTINCT unnest(json_keys(properties)) AS name FROM
        (SELECT DISTINCT properties FROM events WHERE json_type(properties) = 'OBJECT') ORDER BY 1"""
    )
    names = [str(name) for name in table["name"].to_pylist()]
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, json.dumps(names))
    return names


def property_column(index: TimelineIndex, snapshot: Snapshot, name: str) -> PropertyColumn:
    """Return one property of every event, coded; the first call for a version reads the snapshot.

    Raises
    ------
    NotFoundError
        When no event has such a property.
    InputError
        When the index is keyed by something else than users (`ulm_core.timeline.entities`).
    UlmError
        When the snapshot is not the one the index was built from.
    """
    if index.directory.parent != snapshot.directory:
        raise InputError(N_("Conditions on event properties need timelines of users, not of another key."))
    if name not in property_names(snapshot):
        raise NotFoundError.for_name("property", name, property_names(snapshot))
    stem = hashlib.sha256(name.encode()).hexdigest()[:24]
    codes, values = (cache_of(snapshot) / f"{stem}{ending}" for ending in (".bin", ".parquet"))
    if not (codes.exists() and values.exists()):
        _write(snapshot, name, codes, values)
    if codes.stat().st_size != 4 * index.manifest.n_events:
        raise UlmError(N_("These events are not those of the loaded version."), code="bad_index")
    column = np.asarray(np.memmap(codes, np.int32, mode="r")) if index.manifest.n_events else np.empty(0, np.int32)
    return PropertyColumn(tuple(read_ids(values, snapshot.keys).to_pylist()), column)


def _write(snapshot: Snapshot, name: str, codes: Path, values: Path) -> None:
    """Write both files, each replaced in one instant: two processes may do the same at a time."""
    place = f"$.{json.dumps(name, ensure_ascii=False)}"
    partial = codes.with_name(f".{codes.name}.{os.getpid()}.part")
    with partial.open("wb") as file:
        for batch in snapshot.stream(_CODES, [place] * _CODES.count("?")):
            file.write(np.ascontiguousarray(batch["code"].to_numpy(), np.int32).tobytes())
    known: pa.Array = as_ids(snapshot.query(_VALUES, [place] * 2)["id"])
    write_ids(part := values.with_name(f".{values.name}.{os.getpid()}.part"), known, snapshot.keys)
    part.replace(values)
    partial.replace(codes)
