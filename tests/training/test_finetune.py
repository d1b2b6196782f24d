from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.training.conftest import DAYS, START, TINY, load, shop_events
from ulm_core.errors import UlmError
from ulm_core.model.histories import Histories
from ulm_core.model.names import TOWERS
from ulm_core.timeline.index import TimelineIndex
from ulm_core.training import tracking
from ulm_core.training.artifact import load_scorer
from ulm_core.training.finetune import fine_tune
from ulm_core.training.progress import Silent
from ulm_core.training.runs import RunRecord, RunStore
from ulm_core.workspace import Workspace

LOSSES = Path(__file__).parent / "losses.json"


@pytest.fixture(autouse=True)
def _no_mlflow(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """MLflow takes seconds a run; one test looks at it."""
    if "mlflow" not in request.node.name:
        monkeypatch.setattr(tracking, "_track", lambda workspace, record: None)
        monkeypatch.setattr(tracking, "_mirror", lambda workspace, record: None)


@pytest.fixture(scope="module")
def run(shop: Workspace) -> RunRecord:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tracking, "_track", lambda workspace, record: None)
        return fine_tune(shop, TINY)


def test_the_run_is_judged_beside_the_baselines_on_the_same_users(run: RunRecord) -> None:
    assert run.state == "finished"
    assert run.comparison is not None
    assert {row["users"] for row in (run.metrics, run.baselines["popularity"])} == {run.metrics["users"]}
    assert set(run.baselines) == {
        "popularity", "popularity_30d", "personal_frequency", "personal_frequency_90d",
        "tifu_knn", "item_knn", "ease", "sessions_56d", "logistic_regression",
    }  # fmt: skip
    assert run.metrics["ndcg10"] > run.baselines["popularity"]["ndcg10"]
    assert 0 <= run.metrics["churn_brier"] <= 1
    assert str(run.verdict_message)


def test_losses_are_those_recorded(run: RunRecord) -> None:
    """A change that should not alter results must not move these; one that should rewrites the file."""
    found = [round(point["loss"], 4) for point in run.curve]
    if not LOSSES.exists():
        LOSSES.write_text(json.dumps(found))
    np.testing.assert_allclose(found, json.loads(LOSSES.read_text()), rtol=5e-3)
    assert np.mean(found[-5:]) < np.mean(found[:5])


def test_saved_and_loaded_scores_are_equal_and_do_not_depend_on_the_batch(shop: Workspace, run: RunRecord) -> None:
    index = TimelineIndex.open(shop)
    scorer, again = load_scorer(shop, run), load_scorer(shop, run)
    users = np.arange(index.n_users)
    at = np.full(len(users), index.manifest.last_us + 1, np.int64)
    stages = np.zeros(len(users), np.uint8)
    together = scorer.score_rows(Histories.from_index(index, users, at), stages)
    np.testing.assert_array_equal(
        together.items, again.score_rows(Histories.from_index(index, users, at), stages).items
    )
    for user in (0, 7, 59):
        alone = scorer.score([index.history(user)], at[:1], stages[:1])
        np.testing.assert_allclose(alone.items[0], together.items[user], atol=2e-5)
        np.testing.assert_allclose(alone.churn[0], together.churn[user], atol=2e-6)
    assert ((together.churn >= 0) & (together.churn <= 1)).all()


def test_an_edited_history_is_scored_as_if_it_had_been_so(shop: Workspace, run: RunRecord) -> None:
    index, scorer = TimelineIndex.open(shop), load_scorer(shop, run)
    at = np.array([index.manifest.last_us + 1])
    whole = index.history(3)
    item = int(np.bincount(whole.item[whole.item >= 0]).argmax())
    without = whole.take(whole.item != item)
    stage = np.zeros(1, np.uint8)
    column = int(np.flatnonzero(scorer.catalogue == item)[0])
    assert scorer.score([without], at, stage).items[0, column] < scorer.score([whole], at, stage).items[0, column]
    assert np.isfinite(scorer.score([whole.take(slice(0, 0))], at, stage).items).all()


def test_what_happens_after_the_cut_changes_nothing_that_is_learnt(tmp_path: Path, run: RunRecord) -> None:
    """A planted leak: after the cut everybody buys one item. No loss, weight or score may notice."""
    events = shop_events()
    cut = pd.Timestamp(run.data_cut).tz_localize(None)  # type: ignore[arg-type]
    leaked = events.copy()
    late = (leaked.time >= cut) & (leaked.event == "purchase") & (leaked.time < START + pd.Timedelta(days=DAYS - 10))
    leaked.loc[late, ["item", "value"]] = ["i23", 999.0]
    config = TINY.model_copy(update={"max_steps": 10, "evaluate_every": 5})
    here, there = (load(Workspace(tmp_path / name), log) for name, log in (("a", events), ("b", leaked)))
    ours, theirs = fine_tune(here, config), fine_tune(there, config)
    assert ours.data_cut == theirs.data_cut
    assert ours.curve == theirs.curve
    weights = [
        (ws.runs_dir / r.run_id / "model" / "weights.safetensors").read_bytes()
        for ws, r in ((here, ours), (there, theirs))
    ]
    assert weights[0] == weights[1]
    assert ours.metrics["ndcg10"] != theirs.metrics["ndcg10"]  # the test itself does see it


@pytest.mark.parametrize("tower", TOWERS)
def test_every_tower_trains(shop: Workspace, tower: str) -> None:
    config = TINY.model_copy(update={"tower": tower, "max_steps": 3, "evaluate_every": 3, "blocks": 1})
    assert math.isfinite(fine_tune(shop, config).metrics["ndcg10"])


def test_a_stopped_run_keeps_its_model_and_says_so(shop: Workspace) -> None:
    class Impatient(Silent):
        steps = 0

        def report(self, step: int, total: int, **metrics: float) -> None:
            self.steps = step

        def should_stop(self) -> bool:
            return self.steps >= 4

    record = fine_tune(shop, TINY, Impatient())
    assert record.state == "killed"
    assert len(record.curve) == 4
    assert load_scorer(shop, record).catalogue.size > 0
    assert record.verdict == "unknown"


def test_a_diverging_run_fails_with_a_sentence(shop: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ulm_core.training.learner.churn_loss", lambda *args: args[0].sum() * float("nan"))
    with pytest.raises(UlmError, match="no longer a number"):
        fine_tune(shop, TINY)
    assert RunStore(shop).list()[0].state == "failed"


def test_lora_learns_and_saves_only_its_adapter(shop: Workspace) -> None:
    config = TINY.model_copy(
        update={
            "text_mode": "lora",
            "max_steps": 3,
            "evaluate_every": 3,
            "lora_texts": 4,
            "lora_rank": 2,
            "batch_size": 400,
        }
    )
    record = fine_tune(shop, config)
    from safetensors.torch import load_file

    folder = shop.runs_dir / record.run_id / "model"
    adapter = load_file(folder / "adapter.safetensors")
    assert adapter
    assert all("lora" in name for name in adapter)
    assert any(bool(value.abs().sum() > 0) for name, value in adapter.items() if "lora_B" in name)  # B starts at 0
    assert (folder / "adapter.safetensors").stat().st_size < 1_000_000
    assert np.isfinite(load_scorer(shop, record)._statistics.numpy()).all()


def test_promotion(shop: Workspace, run: RunRecord) -> None:
    store = RunStore(shop)
    assert store.promote(run.run_id) == run
    assert store.promoted() == run
    assert run.run_id in [known.run_id for known in store.list()]
    with pytest.raises(UlmError, match="There is no run"):
        store.promote("nothing")


@pytest.mark.slow
def test_mlflow_has_the_run_and_the_alias(shop: Workspace, run: RunRecord, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    tracking._track(shop, run)
    tracking._mirror(shop, run)
    client = tracking._client(shop)
    version = client.get_model_version_by_alias(tracking.REGISTERED, tracking.ALIAS)
    assert version.tags["ulm.run_id"] == run.run_id
    found = client.search_runs([client.get_experiment_by_name(tracking.EXPERIMENT).experiment_id])
    assert found[0].data.metrics["test.ndcg10"] == pytest.approx(run.metrics["ndcg10"])


def test_too_short_a_log_is_refused_with_advice(shop: Workspace) -> None:
    with pytest.raises(UlmError, match="too short"):
        fine_tune(shop, TINY.model_copy(update={"horizon_days": 365}))
    with pytest.raises(UlmError, match="min_item_users"):
        fine_tune(shop, TINY.model_copy(update={"min_item_users": 1000}))
