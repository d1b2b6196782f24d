"""Dictionaries of an index: distinct ids in byte order; an id's place is its code.

Order is that of UTF-8 bytes, in DuckDB, in Arrow buffers and in Python alike, so that the codes of the same
ids are the same however they came together.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numba
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ulm_core.keys import Keys
from ulm_core.warehouse.parquet import read_table, write_table

Ints = npt.NDArray[np.int64]


def as_ids(values: pa.ChunkedArray | pa.Array | Iterable[str]) -> pa.Array:
    """Return ids as one contiguous Arrow array of large strings."""
    if isinstance(values, pa.ChunkedArray):
        values = values.combine_chunks()
    if not isinstance(values, pa.Array):
        return pa.array(list(values), pa.large_string())
    return values.cast(pa.large_string())


def write_ids(path: Path, ids: pa.Array, keys: Keys | None) -> None:
    """Write a dictionary, encrypted when the workspace is."""
    write_table(path, pa.table({"id": ids}), keys)


def read_ids(path: Path, keys: Keys | None) -> pa.Array:
    """Return a dictionary as one array of large strings."""
    return as_ids(read_table(path, keys)["id"])


def digest_ids(ids: pa.Array) -> bytes:
    """Return the SHA-256 of ids and their borders."""
    bounds, data = _buffers(ids)
    return hashlib.sha256(hashlib.sha256(bounds.tobytes()).digest() + data.tobytes()).digest()


def _buffers(ids: pa.Array) -> tuple[Ints, npt.NDArray[np.uint8]]:
    """Return (borders int64[n + 1], re-based to 0; bytes) of an array of large strings."""
    if len(ids) == 0:
        return np.zeros(1, np.int64), np.empty(0, np.uint8)
    _, offsets, data = ids.buffers()
    bounds = np.frombuffer(offsets, np.int64)[ids.offset : ids.offset + len(ids) + 1]
    body = np.frombuffer(data, np.uint8) if data is not None and data.size else np.empty(0, np.uint8)
    return bounds - bounds[0], body[bounds[0] : bounds[-1]]


@numba.njit(cache=True, nogil=True)
def _compare(a: npt.NDArray[np.uint8], b: npt.NDArray[np.uint8]) -> int:
    for k in range(min(len(a), len(b))):
        if a[k] != b[k]:
            return -1 if a[k] < b[k] else 1  # no difference: bytes are unsigned
    return len(a) - len(b)


@numba.njit(cache=True, nogil=True)
def _locate(
    bounds: Ints, data: npt.NDArray[np.uint8], sought_bounds: Ints, sought: npt.NDArray[np.uint8]
) -> tuple[Ints, npt.NDArray[np.bool_]]:
    """Return for each sought string its lower bound among the sorted ones, and whether it is there."""
    count = len(sought_bounds) - 1
    place, found = np.empty(count, np.int64), np.zeros(count, np.bool_)
    for k in range(count):
        text = sought[sought_bounds[k] : sought_bounds[k + 1]]
        low, high = 0, len(bounds) - 1
        while low < high:
            middle = (low + high) // 2
            if _compare(data[bounds[middle] : bounds[middle + 1]], text) < 0:
                low = middle + 1
            else:
                high = middle
        place[k] = low
        found[k] = low < len(bounds) - 1 and _compare(data[bounds[low] : bounds[low + 1]], text) == 0
    return place, found


def find_id(ids: pa.Array, name: str) -> tuple[int, bool]:
    """Return the place at which an id stands, or would stand, and whether it does."""
    place, found = _locate(*_buffers(ids), *_buffers(pa.array([name], pa.large_string())))
    return int(place[0]), bool(found[0])


@dataclass(frozen=True)
class MergedIds:
    """Two dictionaries joined into one.

    Attributes
    ----------
    ids
        The union, in order.
    old_codes
        int64[n_old]: code in the union by old code; grows with it.
    new_codes
        int64[n_new]: code in the union by place in the new ids.
    place
        int64[n_new]: where each new id stands, or would stand, among the old ones.
    found
        bool[n_new]: whether it stood there.
    """

    ids: pa.Array
    old_codes: Ints
    new_codes: Ints
    place: Ints
    found: npt.NDArray[np.bool_]

    @property
    def is_unchanged(self) -> bool:
        """Whether every new id was known."""
        return bool(self.found.all())


def merge_ids(old: pa.Array, new: pa.Array) -> MergedIds:
    """Join the sorted, distinct ids of an index with those of new rows."""
    place, found = _locate(*_buffers(old), *_buffers(new))
    added = place[~found]
    old_codes = np.arange(len(old)) + np.searchsorted(added, np.arange(len(old)), side="right")
    new_codes = place + np.cumsum(~found) - ~found
    if not len(added):
        return MergedIds(old, old_codes, new_codes, place, found)
    order = np.empty(len(old) + len(added), np.int64)
    order[old_codes] = np.arange(len(old))
    order[new_codes[~found]] = len(old) + np.flatnonzero(~found)
    ids = pa.concat_arrays([old, new]).take(pa.array(order))
    return MergedIds(ids, old_codes, new_codes, place, found)
