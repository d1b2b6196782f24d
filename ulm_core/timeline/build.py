"""Building an index folder from a stream of sorted, coded events."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ulm_core.timeline.index import COLUMNS, Manifest
from ulm_core.warehouse.snapshot import Snapshot

# Codes are joined in SQL, so that the stream carries small integers and memory stays bounded.
_CODED = """
WITH
    users AS (SELECT user_id, row_number() OVER (ORDER BY user_id) - 1 AS code
        FROM (SELECT DISTINCT user_id FROM events)),
    names AS (SELECT event, row_number() OVER (ORDER BY event) - 1 AS code FROM (SELECT DISTINCT event FROM events)),
    known AS (SELECT item_id, row_number() OVER (ORDER BY item_id) - 1 AS code
        FROM (SELECT DISTINCT item_id FROM events WHERE item_id IS NOT NULL)),
    visits AS (SELECT session_id, row_number() OVER (ORDER BY session_id) - 1 AS code
        FROM (SELECT DISTINCT session_id FROM events WHERE session_id IS NOT NULL))
SELECT users.code::INTEGER AS user, epoch_us(time)::BIGINT AS time, names.code::SMALLINT AS event,
    coalesce(known.code, -1)::INTEGER AS item, coalesce(value, 'nan'::DOUBLE) AS value,
    coalesce(quantity, 'nan'::DOUBLE) AS quantity, coalesce(visits.code, -1)::INTEGER AS session
FROM events JOIN users USING (user_id) JOIN names USING (event)
    LEFT JOIN known USING (item_id) LEFT JOIN visits USING (session_id)
ORDER BY users.code, time, session_id NULLS FIRST, hash(event, item_id, value, quantity),
    event, item_id, value, quantity
"""

_ITEM_IDS = "SELECT DISTINCT item_id AS id FROM events WHERE item_id IS NOT NULL ORDER BY 1"
_USER_IDS = "SELECT DISTINCT user_id AS id FROM events ORDER BY 1"
_EVENT_NAMES = "SELECT DISTINCT event FROM events ORDER BY 1"


def build_index(snapshot: Snapshot, directory: Path, version: str, partition_events: int) -> Manifest:
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
    """
    users = snapshot.query(_USER_IDS)
    items = snapshot.query(_ITEM_IDS)
    names = tuple(str(name) for name in snapshot.query(_EVENT_NAMES)["event"].to_pylist())
    pq.write_table(users, directory / "users.parquet")
    pq.write_table(items, directory / "items.parquet")
    return write_columns(
        snapshot.stream(_CODED),
        directory,
        version=version,
        sizes=(users.num_rows, items.num_rows),
        event_names=names,
        partition_events=partition_events,
    )


def write_columns(
    batches: Iterable[pa.RecordBatch],
    directory: Path,
    *,
    version: str,
    sizes: tuple[int, int],
    event_names: tuple[str, ...],
    partition_events: int,
) -> Manifest:
    """Write the column files and the manifest.

    Parameters
    ----------
    batches
        Record batches with integer columns user, time, event, item, session and float columns value,
        quantity, sorted by user and time.
    sizes
        Number of users and of items.
    """
    n_users, n_items = sizes
    counts = np.zeros(n_users, np.int64)
    digest = hashlib.sha256()
    first, last, n_events = np.iinfo(np.int64).max, np.iinfo(np.int64).min, 0
    with ExitStack() as stack:
        files = {name: stack.enter_context((directory / f"{name}.bin").open("wb")) for name in COLUMNS}
        for batch in batches:
            counts += np.bincount(batch["user"].to_numpy(), minlength=n_users)
            for name, dtype in COLUMNS.items():
                data = np.ascontiguousarray(batch[name].to_numpy(zero_copy_only=False), dtype).tobytes()
                files[name].write(data)
                digest.update(data)
            time = batch["time"].to_numpy()
            if len(time):
                first, last = min(first, int(time.min())), max(last, int(time.max()))
            n_events += len(time)
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    (directory / "offsets.bin").write_bytes(offsets.tobytes())
    digest.update(offsets.tobytes())
    manifest = Manifest(
        version=version,
        fingerprint=digest.hexdigest(),
        n_events=n_events,
        n_users=n_users,
        n_items=n_items,
        event_names=event_names,
        first_us=first,
        last_us=last,
        partitions=cut_partitions(offsets, partition_events),
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
