from __future__ import annotations

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.model.logs import ACTIVE, DAY, N_ITEMS, PURCHASE, index_of, logs
from ulm_core.training.batches import churn_labels, make_examples, shuffled, target_items

POSITION = np.array([0, 1, -1, 2, -1, 3], np.int32)


@settings(max_examples=40, deadline=None)
@given(logs(), st.integers(0, 60), st.integers(1, 30))
def test_targets_and_labels_agree_with_the_definitions(frame: pd.DataFrame, day: int, length: int) -> None:
    index = index_of(frame)
    users = np.arange(index.n_users)
    at, until = np.full(len(users), day * DAY), np.full(len(users), (day + length) * DAY)
    targets = target_items(index, users, at, until, POSITION, PURCHASE)
    labels = churn_labels(index, users, at, length, 65 * DAY, ACTIVE)
    for user in users:
        h = index.history(user)
        inside = (h.time >= at[0]) & (h.time < until[0])
        bought = {int(POSITION[i]) for i in h.item[inside & PURCHASE[h.event] & (h.item >= 0)]} - {-1}
        span = slice(targets.offsets[user], targets.offsets[user + 1])
        assert sorted(targets.columns[span].tolist()) == sorted(bought)
        before = (h.time >= at[0] - length * DAY) & (h.time < at[0]) & ACTIVE[h.event]
        known = bool(before.any()) and day + length <= 65
        assert labels.known[user] == known
        assert labels.churned[user] == (known and not np.any(inside & ACTIVE[h.event]))


def test_examples_are_users_with_a_purchase_before_the_moment() -> None:
    rows = [("u0", 1, "purchase", "i0"), ("u1", 5, "purchase", "i1"), ("u2", 0, "view", "i2"), ("u2", 0, "mail", None)]
    frame = pd.DataFrame(rows, columns=["user", "time", "event", "item"])
    index = index_of(frame.assign(time=frame.time * DAY))
    stages = np.array([[1, 2], [3, 4], [5, 6]], np.uint8)
    examples = make_examples(index, np.array([5, 6]) * DAY, stages, PURCHASE)
    assert list(zip(examples.users, examples.times, examples.stages, strict=True)) == [(0, 0, 1), (0, 1, 2), (1, 1, 4)]


def test_an_epoch_shows_every_example_once() -> None:
    batches = shuffled(10, 4, np.random.default_rng(0))
    epoch = [next(batches) for _ in range(3)]
    assert sorted(np.concatenate(epoch)) == list(range(10))
    assert len(POSITION) == N_ITEMS
