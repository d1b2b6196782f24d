"""What a user's own past says about each item: counts, rhythm and recency, one walk per history.

The kernel serves twice with different codes: per catalogue item, and per item category. It reads
nothing but the events before the reference time, so an edited history (an event removed to ask
"what if") gives exactly the features that history would have had. Item purchases are counted once per
session: three lines of one product in one basket are one purchase of it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numba
import numpy as np

from ulm_core.model.histories import DAY_US, F32, F64, I16, I32, I64, Histories, Mask, starts_session
from ulm_core.moments import HOUR_US

#: Columns of `RepeatPairs.features`. Counts and days are log(1 + x); half-lives as named. ``hour_match`` and
#: ``weekday_match`` count purchases at the hour (UTC, a bell of two hours) and on the weekday of the reference
#: time, half-life 120 days; lines are purchases in a session.
REPEAT_FEATURES: tuple[str, ...] = (
    "sessions_with",
    "user_sessions",
    "share_of_sessions",
    "share_since_first",
    "recency",
    "recency_sessions",
    "since_first",
    "mean_gap",
    "recency_over_gap",
    "mean_gap_sessions",
    "recency_over_gap_sessions",
    "decay_15d",
    "decay_30d",
    "decay_90d",
    "decay_sessions_95",
    "decay_sessions_80",
    "in_last_session",
    "in_previous_session",
    "recency_over_last_gap",
    "user_recency",
    "user_sessions_28d",
    "user_tenure",
    "hour_match",
    "weekday_match",
    "basket_lines",
    "user_basket_lines",
    "hour_sin",
    "hour_cos",
)
N_REPEAT = len(REPEAT_FEATURES)
_RATES = np.log(2.0) / np.array([15.0, 30.0, 90.0])
# Columns of the running state of one code.
_COUNT, _FIRST, _LAST, _BEFORE, _FIRST_S, _LAST_S, _DECAY = 0, 1, 2, 3, 4, 5, 6
_HOUR, _WEEKDAY, _LINES, _STATE = 11, 12, 13, 14
_MATCH_RATE = np.log(2.0) / 120.0
# What is known of the user at the reference time.
_RECENCY, _SESSIONS_28D, _TENURE, _USER_LINES, _HOUR_NOW, _USER = 0, 1, 2, 3, 4, 5


@dataclass(frozen=True)
class RepeatPairs:
    """Ragged (history, code) pairs; those of history k are ``offsets[k]:offsets[k + 1]``.

    Attributes
    ----------
    offsets
        int64[n + 1].
    codes
        int32[n_pairs], each code at most once per history.
    features
        float32[n_pairs, N_REPEAT], columns `REPEAT_FEATURES`.
    """

    offsets: I64
    codes: I32
    features: F32

    @property
    def rows(self) -> I64:
        """int64[n_pairs], the history each pair belongs to."""
        return np.repeat(np.arange(len(self.offsets) - 1), np.diff(self.offsets))


def repeat_pairs(histories: Histories, code_of_item: I32, n_codes: int, counts_event: Mask) -> RepeatPairs:
    """Return what each history says about every code it holds.

    Parameters
    ----------
    histories
        Histories up to their reference times.
    code_of_item
        int32[n_items], catalogue position or category of an item; negative where it has none.
    n_codes
        Number of codes.
    counts_event
        bool per event code: the events that count (purchases).
    """
    h = histories
    columns = (h.time, h.event, h.item, h.session)
    offsets = _count(h.starts, h.ends, h.event, h.item, counts_event, code_of_item, n_codes)
    codes = np.zeros(offsets[-1], np.int32)
    features = np.zeros((offsets[-1], N_REPEAT), np.float32)
    _fill(h.starts, h.ends, h.at_us, *columns, counts_event, code_of_item, n_codes, offsets, codes, features)
    return RepeatPairs(offsets, codes, features)


@numba.njit(nogil=True, cache=True)
def _count(starts: I64, ends: I64, event: I16, item: I32, counts_event: Mask, code_of_item: I32, n_codes: int) -> I64:
    """Offsets of the distinct codes per history, so that the ragged result is allocated once."""
    sizes = np.zeros(starts.size + 1, np.int64)
    stamp = np.full(n_codes, -1, np.int64)
    for row in range(starts.size):
        for e in range(starts[row], ends[row]):
            code = code_of_item[item[e]] if item[e] >= 0 and counts_event[event[e]] else -1
            if code >= 0 and stamp[code] != row:
                stamp[code] = row
                sizes[row + 1] += 1
    return np.cumsum(sizes)


@numba.njit(nogil=True, cache=True)
def _open(state: F64, day: float, ordinal: int) -> None:
    """First purchase of a code."""
    state[:] = 0.0
    state[_COUNT] = 1.0
    state[_FIRST] = state[_LAST] = state[_BEFORE] = day
    state[_FIRST_S] = state[_LAST_S] = ordinal
    state[_DECAY:_HOUR] = 1.0


@numba.njit(nogil=True, cache=True)
def _again(state: F64, day: float, ordinal: int) -> None:
    """Purchase again in a later session; decayed counts are carried forward, never recomputed."""
    days, steps = day - state[_LAST], ordinal - state[_LAST_S]
    for j in range(3):
        state[_DECAY + j] = state[_DECAY + j] * np.exp(-_RATES[j] * days) + 1.0
    state[_DECAY + 3] = state[_DECAY + 3] * 0.95**steps + 1.0
    state[_DECAY + 4] = state[_DECAY + 4] * 0.80**steps + 1.0
    state[_COUNT] += 1.0
    state[_BEFORE] = state[_LAST]
    state[_LAST], state[_LAST_S] = day, ordinal


@numba.njit(nogil=True, cache=True)
def _match(state: F64, moment: int, at_us: int, lines: int) -> None:
    """Add a purchase's likeness to the reference moment, and the size of its session."""
    weight = np.exp(-_MATCH_RATE * (at_us - moment) / DAY_US)
    hours = abs(at_us % DAY_US - moment % DAY_US) / HOUR_US
    hours = min(hours, 24.0 - hours)
    state[_HOUR] += weight * np.exp(-hours * hours / 8.0)
    state[_WEEKDAY] += weight * ((at_us // DAY_US) % 7 == (moment // DAY_US) % 7)
    state[_LINES] += lines


@numba.njit(nogil=True, cache=True)
def _lines_per_session(begin: int, end: int, time: I64, event: I16, item: I32, session: I32, counts: Mask) -> I64:
    """Purchases in each session of one history; session k (from 1) has entry k."""
    lines = np.zeros(end - begin + 1, np.int64)
    ordinal, previous = 0, -1
    for e in range(begin, end):
        if item[e] >= 0 and counts[event[e]]:
            ordinal += starts_session(time, session, e, previous)
            previous = e
            lines[ordinal] += 1
    return lines[: ordinal + 1]


@numba.njit(nogil=True, cache=True)
def _write(f: F32, state: F64, now: float, n_sessions: int, user: F64) -> None:
    """Features of one code at `now` (days)."""
    count = state[_COUNT]
    recency, steps = now - state[_LAST], n_sessions - state[_LAST_S]
    gaps = max(count - 1.0, 1.0)
    gap = (state[_LAST] - state[_FIRST]) / gaps
    gap_s = (state[_LAST_S] - state[_FIRST_S]) / gaps
    f[0] = np.log1p(count)
    f[1] = np.log1p(n_sessions)
    f[2] = count / n_sessions
    f[3] = count / (n_sessions - state[_FIRST_S] + 1.0)
    f[4] = np.log1p(recency)
    f[5] = np.log1p(steps)
    f[6] = np.log1p(now - state[_FIRST])
    f[7] = np.log1p(gap)
    f[8] = np.log1p(recency / (gap + 1.0))
    f[9] = np.log1p(gap_s)
    f[10] = np.log1p(steps / (gap_s + 0.5))
    for j in range(3):
        f[11 + j] = np.log1p(state[_DECAY + j] * np.exp(-_RATES[j] * recency))
    f[14] = np.log1p(state[_DECAY + 3] * 0.95**steps)
    f[15] = np.log1p(state[_DECAY + 4] * 0.80**steps)
    f[16] = 1.0 if steps == 0 else 0.0
    f[17] = 1.0 if steps == 1 else 0.0
    f[18] = np.log1p(recency / (state[_LAST] - state[_BEFORE] + 1.0))
    f[19] = np.log1p(user[_RECENCY])
    f[20] = np.log1p(user[_SESSIONS_28D])
    f[21] = np.log1p(user[_TENURE])
    f[22] = np.log1p(state[_HOUR])
    f[23] = np.log1p(state[_WEEKDAY])
    f[24] = np.log1p(state[_LINES] / count)
    f[25] = np.log1p(user[_USER_LINES])
    f[26] = np.sin(2 * np.pi * user[_HOUR_NOW] / 24)
    f[27] = np.cos(2 * np.pi * user[_HOUR_NOW] / 24)


@numba.njit(nogil=True, cache=True)
def _fill(
    starts: I64,
    ends: I64,
    at_us: I64,
    time: I64,
    event: I16,
    item: I32,
    session: I64,
    counts_event: Mask,
    code_of_item: I32,
    n_codes: int,
    offsets: I64,
    codes: I32,
    out: F32,
) -> None:
    """Walk each history once with a running state per code, then write the features."""
    slot = np.full(n_codes, -1, np.int64)
    state = np.zeros((out.shape[0], _STATE), np.float64)
    user = np.zeros(_USER, np.float64)
    for row in range(starts.size):
        used, ordinal, previous, first = offsets[row], 0, -1, -1
        user[_SESSIONS_28D] = 0.0
        lines = _lines_per_session(starts[row], ends[row], time, event, item, session, counts_event)
        for e in range(starts[row], ends[row]):
            if item[e] < 0 or not counts_event[event[e]]:
                continue
            first = e if first < 0 else first
            if starts_session(time, session, e, previous):
                ordinal += 1
                user[_SESSIONS_28D] += 1.0 if at_us[row] - time[e] <= 28 * DAY_US else 0.0
            previous = e
            code = code_of_item[item[e]]
            if code < 0:
                continue
            day = (time[e] - time[first]) / DAY_US  # relative to the first event: small, exact numbers
            if slot[code] < 0:
                slot[code] = used
                codes[used] = code
                _open(state[used], day, ordinal)
                used += 1
            elif ordinal > state[slot[code], _LAST_S]:
                _again(state[slot[code]], day, ordinal)
            else:
                continue
            _match(state[slot[code]], time[e], at_us[row], lines[ordinal])
        if first >= 0:
            user[_RECENCY] = (at_us[row] - time[previous]) / DAY_US
            user[_TENURE] = (at_us[row] - time[first]) / DAY_US
            user[_USER_LINES] = lines[1:].mean()
            user[_HOUR_NOW] = at_us[row] % DAY_US / HOUR_US
        for k in range(offsets[row], used):
            slot[codes[k]] = -1
            _write(out[k], state[k], user[_TENURE], ordinal, user)
