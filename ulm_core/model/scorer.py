"""Scores for histories as they are or as they might have been."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from ulm_core.model.histories import F32, I32, I64, Histories
from ulm_core.model.inputs import InputBuilder, Inputs
from ulm_core.model.network import Network
from ulm_core.timeline.index import History

#: Histories scored at once: bounds memory (64 rows x 17,000 items x 4 bytes = 4 MB a matrix).
CHUNK = 64


@dataclass(frozen=True, eq=False)
class Scores:
    """Scores of some histories.

    Attributes
    ----------
    items
        float32[n, n_catalogue], logits of buying within the recommendation horizon; comparable
        between items of one user.
    churn
        float32[n], calibrated probability of no activity within the churn horizon.
    """

    items: F32
    churn: F32


@dataclass(frozen=True)
class Calibration:
    """Platt scaling of the churn logit: ``p = sigmoid(slope * logit + offset)``."""

    slope: float = 1.0
    offset: float = 0.0


class Scorer:
    """A trained network in evaluation mode. Deterministic; a history's scores do not depend on the others.

    Parameters
    ----------
    network, builder
        The model and how its inputs are built.
    statistics
        float32[n_catalogue, N_STATISTICS], item statistics frozen when the model was trained.
    calibration
        Of the churn probability.
    """

    def __init__(
        self,
        network: Network,
        builder: InputBuilder,
        statistics: F32,
        calibration: Calibration | None = None,
        stages: tuple[str, ...] = (),
    ) -> None:
        self._network = network.eval()
        #: int32[n_catalogue], item code of each column of the scores.
        self.catalogue: I32 = builder.catalogue.items
        #: Names by code of the stages it was trained with.
        self.stages = stages
        self._builder = builder
        self._device = next(network.parameters()).device
        self._statistics = torch.from_numpy(statistics)[None].to(self._device)
        self._calibration = calibration or Calibration()

    @property
    def keeps_seen(self) -> bool:
        """Whether items a user had before belong in their ranking (people of this log come back to items)."""
        return self._network.spec.use_repeats

    def score(
        self, histories: Sequence[History], at_us: npt.NDArray[np.int64], stages: npt.NDArray[np.uint8]
    ) -> Scores:
        """Return the scores of `histories` (events at or after `at_us` are not looked at).

        Parameters
        ----------
        histories
            One user each, edited or not.
        at_us
            int64[n], UTC microseconds.
        stages
            uint8[n], stage code at `at_us`; 255 for a user not yet seen.
        """
        return self.score_rows(Histories.from_list(histories, at_us), stages)

    def score_rows(self, histories: Histories, stages: npt.NDArray[np.uint8]) -> Scores:
        """Return the scores of `histories` that may lie in the timeline index."""
        items = np.empty((len(histories), len(self.catalogue)), np.float32)
        churn = np.empty(len(histories), np.float32)
        for start in range(0, len(histories), CHUNK):
            rows = slice(start, start + CHUNK)
            found = self._run(self._inputs(histories, stages, rows))
            items[rows], churn[rows] = found.items, found.churn
        return Scores(items, churn)

    @torch.inference_mode()
    def churn_logits(self, histories: Histories, stages: npt.NDArray[np.uint8]) -> F32:
        """Return the churn logits before calibration, float32[n]."""
        out = np.empty(len(histories), np.float32)
        for start in range(0, len(histories), CHUNK):
            rows = slice(start, start + CHUNK)
            out[rows] = self._network.churn_logits(self._inputs(histories, stages, rows)).float().cpu().numpy()
        return out

    def churn_probability(self, logits: F32) -> npt.NDArray[np.float64]:
        """Return calibrated probabilities, float64[n], of raw logits."""
        scaled = logits.astype(np.float64) * self._calibration.slope + self._calibration.offset
        return np.asarray(1 / (1 + np.exp(-scaled)), np.float64)

    def _inputs(self, histories: Histories, stages: npt.NDArray[np.uint8], rows: slice) -> Inputs:
        part = select(histories, rows)
        return self._builder.build(part, stages[rows], np.zeros(len(part), np.int64)).to(self._device)

    @torch.inference_mode()
    def _run(self, inputs: Inputs) -> Scores:
        out = self._network(inputs, self._statistics)
        churn = self.churn_probability(out.churn.float().cpu().numpy())
        return Scores(out.items.float().cpu().numpy(), churn.astype(np.float32))


def select(histories: Histories, rows: slice | I64) -> Histories:
    """Return some rows of `histories`; the columns are shared."""
    h = histories
    columns = (h.time, h.event, h.item, h.value, h.session)
    return Histories(h.starts[rows], h.ends[rows], h.at_us[rows], *columns)
