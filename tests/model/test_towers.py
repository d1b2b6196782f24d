from __future__ import annotations

import pytest
import torch

from ulm_core.model.names import TOWERS, TowerName
from ulm_core.model.towers import make_tower

WIDTH = 16


def tower(name: TowerName) -> torch.nn.Module:
    torch.manual_seed(0)
    return make_tower(name, WIDTH, dropout=0.0).eval()


def batch() -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(1)
    lengths = torch.tensor([5, 2, 0])
    return torch.randn(3, 5, WIDTH), torch.arange(5)[None, :] < lengths[:, None]


@pytest.mark.parametrize("name", TOWERS)
def test_padding_changes_nothing(name: TowerName) -> None:
    x, mask = batch()
    noisy = torch.where(mask[..., None], x, torch.full_like(x, 1e3))
    longer = torch.cat([x, torch.randn(3, 4, WIDTH)], 1)
    longer_mask = torch.cat([mask, torch.zeros(3, 4, dtype=torch.bool)], 1)
    model = tower(name)
    expected = model(x, mask)
    torch.testing.assert_close(model(noisy, mask), expected)
    torch.testing.assert_close(model(longer, longer_mask), expected)


@pytest.mark.parametrize("name", TOWERS)
def test_a_row_does_not_depend_on_its_batch_and_an_empty_one_is_finite(name: TowerName) -> None:
    x, mask = batch()
    model = tower(name)
    together = model(x, mask)
    assert torch.isfinite(together).all()
    for row in range(3):
        torch.testing.assert_close(model(x[row : row + 1], mask[row : row + 1])[0], together[row])


@pytest.mark.parametrize("name", TOWERS)
def test_gradient_reaches_every_parameter_and_every_real_token(name: TowerName) -> None:
    x, mask = batch()
    x.requires_grad_()
    model = make_tower(name, WIDTH, dropout=0.0)
    model(x, mask)[:2].pow(2).sum().backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in model.parameters())
    assert x.grad is not None
    reached = x.grad.abs().sum(-1) > 0
    assert reached[:2][mask[:2]].all()
    assert not reached[~mask].any()


@pytest.mark.parametrize("name", sorted(set(TOWERS) - {"linear"}))
def test_order_matters_where_it_should(name: TowerName) -> None:
    x, mask = batch()
    flipped = torch.cat([x[:1].flip(1), x[1:]])
    assert not torch.allclose(tower(name)(x, mask)[0], tower(name)(flipped, mask)[0])
