"""What a run leaves behind to score with: safetensors and JSON, no pickle.

Files: ``model.json`` (shapes, events, horizon, calibration), ``weights.safetensors``,
``constants.safetensors`` (text features, item statistics), ``items.json`` (item ids and categories by
column), ``adapter.safetensors`` (LoRA only).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict
from safetensors.torch import load_file, save_file
from torch import Tensor

from ulm_core.errors import NotFoundError, UlmError
from ulm_core.messages import N_
from ulm_core.model.catalogue import Catalogue
from ulm_core.model.histories import F32, I64
from ulm_core.model.inputs import InputBuilder
from ulm_core.model.network import ModelSpec, Network
from ulm_core.model.scorer import Calibration, Scorer
from ulm_core.settings import get_settings
from ulm_core.timeline.index import TimelineIndex
from ulm_core.workspace import Workspace

if TYPE_CHECKING:
    from ulm_core.training.runs import RunRecord

FORMAT = 2  # 2: repeat features know the hour, the weekday and the size of the basket


class ModelCard(BaseModel):
    """``model.json``: what must be known to rebuild the scorer."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: int = FORMAT
    spec: ModelSpec
    event_names: tuple[str, ...]
    purchase_events: tuple[str, ...]
    active_events: tuple[str, ...]
    horizon_days: int
    churn_days: int
    calibration: tuple[float, float]
    stages: tuple[str, ...] = ()  # by code; none where the run did without


@dataclass(frozen=True, eq=False)
class Trained:
    """A trained model in memory.

    Attributes
    ----------
    network, builder, calibration
        What scores.
    text, text_row
        float32[n_texts, width] and int64[n_items].
    statistics
        Item statistics by moment: ``"test"`` at the test cut, ``"serving"`` at the end of the log.
    card
        What goes into ``model.json``.
    adapter
        LoRA tensors, or nothing.
    """

    network: Network
    builder: InputBuilder
    text: F32
    text_row: I64
    statistics: dict[str, F32]
    card: ModelCard
    adapter: dict[str, Tensor]


def save(trained: Trained, index: TimelineIndex, categories: list[str], directory: Path) -> None:
    """Write the artifact into `directory`."""
    directory.mkdir(parents=True, exist_ok=True)
    weights = {name: value.detach().cpu().contiguous() for name, value in trained.network.state_dict().items()}
    save_file(weights, directory / "weights.safetensors")
    constants = {
        "text": torch.from_numpy(trained.text).half(),
        "text_row": torch.from_numpy(trained.text_row),
        **{f"statistics.{name}": torch.from_numpy(value) for name, value in trained.statistics.items()},
    }
    save_file(constants, directory / "constants.safetensors")
    if trained.adapter:
        save_file(trained.adapter, directory / "adapter.safetensors")
    ids = [str(index.item_ids[code]) for code in trained.builder.catalogue.items]
    (directory / "items.json").write_text(json.dumps({"id": ids, "category": categories}), encoding="utf-8")
    # Last: its presence says that the artifact is complete.
    (directory / "model.json").write_text(trained.card.model_dump_json(indent=2), encoding="utf-8")


def load_scorer(workspace: Workspace, run: RunRecord, statistics: Literal["serving", "test"] = "serving") -> Scorer:
    """Return the scorer of a finished run for the workspace's published version.

    Parameters
    ----------
    statistics
        Item statistics to score with: as of the end of the log the run saw, or as of its test cut.

    Raises
    ------
    NotFoundError
        When the run left no model.
    UlmError
        When the published data is not what the run was trained on.
    """
    return load_directory(workspace.runs_dir / run.run_id / "model", TimelineIndex.open(workspace), statistics)


def load_directory(directory: Path, index: TimelineIndex, statistics: str = "serving") -> Scorer:
    """Return the scorer stored in `directory`; raises as `load_scorer`."""
    if not (directory / "model.json").exists():
        raise NotFoundError(N_("The run in {path} left no model."), path=directory.parent.name)
    card = ModelCard.model_validate_json((directory / "model.json").read_text(encoding="utf-8"))
    if card.format != FORMAT:
        raise UlmError(
            N_("This model was trained by another version of ULM Studio. Train again."), code="other_version"
        )
    constants = load_file(directory / "constants.safetensors")
    catalogue = _catalogue(directory, index, card)
    device = pick_device(get_settings().device)
    network = Network(
        card.spec, constants["text"].float(), constants["text_row"], torch.from_numpy(catalogue.category).long()
    )
    network.load_state_dict(load_file(directory / "weights.safetensors"))
    builder = InputBuilder(
        catalogue,
        index.event_mask(card.purchase_events),
        index.event_mask(card.active_events),
        card.spec.length,
        card.spec.n_stages,
    )
    numbers = constants[f"statistics.{statistics}"].numpy()
    return Scorer(network.to(device), builder, numbers, Calibration(*card.calibration), card.stages)


def _catalogue(directory: Path, index: TimelineIndex, card: ModelCard) -> Catalogue:
    """Find the model's items in the published version, which may number them differently."""
    stored = json.loads((directory / "items.json").read_text(encoding="utf-8"))
    codes = {str(name): code for code, name in enumerate(index.item_ids)}
    items = np.array([codes.get(name, -1) for name in stored["id"]], np.int32)
    if np.any(items < 0) or index.manifest.event_names != card.event_names:
        raise UlmError(
            N_("This model was trained on other data than what is loaded now. Train again, or load that data."),
            code="other_data",
        )
    return Catalogue.of(items, index.manifest.n_items, np.array(stored["category"], dtype=object))


def pick_device(name: Literal["auto", "cpu", "cuda"]) -> torch.device:
    """Return the device called `name`; auto takes CUDA where present.

    Raises
    ------
    UlmError
        When CUDA is asked for and absent.
    """
    if name == "cuda" and not torch.cuda.is_available():
        raise UlmError(N_("There is no CUDA device on this machine. Choose “auto” or “cpu”."), code="no_cuda")
    if name == "cpu" or not torch.cuda.is_available():
        return torch.device("cpu")
    return torch.device("cuda")
