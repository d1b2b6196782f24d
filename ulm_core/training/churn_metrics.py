"""How well a churn score orders users and how honest its probability is."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ulm_core.model.scorer import Calibration

Numbers = npt.NDArray[np.floating]


def auc(labels: Numbers, scores: Numbers) -> float:
    """Return the chance that a churner scores above a stayer, ties one half; nan without both kinds."""
    positive = labels > 0.5
    n_positive, n_negative = int(positive.sum()), int((~positive).sum())
    if not n_positive or not n_negative:
        return float("nan")
    _, inverse, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[inverse]  # mean rank within a tie
    return float((ranks[positive].sum() - n_positive * (n_positive + 1) / 2) / (n_positive * n_negative))


def brier(labels: Numbers, probabilities: Numbers) -> float:
    """Return the mean squared error of the probabilities; nan for no rows."""
    return float(np.mean((probabilities - labels) ** 2)) if len(labels) else float("nan")


def average_precision(labels: Numbers, scores: Numbers) -> float:
    """Return the mean precision at each churner, users of one score taken together; nan without a churner."""
    positive = labels > 0.5
    if not positive.any():
        return float("nan")
    order = np.argsort(-scores, kind="stable")
    ends = np.flatnonzero(np.diff(scores[order], append=np.nan) != 0)  # the last user of each score
    hits = np.cumsum(positive[order])[ends]
    gained = np.diff(hits, prepend=0)
    return float((gained * hits / (ends + 1)).sum() / positive.sum())


def calibration_error(labels: Numbers, probabilities: Numbers, bins: int = 10) -> float:
    """Return the expected calibration error over `bins` groups of equal size (Naeini et al. 2015), 0 to 1."""
    if not len(labels):
        return float("nan")
    groups = np.array_split(np.argsort(probabilities, kind="stable"), min(bins, len(labels)))
    gaps = [abs(float(labels[g].mean()) - float(probabilities[g].mean())) * len(g) for g in groups]
    return sum(gaps) / len(labels)


def top_decile_lift(labels: Numbers, scores: Numbers) -> float:
    """Return the churn rate of the tenth with the highest scores over that of all; nan without a churner."""
    rate = float(labels.mean()) if len(labels) else 0.0
    if not rate:
        return float("nan")
    top = np.argsort(-scores, kind="stable")[: max(1, len(labels) // 10)]
    return float(labels[top].mean()) / rate


def churn_summary(labels: Numbers, scores: Numbers, probabilities: Numbers | None) -> dict[str, float]:
    """Return how scores order users, how honest the probabilities are (when there are any), rows and churn rate."""
    found = {
        "churn_auc": auc(labels, scores),
        "churn_ap": average_precision(labels, scores),
        "churn_lift": top_decile_lift(labels, scores),
        "churn_users": float(len(labels)),
        "churn_rate": float(labels.mean()) if len(labels) else float("nan"),
    }
    if probabilities is None:
        return found
    honesty = {"churn_brier": brier(labels, probabilities), "churn_ece": calibration_error(labels, probabilities)}
    return {**found, **honesty}


def fit_platt(labels: Numbers, logits: Numbers, steps: int = 50) -> Calibration:
    """Return Platt scaling fitted by Newton's method, targets smoothed as in Platt (1999).

    The identity is returned where there are too few of a kind to fit two numbers (fewer than 5).
    """
    positive = labels > 0.5
    n_positive, n_negative = int(positive.sum()), int((~positive).sum())
    if min(n_positive, n_negative) < 5:
        return Calibration()
    target = np.where(positive, (n_positive + 1) / (n_positive + 2), 1 / (n_negative + 2))
    design = np.column_stack([logits.astype(np.float64), np.ones(len(logits))])
    weights = np.array([1.0, 0.0])
    for _ in range(steps):
        p = 1 / (1 + np.exp(-np.clip(design @ weights, -30, 30)))
        hessian = (design * (p * (1 - p))[:, None]).T @ design + 1e-6 * np.eye(2)
        step = np.linalg.solve(hessian, design.T @ (p - target))
        weights -= step
        if np.abs(step).max() < 1e-10:
            break
    # A negative slope would turn the ranking round: then the logit tells nothing, and is left alone.
    return Calibration(float(weights[0]), float(weights[1])) if weights[0] > 0 else Calibration()
