"""SHAP values: by hand, against full enumeration, and additive whatever the model."""

from __future__ import annotations

from itertools import combinations
from math import factorial
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.explain.fakes import recommender
from ulm_core.explain import shapley
from ulm_core.explain.shapley import Game, explain_user
from ulm_core.timeline.index import History


def values_by_kind(explanation: shapley.Explanation) -> dict[str, float]:
    return {share.player.kind: share.value for share in explanation.contributions if abs(share.value) > 1e-9}


def test_additive_scores_give_back_their_terms(tmp_path: Path) -> None:
    shop = recommender(tmp_path)
    recommended = shop.recommend(0, k=3)
    assert [item.item_id for item in recommended.items] == ["tea", "milk", "bread"]
    tea = explain_user(shop, recommended).items[0]
    stage = 0.25 * recommended.stage  # the base value is that of stage 0, new
    assert tea.base_value == pytest.approx(1)
    assert values_by_kind(tea) == pytest.approx({"item": 2 * 2, "event": 0.5, "stage": stage})
    assert tea.score == pytest.approx(1 + 4 + 0.5 + stage)


def test_churn_is_explained_beside_the_items(tmp_path: Path) -> None:
    shop = recommender(tmp_path)
    churn = explain_user(shop, shop.recommend(0, k=3)).churn
    assert churn.base_value == pytest.approx(0.9)
    assert churn.score == pytest.approx(0.9 - 0.1 * 4)
    assert sum(share.value for share in churn.contributions) == pytest.approx(-0.4)


def by_enumeration(game: Game, n_players: int) -> np.ndarray:
    """Return the Shapley values from their definition, one coalition at a time."""
    values = np.zeros((n_players, 4))
    for player in range(n_players):
        others = [other for other in range(n_players) if other != player]
        for size in range(n_players):
            weight = factorial(size) * factorial(n_players - size - 1) / factorial(n_players)
            for chosen in combinations(others, size):
                without = np.zeros((1, n_players))
                without[0, list(chosen)] = 1
                with_player = without.copy()
                with_player[0, player] = 1
                values[player] += weight * (game.values(with_player) - game.values(without))[0]
    return values


@st.composite
def nonlinear_rules(draw: st.DrawFn) -> object:
    weights = draw(st.lists(st.floats(-2, 2), min_size=9, max_size=9))

    def rule(history: History, stage: int) -> tuple[list[float], float]:
        counts = np.array([np.sum(history.item == item) for item in (-1, 0, 1, 2)], float)
        mixed = [
            float(np.tanh(counts @ weights[:4]) + weights[4] * counts[item + 1] * counts[0] + weights[5] * stage)
            for item in range(3)
        ]
        return mixed, float(1 / (1 + np.exp(-(counts @ weights[5:9]))))

    return rule


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rule=nonlinear_rules())
def test_values_equal_enumeration_and_add_up(tmp_path: Path, rule: object) -> None:
    shop = recommender(tmp_path, rule)  # type: ignore[arg-type]
    recommended = shop.recommend(0, k=3)
    explained = explain_user(shop, recommended)
    game = Game(shop, recommended)
    expected = by_enumeration(game, len(game.players))
    for column, explanation in enumerate([*explained.items, explained.churn]):
        got = {id_of(share): share.value for share in explanation.contributions}
        wanted = {str(player.label): expected[place, column] for place, player in enumerate(game.players)}
        assert got == pytest.approx(wanted, abs=1e-5)
        total = explanation.base_value + sum(share.value for share in explanation.contributions)
        assert total == pytest.approx(explanation.score, abs=1e-6)


def id_of(share: shapley.Contribution) -> str:
    return str(share.player.label)


def test_sampled_permutations_add_up_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shapley, "EXACT_PLAYERS", 1)
    shop = recommender(tmp_path)
    explained = explain_user(shop, shop.recommend(0, k=3))
    assert not explained.items[0].is_exact
    assert max(item.additivity_error for item in explained.items) < 1e-6
    # An additive game has no interactions, so sampling finds it exactly.
    assert values_by_kind(explained.items[0])["item"] == pytest.approx(4)


def test_the_score_explained_is_the_score_shown(tmp_path: Path) -> None:
    shop = recommender(tmp_path)
    recommended = shop.recommend(1, k=2)
    explained = explain_user(shop, recommended)
    assert [item.score for item in recommended.items] == pytest.approx([item.score for item in explained.items])
