"""The stage-aware frequency baseline: what is recommended before a model is promoted.

Honest and hard to beat on logs where people come back to the same items (BASELINES: personal frequency
has twice the NDCG@10 of popularity on The Complete Journey).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ulm_core.lifecycle.periods import DAY_US
from ulm_core.lifecycle.rules import StageRules
from ulm_core.lifecycle.stages import stages_at
from ulm_core.model.scorer import Scores
from ulm_core.timeline.index import History, TimelineIndex
from ulm_core.training.split import REPEATS_MATTER
from ulm_core.workspace import WorkspaceConfig

HALF_LIFE_DAYS = 90.0
POPULARITY_WEIGHT = 0.5  # below one fresh purchase: popularity orders what the user never bought


def has_repeats(index: TimelineIndex) -> bool:
    """Whether people come back to the same items often enough to recommend them again."""
    with_item = index.item >= 0
    if not with_item.any():
        return False
    user = np.repeat(np.arange(index.n_users, dtype=np.int64), np.diff(index.offsets))[with_item]
    pairs = user * index.manifest.n_items + index.item[with_item]
    return bool(1 - len(np.unique(pairs)) / len(pairs) >= REPEATS_MATTER)


class FrequencyScorer:
    """Scores items by the user's own decayed counts, then by popularity among users of the same stage.

    ``score(u, i) = sum over u's events with i of 0.5 ** (age in days / 90) + 0.5 * popularity(stage of u, i)``,
    popularity scaled to [0, 1) within the stage. Churn risk is the share of users of the same stage,
    one churn horizon ago, who did nothing since.

    Parameters
    ----------
    index, config, rules
        The log, how it is read, and its stage rules.
    at_us
        Moment the counts are taken at (UTC microseconds); later events are not looked at.
    horizon_days
        The churn horizon.
    """

    def __init__(
        self, index: TimelineIndex, config: WorkspaceConfig, rules: StageRules, at_us: int, horizon_days: int
    ) -> None:
        self.catalogue: npt.NDArray[np.int32] = np.arange(index.manifest.n_items, dtype=np.int32)
        self.keeps_seen = has_repeats(index)
        self.stages = rules.stages
        self._counts_event = index.active_mask(config)
        stages = stages_at(index, config, at_us, rules)
        self._popularity = self._stage_popularity(index, stages, at_us, len(rules.stages))
        self._churn = _stage_churn(index, config, rules, at_us, horizon_days)

    def _stage_popularity(
        self, index: TimelineIndex, stages: npt.NDArray[np.uint8], at_us: int, n_stages: int
    ) -> npt.NDArray[np.float32]:
        """Return float32[n_stages + 1, n_items] in [0, 1); the last row is everybody."""
        counts = np.zeros((n_stages + 1, index.manifest.n_items), np.float32)
        user = np.repeat(np.arange(index.n_users), np.diff(index.offsets))
        wanted = (index.item >= 0) & (index.time < at_us) & self._counts_event[index.event]
        items = index.item[wanted]
        for stage in range(n_stages):
            inside = stages[user[wanted]] == stage
            counts[stage] = np.bincount(items[inside], minlength=counts.shape[1])
        counts[n_stages] = np.bincount(items, minlength=counts.shape[1])
        return np.asarray(counts / (counts.max(axis=1, keepdims=True, initial=0) + 1), np.float32)

    def score(
        self, histories: Sequence[History], at_us: npt.NDArray[np.int64], stages: npt.NDArray[np.uint8]
    ) -> Scores:
        """Return item scores float32[n, n_items] and churn risks float32[n]; see `ulm_core.model.scorer`."""
        rows = np.minimum(stages, len(self._popularity) - 1)  # 255, not yet seen, is everybody's row
        scores = POPULARITY_WEIGHT * self._popularity[rows]
        for row, (history, at) in enumerate(zip(histories, at_us, strict=True)):
            used = (history.item >= 0) & (history.time < at) & self._counts_event[history.event]
            age_days = (at - history.time[used]) / DAY_US
            np.add.at(scores[row], history.item[used], 0.5 ** (age_days / HALF_LIFE_DAYS))
        return Scores(items=scores.astype(np.float32), churn=self._churn[rows])


def _stage_churn(
    index: TimelineIndex, config: WorkspaceConfig, rules: StageRules, at_us: int, horizon_days: int
) -> npt.NDArray[np.float32]:
    """Return float32[n_stages + 1]: share of users of each stage at ``at - horizon`` without activity since.

    The last entry is the share over all users seen by then.
    """
    before = at_us - horizon_days * DAY_US
    stages = stages_at(index, config, before, rules)
    user = np.repeat(np.arange(index.n_users), np.diff(index.offsets))
    later = (index.time >= before) & (index.time < at_us) & index.active_mask(config)[index.event]
    is_lost = np.bincount(user[later], minlength=index.n_users) == 0
    seen = stages != 255
    rates = [is_lost[stages == stage].mean() if np.any(stages == stage) else 0.0 for stage in range(len(rules.stages))]
    return np.array([*rates, is_lost[seen].mean() if seen.any() else 0.0], np.float32)
