"""User towers: four ways to read a sequence, one interface ``(x [n, length, d], mask [n, length]) -> [n, d]``.

Rows are in time order and padded at the end; the mask is true at real tokens. A row without a token
gives the same vector whatever else is in the batch.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from ulm_core.model.names import TowerName


def masked_mean(x: Tensor, mask: Tensor) -> Tensor:
    """Return [n, d], the mean of `x` over real tokens; zero for a row without one."""
    weight = mask.unsqueeze(-1).to(x.dtype)
    return (x * weight).sum(1) / weight.sum(1).clamp(min=1)


def last_real(x: Tensor, mask: Tensor) -> Tensor:
    """Return [n, d], `x` at the last real token; zero for a row without one."""
    lengths = mask.sum(1)
    rows = x[torch.arange(len(x), device=x.device), (lengths - 1).clamp(min=0)]
    return rows * (lengths > 0).unsqueeze(-1).to(x.dtype)


class LinearTower(nn.Module):
    """Mean of the tokens, one linear map: the plainest thing that can work."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.map = nn.Linear(width, width)
        self.drop = nn.Dropout(dropout)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """Return [n, d]."""
        out: Tensor = self.drop(self.map(masked_mean(x, mask)))
        return out


class LstmTower(nn.Module):
    """An LSTM; its output at the last real token."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.lstm = nn.LSTM(width, width, batch_first=True)
        self.drop = nn.Dropout(dropout)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """Return [n, d]."""
        hidden, _ = self.lstm(x)
        out: Tensor = self.drop(last_real(hidden, mask))
        return out


class CnnTower(nn.Module):
    """Convolutions of three widths with residuals; maximum and mean over real tokens."""

    def __init__(self, width: int, dropout: float, kernels: tuple[int, ...] = (3, 5, 7)) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Conv1d(width, width, size, padding=size // 2) for size in kernels)
        self.join = nn.Linear(2 * width, width)
        self.drop = nn.Dropout(dropout)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """Return [n, d]."""
        keep = mask.unsqueeze(-1).to(x.dtype)
        for layer in self.layers:
            # Padding is zeroed before each layer: a convolution would carry it into real tokens.
            x = x + functional.gelu(layer((x * keep).transpose(1, 2)).transpose(1, 2))
        highest = x.masked_fill(~mask.unsqueeze(-1), -torch.inf).amax(1)
        highest = torch.where(mask.any(1, keepdim=True), highest, torch.zeros_like(highest))
        out: Tensor = self.drop(self.join(torch.cat([highest, masked_mean(x, mask)], dim=1)))
        return out


class _Block(nn.Module):
    """Pre-norm transformer block: attention, then a wide layer, each added to what came in."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.norm_a, self.norm_b = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.wide = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))
        self.drop = nn.Dropout(dropout)

    def forward(self, x: Tensor, bias: Tensor) -> Tensor:
        n, length, width = x.shape
        q, k, v = self.qkv(self.norm_a(x)).view(n, length, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        attended = functional.scaled_dot_product_attention(q, k, v, attn_mask=bias)
        x = x + self.drop(self.out(attended.transpose(1, 2).reshape(n, length, width)))
        out: Tensor = x + self.drop(self.wide(self.norm_b(x)))
        return out


class TransformerTower(nn.Module):
    """Pre-norm transformer; positions count back from the newest token; output at that token."""

    def __init__(self, width: int, dropout: float, blocks: int = 2, heads: int = 2, longest: int = 512) -> None:
        super().__init__()
        self.position = nn.Embedding(longest, width)
        nn.init.normal_(self.position.weight, std=0.02)
        self.blocks = nn.ModuleList(_Block(width, heads, dropout) for _ in range(blocks))
        self.norm = nn.LayerNorm(width)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """Return [n, d]."""
        back = mask.sum(1, keepdim=True) - 1 - torch.arange(x.shape[1], device=x.device)
        x = x + self.position(back.clamp(min=0))
        # Padding may look at the first token, so that a row without any real one stays finite.
        seen = mask.clone()
        seen[:, 0] = True
        bias = torch.zeros(seen.shape, dtype=x.dtype, device=x.device).masked_fill(~seen, -torch.inf)
        for block in self.blocks:
            x = block(x, bias[:, None, None, :])
        return last_real(self.norm(x), mask)


def make_tower(name: TowerName, width: int, *, dropout: float, blocks: int = 2, longest: int = 512) -> nn.Module:
    """Return the tower called `name` (one of `TOWERS`)."""
    if name == "transformer":
        return TransformerTower(width, dropout, blocks, heads=max(1, width // 32), longest=longest)
    if name == "lstm":
        return LstmTower(width, dropout)
    return CnnTower(width, dropout) if name == "cnn" else LinearTower(width, dropout)
