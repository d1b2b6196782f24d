"""Baselines that look at other users or other items: TIFU-KNN, item-kNN, EASE.

They hold the log as a sparse matrix and compare everybody with everybody, so they run where that fits:
`MAX_USERS` users, and `MAX_ITEMS` items for the two that compare items.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_matrix, diags

from ulm_core.model.histories import F32, I64, Histories
from ulm_core.model.repeat import REPEAT_FEATURES, repeat_pairs
from ulm_core.timeline.index import TimelineIndex
from ulm_core.training.judge import Judge, RankItems
from ulm_core.training.split import Split

MAX_USERS, MAX_ITEMS = 20_000, 4_000
TIFU_KNN, ITEM_KNN, EASE = "tifu_knn", "item_knn", "ease"
# BASELINES: the best of the settings tried there.
TIFU_NEIGHBOURS, TIFU_OWN_SHARE = 300, 0.7
ITEM_NEIGHBOURS = 100
EASE_PENALTY = 300.0
_DECAYED = REPEAT_FEATURES.index("decay_sessions_95")
_SESSIONS = REPEAT_FEATURES.index("user_sessions")


@dataclass(frozen=True, eq=False)
class Matrices:
    """The log before the cut: one row a user with a purchase, one column a judged item.

    Attributes
    ----------
    row_of_user
        int64[n_users], -1 for users without a purchase.
    decayed
        float32, ``sum 0.95^(baskets since) / baskets`` of each item: the user vector of TIFU-KNN.
    bought
        float32, 1 where the user had the item.
    """

    row_of_user: I64
    decayed: csr_matrix
    bought: csr_matrix


def read_matrices(index: TimelineIndex, split: Split, judge: Judge) -> Matrices:
    """Return the matrices of a judge's cut."""
    histories = Histories.from_index(
        index, np.arange(index.n_users), judge.at_us if judge.own_us is None else judge.own_us
    )
    pairs = repeat_pairs(histories, judge.position, judge.n_items, split.roles.purchase)
    counts = np.diff(pairs.offsets)
    row_of_user = np.where(counts > 0, np.cumsum(counts > 0) - 1, -1).astype(np.int64)
    weight = np.expm1(pairs.features[:, _DECAYED]) / np.expm1(pairs.features[:, _SESSIONS])
    shape = (int((counts > 0).sum()), judge.n_items)
    places = (row_of_user[pairs.rows], pairs.codes)
    return Matrices(
        row_of_user,
        csr_matrix((weight.astype(np.float32), places), shape),
        csr_matrix((np.ones(len(weight), np.float32), places), shape),
    )


def neighbour_scorers(index: TimelineIndex, split: Split, judge: Judge) -> dict[str, RankItems]:
    """Return the baselines that fit into memory here, by name; none where nobody is to be judged."""
    if index.n_users > MAX_USERS or not len(judge.users):
        return {}
    log = read_matrices(index, split, judge)
    found: dict[str, RankItems] = {}
    if split.keeps_seen:
        found[TIFU_KNN] = tifu_knn(log)
    if judge.n_items <= MAX_ITEMS:
        found[ITEM_KNN] = item_knn(log)
        found[EASE] = ease(log)
    return found


def tifu_knn(log: Matrices) -> RankItems:
    """Own decayed basket frequencies, mixed with those of the most similar users (Hu et al., SIGIR 2020)."""
    unit = _unit_rows(log.decayed)
    n_neighbours = min(TIFU_NEIGHBOURS, unit.shape[0] - 1)

    def score(users: I64) -> F32:
        rows = log.row_of_user[users]
        own: npt.NDArray[np.float32] = log.decayed[rows].toarray()
        if n_neighbours < 1:
            return own
        likeness = (unit[rows] @ unit.T).toarray()
        likeness[np.arange(len(rows)), rows] = -1.0
        nearest = np.argpartition(-likeness, n_neighbours - 1, axis=1)[:, :n_neighbours]
        ends = np.arange(len(rows) + 1) * n_neighbours
        mean = csr_matrix(
            (np.full(nearest.size, 1 / n_neighbours, np.float32), nearest.ravel(), ends), (len(rows), unit.shape[0])
        )
        return np.asarray(TIFU_OWN_SHARE * own + (1 - TIFU_OWN_SHARE) * (mean @ log.decayed).toarray(), np.float32)

    return score


def item_knn(log: Matrices) -> RankItems:
    """Sum of the cosine likeness to the items a user had, each item keeping its nearest ones (Sarwar et al., 2001)."""
    columns = _unit_rows(log.bought.T.tocsr())
    likeness = (columns @ columns.T).toarray()
    np.fill_diagonal(likeness, 0.0)
    kept = min(ITEM_NEIGHBOURS, likeness.shape[1])
    weakest = -np.partition(-likeness, kept - 1, axis=1)[:, kept - 1 : kept]
    likeness[likeness < weakest] = 0.0
    return _through(log, likeness)


def ease(log: Matrices) -> RankItems:
    """Closed-form linear autoencoder without self-similarity (Steck, WWW 2019)."""
    gram = (log.bought.T @ log.bought).toarray().astype(np.float64)
    gram[np.diag_indices_from(gram)] += EASE_PENALTY
    inverse = np.linalg.inv(gram)
    weights = inverse / -np.diag(inverse)[None, :]
    np.fill_diagonal(weights, 0.0)
    return _through(log, weights.astype(np.float32))


def _through(log: Matrices, weights: F32) -> RankItems:
    def score(users: I64) -> F32:
        return np.asarray(log.bought[log.row_of_user[users]] @ weights, np.float32)

    return score


def _unit_rows(matrix: csr_matrix) -> csr_matrix:
    lengths = np.sqrt(matrix.multiply(matrix).sum(axis=1)).A1
    return diags((1 / np.maximum(lengths, 1e-9)).astype(np.float32)) @ matrix
