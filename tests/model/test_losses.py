from __future__ import annotations

import math

import torch

from ulm_core.model.inputs import Pairs
from ulm_core.model.losses import bernoulli_loss, churn_loss, only_new, softmax_loss

LOGITS = torch.tensor([[0.0, math.log(3.0)], [0.0, 0.0]])  # probabilities 1/2, 3/4 and 1/2, 1/2
ROWS, COLUMNS = torch.tensor([0]), torch.tensor([1])


def test_bernoulli_loss_by_hand() -> None:
    expected = -(math.log(1 / 2) + math.log(3 / 4) + math.log(1 / 2) + math.log(1 / 2)) / 1
    assert math.isclose(float(bernoulli_loss(LOGITS, ROWS, COLUMNS)), expected, rel_tol=1e-6)


def test_bernoulli_loss_is_least_at_the_observed_rates() -> None:
    rows, columns = torch.tensor([0, 1, 0]), torch.tensor([0, 0, 1])  # rates 1 and 1/2
    at_rate = torch.tensor([[20.0, 0.0], [20.0, 0.0]])
    for shift in (-0.5, 0.5):
        moved = at_rate + torch.tensor([0.0, shift])
        assert bernoulli_loss(moved, rows, columns) > bernoulli_loss(at_rate, rows, columns)


def test_softmax_loss_by_hand_and_users_without_targets_do_not_count() -> None:
    expected = -math.log((math.exp(math.log(3.0))) / (1 + 3))
    assert math.isclose(float(softmax_loss(LOGITS, ROWS, COLUMNS)), expected, rel_tol=1e-6)
    both = softmax_loss(LOGITS, torch.tensor([0, 0]), torch.tensor([0, 1]))
    assert math.isclose(float(both), -(math.log(1 / 4) + math.log(3 / 4)) / 2, rel_tol=1e-6)


def test_no_target_at_all_is_a_number() -> None:
    none = torch.empty(0, dtype=torch.int64)
    assert float(softmax_loss(LOGITS, none, none)) == 0.0
    assert math.isfinite(float(bernoulli_loss(LOGITS, none, none)))


def test_churn_loss_by_hand_and_censored_rows_do_not_count() -> None:
    logits, labels = torch.tensor([math.log(3.0), 0.0, 99.0]), torch.tensor([1.0, 0.0, 0.0])
    known = torch.tensor([True, True, False])
    expected = -(math.log(3 / 4) + math.log(1 / 2)) / 2
    assert math.isclose(float(churn_loss(logits, labels, known)), expected, rel_tol=1e-6)
    assert float(churn_loss(logits, labels, torch.zeros(3, dtype=torch.bool))) == 0.0


def test_what_a_user_had_is_out_of_the_question() -> None:
    seen = Pairs(torch.tensor([0]), torch.tensor([0]), torch.empty(1, 0))
    rows, columns = torch.tensor([0, 0, 1]), torch.tensor([0, 1, 0])
    logits, kept_rows, kept_columns = only_new(LOGITS, seen, rows, columns)
    assert list(zip(kept_rows.tolist(), kept_columns.tolist(), strict=True)) == [(0, 1), (1, 0)]
    assert float(softmax_loss(logits[:1], torch.tensor([0]), torch.tensor([1]))) == 0.0  # only item 1 is left
    assert logits[1].tolist() == [0.0, 0.0]
