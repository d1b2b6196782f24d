"""The last events of a history as tokens for a user tower."""

from __future__ import annotations

from dataclasses import dataclass

import numba
import numpy as np

from ulm_core.model.histories import DAY_US, F32, F64, I16, I32, I64, Histories, Mask

#: Numbers that come with each token: log(1 + days) before the reference time and since the token
#: before, signed log of the value.
TOKEN_NUMBERS: tuple[str, ...] = ("age", "gap", "value")


@dataclass(frozen=True)
class Tokens:
    """Tokens in time order, padded at the end to the longest row.

    Attributes
    ----------
    item
        int64[n, length], catalogue position + 1; 0 for an event without an item.
    event
        int64[n, length], event code + 1; 0 in the padding.
    numbers
        float32[n, length, 3], columns `TOKEN_NUMBERS`.
    lengths
        int64[n], real tokens per row.
    """

    item: I64
    event: I64
    numbers: F32
    lengths: I64


def tokens(histories: Histories, position_of_item: I32, length: int) -> Tokens:
    """Return the last `length` tokens of each history.

    An event whose item is not in the catalogue carries nothing a tower could read and is left out;
    the tabular features still count it.
    """
    h = histories
    lengths = _lengths(h.starts, h.ends, h.item, position_of_item, length)
    width = max(int(lengths.max(initial=0)), 1)
    item = np.zeros((len(h), width), np.int64)
    event = np.zeros((len(h), width), np.int64)
    numbers = np.zeros((len(h), width, len(TOKEN_NUMBERS)), np.float32)
    columns = (h.time, h.event, h.item, h.value)
    _gather(h.starts, h.ends, h.at_us, *columns, position_of_item, lengths, item, event, numbers)
    return Tokens(item, event, numbers, lengths)


@numba.njit(nogil=True, cache=True)
def _kept(item: int, position_of_item: I32) -> bool:
    return bool(item < 0 or position_of_item[item] >= 0)


@numba.njit(nogil=True, cache=True)
def _lengths(starts: I64, ends: I64, item: I32, position_of_item: I32, length: int) -> I64:
    found = np.zeros(starts.size, np.int64)
    for row in range(starts.size):
        e = ends[row] - 1
        while e >= starts[row] and found[row] < length:
            found[row] += _kept(item[e], position_of_item)
            e -= 1
    return found


@numba.njit(nogil=True, cache=True)
def _signed_log(value: float) -> float:
    if np.isnan(value):
        return 0.0
    return float(np.sign(value) * np.log1p(abs(value)))


@numba.njit(nogil=True, cache=True)
def _gather(
    starts: I64,
    ends: I64,
    at_us: I64,
    time: I64,
    event: I16,
    item: I32,
    value: F64,
    position_of_item: I32,
    lengths: I64,
    out_item: I64,
    out_event: I64,
    numbers: F32,
) -> None:
    for row in range(starts.size):
        column, e = lengths[row] - 1, ends[row] - 1
        while column >= 0:
            if _kept(item[e], position_of_item):
                out_item[row, column] = position_of_item[item[e]] + 1 if item[e] >= 0 else 0
                out_event[row, column] = event[e] + 1
                before = time[e - 1] if e > starts[row] else time[e]
                numbers[row, column, 0] = np.log1p((at_us[row] - time[e]) / DAY_US)
                numbers[row, column, 1] = np.log1p((time[e] - before) / DAY_US)
                numbers[row, column, 2] = _signed_log(value[e])
                column -= 1
            e -= 1


def padding_mask(lengths: I64, width: int) -> Mask:
    """Return bool[n, width], true at real tokens."""
    return np.asarray(np.arange(width)[None, :] < lengths[:, None])
