"""The hazard: how fast users of a group churn while they are still there."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

RATE_DAYS = 30


@dataclass(frozen=True)
class HazardRate:
    """Churn per user and 30 days at risk, in one interval of time since the origin.

    Attributes
    ----------
    from_days, to_days
        The interval; it holds its end and not its start (day 0 belongs to the first).
    churned
        Users who churned in it.
    user_days
        Days users spent at risk in it.
    rate, lower, upper
        ``30 * churned / user_days`` with its 95% interval.
    """

    from_days: float
    to_days: float
    churned: int
    user_days: float
    rate: float
    lower: float
    upper: float


def hazard_rates(
    durations: npt.NDArray[np.float64], observed: npt.NDArray[np.bool_], width_days: float, level: float = 0.95
) -> tuple[HazardRate, ...]:
    """Return the hazard by interval: churned users over the time all users were at risk in it.

    Occurrence over exposure, the estimate of a hazard that is constant within an interval; its interval is the
    exact one of a Poisson count (Garwood 1936).

    Parameters
    ----------
    durations
        float64[n] days from the origin to churn or censoring.
    observed
        bool[n]; True = churned.
    width_days
        Width of an interval; the last may be observed only in part.

    Examples
    --------
    Two users, one churns on day 10, the other is watched for 20 days:

    >>> [(rate.churned, rate.user_days) for rate in hazard_rates(np.array([10.0, 20.0]), np.array([True, False]), 15)]
    [(1, 25.0), (0, 5.0)]
    """
    if not len(durations):
        return ()
    edges = np.arange(max(math.ceil(durations.max() / width_days), 1) + 1) * width_days
    place = np.clip(np.searchsorted(edges, durations, side="left") - 1, 0, None)
    churned = np.bincount(place[observed], minlength=len(edges) - 1)
    exposure = [float(np.clip(durations - start, 0, width_days).sum()) for start in edges[:-1]]
    return tuple(
        _rate(float(start), float(stop), int(count), days, level)
        for start, stop, count, days in zip(edges[:-1], edges[1:], churned, exposure, strict=True)
    )


def _rate(start: float, stop: float, churned: int, user_days: float, level: float) -> HazardRate:
    from scipy.stats import chi2  # slow to import; only the churn page needs it

    if user_days == 0:
        return HazardRate(start, stop, churned, 0.0, math.nan, math.nan, math.nan)
    tail = (1 - level) / 2
    low = chi2.ppf(tail, 2 * churned) / 2 if churned else 0.0
    high = chi2.ppf(1 - tail, 2 * churned + 2) / 2
    scale = RATE_DAYS / user_days
    return HazardRate(start, stop, churned, user_days, churned * scale, float(low) * scale, float(high) * scale)
