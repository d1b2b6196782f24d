"""Fine-tuning from start to record: prepare, learn, refit, calibrate, judge, save."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import torch

from ulm_core.errors import UlmError
from ulm_core.lifecycle.rules import rules_in_force
from ulm_core.model.histories import F32, I64
from ulm_core.model.scorer import Calibration, Scorer
from ulm_core.settings import get_settings
from ulm_core.timeline.index import TimelineIndex
from ulm_core.training.artifact import ModelCard, Trained, pick_device, save
from ulm_core.training.baselines import best, churn_baselines, ranking_baselines
from ulm_core.training.churn_metrics import fit_platt
from ulm_core.training.comparing import judged_by, save_per_user
from ulm_core.training.config import FineTuneConfig
from ulm_core.training.judge import FOREVER, Judge
from ulm_core.training.learner import Learner, Validation
from ulm_core.training.preparation import ItemTexts, Prepared, prepare, text_features_for
from ulm_core.training.progress import Progress, Silent
from ulm_core.training.ranking import RankingMetrics, paired_difference
from ulm_core.training.runs import Comparison, RunRecord, RunStore, new_run_id
from ulm_core.workspace import Workspace

#: Users a validation ranks (a seeded sample): early stopping needs a steady number, not the exact one.
VALIDATION_USERS = 1000
#: Learning rate of the refit relative to the first fit: it adds a period, it does not start over.
REFIT_PEAK = 0.3


@dataclass
class Clock:
    """Wall seconds by part of the run."""

    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Add the time spent inside to `name`."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = round(self.seconds.get(name, 0.0) + time.perf_counter() - start, 3)


def fine_tune(workspace: Workspace, config: FineTuneConfig, progress: Progress | None = None) -> RunRecord:
    """Train a model on the workspace's log, judge it beside the baselines, and keep both.

    Parameters
    ----------
    workspace
        Its published version is trained on.
    config
        The settings.
    progress
        Told about every step; asked whether to stop. A stopped run keeps its best model so far and its
        record says *killed*.

    Raises
    ------
    UlmError
        When the log cannot be learnt from or the loss diverges; the record then says *failed*.
    """
    progress = progress or Silent()
    store = RunStore(workspace)
    index = TimelineIndex.open(workspace)
    record = store.save(
        RunRecord(
            run_id=new_run_id(),
            name=config.title,
            state="running",
            started_at=datetime.now(UTC),
            config=config,
            data_version=index.manifest.version,
        )
    )
    try:
        finished = _run(workspace, index, record, progress)
    except Exception as error:
        reason = str(error) if isinstance(error, UlmError) else f"{type(error).__name__}: {error}"
        store.save(record.model_copy(update={"state": "failed", "error": reason, "ended_at": datetime.now(UTC)}))
        raise
    store.save(finished)
    from ulm_core.training.tracking import track

    progress.log("Writing the run to MLflow")
    track(workspace, finished)
    progress.log(str(finished.verdict_message))
    return finished


def _run(workspace: Workspace, index: TimelineIndex, record: RunRecord, progress: Progress) -> RunRecord:
    config, clock = record.config, Clock()
    device = pick_device(config.device if config.device != "auto" else get_settings().device)
    torch.set_num_threads(training_threads())
    texts = ItemTexts.read(workspace, index)
    with clock.part("prepare"):
        features = text_features_for(workspace, config, device)
        ready = prepare(index, workspace.config, texts, config, progress, text_features=features, device=device)
    learned = learn(ready, progress, clock)
    with clock.part("save"):
        save(learned.trained, index, ready.categories, workspace.runs_dir / record.run_id / "model")
    update: dict[str, object] = {
        "state": "killed" if learned.was_stopped else "finished",
        "curve": learned.curve,
        "best_step": learned.best_step,
        "n_parameters": sum(p.numel() for p in ready.network.parameters()),
        "churn_days": ready.split.churn_days,
        "stage_rules": rules_in_force(ready.workspace_config),
        "data_from": _moment(ready.split.first_us),
        "data_cut": _moment(ready.split.test_us),
        "data_until": _moment(index.manifest.last_us),
    }
    if not learned.was_stopped:
        progress.log("Judging model and baselines on the test period")
        with clock.part("judge"):
            update |= judge(ready, learned.trained, workspace.runs_dir / record.run_id)
    return record.model_copy(update={**update, "seconds": clock.seconds, "ended_at": datetime.now(UTC)})


def training_threads() -> int:
    """Return threads for PyTorch: half the cores, at most the setting `threads`.

    The matrices are small, so a step meets many barriers, and threads that wait for a core somebody
    else uses cost more than they bring: measured on two busy cores, a step takes 0.4 s with one thread and
    3.5 s with two (docs/model.md).
    """
    return max(1, min(get_settings().threads, (os.cpu_count() or 2) // 2))


def _moment(us: int) -> datetime:
    return datetime.fromtimestamp(us / 1e6, UTC)


@dataclass(frozen=True, eq=False)
class Learned:
    """What training left: the model, its curve, and whether somebody stopped it."""

    trained: Trained
    curve: list[dict[str, float]]
    best_step: int
    was_stopped: bool


def learn(ready: Prepared, progress: Progress, clock: Clock) -> Learned:
    """Train with early stopping on the validation period, then let the period itself be learnt from."""
    config, split = ready.config, ready.split
    refit_steps = int(config.max_steps * config.refit_share)
    learner = Learner(
        ready.index, split, config, ready.network, ready.builder, ready.source, progress,
        config.max_steps + refit_steps,
    )  # fmt: skip
    with clock.part("prepare"):
        material = ready.material(split.validation_us)
        learner.prime(material)
        validator = Validator(ready)
    progress.log(f"Learning from {len(material.examples)} examples of {ready.index.n_users} users")
    with clock.part("train"):
        state, best_step = learner.fit(material, config.max_steps, validator)
        ready.network.load_state_dict(state)
    calibration = validator.calibrate()
    refit_steps = int(best_step * config.refit_share)
    if refit_steps and not learner.was_stopped:
        progress.log(f"Best validation at step {best_step}; {refit_steps} steps with the validation period")
        learner.total_steps = learner.done + refit_steps
        with clock.part("refit"):
            state, _ = learner.fit(ready.material(split.test_us), refit_steps, None, peak=REFIT_PEAK)
            ready.network.load_state_dict(state)
    ready.source.refresh(progress)
    return Learned(_trained(ready, calibration), learner.curve, best_step, learner.was_stopped)


class Validator:
    """Judges the network at the validation cut; what it finds steers early stopping and calibration."""

    def __init__(self, ready: Prepared) -> None:
        self._ready = ready
        split, index = ready.split, ready.index
        self._statistics = ready.statistics_at([split.validation_us])[0]
        stages = ready.stages_at(np.array([split.validation_us]))[:, 0]
        full = Judge.at(index, split, split.validation_us, split.test_us, ready.catalogue.items, stages)
        self._judge = full.sample(VALIDATION_USERS, ready.config.seed)

    def __call__(self) -> Validation:
        """Return the objective (NDCG@10 and churn AUC, weighted as the loss) and the metrics."""
        config = self._ready.config
        scorer = self._scorer()
        ndcg = rank_with(scorer, self._ready, self._judge).summary()["ndcg10"]
        churn = self._judge.churn_metrics(self._logits(scorer))["churn_auc"]
        parts = [(config.beta, ndcg), (config.alpha, churn)]
        known = [(weight, value) for weight, value in parts if weight > 0 and np.isfinite(value)]
        objective = sum(weight * value for weight, value in known) / max(sum(weight for weight, _ in known), 1e-9)
        return Validation(float(objective), {"validation_ndcg10": ndcg, "validation_churn_auc": churn})

    def calibrate(self) -> Calibration:
        """Return Platt scaling of the churn logit on the validation period."""
        known = self._judge.churn.known
        return fit_platt(self._judge.churn.churned[known], self._logits(self._scorer())[known])

    def _scorer(self) -> Scorer:
        return Scorer(self._ready.network, self._ready.builder, self._statistics)

    def _logits(self, scorer: Scorer) -> F32:
        histories = self._judge.histories(self._ready.index, self._judge.churn_users)
        return scorer.churn_logits(histories, self._judge.stages[self._judge.churn_users])


def rank_with(scorer: Scorer, ready: Prepared, judge: Judge) -> RankingMetrics:
    """Return the metrics of a model's rankings; judged items it does not know are ranked last."""
    columns = judge.position[scorer.catalogue]
    inside = columns >= 0

    def score(users: I64) -> F32:
        found = scorer.score_rows(judge.histories(ready.index, users), judge.stages[users]).items
        out = np.full((len(users), judge.n_items), -np.inf, np.float32)
        out[:, columns[inside]] = found[:, inside]
        return out

    return judge.rank(score)


def judge(ready: Prepared, trained: Trained, directory: Path) -> dict[str, object]:
    """Return the test part of the record: model and baselines on the same users, items and cut.

    Each user's own metrics are kept in `directory`, so that runs can be compared with each other later.
    """
    split, index = ready.split, ready.index
    stages = ready.stages_at(np.array([split.test_us]))[:, 0]
    test = Judge.at(index, split, split.test_us, FOREVER, split.candidates, stages)
    test = test.with_facts(index, split.roles.purchase, ready.builder.catalogue.category_of_item)
    calibration = Calibration(*trained.card.calibration)
    scorer = Scorer(trained.network, trained.builder, trained.statistics["test"], calibration)
    ours = rank_with(scorer, ready, test)
    logits = scorer.churn_logits(test.histories(index, test.churn_users), stages[test.churn_users])
    churn = test.churn_metrics(logits, scorer.churn_probability(logits))
    others = ranking_baselines(index, split, test)
    baselines = {name: found.summary() for name, found in others.items()}
    strongest = best(others)
    difference = paired_difference(ours.ndcg, others[strongest].ndcg)
    save_per_user(directory, test, ours)
    return {
        "judged_by": judged_by(test),
        "metrics": {**ours.summary(), **churn},
        "baselines": {**baselines, **churn_baselines(index, split, test, ready.stages_at)},
        "stages": test.by_stage(ours, ready.rules),
        "baseline_stages": test.by_stage(others[strongest], ready.rules),
        "comparison": Comparison(baseline=strongest, mean=difference.mean, low=difference.low, high=difference.high),
    }


def _trained(ready: Prepared, calibration: Calibration) -> Trained:
    split, names = ready.split, ready.index.manifest.event_names
    at = np.array([split.test_us, ready.index.manifest.last_us + 1])
    statistics = ready.statistics_at(at)
    card = ModelCard(
        spec=ready.network.spec,
        event_names=names,
        purchase_events=tuple(name for name, used in zip(names, split.roles.purchase, strict=True) if used),
        active_events=tuple(name for name, used in zip(names, split.roles.active, strict=True) if used),
        horizon_days=ready.config.horizon_days,
        churn_days=split.churn_days,
        calibration=(calibration.slope, calibration.offset),
        stages=ready.rules.stages if ready.config.use_stages else (),
    )
    return Trained(
        network=ready.network,
        builder=ready.builder,
        text=ready.network.vectors.text.detach().cpu().numpy(),
        text_row=ready.text_row,
        statistics={"test": statistics[0], "serving": statistics[1]},
        card=card,
        adapter=ready.source.adapter(),
    )
