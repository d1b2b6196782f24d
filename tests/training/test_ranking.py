from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ulm_core.training.batches import Targets
from ulm_core.training.ranking import ItemFacts, K, paired_difference, ranking_metrics, tie_priority, top_k


def targets(*rows: list[int]) -> Targets:
    offsets = np.concatenate([[0], np.cumsum([len(row) for row in rows])]).astype(np.int64)
    return Targets(offsets, np.array([item for row in rows for item in row], np.int32))


def lists(*rows: list[int]) -> np.ndarray:
    return np.array([row + [-1] * (K - len(row)) for row in rows], np.int32)


def test_metrics_by_hand() -> None:
    top = lists([3, 1, 0], [2])
    found = ranking_metrics(top, targets([1, 0, 7], [5]), targets([1, 3], []), 20)
    ideal = 1 / math.log2(2) + 1 / math.log2(3) + 1 / math.log2(4)
    assert found.ndcg.tolist() == pytest.approx([(1 / math.log2(3) + 1 / math.log2(4)) / ideal, 0.0])
    assert found.recall.tolist() == pytest.approx([2 / 3, 0.0])
    assert found.hit.tolist() == [1.0, 0.0]
    summary = found.summary()
    assert summary["recall10_repeat"] == 1 / 1  # item 1 was bought before and is in the list
    assert summary["recall10_new"] == 1 / 3  # items 0, 7 and 5 are new; 0 is in the list
    assert summary["coverage10"] == 4 / 20
    assert found.summary(np.array([True, False]))["users"] == 1.0


def test_place_novelty_and_diversity_by_hand() -> None:
    facts = ItemFacts(np.array([1.0, 0.5, 0.25, 0.125]), np.array([0, 0, 1, 1], np.int32))
    found = ranking_metrics(lists([0, 1, 2], [3]), targets([1], [2]), targets([], []), 4, facts)
    assert found.reciprocal.tolist() == [1 / 2, 0.0]  # the first hit stands second; there is none
    assert found.novelty.tolist() == [(0 + 1 + 2) / 3, 3.0]  # bits: 1 in 1, 1 in 2, 1 in 4; 1 in 8
    assert found.diversity.tolist() == [2 / 3, 0.0]  # of the pairs 0-1, 0-2, 1-2 two are of two categories
    assert np.isnan(ranking_metrics(lists([0]), targets([1]), targets([]), 4).novelty).all()


def test_ideal_is_cut_at_ten() -> None:
    found = ranking_metrics(lists(list(range(10))), targets(list(range(15))), targets([]), 20)
    assert found.ndcg[0] == pytest.approx(1.0)
    assert found.recall[0] == pytest.approx(10 / 15)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 4), min_size=1, max_size=30), st.integers(1, 12), st.integers(0, 5))
def test_top_k_sorts_by_score_then_priority(scores: list[int], k: int, seed: int) -> None:
    values = np.array([scores], np.float32)
    values[values == 4] = -np.inf
    priority = tie_priority(len(scores), seed)
    ranked = sorted(range(len(scores)), key=lambda c: (-values[0, c], priority[c]))
    order = [c for c in ranked if values[0, c] > -np.inf]
    expected = (order + [-1] * k)[:k]
    assert top_k(values, priority, k)[0].tolist() == expected


def test_ties_are_broken_by_the_seed_not_by_the_order_of_items() -> None:
    flat = np.zeros((1, 50), np.float32)
    first, second = (top_k(flat, tie_priority(50, seed), K)[0].tolist() for seed in (0, 1))
    assert first != second
    assert first != list(range(K))


def test_paired_difference_knows_sure_and_unsure() -> None:
    rng = np.random.default_rng(0)
    base = rng.random(400)
    sure = paired_difference(base + 0.1, base)
    assert sure.mean == pytest.approx(0.1)
    assert sure.low == pytest.approx(0.1)
    unsure = paired_difference(base + rng.normal(0, 1, 400), base)
    assert unsure.low < 0 < unsure.high
