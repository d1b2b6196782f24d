"""The recommendation part of the objective: how a network is asked, and by which loss it is judged.

`bernoulli` and `softmax` look at the whole catalogue. Beyond `CHUNK` items softmax goes through it in pieces that
are computed again for the gradient, so that memory is bounded by a piece; the sampled losses score a few items.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from ulm_core.model.inputs import Pairs
from ulm_core.model.losses import NEVER, bernoulli_loss, only_new, softmax_loss, softmax_weights
from ulm_core.model.names import SAMPLED, RecommendationLoss
from ulm_core.model.network import Network, Reading
from ulm_core.model.sampled import bpr_loss, draw_negatives, gbce_loss, sampled_softmax_loss

CHUNK = 65_536


@dataclass(frozen=True, eq=False)
class Objective:
    """One way to ask.

    Attributes
    ----------
    loss
        Its name.
    keeps_seen
        Whether items a user had may be targets; where not, they are neither learnt from nor against.
    negatives
        Items drawn a step by the sampled losses.
    popularity
        float[n_items], what the draw follows.
    generator
        Makes the draw.
    """

    loss: RecommendationLoss
    keeps_seen: bool
    negatives: int
    popularity: Tensor
    generator: torch.Generator

    def __call__(self, network: Network, reading: Reading, rows: Tensor, columns: Tensor) -> Tensor:
        """Return the loss in nats.

        Parameters
        ----------
        rows, columns
            int64[n_targets], pairs of histories and catalogue positions, each at most once.
        """
        if self.loss in SAMPLED:
            return self._sampled(network, reading, rows, columns)
        if self.loss == "softmax" and network.spec.n_items > CHUNK:
            return self._chunked(network, reading, rows, columns)
        logits = network.score(reading).float()
        if not self.keeps_seen:
            logits, rows, columns = only_new(logits, reading.x.items, rows, columns)
        return (bernoulli_loss if self.loss == "bernoulli" else softmax_loss)(logits, rows, columns)

    def _chunked(self, network: Network, reading: Reading, rows: Tensor, columns: Tensor, size: int = CHUNK) -> Tensor:
        """Softmax over pieces of the catalogue: log-sum-exp adds up, targets are picked as they come by."""
        seen = reading.x.items
        if not self.keeps_seen:
            fresh = ~_contains(seen, rows, columns, network.spec.n_items)
            rows, columns = rows[fresh], columns[fresh]
        total = reading.user.new_full((len(reading.user),), -math.inf)
        picked = reading.user.new_zeros(len(rows))
        for start in range(0, network.spec.n_items, size):
            part = torch.arange(start, min(start + size, network.spec.n_items), device=columns.device)
            inside = (columns >= start) & (columns < start + size)

            def piece(part: Tensor = part, inside: Tensor = inside, start: int = start) -> tuple[Tensor, Tensor]:
                logits = network.score(reading, part).float()
                if not self.keeps_seen:
                    mine = (seen.codes >= start) & (seen.codes < start + size)
                    logits = logits.index_put((seen.rows[mine], seen.codes[mine] - start), logits.new_tensor(NEVER))
                return torch.logsumexp(logits, 1), logits[rows[inside], columns[inside] - start]

            some, found = checkpoint(piece, use_reentrant=False)
            total = torch.logaddexp(total, some)
            picked = picked.index_put((torch.nonzero(inside).squeeze(1),), found)
        weights = softmax_weights(rows, len(total))
        return ((total[rows] - picked) * weights).sum()

    def _sampled(self, network: Network, reading: Reading, rows: Tensor, columns: Tensor) -> Tensor:
        n_items, seen = network.spec.n_items, reading.x.items
        drawn, log_q = draw_negatives(self.popularity, self.negatives, self.generator)
        if not self.keeps_seen:
            fresh = ~_contains(seen, rows, columns, n_items)
            rows, columns = rows[fresh], columns[fresh]
        asked = torch.unique(torch.cat([drawn, columns]))
        logits = network.score(reading, asked).float()
        positive = logits[rows, torch.searchsorted(asked, columns)]
        negative = logits[:, torch.searchsorted(asked, drawn)]
        excluded = _marks(rows, columns, drawn, len(negative))
        if not self.keeps_seen:
            excluded |= _marks(seen.rows, seen.codes, drawn, len(negative))
        if self.loss == "gbce":
            return gbce_loss(positive, rows, negative, excluded, n_items)
        if self.loss == "bpr":
            return bpr_loss(positive, rows, negative, excluded)
        return sampled_softmax_loss(positive, rows, negative, log_q, excluded)


def _contains(pairs: Pairs, rows: Tensor, columns: Tensor, n_items: int) -> Tensor:
    """bool[n]: whether each (row, column) is one of `pairs`."""
    return torch.isin(rows * n_items + columns, pairs.rows * n_items + pairs.codes)


def _marks(rows: Tensor, columns: Tensor, asked: Tensor, n: int) -> Tensor:
    """bool[n, len(asked)]: the pairs (row, column) whose column is asked for; `asked` ascends."""
    place = torch.searchsorted(asked, columns).clamp(max=len(asked) - 1)
    inside = asked[place] == columns
    marks = torch.zeros(n, len(asked), dtype=torch.bool, device=asked.device)
    marks[rows[inside], place[inside]] = True
    return marks
