"""Appending to an index: new events are merged into the sorted columns of the version before.

The result is, byte for byte, the index that would be built from all rows at once (ADR 0008): codes are places
in sorted dictionaries, so a new id moves the codes behind it, and every column is written anew in one
sequential pass. What is *not* done again is reading, coding and sorting the old rows.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numba
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ulm_core.errors import UlmError
from ulm_core.keys import Keys
from ulm_core.settings import get_settings
from ulm_core.timeline.build import CONTENT, DICTIONARIES, distinct_ids, finish_index
from ulm_core.timeline.columns import ColumnFile
from ulm_core.timeline.ids import MergedIds, as_ids, digest_ids, merge_ids, read_ids, write_ids
from ulm_core.timeline.index import (
    COLUMNS,
    FORMAT,
    MANIFEST,
    SEALED_MANIFEST,
    Manifest,
    TimelineIndex,
    read_manifest,
    write_manifest,
)
from ulm_core.warehouse.access import unlock
from ulm_core.warehouse.database import Database
from ulm_core.warehouse.snapshot import SESSION

CHUNK = 2_000_000  # old events a column writes in one go
ROWS = f"user_id, time, event, item_id, value, quantity, {SESSION} AS session"  # what an index needs of the events
_CODED = """
SELECT user_codes.code::INTEGER AS user, epoch_us(time)::BIGINT AS time, event_codes.code::SMALLINT AS event,
    coalesce(item_codes.code, -1)::INTEGER AS item, coalesce(value, 'nan'::DOUBLE) AS value,
    coalesce(quantity, 'nan'::DOUBLE) AS quantity, session
FROM appended JOIN user_codes ON user_id = user_codes.id JOIN event_codes ON event = event_codes.id
    LEFT JOIN item_codes ON item_id = item_codes.id
ORDER BY user_codes.code, time, session, hash(event, item_id, value, quantity)"""

Ints = npt.NDArray[np.int64]


def can_append_to(directory: Path, keys: Keys | None = None) -> bool:
    """Whether the index in `directory` can be appended to; one that an older program wrote cannot."""
    try:
        return read_manifest(directory, keys).format == FORMAT
    except UlmError:
        return False


def link_index(base: Path, directory: Path, version: str, keys: Keys | None = None) -> None:
    """Make `directory` the index of `base` under another name: nothing was added to its events."""
    for path in base.iterdir():
        if path.name not in {MANIFEST, SEALED_MANIFEST}:
            os.link(path, directory / path.name)
    write_manifest(directory, read_manifest(base, keys).model_copy(update={"version": version}), keys)


@dataclass(frozen=True)
class _Codes:
    """Dictionaries of the old index joined with the new rows' ids."""

    users: MergedIds
    items: MergedIds
    events: MergedIds


@dataclass(frozen=True)
class _Splice:
    """Where new events go.

    Attributes
    ----------
    dropped
        int64, places of old events that are among the new ones (they tie with one), ascending.
    at
        int64[n_new], place in the old columns before which each new event stands, ascending.
    columns
        The new events by column, in their final order, and `user`: their codes.
    """

    dropped: Ints
    at: Ints
    columns: dict[str, npt.NDArray[Any]]


def append_index(
    base: Path, rows: pa.Table, directory: Path, version: str, partition_events: int, keys: Keys | None = None
) -> Manifest:
    """Write the index of the old events in `base` and the new `rows` into `directory`.

    Parameters
    ----------
    base
        Folder of the index to append to.
    rows
        New events with the columns of `ROWS`; held in memory.
    directory
        An empty folder.
    version
        Name the index is published under.
    partition_events
        About how many events a partition holds.
    keys
        Keys of an encrypted workspace.
    """
    old = TimelineIndex(base, keys)
    with unlock(Database.private(), keys) as database:
        database.register("appended", rows)
        codes = _join_dictionaries(database, base, old, keys)
        content = int(str(database.scalar(f"SELECT sum(hash({CONTENT}, session)) FROM appended")))
        splice = _plan(database, old, codes, rows)
    for name in DICTIONARIES:
        _write_dictionary(base, directory, name, getattr(codes, name), keys)
    _write_columns(old, splice, codes, directory, keys)
    first, last = splice.columns["time"].min(), splice.columns["time"].max()
    draft = Manifest(
        version=version,
        fingerprint=(digest_ids(codes.users.ids) + digest_ids(codes.items.ids)).hex(),
        n_events=old.manifest.n_events - len(splice.dropped) + len(splice.at),
        n_users=len(codes.users.ids),
        n_items=len(codes.items.ids),
        event_names=tuple(codes.events.ids.to_pylist()),
        first_us=min(old.manifest.first_us, int(first)),
        last_us=max(old.manifest.last_us, int(last)),
        partitions=(),
        content=(old.manifest.content + content) % 2**64,
    )
    return finish_index(directory, _offsets(old, splice, codes), draft, partition_events, keys)


def _join_dictionaries(database: Database, base: Path, old: TimelineIndex, keys: Keys | None) -> _Codes:
    """Join the dictionaries and keep the new rows' codes as tables ``user_codes``, ``item_codes``, ..."""
    joined = {}
    for name, column in (*DICTIONARIES.items(), ("events", "event")):
        known = as_ids(old.manifest.event_names) if name == "events" else read_ids(base / f"{name}.parquet", keys)
        found = as_ids(database.query(distinct_ids(column, "appended"))["id"])
        joined[name] = merge_ids(known, found)
        table = pa.table({"id": found, "code": joined[name].new_codes, "place": np.arange(len(found))})
        database.register(f"{name.removesuffix('s')}_codes", table)
    return _Codes(**joined)


@numba.njit(cache=True, nogil=True)
def _find_ties(
    time: Ints, offsets: Ints, place: Ints, found: npt.NDArray[np.bool_], user: Ints, moment: Ints
) -> tuple[Ints, Ints]:
    """Return for each (user, moment) the run ``[low, high)`` of old events at that moment."""
    low, high = np.empty(len(user), np.int64), np.empty(len(user), np.int64)
    for k in range(len(user)):
        code = place[user[k]]
        low[k] = high[k] = offsets[code]
        if found[user[k]]:
            history = time[offsets[code] : offsets[code + 1]]
            low[k] += np.searchsorted(history, moment[k], side="left")
            high[k] += np.searchsorted(history, moment[k], side="right")
    return low, high


def _runs(low: Ints, high: Ints) -> Ints:
    """Return every place in the runs ``[low, high)``, one after the other."""
    counts = high - low
    return np.repeat(low - np.concatenate([[0], np.cumsum(counts)[:-1]]), counts) + np.arange(counts.sum())


def _plan(database: Database, old: TimelineIndex, codes: _Codes, rows: pa.Table) -> _Splice:
    """Decide where new events go. Old events that tie with a new one are sorted again together with it."""
    moments = database.query(
        """SELECT DISTINCT user_codes.place AS user, epoch_us(time)::BIGINT AS time
        FROM appended JOIN user_codes ON user_id = user_codes.id ORDER BY 1, 2"""
    )
    user, time = (moments[name].to_numpy() for name in ("user", "time"))
    low, high = _find_ties(old.time, old.offsets, codes.users.place, codes.users.found, user, time)
    dropped = _runs(low, high)
    if len(dropped):
        database.unregister("appended")
        database.register("appended", pa.concat_tables([rows, _decode(old, dropped, rows.schema)]))
        _register_codes(database, old, codes, dropped)
    ordered = database.query(_CODED)
    columns = {name: ordered[name].to_numpy() for name in ("user", *COLUMNS)}
    begins = np.ones(len(columns["time"]), np.bool_)
    begins[1:] = (np.diff(columns["user"]) != 0) | (np.diff(columns["time"]) != 0)
    return _Splice(dropped, low[np.cumsum(begins) - 1], columns)


def _register_codes(database: Database, old: TimelineIndex, codes: _Codes, places: Ints) -> None:
    """Add the ids of the old events at `places` to the code tables; new rows' ids are there already."""
    used: dict[str, npt.NDArray[Any]] = {"events": old.event, "items": old.item}
    for name, column in used.items():
        merged: MergedIds = getattr(codes, name)
        seen = np.unique(column[places])
        numbers = np.union1d(merged.new_codes, merged.old_codes[seen[seen >= 0]])
        table = pa.table({"id": merged.ids.take(pa.array(numbers)), "code": numbers})
        database.unregister(f"{name.removesuffix('s')}_codes")
        database.register(f"{name.removesuffix('s')}_codes", table)


def _decode(old: TimelineIndex, places: Ints, schema: pa.Schema) -> pa.Table:
    """Return old events as rows of the log again."""

    def names(ids: pa.Array, numbers: npt.NDArray[Any]) -> pa.Array:
        return ids.take(pa.array(numbers, pa.int64(), mask=numbers < 0))

    def numbers(column: npt.NDArray[np.float64]) -> pa.Array:
        return pa.array(column[places], from_pandas=True)  # nan stands for "none"

    owners = np.searchsorted(old.offsets, places, side="right") - 1
    columns = {
        "user_id": names(old.ids("users"), owners),
        "time": pa.array(old.time[places]).cast(pa.timestamp("us")),
        "event": names(as_ids(old.manifest.event_names), old.event[places]),
        "item_id": names(old.ids("items"), old.item[places]),
        "value": numbers(old.value),
        "quantity": numbers(old.quantity),
        "session": pa.array(old.session[places]),
    }
    return pa.table(columns).cast(pa.schema([schema.field(name) for name in columns]))


def _write_dictionary(base: Path, directory: Path, name: str, merged: MergedIds, keys: Keys | None) -> None:
    target = directory / f"{name}.parquet"
    if merged.is_unchanged:
        os.link(base / target.name, target)
    else:
        write_ids(target, merged.ids, keys)


@numba.njit(cache=True, nogil=True)
def _merge_plain(old: Any, first: int, dropped: Ints, at: Ints, new: Any, out: Any) -> None:
    """Fill `out` with old values (from place `first` on), dropped ones left out and new ones put in."""
    read = written = skip = 0
    for k in range(len(at) + 1):
        stop = at[k] - first if k < len(at) else len(old)
        while read < stop:
            if skip < len(dropped) and dropped[skip] == first + read:
                skip += 1
            else:
                out[written] = old[read]
                written += 1
            read += 1
        if k < len(at):
            out[written] = new[k]
            written += 1


@numba.njit(cache=True, nogil=True)
def _merge_coded(old: Any, first: int, dropped: Ints, at: Ints, new: Any, out: Any, codes: Ints) -> None:
    """Do the same for a column of codes, which move: ``codes[old]``; -1 stays."""
    read = written = skip = 0
    for k in range(len(at) + 1):
        stop = at[k] - first if k < len(at) else len(old)
        while read < stop:
            if skip < len(dropped) and dropped[skip] == first + read:
                skip += 1
            else:
                out[written] = codes[old[read]] if old[read] >= 0 else -1
                written += 1
            read += 1
        if k < len(at):
            out[written] = new[k]
            written += 1


def _write_columns(old: TimelineIndex, splice: _Splice, codes: _Codes, directory: Path, keys: Keys | None) -> None:
    """Write every column in one pass, columns in parallel."""
    moved = {"event": codes.events, "item": codes.items}

    def write(name: str) -> None:
        merged = moved.get(name)
        _write_column(
            ColumnFile(directory, name, COLUMNS[name], keys),
            getattr(old, name),
            np.ascontiguousarray(splice.columns[name], COLUMNS[name]),
            splice,
            None if merged is None or merged.is_unchanged else merged.old_codes,
        )

    with ThreadPoolExecutor(get_settings().threads, thread_name_prefix="append") as pool:
        for _ in pool.map(write, COLUMNS):
            pass


def _write_column(
    file: ColumnFile, old: npt.NDArray[Any], new: npt.NDArray[Any], splice: _Splice, codes: Ints | None
) -> None:
    for first in range(0, max(len(old), 1), CHUNK):
        stop = min(first + CHUNK, len(old))
        # New events that stand at a border belong to the chunk that begins there; the last chunk takes the rest.
        begin, end = np.searchsorted(splice.at, (first, stop), side="left")
        end = end if stop < len(old) else len(splice.at)
        drops = splice.dropped[slice(*np.searchsorted(splice.dropped, (first, stop), side="left"))]
        out = np.empty(stop - first - len(drops) + end - begin, new.dtype)
        _kernel(codes)(old[first:stop], first, drops, splice.at[begin:end], new[begin:end], out)
        file.write(out)
    file.close()


def _kernel(codes: Ints | None) -> Callable[..., None]:
    if codes is None:
        return _merge_plain  # type: ignore[no-any-return, unused-ignore]
    return lambda *arguments: _merge_coded(*arguments, codes)


def _offsets(old: TimelineIndex, splice: _Splice, codes: _Codes) -> Ints:
    """Return events before each user, by new code."""
    counts = np.zeros(len(codes.users.ids), np.int64)
    counts[codes.users.old_codes] = np.diff(old.offsets)
    owners = np.searchsorted(old.offsets, splice.dropped, side="right") - 1
    counts -= np.bincount(codes.users.old_codes[owners], minlength=len(counts))
    counts += np.bincount(splice.columns["user"], minlength=len(counts))
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
