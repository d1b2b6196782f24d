"""Many histories up to their reference times, as flat columns a kernel can walk.

Training points into the timeline index (no copy); the scorer concatenates `History` objects, edited or
not. Every input of the model is computed from this one type, so both see the same numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numba
import numpy as np
import numpy.typing as npt

from ulm_core.moments import DAY_US as DAY_US  # every room above measures in days
from ulm_core.moments import SECOND_US
from ulm_core.timeline.index import History, TimelineIndex

#: Events without a session id start a new session after this pause (the usual web convention).
SESSION_GAP_US = 30 * 60 * SECOND_US

I64 = npt.NDArray[np.int64]
I32 = npt.NDArray[np.int32]
I16 = npt.NDArray[np.int16]
F64 = npt.NDArray[np.float64]
F32 = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Histories:
    """Row k is the events ``starts[k]:ends[k]`` of the columns, all before ``at_us[k]``.

    Attributes
    ----------
    starts, ends
        int64[n], positions in the columns.
    at_us
        int64[n], reference times in UTC microseconds; an event at that very moment is already future.
    time, event, item, value, session
        Columns as in `History`.
    """

    starts: I64
    ends: I64
    at_us: I64
    time: I64
    event: I16
    item: I32
    value: F64
    session: I64

    def __len__(self) -> int:
        """Return the number of histories."""
        return len(self.starts)

    @staticmethod
    def from_index(index: TimelineIndex, users: npt.ArrayLike, at_us: npt.ArrayLike) -> Histories:
        """Return the histories of `users` (codes) before `at_us`, as views on the index."""
        codes = np.asarray(users, np.int64)
        times = np.ascontiguousarray(np.broadcast_to(np.asarray(at_us, np.int64), codes.shape))
        starts = np.ascontiguousarray(index.offsets[codes])
        ends = _ends_before(index.time, starts, np.ascontiguousarray(index.offsets[codes + 1]), times)
        return Histories(starts, ends, times, index.time, index.event, index.item, index.value, index.session)

    @staticmethod
    def from_list(histories: Sequence[History], at_us: npt.ArrayLike) -> Histories:
        """Return `histories` laid end to end; events at or after their `at_us` are left out."""
        times = np.ascontiguousarray(np.broadcast_to(np.asarray(at_us, np.int64), (len(histories),)))
        offsets = np.zeros(len(histories) + 1, np.int64)
        np.cumsum([len(history) for history in histories], out=offsets[1:])

        def joined(name: str, dtype: npt.DTypeLike) -> npt.NDArray[np.generic]:
            parts = [getattr(history, name) for history in histories]
            return np.concatenate(parts).astype(dtype, copy=False) if parts else np.empty(0, dtype)

        time: I64 = joined("time", np.int64)  # type: ignore[assignment]
        ends = _ends_before(time, offsets[:-1].copy(), offsets[1:].copy(), times)
        return Histories(
            offsets[:-1].copy(),
            ends,
            times,
            time,
            joined("event", np.int16),  # type: ignore[arg-type]
            joined("item", np.int32),  # type: ignore[arg-type]
            joined("value", np.float64),  # type: ignore[arg-type]
            joined("session", np.int64),  # type: ignore[arg-type]
        )


@numba.njit(nogil=True, cache=True)
def _ends_before(time: I64, starts: I64, stops: I64, at_us: I64) -> I64:
    """First position in ``starts:stops`` whose time is not before `at_us` (binary search per row)."""
    ends = np.empty_like(starts)
    for row in range(starts.size):
        low, high = starts[row], stops[row]
        while low < high:
            middle = (low + high) // 2
            if time[middle] < at_us[row]:
                low = middle + 1
            else:
                high = middle
        ends[row] = low
    return ends


@numba.njit(nogil=True, cache=True)
def starts_session(time: I64, session: I64, e: int, previous: int) -> bool:
    """Tell whether event `e` opens a new session after event `previous` (-1: there is none)."""
    if previous < 0:
        return True
    if session[e] < 0 and session[previous] < 0:
        return bool(time[e] - time[previous] > SESSION_GAP_US)
    return bool(session[e] != session[previous])
