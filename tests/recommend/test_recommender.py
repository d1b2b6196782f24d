from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.explain.fakes import CONFIG, EVENTS, recommender
from ulm_core.errors import InputError
from ulm_core.explain.shapley import explain_user
from ulm_core.lifecycle.rule_history import put_in_force
from ulm_core.lifecycle.rules import STAGES, UNSEEN, default_rules
from ulm_core.lifecycle.stage_presets import get_preset
from ulm_core.recommend.baseline import HALF_LIFE_DAYS, POPULARITY_WEIGHT, FrequencyScorer, has_repeats
from ulm_core.recommend.recommender import Recommender, matching_codes
from ulm_core.timeline.testing import index_from_events
from ulm_core.workspace import Workspace

DAY_US = 86_400_000_000


def test_the_best_scores_come_first(tmp_path: Path) -> None:
    items = recommender(tmp_path).recommend(0, k=3).items
    assert [item.item_id for item in items] == ["tea", "milk", "bread"]
    assert [item.is_repeat for item in items] == [True, True, False]
    assert items[0].score > items[1].score > items[2].score


@pytest.mark.parametrize("k", [0, 1_001])
def test_an_impossible_k_is_refused(tmp_path: Path, k: int) -> None:
    with pytest.raises(InputError, match="between 1 and 1000"):
        recommender(tmp_path).recommend(0, k=k)


def test_no_more_items_than_there_are(tmp_path: Path) -> None:
    assert len(recommender(tmp_path).recommend(0, k=50).items) == 3


def test_items_seen_before_leave_the_ranking_where_nobody_repeats(tmp_path: Path) -> None:
    events = pd.DataFrame({"user": ["a", "a", "b"], "time": [1, 2, 3], "event": "rate", "item": ["x", "y", "x"]})
    assert not has_repeats(index_from_events(events, tmp_path / "once"))
    assert has_repeats(index_from_events(EVENTS, tmp_path / "again"))


def test_a_history_without_activity_is_new(tmp_path: Path) -> None:
    shop = recommender(tmp_path)
    nothing = shop.index.history(0).take(slice(0, 0))
    assert shop.rules.stages[shop.stage_of(nothing, shop.as_of_us)] == "new"


def test_frequency_scores_by_hand(tmp_path: Path) -> None:
    index = index_from_events(EVENTS, tmp_path)
    at = int(index.manifest.last_us) + 1  # 2024-01-20 and a microsecond
    scorer = FrequencyScorer(index, CONFIG, default_rules(56), at, horizon_days=56)
    history = index.history(0)
    scores = scorer.score([history], np.array([at]), np.array([255], np.uint8)).items[0]
    # Everybody's row of popularity: bread 2, milk 1, tea 2, scaled by the largest count plus one.
    popularity = np.array([2, 1, 2]) / (2 + 1)
    own_tea = 0.5 ** (19 / HALF_LIFE_DAYS) + 0.5 ** (12 / HALF_LIFE_DAYS)
    own = np.array([0, 0.5 ** (5 / HALF_LIFE_DAYS), own_tea])
    assert scores == pytest.approx(POPULARITY_WEIGHT * popularity + own, rel=1e-5)


def test_the_baseline_looks_at_nothing_after_its_moment(tmp_path: Path) -> None:
    index = index_from_events(EVENTS, tmp_path)
    early = int(index.manifest.first_us) + 1
    scorer = FrequencyScorer(index, CONFIG, default_rules(56), early, horizon_days=56)
    scores = scorer.score([index.history(0)], np.array([early]), np.array([255], np.uint8)).items[0]
    assert scores[:2].tolist() == [0, 0]  # bread and milk came later


def test_a_scorer_that_keeps_no_seen_items_ranks_only_new_ones(tmp_path: Path) -> None:
    shop = recommender(tmp_path)
    shop.scorer.keeps_seen = False  # type: ignore[misc]
    assert [item.item_id for item in shop.recommend(0, k=3).items] == ["bread"]  # ann had tea and milk


class TestOtherStageRules:
    def test_stages_are_matched_by_name_and_unknown_ones_are_not_yet_seen(self) -> None:
        codes = matching_codes(("new", "fan", "churned"), ("churned", "new"))
        assert codes[[0, 1, 2, UNSEEN]].tolist() == [1, UNSEEN, 0, UNSEEN]

    def test_a_scorer_is_told_its_own_codes(self, tmp_path: Path) -> None:
        shop = recommender(tmp_path)
        shop.scorer.stages = ("loyal", "churned", "at risk")  # type: ignore[misc]
        other = Recommender(shop.index, CONFIG, shop.rules, shop.scorer, shop.model, shop.catalogue)
        history, stage = shop.index.history(0), shop.rules.code("at risk")
        # The fake scores 0.25 x stage code: 2 is what it calls "at risk".
        assert other.score([history], [stage]).items[0, 0] - shop.score([history], [0]).items[0, 0] == 0.25 * 2

    def test_a_workspace_without_a_stage_called_new_still_ranks(self, tmp_path: Path) -> None:
        shop = recommender(tmp_path)
        rules = get_preset("education").rules.resolve(56)
        other = Recommender(shop.index, CONFIG, rules, shop.scorer, shop.model, shop.catalogue)
        nothing = shop.index.history(0).take(slice(0, 0))
        assert rules.name_of(other.stage_of(nothing, other.as_of_us)) == "not yet seen"
        assert len(other.recommend(0, k=3).items) == 3
        assert explain_user(other, other.recommend(0, k=1)).items[0].additivity_error < 1e-5

    def test_the_frequency_baseline_knows_the_rules_in_force(self, small_workspace: Workspace) -> None:
        before = Recommender.open(small_workspace)
        put_in_force(small_workspace, get_preset("growth").rules)
        after = Recommender.open(small_workspace)
        assert before.rules.stages == STAGES
        assert "at-risk WAU" in after.rules.stages
        assert after.scorer.stages == after.rules.stages
        assert after.recommend(0).stage_name in after.rules.stages
