"""Names of the choices a model has; apart from the code behind them, so that forms need no torch."""

from __future__ import annotations

from typing import Literal, get_args

TowerName = Literal["transformer", "lstm", "cnn", "linear"]
TOWERS: tuple[str, ...] = get_args(TowerName)
RecommendationLoss = Literal["bernoulli", "softmax"]
