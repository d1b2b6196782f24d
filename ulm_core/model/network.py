"""The network: what a user is about to buy, and whether they are about to leave.

Each item's logit is ``base + repeat`` where the user had the item before, ``base + explore`` where not:
repeats are won by counting (a small net over personal repeat features), novelty by a user vector (a
tower over the last events and a memory over everything bought) against item vectors made of text.
Letting the user vector speak about repeats too lowered NDCG@10 on the sample (docs/model.md).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn
from torch.nn import functional

from ulm_core.model.catalogue import N_STATISTICS
from ulm_core.model.inputs import Inputs, Pairs
from ulm_core.model.names import TowerName
from ulm_core.model.repeat import N_REPEAT
from ulm_core.model.sequences import TOKEN_NUMBERS
from ulm_core.model.towers import make_tower

NUMBERS = len(TOKEN_NUMBERS)
#: Where training starts: an item is bought by about one user in 400 within the horizon.
START_LOGIT = -6.0


class ModelSpec(BaseModel):
    """Everything that fixes the network's shape; stored beside its weights."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    tower: TowerName = "transformer"
    width: int = 64
    blocks: int = 2
    length: int = 64
    dropout: float = 0.1
    id_dropout: float = 0.3
    use_ids: bool = True
    use_repeats: bool = True
    n_items: int
    n_categories: int
    n_events: int
    n_stages: int
    n_tabular: int
    text_width: int = 0
    hidden: int = Field(64, description="Width of the repeat nets and of the churn head.")


class Output(NamedTuple):
    """Logits of buying each item, float[n, n_items], and of churning, float[n]."""

    items: Tensor
    churn: Tensor


class Reading(NamedTuple):
    """What the network knows of n histories before any item is asked for.

    Attributes
    ----------
    x, statistics
        The inputs.
    vectors
        float[n_items, width].
    user
        float[n, width], what is compared with item vectors.
    habits
        float[n, n_categories].
    again
        float[n_pairs], one number for each item a user had; None where items do not come back.
    churn
        float[n], logit of churning.
    """

    x: Inputs
    statistics: Tensor
    vectors: Tensor
    user: Tensor
    habits: Tensor
    again: Tensor | None
    churn: Tensor


class Standardise(nn.Module):
    """Subtract a stored mean, divide by a stored deviation: the same for a row in any batch."""

    mean: Tensor
    scale: Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("scale", torch.ones(width))

    def fit(self, sample: Tensor) -> None:
        """Take mean and deviation from rows of the training data."""
        if len(sample):
            self.mean.copy_(sample.mean(0))
            self.scale.copy_(sample.std(0, correction=0).clamp(min=1e-3))

    def forward(self, x: Tensor) -> Tensor:
        """Return the standardised rows, outliers cut at 8 deviations."""
        return ((x - self.mean) / self.scale).clamp(-8, 8)


class StagedNet(nn.Module):
    """A small net over features, its first layer modulated by the lifecycle stage (FiLM)."""

    def __init__(self, n_features: int, hidden: int, n_out: int, n_stages: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(n_features, hidden), nn.Linear(hidden, hidden)
        self.film = nn.Embedding(n_stages + 1, 2 * hidden)
        self.out = nn.Linear(hidden, n_out)
        self.drop = nn.Dropout(dropout)
        nn.init.zeros_(self.film.weight)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def forward(self, x: Tensor, stage: Tensor) -> Tensor:
        """Return [n, n_out] for features [n, n_features] and stage codes [n]."""
        scale, shift = self.film(stage).chunk(2, dim=-1)
        hidden = functional.gelu(self.first(x) * (1 + scale) + shift)
        out: Tensor = self.out(self.drop(functional.gelu(self.second(hidden))))
        return out


class ItemVectors(nn.Module):
    """Item vector = projected text + id embedding; the id starts at zero and is often dropped.

    So an item's text must carry it first, and an item without an id is its text.
    """

    text: Tensor
    text_row: Tensor

    def __init__(self, spec: ModelSpec, text: Tensor, text_row: Tensor) -> None:
        super().__init__()
        self.register_buffer("text", text, persistent=False)
        self.register_buffer("text_row", text_row, persistent=False)
        self.project = nn.Linear(spec.text_width, spec.width) if spec.text_width else None
        self.ids = nn.Embedding(spec.n_items, spec.width) if spec.use_ids else None
        self.id_dropout = spec.id_dropout
        if self.ids is not None:
            # Without text a zero start would never move: both sides of the product would be zero.
            nn.init.normal_(self.ids.weight, std=0.0 if spec.text_width else 0.05)

    def forward(self, text: Tensor | None = None) -> Tensor:
        """Return float[n_items, width]; `text` replaces the stored text features (LoRA)."""
        parts: list[Tensor] = []
        if self.project is not None:
            parts.append(self.project(self.text if text is None else text)[self.text_row])
        if self.ids is not None:
            keep = torch.rand(len(self.ids.weight), 1, device=self.ids.weight.device) >= self.id_dropout
            parts.append(self.ids.weight * keep if self.training else self.ids.weight)
        return torch.stack(parts).sum(0)


class Network(nn.Module):
    """The whole model; see the module's docstring and docs/model.md.

    Parameters
    ----------
    spec
        Shapes.
    text, text_row
        float[n_texts, text_width] frozen text features and int64[n_items] rows into them.
    category
        int64[n_items], category code per catalogue position.
    """

    category: Tensor

    def __init__(self, spec: ModelSpec, text: Tensor, text_row: Tensor, category: Tensor) -> None:
        super().__init__()
        self.spec = spec
        width, hidden, stages = spec.width, spec.hidden, spec.n_stages
        self.register_buffer("category", category, persistent=False)
        self.vectors = ItemVectors(spec, text, text_row)
        self.event = nn.Embedding(spec.n_events + 1, width, padding_idx=0)
        self.numbers = nn.Linear(NUMBERS, width)
        self.token_norm, self.token_drop = nn.LayerNorm(width), nn.Dropout(spec.dropout)
        self.tower = make_tower(
            spec.tower, width, dropout=spec.dropout, blocks=spec.blocks, longest=max(spec.length, 1)
        )
        self.film = nn.Embedding(stages + 1, 2 * width)
        nn.init.zeros_(self.film.weight)
        self.pair_norm, self.user_norm = Standardise(N_REPEAT), Standardise(spec.n_tabular)
        self.statistic_norm = Standardise(N_STATISTICS)
        self.base = nn.Linear(N_STATISTICS, 1)
        nn.init.zeros_(self.base.weight)
        nn.init.constant_(self.base.bias, START_LOGIT)
        self.repeat = StagedNet(N_REPEAT + N_STATISTICS, hidden, 1, stages)
        self.affinity = StagedNet(N_REPEAT, hidden, 1, stages)
        self.memory = StagedNet(N_REPEAT, 16, 1, stages)
        self.memory_map = nn.Sequential(nn.LayerNorm(width), nn.Dropout(spec.dropout), nn.Linear(width, width))
        self.temperature = nn.Parameter(torch.tensor(0.3))
        self.churn_linear = nn.Linear(spec.n_tabular, 1)
        self.churn_tower = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, 8), nn.Tanh(), nn.Dropout(spec.dropout))
        self.churn = StagedNet(spec.n_tabular + 8, hidden, 1, stages, dropout=0.3)
        nn.init.zeros_(self.churn_linear.weight)

    def forward(self, x: Inputs, statistics: Tensor, text: Tensor | None = None) -> Output:
        """Return the logits of every item and of churning.

        Parameters
        ----------
        x
            The batch.
        statistics
            float[n_times, n_items, N_STATISTICS]; row ``x.time[k]`` holds for history k.
        text
            Text features with gradient, instead of the frozen ones.
        """
        reading = self.read(x, statistics, text)
        return Output(self.score(reading), reading.churn)

    def read(self, x: Inputs, statistics: Tensor, text: Tensor | None = None) -> Reading:
        """Return what is known of each history before any item is asked for; parameters as in `forward`."""
        vectors = self.vectors(text)
        sequence = self._sequence(x, vectors)
        pairs = self.pair_norm(x.items.features)
        user = sequence + self.memory_map(self._memory(x, pairs, vectors))
        return Reading(
            x, statistics, vectors, user, self._habits(x), self._again(x, pairs, statistics), self._churn(x, sequence)
        )

    def score(self, reading: Reading, columns: Tensor | None = None) -> Tensor:
        """Return the logits of some items, float[n, n_columns]; by default of all.

        Parameters
        ----------
        reading
            From `read`.
        columns
            int64[n_columns], ascending catalogue positions, each once.
        """
        statistics, vectors, category = reading.statistics, reading.vectors, self.category
        if columns is not None:
            statistics, vectors, category = statistics[:, columns], vectors[columns], category[columns]
        # What holds whether the user had the item or not: its popularity, and habits in its category.
        popular = self.base(self.statistic_norm(statistics)).squeeze(-1)[reading.x.time]
        base = popular + reading.habits[:, category]
        explore = base + self.temperature * (reading.user @ vectors.T)
        return self._join(reading, base, explore, columns)

    def churn_logits(self, x: Inputs) -> Tensor:
        """Return the churn logits alone, float[n], without scoring any item."""
        return self._churn(x, self._sequence(x, self.vectors()))

    def _sequence(self, x: Inputs, vectors: Tensor) -> Tensor:
        """User vector from the last tokens, modulated by the stage."""
        padded = torch.cat([vectors.new_zeros(1, vectors.shape[1]), vectors])
        token = self.token_norm(padded[x.item] + self.event(x.event) + self.numbers(x.numbers))
        out = self.tower(self.token_drop(token), x.mask)
        scale, shift = self.film(x.stage).chunk(2, dim=-1)
        modulated: Tensor = out * (1 + scale) + shift
        return modulated

    def _memory(self, x: Inputs, pairs: Tensor, vectors: Tensor) -> Tensor:
        """Weighted mean of the vectors of everything the user bought; a small net gives the weights."""
        rows, n = x.items.rows, len(x.stage)
        weight = self.memory(pairs, x.stage[rows]).clamp(-5, 5).exp()
        total = vectors.new_zeros(n, vectors.shape[1]).index_add(0, rows, (weight * vectors[x.items.codes]).float())
        mass = total.new_zeros(n, 1).index_add(0, rows, weight.float())
        return total / mass.clamp(min=1e-6)

    def _habits(self, x: Inputs) -> Tensor:
        """float[n, n_categories]: what the user's habits in a category add to its items."""
        pairs: Pairs = x.categories
        value = self.affinity(self.pair_norm(pairs.features), x.stage[pairs.rows]).squeeze(-1).float()
        grid = value.new_zeros(len(x.stage) * self.spec.n_categories)
        habits: Tensor = grid.index_add(0, pairs.rows * self.spec.n_categories + pairs.codes, value)
        return habits.view(len(x.stage), -1)

    def _again(self, x: Inputs, pairs: Tensor, statistics: Tensor) -> Tensor | None:
        """float[n_pairs]: what counting says of each item the user had; None where items do not come back."""
        if not self.spec.use_repeats or not len(x.items.rows):
            return None
        rows, codes = x.items.rows, x.items.codes
        features = torch.cat([pairs, self.statistic_norm(statistics[x.time[rows], codes])], dim=1)
        value: Tensor = self.repeat(features, x.stage[rows])
        return value.squeeze(-1)

    def _join(self, reading: Reading, base: Tensor, explore: Tensor, columns: Tensor | None) -> Tensor:
        """Replace the exploring logits by the repeating ones where the user had the item."""
        value, rows, codes = reading.again, reading.x.items.rows, reading.x.items.codes
        if value is None:
            return explore
        if columns is not None:
            place = torch.searchsorted(columns, codes).clamp(max=len(columns) - 1)
            inside = columns[place] == codes
            value, rows, codes = value[inside], rows[inside], place[inside]
        joined: Tensor = explore.index_put((rows, codes), (value + base[rows, codes]).to(explore.dtype))
        return joined

    def _churn(self, x: Inputs, sequence: Tensor) -> Tensor:
        """Logit of churn: a linear part that works at once, a net for what it misses."""
        user = self.user_norm(x.tabular)
        joined = torch.cat([user, self.churn_tower(sequence)], dim=1)
        out: Tensor = (self.churn_linear(user) + self.churn(joined, x.stage)).squeeze(-1)
        return out
