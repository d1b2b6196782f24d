"""What is held out is gone from the training log, and nothing else is."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.model.logs import DAY, PURCHASE, index_of, logs, sessions_of
from ulm_core.errors import InputError
from ulm_core.timeline.index import TimelineIndex
from ulm_core.training.protocols.holdout import HOLDOUTS, Holdout, HoldoutName, hold_out


def held(index: TimelineIndex, name: HoldoutName) -> Holdout:
    return hold_out(index, name, PURCHASE, Path(tempfile.mkdtemp()))


def items_of(holdout: Holdout) -> dict[int, list[int]]:
    spans = zip(holdout.users, holdout.offsets[:-1], holdout.offsets[1:], strict=True)
    return {int(user): holdout.items[begin:end].tolist() for user, begin, end in spans}


ROWS = [
    # u0: two baskets, the last one of two products on day 9; the mail after it is no purchase
    ("u0", 1, "purchase", "i0", "a"),
    ("u0", 9, "purchase", "i1", "b"),
    ("u0", 9, "purchase", "i2", "b"),
    ("u0", 10, "mail", None, None),
    # u1: one purchase only: nothing is left before it
    ("u1", 5, "purchase", "i3", "c"),
    # u2: a view, then one purchase: the view is left
    ("u2", 2, "view", "i4", None),
    ("u2", 4, "purchase", "i4", "d"),
]


def small() -> TimelineIndex:
    frame = pd.DataFrame(ROWS, columns=["user", "time", "event", "item", "session"])
    return index_of(frame.assign(time=frame.time * DAY))


def test_next_basket_takes_the_whole_last_basket() -> None:
    found = held(small(), "next-basket")
    assert items_of(found) == {0: [1, 2], 2: [4]}
    assert (found.at_us // DAY).tolist() == [9, 4]
    assert found.train.manifest.n_events == 3  # u0's first purchase and mail, u2's view


def test_leave_one_out_takes_the_last_purchase_only() -> None:
    found = held(small(), "leave-one-out")
    assert items_of(found) == {0: [2], 2: [4]}
    assert found.train.manifest.n_events == 4


def test_a_protocol_nobody_knows_is_named() -> None:
    with pytest.raises(InputError, match="next-basket"):
        held(small(), "sampled")  # type: ignore[arg-type]


@settings(max_examples=30, deadline=None)
@given(logs(), st.sampled_from(HOLDOUTS))
def test_agrees_with_the_definition(frame: pd.DataFrame, name: HoldoutName) -> None:
    index = index_of(frame)
    found = held(index, name)
    expected, left = {}, 0
    for user in range(index.n_users):
        h = index.history(user)
        bought = np.flatnonzero(PURCHASE[h.event] & (h.item >= 0))
        if name == "next-basket":
            numbers = np.array(sessions_of(h, PURCHASE[h.event] & (h.item >= 0)))
            last = bought[numbers == numbers.max(initial=0)]
        else:
            last = bought[-1:]
        keep = np.setdiff1d(np.arange(len(h)), last)
        mine = found.train.history(user)
        for column in ("time", "event", "item", "session"):
            assert getattr(mine, column).tolist() == getattr(h, column)[keep].tolist()
        left += len(keep)
        if len(last) and len(keep):
            expected[user] = sorted(set(h.item[last].tolist()))
            assert found.at_us[found.users == user] == h.time[last].min()
    assert items_of(found) == expected
    assert found.train.manifest.n_events == left
