"""Losses over a few items: by hand, and equal to the whole catalogue when everything is drawn."""

from __future__ import annotations

import math

import pytest
import torch

from ulm_core.model.losses import softmax_loss
from ulm_core.model.sampled import GBCE_T, bpr_loss, draw_negatives, gbce_loss, sampled_softmax_loss

ROWS = torch.tensor([0])
NONE = torch.zeros(1, 2, dtype=torch.bool)


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def test_draws_are_distinct_ascending_and_follow_popularity() -> None:
    popularity = torch.tensor([0.0, 0.0, 0.0, 10_000.0])
    counts = torch.zeros(4)
    g = generator()
    for _ in range(50):
        items, log_q = draw_negatives(popularity, 2, g)
        assert items.tolist() == sorted(set(items.tolist()))
        assert len(log_q) == 2
        counts[items] += 1
    assert counts[3] == 50  # 1001^0.75 against 1: practically always there
    assert counts[:3].sum() == 50


def test_a_small_catalogue_is_drawn_whole() -> None:
    items, log_q = draw_negatives(torch.tensor([1.0, 5.0, 2.0]), 10, generator())
    assert items.tolist() == [0, 1, 2]
    assert log_q.tolist() == [0.0, 0.0, 0.0]


def test_sampled_softmax_over_everything_is_the_softmax() -> None:
    logits = torch.tensor([[0.3, -1.0, 2.0], [1.0, 0.0, 0.5]])
    rows, columns = torch.tensor([0, 1]), torch.tensor([2, 0])
    is_target = torch.zeros(2, 3, dtype=torch.bool)
    is_target[rows, columns] = True
    found = sampled_softmax_loss(logits[rows, columns], rows, logits, torch.zeros(3), is_target)
    torch.testing.assert_close(found, softmax_loss(logits, rows, columns))


def test_sampled_softmax_corrects_for_the_chance_of_being_drawn() -> None:
    # One drawn item with logit 0 and q = 1/4 stands for four of its kind: -log(1 / (1 + 4))
    found = sampled_softmax_loss(
        torch.zeros(1), ROWS, torch.zeros(1, 1), torch.tensor([math.log(1 / 4)]), torch.zeros(1, 1, dtype=torch.bool)
    )
    assert float(found) == pytest.approx(math.log(5))


def test_gbce_by_hand() -> None:
    # k = 2 of 4 others: alpha = 1/2, beta = 1/2 (t (1 - 2) + 2); log sigma(0) = -log 2
    beta = 0.5 * (GBCE_T * (1 - 2) + 2)
    found = gbce_loss(torch.zeros(1), ROWS, torch.zeros(1, 2), NONE, 5)
    assert float(found) == pytest.approx((beta + 2) * math.log(2) / 3)


def test_bpr_by_hand_and_targets_are_no_negatives() -> None:
    positive, negative = torch.tensor([1.0]), torch.tensor([[0.0, 7.0]])
    found = bpr_loss(positive, ROWS, negative, torch.tensor([[False, True]]))
    assert float(found) == pytest.approx(math.log(1 + math.exp(-1)))


def test_no_target_at_all_is_a_number() -> None:
    none, rows = torch.empty(0), torch.empty(0, dtype=torch.int64)
    assert float(sampled_softmax_loss(none, rows, torch.zeros(1, 2), torch.zeros(2), NONE)) == 0.0
    assert float(gbce_loss(none, rows, torch.zeros(1, 2), NONE, 5)) == 0.0
    assert float(bpr_loss(none, rows, torch.zeros(1, 2), NONE)) == 0.0
