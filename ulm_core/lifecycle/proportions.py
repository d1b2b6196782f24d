"""Two shares compared: their difference and their ratio, with intervals and a test."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

from ulm_core.lifecycle.intervals import wilson
from ulm_core.lifecycle.results import number_or_none, ratio


@dataclass(frozen=True)
class TwoShares:
    """``x / n`` of a first and a second group.

    Attributes
    ----------
    x1, n1, x2, n2
        Counts, ``0 <= x <= n``.
    level
        Confidence of the intervals.
    """

    x1: int
    n1: int
    x2: int
    n2: int
    level: float = 0.95

    @property
    def first(self) -> float:
        """Share of the first group; nan without anybody in it."""
        return ratio(self.x1, self.n1)

    @property
    def second(self) -> float:
        """Share of the second group; nan without anybody in it."""
        return ratio(self.x2, self.n2)

    @property
    def difference(self) -> float:
        """First share minus second; nan where either is."""
        return self.first - self.second

    @property
    def difference_interval(self) -> tuple[float, float]:
        """Newcombe's hybrid score interval of the difference (Newcombe 1998, method 10); nan without a difference."""
        lows, highs = wilson([self.x1, self.x2], [self.n1, self.n2], self.level)
        below = math.hypot(self.first - lows[0], highs[1] - self.second)
        above = math.hypot(highs[0] - self.first, self.second - lows[1])
        return self.difference - below, self.difference + above

    @property
    def p_value(self) -> float:
        """Two-sided p of equal shares (pooled two-proportion z test); nan where nothing can be tested."""
        pooled = ratio(self.x1 + self.x2, self.n1 + self.n2)
        if not (self.n1 and self.n2) or pooled in (0, 1):
            return math.nan
        error = math.sqrt(pooled * (1 - pooled) * (1 / self.n1 + 1 / self.n2))
        return 2 * (1 - NormalDist().cdf(abs(self.difference) / error))

    @property
    def lift(self) -> float:
        """First share over second; nan without a base."""
        return ratio(self.first, self.second)

    @property
    def lift_interval(self) -> tuple[float, float]:
        """Katz' log interval of the lift (Katz et al. 1978), half a case added to all counts where one is 0."""
        add = 0.5 if 0 in (self.x1, self.x2) else 0.0
        x1, n1, x2, n2 = self.x1 + add, self.n1 + add, self.x2 + add, self.n2 + add
        if not (self.n1 and self.n2):
            return math.nan, math.nan
        error = math.sqrt(max(1 / x1 - 1 / n1 + 1 / x2 - 1 / n2, 0.0))
        half = NormalDist().inv_cdf((1 + self.level) / 2) * error
        center = math.log(x1 / n1 / (x2 / n2))
        return math.exp(center - half), math.exp(center + half)

    def to_json(self) -> dict[str, Any]:
        """Return counts, difference, interval and p value."""
        low, high = self.difference_interval
        return {
            "users": [self.x1, self.x2],
            "of": [self.n1, self.n2],
            "difference": number_or_none(self.difference),
            "interval": [number_or_none(low), number_or_none(high)],
            "p_value": number_or_none(self.p_value),
        }
