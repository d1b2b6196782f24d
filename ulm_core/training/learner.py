"""The training loop: steps, validation, early stopping. Knows nothing of files or runs."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn

from ulm_core.errors import UlmError
from ulm_core.messages import N_
from ulm_core.model.catalogue import ITEM_STATISTICS
from ulm_core.model.histories import F32, I64, Histories
from ulm_core.model.inputs import InputBuilder
from ulm_core.model.losses import churn_loss
from ulm_core.model.network import Network
from ulm_core.model.objective import Objective
from ulm_core.timeline.index import TimelineIndex
from ulm_core.training.batches import Examples, churn_labels, shuffled, target_items
from ulm_core.training.config import FineTuneConfig
from ulm_core.training.progress import Progress
from ulm_core.training.split import Split
from ulm_core.training.text_source import TextSource

#: Parts of the network that carry item and sequence vectors; the rest are small nets over features.
_TOWER_PARTS = ("vectors", "event", "numbers", "token_norm", "tower", "film", "memory_map")
_POPULARITY = ITEM_STATISTICS.index("popularity_rate")

State = dict[str, Tensor]


@dataclass(frozen=True, eq=False)
class Material:
    """What is learnt from: examples whose windows end at `boundary_us`.

    Attributes
    ----------
    examples
        Users at moments.
    statistics
        float32[n_times, n_items, n_statistics] at the examples' moments.
    boundary_us
        Nothing at or after it is looked at.
    """

    examples: Examples
    statistics: F32
    boundary_us: int


@dataclass(frozen=True)
class Validation:
    """What a validation found: the number to maximise and the metrics behind it."""

    objective: float
    metrics: dict[str, float]


class Learner:
    """Trains one network.

    Parameters
    ----------
    index, split, config
        The log, how it is cut, and the settings.
    network, builder
        What is trained and how its inputs are built.
    text
        Gives item text features for a step.
    progress
        Told about every step.
    total_steps
        Steps of the whole run, for the progress.
    """

    def __init__(
        self,
        index: TimelineIndex,
        split: Split,
        config: FineTuneConfig,
        network: Network,
        builder: InputBuilder,
        text: TextSource,
        progress: Progress,
        total_steps: int,
    ) -> None:
        self.index, self.split, self.config = index, split, config
        self.network, self.builder, self.text, self.progress = network, builder, text, progress
        self.device = next(network.parameters()).device
        self.total_steps = total_steps
        self.objective = _objective(network, split, config)
        self.done = 0
        self.was_stopped = False
        self.curve: list[dict[str, float]] = []

    def prime(self, material: Material, rows: int = 512) -> None:
        """Fit the network's standardisations on a seeded sample of the training examples."""
        rng = np.random.default_rng(self.config.seed)
        chosen = rng.choice(len(material.examples), min(rows, len(material.examples)), replace=False)
        part = material.examples.take(np.sort(chosen))
        inputs = self.builder.build(self._histories(part), part.stages, part.times).to(self.device)
        self.network.pair_norm.fit(inputs.items.features)
        self.network.user_norm.fit(inputs.tabular)
        self.network.statistic_norm.fit(torch.from_numpy(material.statistics).flatten(0, 1).to(self.device))

    def fit(
        self,
        material: Material,
        steps: int,
        validate: Callable[[], Validation] | None,
        peak: float = 1.0,
    ) -> tuple[State, int]:
        """Train for up to `steps` steps; return the best state and the step it was reached at.

        Without `validate` the last state is returned. Stops early when validation has not improved for
        `patience` rounds, or when the user asks to; the best state so far is returned then too.

        Raises
        ------
        UlmError
            When the loss is no number.
        """
        optimizer = make_optimizer(self.network, self.config, peak, self.text.parameters())
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: rate_factor(step, steps))
        rng = np.random.default_rng(self.config.seed + 1)
        statistics = torch.from_numpy(material.statistics).to(self.device)
        self.objective = replace(self.objective, popularity=torch.expm1(statistics[-1, :, _POPULARITY]))
        best, best_step, best_objective, waited = _snapshot(self.network), 0, -math.inf, 0
        batches = self._epochs(material, rng)
        for step in range(1, steps + 1):
            losses = self._step(material, statistics, next(batches), optimizer)
            schedule.step()
            self.done += 1
            if validate is not None and (step % self.config.evaluate_every == 0 or step == steps):
                found = validate()
                losses = {**losses, **found.metrics}
                is_better = found.objective > best_objective
                waited = 0 if is_better else waited + 1
                if is_better:
                    best, best_step, best_objective = _snapshot(self.network), step, found.objective
            self._tell(losses)
            if self.progress.should_stop():
                self.was_stopped = True
            if self.was_stopped or waited >= self.config.patience:
                break
        if validate is None:
            return _snapshot(self.network), step
        return best, best_step

    def _epochs(self, material: Material, rng: np.random.Generator) -> Iterator[Examples]:
        size, seen = self.config.batch_size, 0
        for chosen in shuffled(len(material.examples), size, rng):
            if seen >= len(material.examples):  # an epoch is over
                self.text.refresh(self.progress)
                seen = 0
            seen += len(chosen)
            yield material.examples.take(chosen)

    def _tell(self, losses: dict[str, float]) -> None:
        self.curve.append({"step": float(self.done), **losses})
        self.progress.report(self.done, self.total_steps, **losses)

    def _histories(self, part: Examples) -> Histories:
        return Histories.from_index(self.index, part.users, part.at_us)

    def _step(
        self, material: Material, statistics: Tensor, part: Examples, optimizer: torch.optim.Optimizer
    ) -> dict[str, float]:
        """Take one optimiser step; return the losses."""
        config, roles = self.config, self.split.roles
        inputs = self.builder.build(self._histories(part), part.stages, part.times).to(self.device)
        bought = target_items(
            self.index, part.users, part.at_us, part.until_us, self.builder.catalogue.position, roles.purchase
        )
        labels = churn_labels(
            self.index, part.users, part.at_us, self.split.churn_days, material.boundary_us, roles.active
        )
        rows, columns = self._tensor(bought.rows), self._tensor(bought.columns.astype(np.int64))
        self.network.train()
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.device.type == "cuda"):
            reading = self.network.read(inputs, statistics, self.text.for_step(inputs.item, columns))
            recommend = self.objective(self.network, reading, rows, columns)
        churn = churn_loss(reading.churn, self._tensor(labels.churned), self._tensor(labels.known))
        loss = config.alpha * churn + config.beta * recommend
        if not torch.isfinite(loss):
            raise UlmError(
                N_("The loss is no longer a number at step {step}. Lower the learning rate ({rate}) and try again."),
                code="diverged",
                step=self.done + 1,
                rate=config.learning_rate,
            )
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        trained = [p for group in optimizer.param_groups for p in group["params"]]
        nn.utils.clip_grad_norm_(trained, config.gradient_clip)
        optimizer.step()
        return {"loss": loss.item(), "loss_recommendation": recommend.item(), "loss_churn": churn.item()}

    def _tensor(self, values: np.ndarray | I64) -> Tensor:
        return torch.from_numpy(values).to(self.device)


def _objective(network: Network, split: Split, config: FineTuneConfig) -> Objective:
    device = next(network.parameters()).device
    return Objective(
        loss=config.recommendation_loss,
        keeps_seen=split.keeps_seen,
        negatives=config.negatives,
        popularity=torch.zeros(network.spec.n_items, device=device),
        generator=torch.Generator(device).manual_seed(config.seed),
    )


def rate_factor(step: int, steps: int, warm_up: float = 0.1) -> float:
    """Return the learning rate at `step` as a share of its peak: linear warm-up, then a cosine to 2%."""
    rising = max(1, int(steps * warm_up))
    if step < rising:
        return (step + 1) / rising
    done = (step - rising) / max(1, steps - rising)
    return 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * min(done, 1.0)))


def make_optimizer(
    network: Network, config: FineTuneConfig, peak: float = 1.0, extra: Sequence[nn.Parameter] = ()
) -> torch.optim.Optimizer:
    """Return the optimiser: the small nets learn faster than tower and vectors; biases do not decay.

    Parameters
    ----------
    peak
        Factor on every learning rate.
    extra
        Parameters outside the network (LoRA matrices of the text encoder).
    """
    groups: dict[tuple[bool, bool], list[nn.Parameter]] = {}
    for name, parameter in network.named_parameters():
        if parameter.requires_grad:
            key = (name.split(".")[0] in _TOWER_PARTS, parameter.ndim > 1)
            groups.setdefault(key, []).append(parameter)
    rate = config.learning_rate * peak
    settings = [
        {
            "params": parameters,
            "lr": rate if is_tower else rate * config.head_rate_factor,
            "weight_decay": config.weight_decay if decays else 0.0,
        }
        for (is_tower, decays), parameters in groups.items()
    ]
    if extra:
        settings.append({"params": list(extra), "lr": rate, "weight_decay": 0.0})
    if config.optimizer == "sgd":
        return torch.optim.SGD(settings, lr=rate, momentum=0.9)
    return (torch.optim.AdamW if config.optimizer == "adamw" else torch.optim.Adam)(settings, lr=rate)


def _snapshot(network: Network) -> State:
    return {name: value.detach().clone() for name, value in network.state_dict().items()}
