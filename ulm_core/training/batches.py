"""Examples (user, moment) and what happened to them next, gathered from the timeline index by kernels."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numba
import numpy as np
import numpy.typing as npt

from ulm_core.model.histories import DAY_US, I16, I32, I64, Mask
from ulm_core.timeline.index import TimelineIndex

Labels = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Targets:
    """Ragged target items; those of row k are ``columns[offsets[k]:offsets[k + 1]]``, each once.

    Attributes
    ----------
    offsets
        int64[n + 1].
    columns
        int32[n_targets], catalogue positions.
    """

    offsets: I64
    columns: I32

    @property
    def counts(self) -> I64:
        """int64[n], targets per row."""
        return np.diff(self.offsets)

    @property
    def rows(self) -> I64:
        """int64[n_targets], the row of each target."""
        return np.repeat(np.arange(len(self.offsets) - 1), self.counts)

    def take(self, rows: I64) -> Targets:
        """Return the targets of some rows."""
        counts = self.counts[rows]
        offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        within = np.arange(offsets[-1]) - np.repeat(offsets[:-1], counts)
        return Targets(offsets, self.columns[np.repeat(self.offsets[rows], counts) + within])


def target_items(
    index: TimelineIndex, users: I64, from_us: I64, until_us: I64, position: I32, purchase: Mask
) -> Targets:
    """Return the distinct catalogue items bought in ``[from_us, until_us)`` per row.

    Parameters
    ----------
    users
        int64[n] user codes.
    from_us, until_us
        int64[n], UTC microseconds.
    position
        int32[n_items], catalogue position of an item code, negative outside.
    purchase
        bool per event code.
    """
    n_codes = int(position.max(initial=-1)) + 1
    columns = (index.offsets, index.time, index.event, index.item)
    sizes = np.zeros(len(users) + 1, np.int64)
    _targets(users, from_us, until_us, *columns, position, purchase, n_codes, sizes, np.empty(0, np.int32))
    offsets = np.cumsum(sizes)
    found = np.empty(offsets[-1], np.int32)
    _targets(users, from_us, until_us, *columns, position, purchase, n_codes, offsets, found)
    return Targets(offsets, found)


@numba.njit(nogil=True, cache=True)
def _first_at(time: I64, low: int, high: int, moment: int) -> int:
    while low < high:
        middle = (low + high) // 2
        if time[middle] < moment:
            low = middle + 1
        else:
            high = middle
    return low


@numba.njit(nogil=True, cache=True)
def _targets(
    users: I64,
    from_us: I64,
    until_us: I64,
    offsets: I64,
    time: I64,
    event: I16,
    item: I32,
    position: I32,
    purchase: Mask,
    n_codes: int,
    sizes: I64,
    out: I32,
) -> None:
    """Count into `sizes` when `out` is empty, else write at the offsets `sizes`."""
    stamp = np.full(n_codes, -1, np.int64)
    for row in range(users.size):
        begin, stop = offsets[users[row]], offsets[users[row] + 1]
        found = 0
        for e in range(_first_at(time, begin, stop, from_us[row]), stop):
            if time[e] >= until_us[row]:
                break
            code = position[item[e]] if item[e] >= 0 and purchase[event[e]] else -1
            if code < 0 or stamp[code] == row:
                continue
            stamp[code] = row
            if out.size:
                out[sizes[row] + found] = code
            found += 1
        if not out.size:
            sizes[row + 1] = found


@dataclass(frozen=True)
class ChurnLabels:
    """Outcome per row.

    Attributes
    ----------
    churned
        float32[n], 1 where nothing was done in the churn horizon from the row's moment on.
    known
        bool[n], true where the user was active in the horizon before and the outcome is observed.
    """

    churned: Labels
    known: Mask


def churn_labels(
    index: TimelineIndex, users: I64, at_us: I64, horizon_days: int, boundary_us: int, active: Mask
) -> ChurnLabels:
    """Return churn labels; a window that ends after `boundary_us` is censored, never a label."""
    horizon = horizon_days * DAY_US
    before, after = _activity(users, at_us, horizon, index.offsets, index.time, index.event, active)
    known = before & (at_us + horizon <= boundary_us)
    return ChurnLabels((~after & known).astype(np.float32), known)


@numba.njit(nogil=True, cache=True)
def _activity(
    users: I64, at_us: I64, horizon: int, offsets: I64, time: I64, event: I16, active: Mask
) -> tuple[Mask, Mask]:
    """Active in the horizon before, and in the horizon from, each moment."""
    before = np.zeros(users.size, np.bool_)
    after = np.zeros(users.size, np.bool_)
    for row in range(users.size):
        begin, stop = offsets[users[row]], offsets[users[row] + 1]
        for e in range(_first_at(time, begin, stop, at_us[row] - horizon), stop):
            if time[e] >= at_us[row] + horizon or after[row]:
                break
            if active[event[e]]:
                before[row] |= time[e] < at_us[row]
                after[row] |= time[e] >= at_us[row]
    return before, after


@dataclass(frozen=True)
class Examples:
    """Users at moments.

    Attributes
    ----------
    users
        int64[n], user codes.
    times
        int64[n], position of the moment in the list of reference times.
    at_us
        int64[n], the moment.
    until_us
        int64[n], what is bought before this is what the example asks for.
    stages
        uint8[n], lifecycle stage then.
    """

    users: I64
    times: I64
    at_us: I64
    until_us: I64
    stages: npt.NDArray[np.uint8]

    def __len__(self) -> int:
        """Return the number of examples."""
        return len(self.users)

    def take(self, chosen: npt.NDArray[np.generic] | slice) -> Examples:
        """Return some of the examples."""
        return Examples(
            self.users[chosen], self.times[chosen], self.at_us[chosen], self.until_us[chosen], self.stages[chosen]
        )


def make_examples(
    index: TimelineIndex, at_us: I64, stages: npt.NDArray[np.uint8], purchase: Mask, length_us: int = 0
) -> Examples:
    """Return every user with a purchase before a moment, at each moment of `at_us`.

    Parameters
    ----------
    stages
        uint8[n_users, n_times].
    length_us
        How long after the moment a purchase is a target.
    """
    first = _first_purchase(index.offsets, index.time, index.event, index.item, purchase)
    times, users = np.nonzero(first[None, :] < at_us[:, None])
    return Examples(users, times, at_us[times], at_us[times] + length_us, stages[users, times])


@numba.njit(nogil=True, cache=True)
def _first_purchase(offsets: I64, time: I64, event: I16, item: I32, purchase: Mask) -> I64:
    first = np.full(offsets.size - 1, np.iinfo(np.int64).max, np.int64)
    for user in range(first.size):
        for e in range(offsets[user], offsets[user + 1]):
            if item[e] >= 0 and purchase[event[e]]:
                first[user] = time[e]
                break
    return first


def shuffled(n: int, size: int, rng: np.random.Generator) -> Iterator[I64]:
    """Yield batches of positions for ever, each epoch in a new order; the last batch may be smaller."""
    while True:
        order = rng.permutation(n)
        for start in range(0, n, size):
            yield order[start : start + size]
