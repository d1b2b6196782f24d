"""Everything a fine-tuning needs before its first step: cuts, catalogue, text, examples, an untrained network."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from ulm_core.errors import UlmError
from ulm_core.lifecycle.rules import StageRules, rules_in_force
from ulm_core.lifecycle.stages import assign_stages
from ulm_core.messages import N_
from ulm_core.model.catalogue import Catalogue, item_statistics, items_with_buyers
from ulm_core.model.histories import DAY_US, F32, I64
from ulm_core.model.inputs import InputBuilder
from ulm_core.model.network import ModelSpec, Network
from ulm_core.model.tabular import tabular_features
from ulm_core.model.text import TextFeatures
from ulm_core.settings import get_settings
from ulm_core.timeline.index import TimelineIndex
from ulm_core.training.batches import make_examples
from ulm_core.training.config import FineTuneConfig
from ulm_core.training.learner import Material
from ulm_core.training.progress import Progress
from ulm_core.training.split import Split, make_split, reference_times
from ulm_core.training.text_source import LoraText, TextSource, distinct_texts, no_text
from ulm_core.warehouse.snapshot import Snapshot
from ulm_core.workspace import Workspace, WorkspaceConfig

UNSEEN = 255


@dataclass(frozen=True, eq=False)
class ItemTexts:
    """Text and category per item code; empty where nothing is known."""

    text: npt.NDArray[np.object_]
    category: npt.NDArray[np.object_]

    @staticmethod
    def read(workspace: Workspace, index: TimelineIndex) -> ItemTexts:
        """Return the texts of a workspace's items."""
        table = Snapshot.open(workspace).query("SELECT item_id, text, category FROM items")
        rows = zip(*(table[name].to_pylist() for name in ("item_id", "text", "category")), strict=True)
        known = {item: (text or "", category or "") for item, text, category in rows}
        pairs = [known.get(str(item), ("", "")) for item in index.item_ids]
        return ItemTexts(
            np.array([text for text, _ in pairs], dtype=object),
            np.array([category for _, category in pairs], dtype=object),
        )


@dataclass(frozen=True, eq=False)
class Prepared:
    """What `prepare` found; nothing in it comes from the test period but the split's own definition."""

    index: TimelineIndex
    workspace_config: WorkspaceConfig
    config: FineTuneConfig
    split: Split
    rules: StageRules
    catalogue: Catalogue
    categories: list[str]
    builder: InputBuilder
    text: F32
    text_row: I64
    network: Network
    source: TextSource

    def stages_at(self, at_us: I64) -> npt.NDArray[np.uint8]:
        """Return uint8[n_users, n_times]; all *not yet seen* where the run does without stages."""
        if not self.config.use_stages:
            return np.full((self.index.n_users, len(at_us)), UNSEEN, np.uint8)
        return assign_stages(self.index, self.rules, at_us, self.workspace_config)

    def statistics_at(self, at_us: npt.ArrayLike) -> F32:
        """Return the item statistics at moments, float32[n_times, n_items, n_statistics]."""
        return item_statistics(self.index, self.catalogue, self.split.roles.purchase, at_us, self.split.first_us)

    def material(self, boundary_us: int) -> Material:
        """Return examples whose windows end at `boundary_us`.

        Raises
        ------
        UlmError
            When there is none.
        """
        times = reference_times(self.split.first_us, boundary_us, self.config)
        examples = make_examples(
            self.index, times, self.stages_at(times), self.split.roles.purchase, self.config.horizon_days * DAY_US
        )
        if not len(examples):
            raise UlmError(N_("No user has a purchase early enough to learn from."), code="too_few_events")
        return Material(examples, self.statistics_at(times), boundary_us)


def prepare(
    index: TimelineIndex,
    workspace_config: WorkspaceConfig,
    texts: ItemTexts,
    config: FineTuneConfig,
    progress: Progress,
    *,
    text_features: TextFeatures | None,
    device: torch.device,
    split: Split | None = None,
) -> Prepared:
    """Return everything before the first step; `split` replaces the global temporal one.

    Raises
    ------
    UlmError
        When the log cannot be learnt from.
    """
    split = split or make_split(index, workspace_config, config)
    catalogue = _catalogue(index, split, texts, config)
    categories = [str(name) for name in texts.category[catalogue.items]]
    names, rows = distinct_texts([str(text) for text in texts.text[catalogue.items]])
    features, text_row = no_text(len(catalogue))
    if config.text_mode != "none" and text_features is not None and any(names):
        progress.log(f"Item text: {len(catalogue)} items, {len(names)} distinct texts, encoder {text_features.encoder}")
        features, text_row = text_features.encode(names), rows
    rules = rules_in_force(workspace_config).resolve(split.churn_days)
    roles = split.roles
    builder = InputBuilder(catalogue, roles.purchase, roles.active, config.length, len(rules.stages))
    network = _network(index, config, split, builder, features, text_row).to(device)
    source = TextSource()
    if config.text_mode == "lora" and features.shape[1] and text_features is not None:
        source = LoraText(
            text_features.encoder, names, network.vectors.text, text_row,
            rank=config.lora_rank, per_step=config.lora_texts, seed=config.seed,
        )  # fmt: skip
    return Prepared(
        index, workspace_config, config, split, rules, catalogue, categories, builder, features, text_row,
        network, source,
    )  # fmt: skip


def _catalogue(index: TimelineIndex, split: Split, texts: ItemTexts, config: FineTuneConfig) -> Catalogue:
    items = items_with_buyers(index, split.roles.purchase, split.test_us, config.min_item_users)
    if len(items) < 2:
        raise UlmError(
            N_("Before the test cut, fewer than 2 items have {minimum} buyers. Lower “min_item_users”."),
            code="too_few_events",
            minimum=config.min_item_users,
        )
    return Catalogue.of(items, index.manifest.n_items, texts.category[items])


def _network(
    index: TimelineIndex,
    config: FineTuneConfig,
    split: Split,
    builder: InputBuilder,
    text: F32,
    text_row: I64,
) -> Network:
    names = index.manifest.event_names
    spec = ModelSpec(
        tower=config.tower,
        width=config.width,
        blocks=config.blocks,
        length=config.length,
        dropout=config.dropout,
        id_dropout=config.id_dropout,
        use_ids=config.use_ids or not text.shape[1],
        use_repeats=split.keeps_seen,
        n_items=len(builder.catalogue),
        n_categories=builder.catalogue.n_categories,
        n_events=len(names),
        n_stages=builder.n_stages,
        n_tabular=len(tabular_features(names)),
        text_width=text.shape[1],
    )
    torch.manual_seed(config.seed)
    category = torch.from_numpy(builder.catalogue.category).long()
    return Network(spec, torch.from_numpy(text), torch.from_numpy(text_row), category)


def text_features_for(workspace: Workspace, config: FineTuneConfig, device: torch.device) -> TextFeatures | None:
    """Return the text features a run asks for, or None when it does without text."""
    if config.text_mode == "none":
        return None
    return TextFeatures(config.text_encoder or get_settings().text_encoder, workspace.cache_dir, device)
