from __future__ import annotations

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.model.logs import DAY, N_ITEMS, PURCHASE, index_of, logs, sessions_of
from ulm_core.model.catalogue import Catalogue, item_counts, items_with_buyers
from ulm_core.timeline.index import TimelineIndex

CODES = np.arange(N_ITEMS, dtype=np.int32)


def naive(index: TimelineIndex, at_us: int, days: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return purchases, buyers and recent purchases per item."""
    bought: set[tuple[int, int, int]] = set()
    recent: set[tuple[int, int, int]] = set()
    for user in range(index.n_users):
        h = index.history(user)
        used = (h.item >= 0) & PURCHASE[h.event]
        first: dict[tuple[int, int], int] = {}
        for session, e in zip(sessions_of(h, used), np.flatnonzero(used), strict=True):
            first.setdefault((session, int(h.item[e])), int(h.time[e]))
        for (session, item), moment in first.items():
            if moment < at_us:
                bought.add((user, session, item))
                if moment >= at_us - days * DAY:
                    recent.add((user, session, item))
    total = np.bincount([item for _, _, item in bought], minlength=N_ITEMS)
    buyers = np.bincount([item for _, item in {(user, item) for user, _, item in bought}], minlength=N_ITEMS)
    return total, buyers, np.bincount([item for _, _, item in recent], minlength=N_ITEMS)


@settings(max_examples=25, deadline=None)
@given(logs(), st.lists(st.integers(0, 70), min_size=1, max_size=3), st.integers(1, 3))
def test_counts_agree_with_the_definitions_however_many_partitions(
    frame: pd.DataFrame, days: list[int], n_partitions: int
) -> None:
    index = index_of(frame, n_partitions)
    at = [day * DAY for day in days]
    got = item_counts(index, CODES, N_ITEMS, PURCHASE, at, (28,))
    for k, moment in enumerate(at):
        total, buyers, recent = naive(index, moment, 28)
        assert got.total[k].tolist() == total.tolist()
        assert got.buyers[k].tolist() == buyers.tolist()
        assert got.recent[k, 0].tolist() == recent.tolist()


def test_only_buyers_before_the_moment_count() -> None:
    rows = [("u0", 1, "purchase", "i0"), ("u1", 2, "purchase", "i0"), ("u0", 9, "purchase", "i1")]
    rows += [("u0", 0, "view", "i2"), ("u0", 0, "mail", None)]
    frame = pd.DataFrame(rows, columns=["user", "time", "event", "item"])
    index = index_of(frame.assign(time=frame.time * DAY))
    assert items_with_buyers(index, PURCHASE, 3 * DAY, 2).tolist() == [0]
    assert items_with_buyers(index, PURCHASE, 2 * DAY, 2).tolist() == []


def test_catalogue_maps_items_and_categories() -> None:
    catalogue = Catalogue.of(np.array([1, 4], np.int32), 6, np.array(["tea", None], dtype=object))
    assert catalogue.position.tolist() == [-1, 0, -1, -1, 1, -1]
    assert catalogue.n_categories == 2
    assert catalogue.category_of_item[[1, 4]].tolist() == catalogue.category.tolist()
