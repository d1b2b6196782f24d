"""Names of the choices a model has; apart from the code behind them, so that forms need no torch."""

from __future__ import annotations

from typing import Literal, get_args

TowerName = Literal["transformer", "lstm", "cnn", "linear"]
TOWERS: tuple[str, ...] = get_args(TowerName)
RecommendationLoss = Literal["bernoulli", "softmax", "sampled-softmax", "gbce", "bpr"]
#: Losses that ask about a few items a step instead of the whole catalogue.
SAMPLED: frozenset[RecommendationLoss] = frozenset({"sampled-softmax", "gbce", "bpr"})
