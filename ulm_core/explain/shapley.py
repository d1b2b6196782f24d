"""Shapley values of a recommendation's score and of the churn risk, computed by re-running the model.

The game: players are groups of the user's events and the stage (`ulm_core.explain.players`); the value
of a coalition is what the model gives when only its events ever happened (and, without the stage player,
the user is *new*). Nothing is approximated inside the model, so base value + SHAP values = score holds
up to the rounding of the model's own arithmetic.

Lundberg and Lee (2017), "A unified approach to interpreting model predictions"; the antithetic
permutation estimate is shap's ``PermutationExplainer``, the enumeration its ``ExactExplainer``.
"""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ulm_core.explain.players import Names, Player, group_players
from ulm_core.messages import N_, message
from ulm_core.recommend.recommender import Recommender, UserRecommendations
from ulm_core.timeline.index import History

EXACT_PLAYERS = 8  # 2 ** 8 runs of the model; beyond it, permutations are cheaper
PERMUTATIONS = 8  # antithetic pairs: each permutation is walked forward and backward
SEED = 0

BASE_VALUE = message(N_("base value: what the model gives a new user without any history"))

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Contribution:
    """A player's share in a score: its SHAP value, in the score's own unit."""

    player: Player
    value: float


@dataclass(frozen=True, eq=False)
class Explanation:
    """Why a score is what it is: ``base_value + sum of values == score`` within `additivity_error`.

    Attributes
    ----------
    item
        Code of the item whose score is explained; None for the churn risk.
    score
        The model's output: an item's score (logit), or the churn probability.
    base_value
        The model's output for a new user without history.
    contributions
        Largest share first.
    additivity_error
        ``|base_value + sum - score|``.
    is_exact
        True when every coalition was run, False when permutations were sampled.
    n_runs
        How many coalitions the model was run on (for all explanations of the user together).
    """

    item: int | None
    score: float
    base_value: float
    contributions: tuple[Contribution, ...]
    additivity_error: float
    is_exact: bool
    n_runs: int


@dataclass(frozen=True, eq=False)
class UserExplanation:
    """The explanations of one user's ranking, in its order, and of the user's churn risk."""

    items: tuple[Explanation, ...]
    churn: Explanation


class Game:
    """The value of coalitions for one user; counts how often the model ran.

    Parameters
    ----------
    recommender
        Runs the model.
    recommended
        The ranking to explain.
    """

    def __init__(self, recommender: Recommender, recommended: UserRecommendations) -> None:
        self._recommender = recommender
        self._recommended = recommended
        names = Names(
            recommender.index.manifest.event_names, recommender.catalogue.text, recommender.catalogue.category
        )
        codes = [item.item for item in recommended.items]
        self.players = group_players(recommended.history, codes, recommended.stage_name, names)
        places = {int(code): place for place, code in enumerate(recommender.scorer.catalogue)}
        self._columns = np.array([places[code] for code in codes], np.int64)
        self._new = recommender.rules.first_code()
        self.n_runs = 0

    def _edited(self, coalition: npt.NDArray[np.bool_]) -> History:
        kept = [player.positions for player, is_in in zip(self.players, coalition, strict=True) if is_in]
        positions = np.sort(np.concatenate([np.empty(0, np.int64), *kept]))
        return self._recommended.history.take(positions)

    def values(self, coalitions: npt.NDArray[Any]) -> Floats:
        """Return float64[n, n_items + 1] for bool[n, n_players]: the scores of the items, then the churn risk."""
        chosen = np.asarray(coalitions) > 0.5
        self.n_runs += len(chosen)
        histories = [self._edited(row) for row in chosen]
        # The stage is the last player.
        stages = [self._recommended.stage if row[-1] else self._new for row in chosen]
        scores = self._recommender.score(histories, stages)
        return np.column_stack([scores.items[:, self._columns], scores.churn]).astype(np.float64)


def explain_user(recommender: Recommender, recommended: UserRecommendations) -> UserExplanation:
    """Explain every item of a ranking and the churn risk with one set of model runs."""
    game = Game(recommender, recommended)
    n_players = len(game.players)
    is_exact = n_players <= EXACT_PLAYERS
    values, base = _shapley(game, n_players, is_exact)
    full = game.values(np.ones((1, n_players)))[0]
    codes = [*(item.item for item in recommended.items), None]
    explained = [
        _explanation(game, code, (values[:, column], base[column], full[column]), is_exact)
        for column, code in enumerate(codes)
    ]
    return UserExplanation(tuple(explained[:-1]), explained[-1])


def _shapley(game: Game, n_players: int, is_exact: bool) -> tuple[Floats, Floats]:
    """Return (float64[n_players, n_outputs], float64[n_outputs]): SHAP values and base values."""
    import shap  # seconds to import; pages warm it in the background

    masker = shap.maskers.Independent(np.zeros((1, n_players)), max_samples=1)
    grand_coalition = np.ones((1, n_players))
    if is_exact:
        result = shap.ExactExplainer(game.values, masker)(grand_coalition, max_evals=2**n_players + 1, silent=True)
    else:
        explainer = shap.PermutationExplainer(game.values, masker, seed=SEED)
        budget = (2 * n_players + 1) * PERMUTATIONS
        result = explainer(grand_coalition, max_evals=budget, silent=True)
    # With a single output (a log without items) shap drops that axis.
    values = np.asarray(result.values[0], np.float64).reshape(n_players, -1)
    base = np.broadcast_to(np.ravel(np.asarray(result.base_values, np.float64)[0]), values.shape[1:])
    return values, base


def _explanation(game: Game, item: int | None, solved: tuple[Floats, float, float], is_exact: bool) -> Explanation:
    values, base, score = solved
    order = np.argsort(-np.abs(values), kind="stable")
    return Explanation(
        item=item,
        score=float(score),
        base_value=float(base),
        contributions=tuple(Contribution(game.players[place], float(values[place])) for place in order),
        additivity_error=abs(float(base + values.sum() - score)),
        is_exact=is_exact,
        n_runs=game.n_runs,
    )


def warm_up() -> threading.Thread:
    """Import shap and compile its loops in the background; the first explanation is then quick."""

    def work() -> None:
        import shap

        if os.environ.get("ULM_NO_WARM_UP") == "1":
            return
        masker = shap.maskers.Independent(np.zeros((1, EXACT_PLAYERS + 2)), max_samples=1)
        explainer = shap.PermutationExplainer(
            lambda rows: np.column_stack([rows.sum(1), rows[:, 0]]), masker, seed=SEED
        )
        explainer(np.ones((1, EXACT_PLAYERS + 2)), max_evals=100, silent=True)

    thread = threading.Thread(target=work, name="warm-up-shap", daemon=True)
    thread.start()
    return thread
