"""The items a model may recommend, and what is known about each of them at a moment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numba
import numpy as np
import numpy.typing as npt

from ulm_core.model.histories import DAY_US, F32, F64, I16, I32, I64, Mask, starts_session
from ulm_core.timeline.index import Partition, TimelineIndex
from ulm_core.timeline.runner import map_merge

#: Columns of item statistics: log purchases in the last 28 and 7 days, log purchases per 28 days
#: since the log began, log distinct buyers, purchases per buyer / 10.
ITEM_STATISTICS: tuple[str, ...] = ("popularity_28d", "popularity_7d", "popularity_rate", "buyers", "repeat_rate")
N_STATISTICS = len(ITEM_STATISTICS)


@dataclass(frozen=True)
class Catalogue:
    """Items the model scores, in the order of its columns.

    Attributes
    ----------
    items
        int32[n], item code of each catalogue position.
    position
        int32[n_item_codes], catalogue position of an item code, -1 outside the catalogue.
    category
        int32[n], category code of each position.
    category_of_item
        int32[n_item_codes], category code of an item code, -1 outside the catalogue.
    """

    items: I32
    position: I32
    category: I32
    category_of_item: I32

    def __len__(self) -> int:
        """Return the number of items."""
        return len(self.items)

    @property
    def n_categories(self) -> int:
        """Number of categories."""
        return int(self.category.max(initial=0)) + 1

    @staticmethod
    def of(items: I32, n_item_codes: int, categories: npt.NDArray[np.object_]) -> Catalogue:
        """Return the catalogue of `items`; `categories` has one name (or None) per position."""
        position = np.full(n_item_codes, -1, np.int32)
        position[items] = np.arange(len(items), dtype=np.int32)
        names = np.array(["" if name is None else str(name) for name in categories], dtype=object)
        codes = np.unique(names, return_inverse=True)[1].astype(np.int32)
        by_item = np.full(n_item_codes, -1, np.int32)
        by_item[items] = codes
        return Catalogue(items.astype(np.int32), position, codes, by_item)


@dataclass(frozen=True)
class ItemCounts:
    """Counts per reference time and code; a purchase is one (user, session, item).

    Attributes
    ----------
    total, buyers
        int64[n_times, n_codes], purchases and distinct users before each time.
    recent
        int64[n_times, n_windows, n_codes], purchases in the days before each time.
    """

    total: I64
    buyers: I64
    recent: I64


def item_counts(
    index: TimelineIndex,
    code_of_item: I32,
    n_codes: int,
    counts_event: Mask,
    at_us: npt.ArrayLike,
    windows_days: tuple[int, ...] = (28, 7),
) -> ItemCounts:
    """Return what was bought how often before each time in `at_us`; later events are not looked at."""
    times = np.atleast_1d(np.asarray(at_us, np.int64))
    windows = np.array(windows_days, np.int64) * DAY_US

    def kernel(part: Partition) -> I64:
        out = np.zeros((times.size, 2 + windows.size, n_codes), np.int64)
        columns = (part.offsets, part.time, part.event, part.item, part.session)
        _count_items(*columns, code_of_item, counts_event, times, windows, out)
        return out

    def merge(partials: Sequence[I64]) -> I64:
        return np.asarray(np.sum(partials, axis=0), np.int64)

    found = map_merge(index, kernel, merge)
    return ItemCounts(found[:, 0], found[:, 1], found[:, 2:])


def item_statistics(
    index: TimelineIndex, catalogue: Catalogue, counts_event: Mask, at_us: npt.ArrayLike, first_us: int
) -> F32:
    """Return float32[n_times, n_catalogue, N_STATISTICS], columns `ITEM_STATISTICS`."""
    times = np.atleast_1d(np.asarray(at_us, np.int64))
    counts = item_counts(index, catalogue.position, len(catalogue), counts_event, times)
    days: F64 = (times - first_us).astype(np.float64) / DAY_US
    months: F64 = np.maximum(days, 1.0)[:, np.newaxis] / 28
    columns = (
        np.log1p(counts.recent[:, 0]),
        np.log1p(counts.recent[:, 1]),
        np.log1p(counts.total.astype(np.float64) / months),
        np.log1p(counts.buyers),
        counts.total / np.maximum(counts.buyers, 1) / 10,
    )
    return np.stack(columns, axis=2).astype(np.float32)


def items_with_buyers(index: TimelineIndex, counts_event: Mask, before_us: int, minimum: int) -> I32:
    """Return the codes of the items that at least `minimum` distinct users bought before `before_us`."""
    n_items = index.manifest.n_items
    everything = np.arange(n_items, dtype=np.int32)
    counts = item_counts(index, everything, n_items, counts_event, [before_us], ())
    return np.flatnonzero(counts.buyers[0] >= minimum).astype(np.int32)


@numba.njit(nogil=True, cache=True)
def _count_items(
    offsets: I64,
    time: I64,
    event: I16,
    item: I32,
    session: I64,
    code_of_item: I32,
    counts_event: Mask,
    times: I64,
    windows: I64,
    out: I64,
) -> None:
    """Add every purchase to all reference times after it; one walk over the partition."""
    last_seen = np.full((out.shape[2], 2), -1, np.int64)  # user and session ordinal of a code's last purchase
    for user in range(offsets.size - 1):
        ordinal, previous = 0, -1
        for e in range(offsets[user], offsets[user + 1]):
            if item[e] < 0 or not counts_event[event[e]]:
                continue
            ordinal += starts_session(time, session, e, previous)
            previous = e
            code = code_of_item[item[e]]
            if code < 0 or (last_seen[code, 0] == user and last_seen[code, 1] == ordinal):
                continue
            again = last_seen[code, 0] == user
            last_seen[code, 0], last_seen[code, 1] = user, ordinal
            _add(out, times, windows, time[e], code, again)


@numba.njit(nogil=True, cache=True)
def _add(out: I64, times: I64, windows: I64, moment: int, code: int, again: bool) -> None:
    for k in range(times.size):
        if times[k] <= moment:
            continue
        out[k, 0, code] += 1
        out[k, 1, code] += not again
        for w in range(windows.size):
            out[k, 2 + w, code] += times[k] - moment <= windows[w]
