"""Cohorts as a page asks for them: at the end of its period, each answer computed once."""

from __future__ import annotations

from typing import Any

import pandas as pd

from pages.parts.frame import View
from pages.parts.i18n import _
from ulm_core.lifecycle.cohorts.evaluate import Mask, cohort_mask, cohort_sizes
from ulm_core.lifecycle.cohorts.store import Cohorts
from ulm_core.lifecycle.periods import Periods, make_periods

TREND_POINTS = 26


class Asked:
    """The saved cohorts, evaluated at the end of the period and remembered."""

    def __init__(self, view: View) -> None:
        self.view = view
        self.saved = Cohorts(view.data.workspace)
        self.at_us = min(view.range_us[1], view.data.index.manifest.last_us + 1)
        self.log = self.saved.log(view.data.index, view.data.config, view.data.snapshot, view.data.rules)
        self._stamp = self.saved.stamp()

    def mask(self, rule: Any) -> Mask:
        """Return who belongs."""
        question = f"{rule.model_dump_json()}@{self.at_us} {self._stamp}"
        return self.view.data.remember("cohort_mask", question, lambda: cohort_mask(self.log, rule, self.at_us))

    def size(self, rule: Any) -> int:
        """Return how many belong."""
        return int(self.mask(rule).sum())

    def periods(self) -> Periods:
        """Return the range of the page in its interval."""
        low, high = self.view.range_us
        config = self.view.data.config
        last = self.view.data.index.manifest.last_us
        return make_periods(low, high, self.view.filters.interval, config.timezone, config.week_start, last)

    def trend(self, rule: Any, points: int = TREND_POINTS) -> pd.DataFrame:
        """Return the size at the end of each period, the last `points` ones of the range."""
        periods = self.periods()
        first = max(0, len(periods) - points)
        last = self.view.data.index.manifest.last_us + 1
        ends = [min(int(end), last) for end in periods.starts_us[first + 1 :]]
        question = f"{rule.model_dump_json()}@{ends} {self._stamp}"
        sizes = self.view.data.remember("cohort_sizes", question, lambda: cohort_sizes(self.log, rule, ends))
        return pd.DataFrame(
            {
                "period": periods.iso_labels()[first:],
                "value": sizes,
                "is_complete": periods.is_complete[first:],
                "group": _("users"),
            }
        )
