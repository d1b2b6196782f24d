"""What training minimises: ``alpha * churn + beta * recommendation``. Derived in docs/model.md."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from ulm_core.model.inputs import Pairs

#: Logit of what cannot happen: its probability is 0 in float32, and its gradient too.
NEVER = -1e4


def bernoulli_loss(logits: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Return the negative log-likelihood of "buys item i within the horizon", in nats per purchase.

    ``-(sum_ui y log p + (1 - y) log(1 - p)) / sum_ui y`` with ``p = sigmoid(logits)``; every item of the
    catalogue counts, so no negative is sampled.

    Parameters
    ----------
    logits
        float[n, n_items].
    rows, columns
        int64[n_targets], the pairs with y = 1, each at most once.
    """
    # softplus(z) - y z is the Bernoulli loss; the positives are few, so they are subtracted sparsely.
    total = functional.softplus(logits).sum() - logits[rows, columns].sum()
    return total / max(len(rows), 1)


def softmax_loss(logits: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Return the mean over users of ``-mean_{i bought} log softmax(logits)_i``, in nats.

    Users without a target do not count. Parameters as in `bernoulli_loss`.
    """
    chosen = torch.log_softmax(logits, dim=1)[rows, columns]
    return -(chosen * softmax_weights(rows, len(logits))).sum()


def softmax_weights(rows: Tensor, n: int) -> Tensor:
    """Return the weight of each target, float[n_targets]: every user with a target counts the same, 1 in all."""
    counts = torch.bincount(rows, minlength=n)
    weights: Tensor = 1 / (counts[rows] * (counts > 0).sum().clamp(min=1))
    return weights


def only_new(logits: Tensor, seen: Pairs, rows: Tensor, columns: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Leave what users had before out of the question: it is never ranked, so it must not be learnt from.

    Parameters
    ----------
    logits
        float[n, n_items].
    seen
        The pairs of users and items they had.
    rows, columns
        int64[n_targets].

    Returns
    -------
    logits, rows, columns
        Seen items at a logit no softmax notices, and the targets that are new to their user.
    """
    had = torch.zeros(logits.shape, dtype=torch.bool, device=logits.device)
    had[seen.rows, seen.codes] = True
    new = ~had[rows, columns]
    return logits.masked_fill(had, NEVER), rows[new], columns[new]


def churn_loss(logits: Tensor, labels: Tensor, known: Tensor) -> Tensor:
    """Return the mean Bernoulli loss over rows whose outcome is known, 0 when there is none, in nats.

    Parameters
    ----------
    logits
        float[n].
    labels
        float[n], 1 = churned; ignored where not known.
    known
        bool[n], false where the outcome is censored or the user was not at risk.
    """
    each = functional.binary_cross_entropy_with_logits(logits.float(), labels, reduction="none")
    weight = known.to(each.dtype)
    return (each * weight).sum() / weight.sum().clamp(min=1)
