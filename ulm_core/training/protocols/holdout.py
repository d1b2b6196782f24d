"""What each protocol holds out, and the log without it.

A protocol takes events away *before* anything is computed: statistics, horizon, catalogue, examples and
baselines are made from an index that does not contain what is judged, so nothing can leak by accident.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import numba
import numpy as np

from ulm_core.errors import InputError
from ulm_core.messages import N_
from ulm_core.model.histories import I32, I64, Mask, starts_session
from ulm_core.timeline.index import TimelineIndex
from ulm_core.timeline.subset import subset_index

HoldoutName = Literal["leave-one-out", "next-basket"]
HOLDOUTS: tuple[HoldoutName, ...] = get_args(HoldoutName)


@dataclass(frozen=True, eq=False)
class Holdout:
    """A log without what is judged, and what is judged.

    Attributes
    ----------
    train
        The index that may be learnt from; user, item and event codes are those of the whole log.
    users
        int64[n], user codes with something held out and something left.
    at_us
        int64[n], when what is held out begins; the history before it is what a ranking may read.
    offsets, items
        Ragged held-out items: those of ``users[k]`` are ``items[offsets[k]:offsets[k + 1]]``, each once.
    """

    train: TimelineIndex
    users: I64
    at_us: I64
    offsets: I64
    items: I32


def hold_out(index: TimelineIndex, name: HoldoutName, purchase: Mask, directory: Path) -> Holdout:
    """Return the log cut by a protocol.

    - *leave-one-out*: the last purchase of every user;
    - *next-basket*: all purchases of the last session of every user.

    Parameters
    ----------
    index
        The whole log.
    purchase
        bool per event code: the events that are predicted.
    directory
        An empty folder for the index of what is left.

    Raises
    ------
    InputError
        When there is no such protocol.
    """
    if name not in HOLDOUTS:
        raise InputError(N_("There is no protocol “{name}”. There are: {known}."), name=name, known=", ".join(HOLDOUTS))
    counts = purchase[index.event] & (index.item >= 0)
    held = _last(index.offsets, index.time, index.session, counts, name == "next-basket")
    train = subset_index(index, ~held, directory)
    return _judged(index, held, train)


def _judged(index: TimelineIndex, held: Mask, train: TimelineIndex) -> Holdout:
    """Return what is held out of users with something left, each item once."""
    user_of = np.repeat(np.arange(index.n_users), np.diff(index.offsets))
    rows = np.flatnonzero(held & (np.diff(train.offsets) > 0)[user_of])
    n_items = index.manifest.n_items
    pairs = np.unique(user_of[rows].astype(np.int64) * n_items + index.item[rows])
    users, counts = np.unique(pairs // n_items, return_counts=True)
    first = np.full(index.n_users, np.iinfo(np.int64).max)
    np.minimum.at(first, user_of[rows], index.time[rows])
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    return Holdout(train, users, first[users], offsets, (pairs % n_items).astype(np.int32))


@numba.njit(nogil=True, cache=True)
def _last(offsets: I64, time: I64, session: I32, counts: Mask, whole_session: bool) -> Mask:
    """Mark the last counting event of every user, or all counting events of their last session."""
    held = np.zeros(time.size, np.bool_)
    for user in range(offsets.size - 1):
        newest = -1
        for e in range(offsets[user + 1] - 1, offsets[user] - 1, -1):
            if not counts[e]:
                continue
            if newest >= 0 and (not whole_session or starts_session(time, session, newest, e)):
                break
            held[e] = True
            newest = e
    return held
