"""From histories to tensors: the one path for training and for scoring."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import torch
from torch import Tensor

from ulm_core.model.catalogue import Catalogue
from ulm_core.model.histories import Histories, Mask
from ulm_core.model.repeat import RepeatPairs, repeat_pairs
from ulm_core.model.sequences import padding_mask, tokens
from ulm_core.model.tabular import tabular


@dataclass(frozen=True)
class Pairs:
    """Ragged (row, code) pairs with their repeat features; rows ascend."""

    rows: Tensor
    codes: Tensor
    features: Tensor

    def to(self, device: torch.device) -> Pairs:
        """Return the pairs on `device`."""
        return Pairs(self.rows.to(device), self.codes.to(device), self.features.to(device))


@dataclass(frozen=True)
class Inputs:
    """One batch.

    Attributes
    ----------
    item, event, numbers, mask
        Tokens, see `ulm_core.model.sequences.Tokens`; the mask is true at real ones.
    tabular
        float[n, n_tabular].
    items, categories
        Repeat features per catalogue item and per category.
    stage
        int64[n], code of the lifecycle stage; `n_stages` for a user not yet seen.
    time
        int64[n], row of the item statistics that holds at the reference time.
    """

    item: Tensor
    event: Tensor
    numbers: Tensor
    mask: Tensor
    tabular: Tensor
    items: Pairs
    categories: Pairs
    stage: Tensor
    time: Tensor

    def to(self, device: torch.device) -> Inputs:
        """Return the batch on `device`."""
        if device.type == "cpu":
            return self
        return Inputs(*(getattr(self, field.name).to(device) for field in fields(self)))


@dataclass(frozen=True)
class InputBuilder:
    """Builds `Inputs` from `Histories`.

    Attributes
    ----------
    catalogue
        Items and categories.
    purchase, active
        bool per event code: what the repeat features count; what users do themselves.
    length
        Most tokens a tower reads.
    n_stages
        Number of stages; larger codes (not yet seen) share one row of the stage embedding.
    """

    catalogue: Catalogue
    purchase: Mask
    active: Mask
    length: int
    n_stages: int

    def build(self, histories: Histories, stages: np.ndarray, times: np.ndarray) -> Inputs:
        """Return the batch; `stages` and `times` have one entry per history."""
        catalogue = self.catalogue
        read = tokens(histories, catalogue.position, self.length)
        user = tabular(histories, self.active, len(catalogue.position))
        items = repeat_pairs(histories, catalogue.position, len(catalogue), self.purchase)
        groups = repeat_pairs(histories, catalogue.category_of_item, catalogue.n_categories, self.purchase)
        return Inputs(
            item=torch.from_numpy(read.item),
            event=torch.from_numpy(read.event),
            numbers=torch.from_numpy(read.numbers),
            mask=torch.from_numpy(padding_mask(read.lengths, read.item.shape[1])),
            tabular=torch.from_numpy(user),
            items=_pairs(items),
            categories=_pairs(groups),
            stage=torch.from_numpy(np.minimum(stages, self.n_stages).astype(np.int64)),
            time=torch.from_numpy(np.asarray(times, np.int64)),
        )


def _pairs(found: RepeatPairs) -> Pairs:
    return Pairs(
        torch.from_numpy(found.rows), torch.from_numpy(found.codes.astype(np.int64)), torch.from_numpy(found.features)
    )
