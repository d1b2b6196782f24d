"""Building an index folder from a stream of sorted, coded events."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ulm_core.timeline.ids import as_ids, digest_ids, write_ids
from ulm_core.timeline.index import COLUMNS, Manifest
from ulm_core.warehouse.snapshot import EVENT_ORDER, Snapshot

# The dictionaries of an index: table name -> column of the log. Codes are places in the sorted ids.
DICTIONARIES = {"users": "user_id", "items": "item_id", "sessions": "session_id"}

# Codes are joined in SQL, so that the stream carries small integers and memory stays bounded.
CODED = f"""
SELECT user_codes.code::INTEGER AS user, epoch_us(time)::BIGINT AS time, event_codes.code::SMALLINT AS event,
    coalesce(item_codes.code, -1)::INTEGER AS item, coalesce(value, 'nan'::DOUBLE) AS value,
    coalesce(quantity, 'nan'::DOUBLE) AS quantity, coalesce(session_codes.code, -1)::INTEGER AS session
FROM {{rows}} JOIN user_codes ON user_id = user_codes.id JOIN event_codes ON event = event_codes.id
    LEFT JOIN item_codes ON item_id = item_codes.id LEFT JOIN session_codes ON session_id = session_codes.id
ORDER BY {EVENT_ORDER.replace("user_id", "user_codes.code", 1)}
"""


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
    for name, column in (*DICTIONARIES.items(), ("events", "event")):
        table = f"{name.removesuffix('s')}_codes"
        snapshot.keep(
            table, f"SELECT id, row_number() OVER (ORDER BY id) - 1 AS code FROM ({distinct_ids(column, rows)})"
        )
    ids = {name: as_ids(_kept(snapshot, name)) for name in DICTIONARIES}
    for name, values in ids.items():
        write_ids(directory / f"{name}.parquet", values, snapshot.keys)
    return write_columns(
        snapshot.stream(CODED.format(rows=rows)),
        directory,
        version=version,
        sizes=(len(ids["users"]), len(ids["items"])),
        event_names=tuple(str(name) for name in _kept(snapshot, "events").to_pylist()),
        partition_events=partition_events,
        salt=digest_ids(ids["users"]) + digest_ids(ids["items"]),
    )


def _kept(snapshot: Snapshot, name: str) -> pa.ChunkedArray:
    return snapshot.query(f"SELECT id FROM {name.removesuffix('s')}_codes ORDER BY code")["id"]


class ColumnFile:
    """One column being written, and the digest of its bytes."""

    def __init__(self, directory: Path, name: str) -> None:
        self._dtype = np.dtype(COLUMNS.get(name, np.int64))
        self._file = (directory / f"{name}.bin").open("wb")
        self._digest = hashlib.sha256()

    def write(self, values: npt.NDArray[np.generic]) -> None:
        """Add values at the end."""
        data = np.ascontiguousarray(values, self._dtype).view(np.uint8).data
        self._file.write(data)
        self._digest.update(data)

    def close(self) -> bytes:
        """Close the file and return the digest."""
        self._file.close()
        return self._digest.digest()


def write_columns(
    batches: Iterable[pa.RecordBatch],
    directory: Path,
    *,
    version: str,
    sizes: tuple[int, int],
    event_names: tuple[str, ...],
    partition_events: int,
    salt: bytes = b"",
) -> Manifest:
    """Write the column files and the manifest.

    Parameters
    ----------
    batches
        Record batches with integer columns user, time, event, item, session and float columns value,
        quantity, sorted by user and time.
    sizes
        Number of users and of items.
    salt
        Digests of the dictionaries: they are part of the fingerprint.
    """
    counts = np.zeros(sizes[0], np.int64)
    first, last = np.iinfo(np.int64).max, np.iinfo(np.int64).min
    files = {name: ColumnFile(directory, name) for name in COLUMNS}
    for batch in batches:
        counts += np.bincount(batch["user"].to_numpy(), minlength=sizes[0])
        for name in COLUMNS:
            files[name].write(batch[name].to_numpy(zero_copy_only=False))
        time = batch["time"].to_numpy()
        if len(time):
            first, last = min(first, int(time.min())), max(last, int(time.max()))
    if first > last:  # no event is left (the only user was erased)
        first = last = 0
    return finish_index(
        directory,
        np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        {name: file.close() for name, file in files.items()},
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
        ),
        partition_events,
    )


def finish_index(
    directory: Path,
    offsets: npt.NDArray[np.int64],
    digests: dict[str, bytes],
    draft: Manifest,
    partition_events: int,
) -> Manifest:
    """Write offsets and manifest; the fingerprint covers columns, offsets, event names and `draft`'s salt."""
    file = ColumnFile(directory, "offsets")
    file.write(offsets)
    parts = [digests[name] for name in COLUMNS] + [file.close(), "\0".join(draft.event_names).encode()]
    manifest = draft.model_copy(
        update={
            "fingerprint": hashlib.sha256(b"".join(parts) + bytes.fromhex(draft.fingerprint)).hexdigest(),
            "partitions": cut_partitions(offsets, partition_events),
        }
    )
    (directory / "manifest.json").write_text(manifest.model_dump_json(indent=2), encoding="utf-8")
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
