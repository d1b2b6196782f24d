"""However a network is asked (whole, in pieces, a few items), the answer and its gradient are the same."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.model.logs import ACTIVE, DAY, EVENTS, N_ITEMS, PURCHASE, history
from ulm_core.model.catalogue import N_STATISTICS, Catalogue
from ulm_core.model.histories import Histories
from ulm_core.model.inputs import InputBuilder
from ulm_core.model.names import RecommendationLoss
from ulm_core.model.network import ModelSpec, Network, Reading
from ulm_core.model.objective import Objective
from ulm_core.model.tabular import tabular_features

ITEMS = np.arange(N_ITEMS, dtype=np.int32)
HISTORIES = [
    history([(1, "purchase", 0, 1.0, None), (2, "purchase", 3, 2.0, None), (4, "purchase", 0, 1.0, None)]),
    history([(1, "view", 2, None, None)]),
    history([(3, "purchase", 5, 1.0, None)]),
]
# User 0 buys 0 again and 1; user 2 buys 5 again, 2 and 4; user 1 buys nothing.
ROWS, COLUMNS = torch.tensor([0, 0, 2, 2, 2]), torch.tensor([0, 1, 5, 2, 4])


def network(use_repeats: bool) -> Network:
    catalogue = Catalogue.of(ITEMS, N_ITEMS, np.array(list("aabbcc"), object))
    spec = ModelSpec(
        tower="linear", width=8, length=4, dropout=0.0, id_dropout=0.0, use_repeats=use_repeats, n_items=N_ITEMS,
        n_categories=catalogue.n_categories, n_events=len(EVENTS), n_stages=2, n_tabular=len(tabular_features(EVENTS)),
    )  # fmt: skip
    torch.manual_seed(0)
    found = Network(
        spec, torch.empty(1, 0), torch.zeros(N_ITEMS, dtype=torch.int64), torch.from_numpy(catalogue.category).long()
    )
    for parameter in found.parameters():  # nothing may be zero by start, or a wrong join would not show
        torch.nn.init.normal_(parameter, std=0.3)
    return found


def read(model: Network) -> Reading:
    catalogue = Catalogue.of(ITEMS, N_ITEMS, np.array(list("aabbcc"), object))
    builder = InputBuilder(catalogue, PURCHASE, ACTIVE, 4, 2)
    inputs = builder.build(Histories.from_list(HISTORIES, 6 * DAY), np.array([0, 1, 2]), np.array([0, 1, 1]))
    statistics = torch.from_numpy(np.random.default_rng(0).random((2, N_ITEMS, N_STATISTICS)).astype(np.float32))
    return model.read(inputs, statistics)


def objective(loss: RecommendationLoss, keeps_seen: bool) -> Objective:
    return Objective(loss, keeps_seen, N_ITEMS, torch.ones(N_ITEMS), torch.Generator().manual_seed(0))


@pytest.mark.parametrize("use_repeats", [True, False])
@pytest.mark.parametrize("columns", [[0], [1, 3, 5], [0, 1, 2, 3, 4, 5]])
def test_some_items_score_as_they_do_among_all(use_repeats: bool, columns: list[int]) -> None:
    model = network(use_repeats)
    reading = read(model)
    torch.testing.assert_close(model.score(reading, torch.tensor(columns)), model.score(reading)[:, columns])


@pytest.mark.parametrize("keeps_seen", [True, False])
@pytest.mark.parametrize("size", [1, 4, 100])
def test_softmax_in_pieces_has_the_same_value_and_gradient(keeps_seen: bool, size: int) -> None:
    model = network(keeps_seen)
    asked = objective("softmax", keeps_seen)
    whole = asked(model, read(model), ROWS, COLUMNS)
    whole.backward()
    expected = {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}
    model.zero_grad(set_to_none=True)
    pieces = asked._chunked(model, read(model), ROWS, COLUMNS, size)
    pieces.backward()
    torch.testing.assert_close(pieces, whole)
    found = {name: p.grad for name, p in model.named_parameters() if p.grad is not None}
    assert found.keys() == expected.keys()
    for name, gradient in expected.items():
        torch.testing.assert_close(found[name], gradient, rtol=1e-4, atol=1e-6)


def test_only_new_items_are_learnt_where_seen_ones_are_not_ranked() -> None:
    """Users 0 and 2 had items 0 and 5: those targets fall away, and so do their logits."""
    model = network(use_repeats=False)
    fresh = torch.tensor([1, 3, 4])
    for loss in ("softmax", "bernoulli", "sampled-softmax", "gbce", "bpr"):
        asked = objective(loss, keeps_seen=False)  # type: ignore[arg-type]
        assert asked(model, read(model), ROWS, COLUMNS) == asked(model, read(model), ROWS[fresh], COLUMNS[fresh])


@pytest.mark.parametrize("loss", ["sampled-softmax", "gbce", "bpr"])
def test_sampled_losses_reach_every_part_that_scores(loss: RecommendationLoss) -> None:
    model = network(use_repeats=True)
    objective(loss, keeps_seen=True)(model, read(model), ROWS, COLUMNS).backward()
    for part in ("vectors.ids.weight", "repeat.out.weight", "affinity.out.weight", "base.weight", "temperature"):
        gradient = model.get_parameter(part).grad
        assert gradient is not None
        assert torch.isfinite(gradient).all()
        assert gradient.abs().sum() > 0
