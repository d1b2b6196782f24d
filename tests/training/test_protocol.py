"""The protocol reproduces the project's published baselines on the real sample."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime

import numpy as np
import pytest

from ulm_core.lifecycle.rules import DEFAULT_RULES, default_rules
from ulm_core.lifecycle.stage_presets import get_preset
from ulm_core.lifecycle.stages import assign_stages
from ulm_core.timeline.index import TimelineIndex
from ulm_core.training.baselines import churn_baselines, ranking_baselines
from ulm_core.training.config import FineTuneConfig
from ulm_core.training.judge import FOREVER, Judge
from ulm_core.training.runs import RunRecord
from ulm_core.training.split import make_split
from ulm_core.workspace import Workspace


@pytest.mark.slow
def test_test_set_and_baselines_are_the_published_ones(journey: Workspace) -> None:
    index, config = TimelineIndex.open(journey), journey.config
    split = make_split(index, config, FineTuneConfig())
    rules = default_rules(split.churn_days)
    stages = assign_stages(index, rules, [split.test_us], config)[:, 0]
    judge = Judge.at(index, split, split.test_us, FOREVER, split.candidates, stages)
    users, items = (
        index.user_ids[judge.users[judge.relevant.rows]],
        index.item_ids[split.candidates[judge.relevant.columns]],
    )
    keys = sorted(f"{user} {item}" for user, item in zip(users, items, strict=True))
    assert (len(keys), hashlib.sha256("\n".join(keys).encode()).hexdigest()[:16]) == (198_553, "0bc10e4bda271c7c")
    found = {name: metrics.summary() for name, metrics in ranking_baselines(index, split, judge).items()}
    assert {name: round(row["ndcg10"], 3) for name, row in found.items()} == {
        "popularity": 0.271, "popularity_30d": 0.275, "personal_frequency": 0.515, "personal_frequency_90d": 0.518,
        "tifu_knn": 0.524,  # BASELINES: .525, ties broken otherwise
    }  # fmt: skip
    assert round(found["personal_frequency"]["recall10"], 4) == 0.0798
    churn = churn_baselines(index, split, judge, lambda at: assign_stages(index, rules, at, config))
    assert split.churn_days == 56
    assert 0.82 < churn["sessions_56d"]["churn_auc"] < 0.85
    assert np.isclose(churn["logistic_regression"]["churn_auc"], 0.8485, atol=0.005)


def test_a_run_knows_whether_its_stages_still_mean_the_same():
    run = RunRecord(run_id="r", name="r", state="finished", started_at=datetime.now(UTC), config=FineTuneConfig())
    growth = get_preset("growth").rules
    assert not run.has_other_stages(DEFAULT_RULES)  # runs from before rules could be edited had the default ones
    assert run.has_other_stages(growth)
    assert not run.model_copy(update={"stage_rules": growth}).has_other_stages(growth)
    without = run.model_copy(update={"config": FineTuneConfig(use_stages=False)})
    assert not without.has_other_stages(growth)
