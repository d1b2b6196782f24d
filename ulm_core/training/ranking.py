"""Full ranking and its metrics, per user: the headline is the mean of what is kept per user."""

from __future__ import annotations

from dataclasses import dataclass

import numba
import numpy as np
import numpy.typing as npt

from ulm_core.model.histories import F32, F64, I32, I64, Mask
from ulm_core.training.batches import Targets

K = 10


def tie_priority(n_items: int, seed: int = 0) -> I64:
    """Return a seeded random order of the items; of equal scores the lower priority ranks first."""
    return np.random.default_rng(seed).permutation(n_items)


@numba.njit(nogil=True, cache=True)
def top_k(scores: F32, priority: I64, k: int) -> I32:
    """Return int32[n, k], the best columns of each row; -1 where fewer than `k` are finite.

    Parameters
    ----------
    scores
        float32[n, n_items]; -inf is never ranked.
    priority
        int64[n_items], breaks ties.
    """
    n, width = scores.shape
    out = np.full((n, k), -1, np.int32)
    best = np.empty(k, np.float32)
    for row in range(n):
        size = 0
        for column in range(width):
            score = scores[row, column]
            if not score > -np.inf or (size == k and score < best[k - 1]):
                continue
            place = size
            while place > 0 and (
                score > best[place - 1]
                or (score == best[place - 1] and priority[column] < priority[out[row, place - 1]])
            ):
                place -= 1
            if place == k:
                continue
            size = min(size + 1, k)
            for j in range(size - 1, place, -1):
                best[j], out[row, j] = best[j - 1], out[row, j - 1]
            best[place], out[row, place] = score, column
    return out


@dataclass(frozen=True)
class RankingMetrics:
    """Metrics at `K` per user with at least one relevant item.

    Attributes
    ----------
    ndcg, recall, hit, reciprocal
        float64[n]; NDCG's ideal puts min(K, relevant) hits first; reciprocal is 1 / place of the first hit, 0 where
        there is none (its mean is the MRR).
    novelty
        float64[n], mean self-information ``-log2(share of buyers who had the item)`` of a list, in bits
        (Zhou et al. 2010); nan where popularity is not known.
    diversity
        float64[n], share of the pairs in a list that lie in different categories; nan where there are none.
    repeat_hits, repeat_total, new_hits, new_total
        int64[n], relevant items the user had before, and had not, found in the list and in all.
    coverage
        Share of the ranked items that stand in at least one list.
    """

    ndcg: F64
    recall: F64
    hit: F64
    reciprocal: F64
    novelty: F64
    diversity: F64
    repeat_hits: I64
    repeat_total: I64
    new_hits: I64
    new_total: I64
    coverage: float

    def summary(self, chosen: Mask | slice = slice(None)) -> dict[str, float]:
        """Return the metrics over all users, or over the `chosen` ones."""
        users = len(self.ndcg[chosen])

        def mean(values: F64) -> float:
            return float(values[chosen].mean()) if users else float("nan")

        def share(hits: I64, total: I64) -> float:
            return float(hits[chosen].sum() / max(total[chosen].sum(), 1))

        return {
            "ndcg10": mean(self.ndcg),
            "recall10": mean(self.recall),
            "hit_rate10": mean(self.hit),
            "mrr10": mean(self.reciprocal),
            "recall10_repeat": share(self.repeat_hits, self.repeat_total),
            "recall10_new": share(self.new_hits, self.new_total),
            "coverage10": self.coverage,
            "novelty10": mean(self.novelty),
            "diversity10": mean(self.diversity),
            "users": float(users),
        }


@dataclass(frozen=True, eq=False)
class ItemFacts:
    """What is known of the ranked items before the cut.

    Attributes
    ----------
    share
        float64[n_items], share of the buyers who had the item; at least one buyer is assumed of each.
    category
        int32[n_items], category codes.
    """

    share: F64
    category: I32


def ranking_metrics(
    top: I32, relevant: Targets, seen: Targets, n_items: int, facts: ItemFacts | None = None
) -> RankingMetrics:
    """Return the metrics of ranked lists.

    Parameters
    ----------
    top
        int32[n, K], -1 where a list is shorter.
    relevant, seen
        Items bought in the test period, and before it; every row has a relevant item.
    n_items
        Number of ranked items.
    facts
        For novelty and diversity.
    """
    counts = relevant.counts
    is_hit, is_known = _marks(top, relevant.offsets, relevant.columns, seen.offsets, seen.columns, n_items)
    discount = 1 / np.log2(np.arange(2, K + 2))
    ideal = np.concatenate([[0.0], np.cumsum(discount)])[np.minimum(counts, K)]
    hits = is_hit.sum(1)
    repeat_total = is_known.astype(np.int64)
    known_in_list = _known_hits(top, is_hit, seen.offsets, seen.columns, n_items)
    listed = np.unique(top[top >= 0])
    return RankingMetrics(
        ndcg=(is_hit * discount).sum(1) / np.maximum(ideal, 1e-12),
        recall=hits / np.maximum(counts, 1),
        hit=(hits > 0).astype(np.float64),
        reciprocal=(is_hit / np.arange(1, K + 1)).max(1, initial=0.0),
        novelty=_novelty(top, facts),
        diversity=_diversity(top, facts),
        repeat_hits=known_in_list,
        repeat_total=repeat_total,
        new_hits=hits - known_in_list,
        new_total=counts - repeat_total,
        coverage=len(listed) / max(n_items, 1),
    )


def _novelty(top: I32, facts: ItemFacts | None) -> F64:
    if facts is None:
        return np.full(len(top), np.nan)
    listed = top >= 0
    bits = np.where(listed, -np.log2(facts.share[np.maximum(top, 0)]), 0.0)
    return np.asarray(bits.sum(1) / np.maximum(listed.sum(1), 1), np.float64)


def _diversity(top: I32, facts: ItemFacts | None) -> F64:
    if facts is None:
        return np.full(len(top), np.nan)
    category = np.where(top >= 0, facts.category[np.maximum(top, 0)], -1)
    first, second = np.triu_indices(top.shape[1], 1)
    both = (category[:, first] >= 0) & (category[:, second] >= 0)
    different = both & (category[:, first] != category[:, second])
    return np.asarray(different.sum(1) / np.maximum(both.sum(1), 1), np.float64)


@numba.njit(nogil=True, cache=True)
def _marks(top: I32, offsets: I64, columns: I32, seen_offsets: I64, seen: I32, n_items: int) -> tuple[Mask, I64]:
    """Hits per place of the list, and relevant items the user had before per row."""
    hits = np.zeros(top.shape, np.bool_)
    known = np.zeros(top.shape[0], np.int64)
    stamp = np.full(n_items, -1, np.int64)
    for row in range(top.shape[0]):
        for j in range(offsets[row], offsets[row + 1]):
            stamp[columns[j]] = row
        for place in range(top.shape[1]):
            hits[row, place] = top[row, place] >= 0 and stamp[top[row, place]] == row
        for j in range(seen_offsets[row], seen_offsets[row + 1]):
            known[row] += stamp[seen[j]] == row
    return hits, known


@numba.njit(nogil=True, cache=True)
def _known_hits(top: I32, is_hit: Mask, seen_offsets: I64, seen: I32, n_items: int) -> I64:
    found = np.zeros(top.shape[0], np.int64)
    stamp = np.full(n_items, -1, np.int64)
    for row in range(top.shape[0]):
        for j in range(seen_offsets[row], seen_offsets[row + 1]):
            stamp[seen[j]] = row
        for place in range(top.shape[1]):
            found[row] += is_hit[row, place] and stamp[top[row, place]] == row
    return found


@dataclass(frozen=True)
class Difference:
    """Mean of a paired difference with its 95% bootstrap interval."""

    mean: float
    low: float
    high: float


def paired_difference(ours: F64, theirs: F64, *, rounds: int = 1000, seed: int = 0) -> Difference:
    """Return ``mean(ours - theirs)`` over the same users, users resampled `rounds` times."""
    difference = ours - theirs
    if not len(difference):
        return Difference(float("nan"), float("nan"), float("nan"))
    rng = np.random.default_rng(seed)
    means: npt.NDArray[np.float64] = np.array(
        [difference[rng.integers(0, len(difference), len(difference))].mean() for _ in range(rounds)]
    )
    low, high = np.percentile(means, [2.5, 97.5])
    return Difference(float(difference.mean()), float(low), float(high))
