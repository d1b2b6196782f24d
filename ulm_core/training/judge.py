"""The test: who is judged on what, and how any ranking or churn score does on it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from ulm_core.lifecycle.rules import StageRules
from ulm_core.model.catalogue import item_counts
from ulm_core.model.histories import F32, I32, I64, Histories, Mask
from ulm_core.timeline.index import TimelineIndex
from ulm_core.training.batches import ChurnLabels, Targets, churn_labels, make_examples, target_items
from ulm_core.training.churn_metrics import Numbers, churn_summary
from ulm_core.training.ranking import ItemFacts, K, RankingMetrics, ranking_metrics, tie_priority, top_k
from ulm_core.training.split import Split

FOREVER = np.iinfo(np.int64).max
CHUNK = 128

#: Scores float32[n, n_items] of users (codes) over the judged items.
RankItems = Callable[[I64], F32]


@dataclass(frozen=True, eq=False)
class Judge:
    """What happened after a cut, kept aside.

    Attributes
    ----------
    at_us
        The cut.
    position
        int32[n_item_codes], column of each judged item, -1 for the others.
    n_items
        Number of judged items.
    users, relevant, seen
        Users judged on recommendations, what they bought after the cut, what they had before.
    churn_users, churn
        Users with a purchase before the cut, and whether they left.
    stages
        uint8[n_users] at the cut.
    keeps_seen
        Whether items a user had may be ranked.
    own_us
        int64[n_users] by user code, where everyone has a cut of their own; `at_us` is then the end of the log.
    facts
        What novelty and diversity of a list are computed from.
    """

    at_us: int
    position: I32
    n_items: int
    users: I64
    relevant: Targets
    seen: Targets
    churn_users: I64
    churn: ChurnLabels
    stages: npt.NDArray[np.uint8]
    keeps_seen: bool
    own_us: I64 | None = None
    facts: ItemFacts | None = None

    @staticmethod
    def at(
        index: TimelineIndex, split: Split, at_us: int, until_us: int, items: I32, stages: npt.NDArray[np.uint8]
    ) -> Judge:
        """Return the judge of a cut; nothing at or after `until_us` is looked at.

        Parameters
        ----------
        items
            int32[n], item codes that are ranked.
        stages
            uint8[n_users] at the cut.
        """
        purchase = split.roles.purchase
        position = np.full(index.manifest.n_items, -1, np.int32)
        position[items] = np.arange(len(items), dtype=np.int32)
        users = make_examples(index, np.array([at_us]), stages[:, None], purchase).users
        after = target_items(index, users, _full(at_us, users), _full(until_us, users), position, purchase)
        before = target_items(index, users, _full(-FOREVER, users), _full(at_us, users), position, purchase)
        if not split.keeps_seen:
            after = without(after, before, len(items))
        judged = np.flatnonzero((after.counts > 0) & (before.counts > 0))
        churn = churn_labels(index, users, _full(at_us, users), split.churn_days, until_us, split.roles.active)
        return Judge(
            at_us, position, len(items), users[judged], after.take(judged), before.take(judged),
            users, churn, stages, split.keeps_seen,
        )  # fmt: skip

    def sample(self, users: int, seed: int) -> Judge:
        """Return the judge of a seeded sample of the users judged on recommendations; churn stays whole."""
        if len(self.users) <= users:
            return self
        chosen = np.sort(np.random.default_rng(seed).choice(len(self.users), users, replace=False))
        return replace(self, users=self.users[chosen], relevant=self.relevant.take(chosen), seen=self.seen.take(chosen))

    def rank(self, score: RankItems, seed: int = 0) -> RankingMetrics:
        """Return the metrics of the rankings by `score`; ties are broken at random with a seed."""
        priority = tie_priority(self.n_items, seed)
        lists = np.full((len(self.users), K), -1, np.int32)
        for start in range(0, len(self.users), CHUNK):
            rows = np.arange(start, min(start + CHUNK, len(self.users)))
            scores = score(self.users[rows])
            if not self.keeps_seen:
                scores = scores.copy()
                old = self.seen.take(rows)
                scores[old.rows, old.columns] = -np.inf
            lists[rows] = top_k(scores, priority, K)
        return ranking_metrics(lists, self.relevant, self.seen, self.n_items, self.facts)

    def churn_metrics(self, scores: Numbers, probabilities: Numbers | None = None) -> dict[str, float]:
        """Return the churn metrics of scores per entry of `churn_users`."""
        known = self.churn.known
        return churn_summary(
            self.churn.churned[known], scores[known], None if probabilities is None else probabilities[known]
        )

    def with_facts(self, index: TimelineIndex, purchase: Mask, category: I32) -> Judge:
        """Return the judge of novelty and diversity too.

        Parameters
        ----------
        purchase
            bool per event code.
        category
            int32[n_item_codes], category codes; negative where unknown.
        """
        counts = item_counts(index, self.position, self.n_items, purchase, [self.at_us], ())
        buyers = max(int((np.diff(index.offsets) > 0).sum()), 1)
        items = np.flatnonzero(self.position >= 0)
        by_column = np.empty(self.n_items, np.int32)
        by_column[self.position[items]] = category[items]
        return replace(self, facts=ItemFacts(np.maximum(counts.buyers[0], 1) / buyers, by_column))

    def histories(self, index: TimelineIndex, users: I64) -> Histories:
        """Return the histories of `users` up to the cut."""
        return Histories.from_index(index, users, self.at_us if self.own_us is None else self.own_us[users])

    def by_stage(self, metrics: RankingMetrics, rules: StageRules) -> dict[str, dict[str, float]]:
        """Return the metrics per lifecycle stage at the cut; stages without a judged user are left out."""
        stage = self.stages[self.users]
        present = [(name, stage == code) for code, name in enumerate(rules.stages) if (stage == code).any()]
        return {name: metrics.summary(chosen) for name, chosen in present}


def _full(value: int, users: I64) -> I64:
    return np.full(len(users), value, np.int64)


def without(targets: Targets, others: Targets, n_items: int) -> Targets:
    """Return `targets` less, row by row, what `others` holds."""
    key = targets.rows * n_items + targets.columns
    keep = ~np.isin(key, others.rows * n_items + others.columns)
    counts = np.bincount(targets.rows[keep], minlength=len(targets.counts))
    return Targets(np.concatenate([[0], np.cumsum(counts)]).astype(np.int64), targets.columns[keep])
