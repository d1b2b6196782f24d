"""Ten explained recommendations a user: seconds and additivity error, against one by one.

The peer is shap used as its documentation shows, one explainer call per item; ours explains all items and
the churn risk with the same model runs. Same game, same number of permutations.
"""

from __future__ import annotations

import time
from functools import partial

import numpy as np
from common import measure, sample_workspace

from ulm_core.explain.shapley import EXACT_PLAYERS, PERMUTATIONS, Game, explain_user, warm_up
from ulm_core.recommend.recommender import Recommender

USERS = (5, 100, 700, 1500, 2400)


def _column(game: Game, item: int, rows: np.ndarray) -> np.ndarray:
    return game.values(rows)[:, item]


def one_by_one(recommender: Recommender, user: int) -> None:
    """Explain each item with a call of its own."""
    import shap

    game = Game(recommender, recommender.recommend(user))
    n_players = len(game.players)
    masker = shap.maskers.Independent(np.zeros((1, n_players)), max_samples=1)
    for item in range(10):
        column = partial(_column, game, item)
        explainer = shap.PermutationExplainer(column, masker, seed=0)
        explainer(np.ones((1, n_players)), max_evals=(2 * n_players + 1) * PERMUTATIONS, silent=True)


def main() -> None:
    """Measure on the sample with whatever model is promoted in bench/results (the baseline otherwise)."""
    recommender = Recommender.open(sample_workspace())
    started = time.perf_counter()
    warm_up().join()
    print(f"model: {recommender.model.name}; warm-up {time.perf_counter() - started:.1f} s (in the background)")
    errors, sizes = [], []
    for user in USERS:
        explained = explain_user(recommender, recommender.recommend(user))
        errors.append(max(item.additivity_error for item in explained.items))
        sizes.append(len(explained.churn.contributions))
    wall, cpu = measure(lambda: [explain_user(recommender, recommender.recommend(user)) for user in USERS], runs=5)
    peer, peer_cpu = measure(lambda: [one_by_one(recommender, user) for user in USERS], runs=3)
    each = len(USERS)
    print(f"players {min(sizes)} to {max(sizes)} (exact up to {EXACT_PLAYERS})")
    print(f"additivity error at most {max(errors):.1e}")
    print(f"ten items and the churn risk: {wall / each:.3f} s wall, {cpu / each:.3f} s CPU a user")
    print(f"one call an item: {peer / each:.3f} s a user; ratio {peer / wall:.1f}x wall, {peer_cpu / cpu:.1f}x CPU")


if __name__ == "__main__":
    main()
