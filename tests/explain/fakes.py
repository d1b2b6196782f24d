"""A shop of three items and scorers whose Shapley values can be worked out by hand."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from ulm_core.lifecycle.rules import default_rules
from ulm_core.messages import message
from ulm_core.model.scorer import Scores
from ulm_core.recommend.recommender import Catalogue, ModelInfo, Recommender
from ulm_core.timeline.index import History, TimelineIndex
from ulm_core.timeline.testing import index_from_events
from ulm_core.workspace import WorkspaceConfig

# Ann: tea twice, milk once, one coupon. Codes: bread 0, milk 1, tea 2.
EVENTS = pd.DataFrame(
    {
        "user": ["ann", "ann", "ann", "ann", "bob", "bob"],
        "time": ["2024-01-01", "2024-01-08", "2024-01-15", "2024-01-20", "2024-01-02", "2024-01-16"],
        "event": ["buy", "buy", "buy", "coupon", "buy", "buy"],
        "item": ["tea", "tea", "milk", None, "bread", "bread"],
    }
)
CONFIG = WorkspaceConfig(conversion_events=("buy",))
CATALOGUE = Catalogue(
    text=np.array(["bread, bakery", "milk, dairy", "tea, drinks"], dtype=object),
    category=np.array(["bakery", "dairy", "drinks"], dtype=object),
)

Rule = Callable[[History, int], tuple[list[float], float]]


class RuleScorer:
    """Scores with a plain function of one history and its stage."""

    def __init__(self, rule: Rule) -> None:
        self.catalogue = np.arange(3, dtype=np.int32)
        self.keeps_seen = True
        self.stages = default_rules(56).stages
        self._rule = rule

    def score(self, histories: list[History], at_us: np.ndarray, stages: np.ndarray) -> Scores:
        rows = [self._rule(history, int(stage)) for history, stage in zip(histories, stages, strict=True)]
        return Scores(
            items=np.array([items for items, _ in rows], np.float32),
            churn=np.array([risk for _, risk in rows], np.float32),
        )


def counting(history: History, stage: int) -> tuple[list[float], float]:
    """Score = 1 + 2 x own events + 0.5 x coupons + 0.25 x stage code; churn = 0.9 - 0.1 x events."""
    own = [float(np.sum(history.item == item)) for item in range(3)]
    coupons = float(np.sum(history.item < 0))
    return [1 + 2 * count + 0.5 * coupons + 0.25 * stage for count in own], 0.9 - 0.1 * len(history)


def recommender(directory: Path, rule: Rule = counting) -> Recommender:
    """Return a recommender over the small shop."""
    index: TimelineIndex = index_from_events(EVENTS, directory)
    model = ModelInfo(message("fake"), is_baseline=False)
    return Recommender(index, CONFIG, default_rules(56), RuleScorer(rule), model, CATALOGUE)
