from __future__ import annotations

from datetime import UTC, datetime

from ulm_core.training.card import model_card
from ulm_core.training.config import FineTuneConfig
from ulm_core.training.runs import Comparison, RunRecord

NOW = datetime(2026, 1, 2, tzinfo=UTC)


def test_the_card_says_what_was_found_and_what_was_set() -> None:
    run = RunRecord(
        run_id="r1", name="Try", state="finished", started_at=NOW, config=FineTuneConfig(tower="cnn"), data_cut=NOW,
        metrics={"ndcg10": 0.5, "users": 1200.0}, baselines={"popularity": {"ndcg10": 0.25}},
        comparison=Comparison(baseline="popularity", mean=0.25, low=0.2, high=0.3), n_parameters=1234,
    )  # fmt: skip
    card = model_card(run)
    assert "| Try | 0.5000 |" in card
    assert "| popularity | 0.2500 |" in card
    assert "- tower: cnn (default transformer)" in card
    assert "Beats the best baseline (popularity) by +0.250" in card
    assert "1,200 users" in card
    assert "test cut 2026-01-02" in card


def test_an_unfinished_run_has_a_card_too() -> None:
    run = RunRecord(run_id="r1", name="Try", state="killed", started_at=NOW, config=FineTuneConfig())
    assert "- none" in model_card(run)
