"""A model trained and judged by a protocol that holds out the end of every user, beside the baselines.

The settings, the network and the training loop are those of a fine-tuning; only the question differs:
what comes *next*, instead of what is bought within a horizon. Nothing is promoted from here.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ulm_core.errors import UlmError
from ulm_core.lifecycle.stages import stages_at_times
from ulm_core.messages import N_
from ulm_core.model.histories import DAY_US, F32, I64
from ulm_core.model.text import TextFeatures
from ulm_core.timeline.index import TimelineIndex
from ulm_core.training.baselines import ranking_baselines
from ulm_core.training.batches import ChurnLabels, Examples, Targets, target_items
from ulm_core.training.config import FineTuneConfig
from ulm_core.training.finetune import REFIT_PEAK, VALIDATION_USERS
from ulm_core.training.judge import FOREVER, Judge, without
from ulm_core.training.learner import Learner, Material, Validation
from ulm_core.training.preparation import ItemTexts, Prepared, prepare
from ulm_core.training.progress import Progress, Silent
from ulm_core.training.protocols.examples import NextWhat, next_moments
from ulm_core.training.protocols.holdout import Holdout, HoldoutName, hold_out
from ulm_core.training.ranking import RankingMetrics
from ulm_core.training.split import Split, event_roles, repeats_matter
from ulm_core.workspace import WorkspaceConfig

#: Days between the moments at which item statistics are taken; an example uses the latest before it.
STATISTICS_DAYS = 7


@dataclass(frozen=True, eq=False)
class ProtocolReport:
    """What a protocol found.

    Attributes
    ----------
    model
        Metrics of the trained model per judged user.
    baselines
        Of each baseline, on the same users and items.
    best_step
        Step of the best validation.
    curve
        Losses and validation metrics by step.
    """

    model: RankingMetrics
    baselines: dict[str, RankingMetrics]
    best_step: int
    curve: list[dict[str, float]]


def evaluate_protocol(
    index: TimelineIndex,
    workspace_config: WorkspaceConfig,
    texts: ItemTexts,
    config: FineTuneConfig,
    name: HoldoutName,
    directory: Path,
    *,
    text_features: TextFeatures | None = None,
    device: torch.device | None = None,
    progress: Progress | None = None,
) -> ProtocolReport:
    """Train on everything but what is held out, choose the step on what is held out of *that*, judge once.

    Parameters
    ----------
    index
        The whole log.
    directory
        An empty folder; two indexes without held-out events are written into it.

    Raises
    ------
    UlmError
        When nobody has enough events.
    """
    progress, device = progress or Silent(), device or torch.device("cpu")
    roles = event_roles(index, workspace_config)
    test = hold_out(index, name, roles.purchase, directory / "test")
    validation = hold_out(test.train, name, roles.purchase, directory / "validation")
    if not len(test.users) or not len(validation.users):
        raise UlmError(N_("No user has a purchase early enough to learn from."), code="too_few_events")
    split = _split(test.train, workspace_config, config)
    ready = prepare(
        test.train, workspace_config, texts, config, progress, text_features=text_features, device=device, split=split
    )
    early = replace(ready, index=validation.train)
    total = config.max_steps + int(config.max_steps * config.refit_share)
    learner = Learner(early.index, split, config, ready.network, ready.builder, ready.source, progress, total)
    material = _material(early, name)
    learner.prime(material)
    state, best_step = learner.fit(material, config.max_steps, _Validator(early, validation, material.statistics))
    ready.network.load_state_dict(state)
    material = _material(ready, name)
    refit_steps = int(best_step * config.refit_share)
    if refit_steps:
        learner.index, learner.total_steps = ready.index, learner.done + refit_steps
        state, _ = learner.fit(material, refit_steps, None, peak=REFIT_PEAK)
        ready.network.load_state_dict(state)
    judge = _judge(ready, test)
    return ProtocolReport(
        model=_rank(ready, judge, material.statistics),
        baselines=ranking_baselines(ready.index, split, judge),
        best_step=best_step,
        curve=learner.curve,
    )


def _split(train: TimelineIndex, workspace_config: WorkspaceConfig, config: FineTuneConfig) -> Split:
    """Return the split in which the whole training log lies before the test."""
    roles = event_roles(train, workspace_config)
    end = train.manifest.last_us + 1
    return Split(
        roles=roles,
        first_us=train.manifest.first_us,
        validation_us=end,
        test_us=end,
        candidates=np.unique(train.item[roles.purchase[train.event] & (train.item >= 0)]),
        churn_days=config.churn_horizon_days or config.horizon_days,
        keeps_seen=repeats_matter(train, roles, end, config),
    )


def _grid(ready: Prepared) -> I64:
    step = STATISTICS_DAYS * DAY_US
    return np.arange(ready.split.first_us, ready.split.test_us + step, step, dtype=np.int64)


def _material(ready: Prepared, name: HoldoutName) -> Material:
    """Return every next basket (or event) of the log as an example."""
    what: NextWhat = "session" if name == "next-basket" else "event"
    warm_up = min(ready.config.warm_up_days * DAY_US, (ready.split.test_us - ready.split.first_us) // 4)
    users, at_us, until_us = next_moments(ready.index, ready.split.roles.purchase, what, ready.split.first_us + warm_up)
    if not len(users):
        raise UlmError(N_("No user has a purchase early enough to learn from."), code="too_few_events")
    stages = stages_at_times(ready.index, ready.rules, users, at_us, ready.workspace_config)
    grid = _grid(ready)
    times = np.searchsorted(grid, at_us, side="right") - 1
    return Material(Examples(users, times, at_us, until_us, stages), ready.statistics_at(grid), ready.split.test_us)


def _judge(ready: Prepared, holdout: Holdout) -> Judge:
    """Return the judge of what was held out; items the training log lacks cannot be asked for."""
    index, catalogue, split = ready.index, ready.builder.catalogue, ready.split
    columns = catalogue.position[holdout.items]
    rows = np.repeat(np.arange(len(holdout.users)), np.diff(holdout.offsets))[columns >= 0]
    counts = np.bincount(rows, minlength=len(holdout.users))
    relevant = Targets(np.concatenate([[0], np.cumsum(counts)]).astype(np.int64), columns[columns >= 0])
    never = np.full(len(holdout.users), -FOREVER, np.int64)
    seen = target_items(index, holdout.users, never, holdout.at_us, catalogue.position, split.roles.purchase)
    if not split.keeps_seen:
        relevant = without(relevant, seen, len(catalogue))
    judged = np.flatnonzero((relevant.counts > 0) & (seen.counts > 0))
    own = np.full(index.n_users, split.test_us, np.int64)
    own[holdout.users] = holdout.at_us
    users = holdout.users[judged]
    stages = np.zeros(index.n_users, np.uint8)
    stages[users] = stages_at_times(index, ready.rules, users, own[users], ready.workspace_config)
    nobody = np.empty(0, np.int64)
    judge = Judge(
        split.test_us, catalogue.position, len(catalogue), users, relevant.take(judged), seen.take(judged),
        nobody, ChurnLabels(np.empty(0, np.float32), np.empty(0, np.bool_)), stages, split.keeps_seen, own,
    )  # fmt: skip
    return judge.with_facts(index, split.roles.purchase, catalogue.category_of_item)


def _rank(ready: Prepared, judge: Judge, statistics: F32) -> RankingMetrics:
    """Return the metrics of the network's rankings, item statistics as of each user's own moment."""
    device = next(ready.network.parameters()).device
    known, grid = torch.from_numpy(statistics).to(device), _grid(ready)
    ready.network.eval()

    @torch.inference_mode()
    def score(users: I64) -> F32:
        histories = judge.histories(ready.index, users)
        times = np.searchsorted(grid, histories.at_us, side="right") - 1
        inputs = ready.builder.build(histories, judge.stages[users], times).to(device)
        found: Tensor = ready.network(inputs, known).items
        return np.asarray(found.float().cpu().numpy(), np.float32)

    return judge.rank(score)


class _Validator:
    """Judges the network on what was held out of the training log."""

    def __init__(self, ready: Prepared, holdout: Holdout, statistics: F32) -> None:
        self._ready, self._statistics = ready, statistics
        self._judge = _judge(ready, holdout).sample(VALIDATION_USERS, ready.config.seed)

    def __call__(self) -> Validation:
        """Return NDCG@10, the number that early stopping maximises."""
        found = _rank(self._ready, self._judge, self._statistics).summary()
        return Validation(found["ndcg10"], {"validation_ndcg10": found["ndcg10"]})
