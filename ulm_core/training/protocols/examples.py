"""Examples that ask for the very next thing: the next basket, or the next event."""

from __future__ import annotations

from typing import Literal

import numba
import numpy as np

from ulm_core.model.histories import I32, I64, Mask, starts_session
from ulm_core.timeline.index import TimelineIndex

NextWhat = Literal["session", "event"]


def next_moments(index: TimelineIndex, purchase: Mask, what: NextWhat, from_us: int) -> tuple[I64, I64, I64]:
    """Return when every user's next basket (or event) was about to happen, and when it was over.

    The first purchase of a user is no example: nothing is known before it.

    Parameters
    ----------
    purchase
        bool per event code: the events that are predicted.
    from_us
        Moments before it are left out (the log must have begun).

    Returns
    -------
    users, at_us, until_us
        int64[n] each: what is bought in ``[at_us, until_us)`` was next.
    """
    counts = purchase[index.event] & (index.item >= 0)
    first, last = _runs(index.offsets, index.time, index.session, counts, what == "session")
    users = np.searchsorted(index.offsets, first, side="right").astype(np.int64) - 1
    has_past = np.concatenate([[False], users[1:] == users[:-1]])
    keep = has_past & (index.time[first] >= from_us)
    return users[keep], index.time[first][keep], index.time[last][keep] + 1


@numba.njit(nogil=True, cache=True)
def _runs(offsets: I64, time: I64, session: I32, counts: Mask, whole_session: bool) -> tuple[I64, I64]:
    """First and last event of every run: a user's session, or a single event."""
    first = np.empty(counts.sum(), np.int64)
    last = np.empty_like(first)
    n = 0
    for user in range(offsets.size - 1):
        previous = -1
        for e in range(offsets[user], offsets[user + 1]):
            if not counts[e]:
                continue
            if previous < 0 or not whole_session or starts_session(time, session, e, previous):
                first[n] = e
                n += 1
            last[n - 1] = e
            previous = e
    return first[:n], last[:n]
