"""Losses over a sample of the catalogue, for catalogues too large to score whole at every step.

They are for training only: rankings and metrics always score every item. `negatives` are the same for
all rows of a batch, so one matrix product scores them.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

#: Calibration of gBCE: 0 is plain binary cross-entropy, 1 undoes the overconfidence of sampling altogether.
GBCE_T = 0.75


def draw_negatives(popularity: Tensor, n: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Return distinct items drawn with chances ~ popularity^(3/4), ascending, and the log chance of each being drawn.

    Parameters
    ----------
    popularity
        float[n_items], purchases of each item; items without one can be drawn too.
    n
        How many; all items where the catalogue is not larger.

    Returns
    -------
    items : int64[m]
    log_q : float[m]
        ``log(m * p_i)``, the expected number of draws of the item, for the correction of Bengio and Senécal
        (2008): subtracting it from the logits makes the sampled softmax estimate the full one.
    """
    chances = (popularity + 1.0) ** 0.75
    chances = chances / chances.sum()
    m = min(n, len(chances))
    if m == len(chances):  # nothing is left to chance
        return torch.arange(m, device=chances.device), torch.zeros(m, device=chances.device)
    drawn = torch.multinomial(chances, m, replacement=False, generator=generator)
    items = drawn.sort().values
    return items, torch.log(m * chances[items]).clamp(max=0.0)


def sampled_softmax_loss(positive: Tensor, rows: Tensor, negative: Tensor, log_q: Tensor, is_target: Tensor) -> Tensor:
    """Return the mean over targets of ``-log(e^s / (e^s + sum_j e^(s_j - log q_j)))``, in nats.

    Parameters
    ----------
    positive
        float[n_targets], logits of the targets.
    rows
        int64[n_targets], the user of each.
    negative
        float[n, m], logits of the drawn items for every user.
    log_q
        float[m], from `draw_negatives`.
    is_target
        bool[n, m], drawn items that are targets of the user: no negatives.
    """
    corrected = (negative - log_q).masked_fill(is_target, -math.inf)
    others = torch.logsumexp(corrected, dim=1)[rows]
    return _mean(torch.logaddexp(positive, others) - positive)


def gbce_loss(positive: Tensor, rows: Tensor, negative: Tensor, is_target: Tensor, n_items: int) -> Tensor:
    """Return the generalised binary cross-entropy of Petrov and Macdonald (RecSys 2023), in nats.

    ``-(beta log sigma(s) + sum_j log(1 - sigma(s_j))) / (k + 1)`` with ``alpha = k / (n_items - 1)`` and
    ``beta = alpha (t (1 - 1/alpha) + 1/alpha)``, k drawn items. Parameters as in `sampled_softmax_loss`.
    """
    k = negative.shape[1]
    alpha = min(k / max(n_items - 1, 1), 1.0)
    beta = alpha * (GBCE_T * (1 - 1 / alpha) + 1 / alpha)
    against = functional.softplus(negative).masked_fill(is_target, 0.0).sum(1)[rows]
    return _mean((beta * functional.softplus(-positive) + against) / (k + 1))


def bpr_loss(positive: Tensor, rows: Tensor, negative: Tensor, is_target: Tensor) -> Tensor:
    """Return the Bayesian personalised ranking loss of Rendle et al. (UAI 2009), in nats.

    The mean over targets and drawn items of ``-log sigma(s - s_j)``. Parameters as in `sampled_softmax_loss`.
    """
    apart = functional.softplus(negative[rows] - positive[:, None]).masked_fill(is_target[rows], 0.0)
    return _mean(apart.sum(1) / (~is_target[rows]).sum(1).clamp(min=1))


def _mean(values: Tensor) -> Tensor:
    return values.sum() / max(len(values), 1)
