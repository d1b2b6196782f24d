"""Building an index folder from a stream of sorted, coded events."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numba
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ulm_core.keys import Keys
from ulm_core.timeline.columns import ColumnFile
from ulm_core.timeline.ids import as_ids, digest_ids, write_ids
from ulm_core.timeline.index import COLUMNS, Manifest, write_manifest
from ulm_core.warehouse.snapshot import EVENT_ORDER, SESSION, Snapshot

# The dictionaries of an index: table name -> column of the log. Codes are places in the sorted ids.
DICTIONARIES = {"users": "user_id", "items": "item_id"}
CONTENT = "user_id, time, event, item_id, value, quantity"  # with the session, what the mark of an event is made of


def distinct_ids(column: str, rows: str = "events") -> str:
    """Return SQL for the distinct values of a column in the order of their codes."""
    return f"SELECT DISTINCT {column} AS id FROM {rows} WHERE {column} IS NOT NULL ORDER BY 1"


def build_index(
    snapshot: Snapshot, directory: Path, version: str, partition_events: int, rows: str = "events"
) -> Manifest:
    """Build the index of a snapshot in `directory`, streaming.

    Parameters
    ----------
    snapshot
        The version to index.
    directory
        An empty folder.
    version
        Name the index is published under.
    partition_events
        About how many events a partition holds; a partition never splits a user.
    rows
        Table, or SELECT in brackets, of the events.
    """
    users, items, events = (_Coder.of(snapshot, column, rows) for column in (*DICTIONARIES.values(), "event"))
    for name, coder in zip(DICTIONARIES, (users, items), strict=True):
        write_ids(directory / f"{name}.parquet", coder.ids, snapshot.keys)
    order = "" if rows == "events" and snapshot.is_in_order else f" ORDER BY {EVENT_ORDER}"
    stream = snapshot.stream(
        f"""SELECT {users.hash} AS user, epoch_us(time)::BIGINT AS time, {events.hash} AS event, {items.hash} AS item,
            coalesce(value, 'nan'::DOUBLE) AS value, coalesce(quantity, 'nan'::DOUBLE) AS quantity,
            {SESSION} AS session, hash({CONTENT}, {SESSION}) AS mark
        FROM {rows}{order}"""
    )
    return write_columns(
        ({**batch, **{"user": users(batch["user"]), "event": events(batch["event"]), "item": items(batch["item"])}}
         for batch in map(_arrays, stream)),
        directory,
        version=version,
        sizes=(len(users.ids), len(items.ids)),
        event_names=tuple(str(name) for name in events.ids.to_pylist()),
        partition_events=partition_events,
        salt=digest_ids(users.ids) + digest_ids(items.ids),
        keys=snapshot.keys,
    )  # fmt: skip


def _arrays(batch: pa.RecordBatch) -> dict[str, npt.NDArray[Any]]:
    return {name: batch[name].to_numpy(zero_copy_only=False) for name in batch.schema.names}


@dataclass(frozen=True)
class _Coder:
    """Codes of ids by their hash. A stream of hashes is small and keeps its order, which a join does not.

    Attributes
    ----------
    ids
        Distinct ids, sorted.
    hash
        SQL that tells all `ids` and NULL apart.
    """

    ids: pa.Array
    hash: str
    _hashes: npt.NDArray[np.uint64]
    _slots: npt.NDArray[np.int32]

    @staticmethod
    def of(snapshot: Snapshot, column: str, rows: str) -> _Coder:
        """Return the coder of a column of the log."""
        for salt in itertools.count():  # two ids with one hash are met once in a million logs
            found = snapshot.query(
                f"SELECT id, hash(id, {salt}) AS hash FROM ({distinct_ids(column, rows)}) ORDER BY id"
            )
            hashes = found["hash"].to_numpy()
            none = snapshot.query(f"SELECT hash(NULL::VARCHAR, {salt}) AS hash")["hash"].to_numpy()
            if len(np.unique(np.concatenate([hashes, none]))) == len(hashes) + 1:
                break
        return _Coder(as_ids(found["id"]), f"hash({column}, {salt})", hashes, _fill_slots(hashes))

    def __call__(self, hashes: npt.NDArray[np.uint64]) -> npt.NDArray[np.int32]:
        """Return the codes, -1 for what is no id."""
        return _look_up(self._hashes, self._slots, hashes)  # type: ignore[no-any-return, unused-ignore]


@numba.njit(cache=True, nogil=True)
def _fill_slots(hashes: npt.NDArray[np.uint64]) -> npt.NDArray[np.int32]:
    """Return a hash table, at most half full: place of a hash, or -1."""
    size = 2
    while size < 2 * len(hashes):
        size *= 2
    slots = np.full(size, -1, np.int32)
    for k in range(len(hashes)):
        slot = np.int64(hashes[k] & np.uint64(size - 1))
        while slots[slot] >= 0:
            slot = (slot + 1) & (size - 1)
        slots[slot] = k
    return slots


@numba.njit(cache=True, nogil=True)
def _look_up(
    hashes: npt.NDArray[np.uint64], slots: npt.NDArray[np.int32], wanted: npt.NDArray[np.uint64]
) -> npt.NDArray[np.int32]:
    codes = np.empty(len(wanted), np.int32)
    for k in range(len(wanted)):
        slot = np.int64(wanted[k] & np.uint64(len(slots) - 1))
        while slots[slot] >= 0 and hashes[slots[slot]] != wanted[k]:
            slot = (slot + 1) & (len(slots) - 1)
        codes[k] = slots[slot]
    return codes


def write_columns(
    batches: Iterable[Mapping[str, npt.NDArray[Any]]],
    directory: Path,
    *,
    version: str,
    sizes: tuple[int, int],
    event_names: tuple[str, ...],
    partition_events: int,
    salt: bytes = b"",
    keys: Keys | None = None,
) -> Manifest:
    """Write the column files and the manifest.

    Parameters
    ----------
    batches
        Integer columns user, time, event, item, session, float columns value, quantity, sorted by user and time;
        perhaps `mark`, a hash of each event's content (uint64) that does not depend on codes.
    sizes
        Number of users and of items.
    salt
        Digests of the dictionaries: they are part of the fingerprint.
    keys
        Keys of an encrypted workspace.
    """
    content = 0
    counts = np.zeros(sizes[0], np.int64)
    first, last = np.iinfo(np.int64).max, np.iinfo(np.int64).min
    files = {name: ColumnFile(directory, name, dtype, keys) for name, dtype in COLUMNS.items()}
    for batch in batches:
        if len(batch["user"]):
            least = int(batch["user"][0])
            here = np.bincount(batch["user"] - least)
            counts[least : least + len(here)] += here
        marks = batch["mark"] if "mark" in batch else _marks_of(batch)
        content = (content + int(marks.sum(dtype=np.uint64))) % 2**64
        for name in COLUMNS:
            files[name].write(batch[name])
        time = batch["time"]
        if len(time):
            first, last = min(first, int(time.min())), max(last, int(time.max()))
    if first > last:  # no event is left (the only user was erased)
        first = last = 0
    for file in files.values():
        file.close()
    return finish_index(
        directory,
        np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        Manifest(
            version=version,
            fingerprint=salt.hex(),
            n_events=int(counts.sum()),
            n_users=sizes[0],
            n_items=sizes[1],
            event_names=event_names,
            first_us=first,
            last_us=last,
            partitions=(),
            content=content,
        ),
        partition_events,
        keys,
    )


def _marks_of(columns: Mapping[str, npt.NDArray[Any]]) -> npt.NDArray[np.uint64]:
    """Return a hash of each event made of its codes, for events that no database holds."""
    marks = np.asarray(columns["user"]).astype(np.uint64)
    for name, dtype in COLUMNS.items():
        wide = np.float64 if np.dtype(dtype).kind == "f" else np.int64
        marks = (marks ^ np.asarray(columns[name]).astype(wide).view(np.uint64)) * np.uint64(0x9E3779B97F4A7C15)
        marks ^= marks >> np.uint64(29)
    return marks


def finish_index(
    directory: Path,
    offsets: npt.NDArray[np.int64],
    draft: Manifest,
    partition_events: int,
    keys: Keys | None = None,
) -> Manifest:
    """Write offsets and manifest; the fingerprint covers `draft`'s salt, its content, offsets and event names."""
    file = ColumnFile(directory, "offsets", np.int64, keys)
    file.write(offsets)
    file.close()
    names = "\0".join(draft.event_names).encode()
    parts = bytes.fromhex(draft.fingerprint) + draft.content.to_bytes(8, "big") + offsets.tobytes() + names
    manifest = draft.model_copy(
        update={
            "fingerprint": hashlib.sha256(parts).hexdigest(),
            "partitions": cut_partitions(offsets, partition_events),
        }
    )
    write_manifest(directory, manifest, keys)
    return manifest


def cut_partitions(offsets: Sequence[int] | np.ndarray, partition_events: int) -> tuple[tuple[int, int], ...]:
    """Cut users into runs of about `partition_events` events each, never splitting a user.

    Parameters
    ----------
    offsets
        int64[n_users + 1], events before each user.

    Returns
    -------
    tuple of (first user, stop user)

    Examples
    --------
    >>> cut_partitions([0, 3, 4, 9], 4)
    ((0, 2), (2, 3))
    """
    ends = np.asarray(offsets)
    n_users = len(ends) - 1
    cuts, first = [], 0
    while first < n_users:
        stop = int(np.searchsorted(ends, ends[first] + partition_events, side="right")) - 1
        stop = min(max(stop, first + 1), n_users)
        cuts.append((first, stop))
        first = stop
    return tuple(cuts)
