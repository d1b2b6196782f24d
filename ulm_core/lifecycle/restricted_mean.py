"""Restricted mean survival time: the days users stay, on average, out of the first so many."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from ulm_core.lifecycle.kaplan_meier import Curve, normal_quantile
from ulm_core.lifecycle.multiplicity import holm

Times = tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]


@dataclass(frozen=True)
class RestrictedMean:
    """Area under one group's survival curve.

    Attributes
    ----------
    until_days
        The restriction: only the first so many days count.
    days
        Mean days not yet churned out of these; nan where the group was not followed so long.
    error, lower, upper
        Standard error and interval.
    followed_days
        How long the group was followed.
    """

    until_days: float
    days: float
    error: float
    lower: float
    upper: float
    followed_days: float


@dataclass(frozen=True)
class Pair:
    """Two groups compared.

    Attributes
    ----------
    first, second
        The groups.
    difference, lower, upper
        Restricted mean of the first minus that of the second, in days, with its interval; nan where one of them
        was not followed so long.
    p_value, p_holm
        Of "no difference in restricted means", as it is and corrected for the number of pairs.
    log_rank_p, log_rank_holm
        Of "both churn alike" (log-rank), likewise.
    """

    first: str
    second: str
    difference: float
    lower: float
    upper: float
    p_value: float
    p_holm: float
    log_rank_p: float
    log_rank_holm: float


def restricted_mean(curve: Curve, until_days: float, level: float = 0.95) -> RestrictedMean:
    """Return the restricted mean survival time of a group.

    ``RMST(tau) = integral from 0 to tau of S(t)``; its variance is
    ``sum over churn times t <= tau of (integral from t to tau of S)**2 * d / (n * (n - d))`` (Greenwood's
    argument; Klein and Moeschberger 2003, section 4.5).

    Parameters
    ----------
    curve
        The Kaplan-Meier curve.
    until_days
        tau > 0.
    level
        Confidence level of the interval.
    """
    followed = float(curve.days[-1])
    if followed < until_days and curve.survival[-1] > 0:
        return RestrictedMean(until_days, math.nan, math.nan, math.nan, math.nan, followed)
    inside = curve.days <= until_days
    edges = np.append(curve.days[inside], until_days)
    areas = curve.survival[inside] * np.diff(edges)
    mean = float(areas.sum())
    beyond = areas[::-1].cumsum()[::-1]  # from each time on, up to tau
    n, d = curve.at_risk[inside].astype(np.float64), curve.churned[inside].astype(np.float64)
    weight = np.divide(d, n * (n - d), out=np.zeros(len(n)), where=n > d)
    error = math.sqrt(float((beyond**2 * weight).sum()))
    reach = normal_quantile(level) * error
    return RestrictedMean(until_days, mean, error, max(mean - reach, 0.0), min(mean + reach, until_days), followed)


def default_limit(curves: Sequence[Curve]) -> float:
    """Return the days, in whole weeks, until which at least half of the groups are followed; 0 without groups."""
    followed = sorted((float(curve.days[-1]) for curve in curves), reverse=True)
    longest = followed[(len(followed) - 1) // 2] if followed else 0.0
    return longest // 7 * 7 or longest


def compare_pairs(curves: Sequence[Curve], times: Sequence[Times], until_days: float) -> tuple[Pair, ...]:
    """Return every two groups compared, p values corrected over all pairs that could be compared.

    Parameters
    ----------
    curves
        The groups.
    times
        Durations and whether they ended in churn, per group.
    until_days
        Restriction of the means.
    """
    means = [restricted_mean(curve, until_days) for curve in curves]
    found = [
        (curves[i].group, curves[j].group, *_difference(means[i], means[j]), _alike(times[i], times[j]))
        for i, j in combinations(range(len(curves)), 2)
    ]
    mean_holm, rank_holm = _holm_known([row[5] for row in found]), _holm_known([row[6] for row in found])
    return tuple(
        Pair(*row[:6], mean, row[6], rank) for row, mean, rank in zip(found, mean_holm, rank_holm, strict=True)
    )


def _difference(first: RestrictedMean, second: RestrictedMean) -> tuple[float, float, float, float]:
    difference = first.days - second.days
    error = math.hypot(first.error, second.error)
    if math.isnan(difference) or error == 0:
        return difference, math.nan, math.nan, math.nan
    reach = normal_quantile(0.95) * error
    p_value = 2 * NormalDist().cdf(-abs(difference) / error)
    return difference, difference - reach, difference + reach, p_value


def _alike(first: Times, second: Times) -> float:
    """Return the p value of the log-rank test of two groups; nan without churn while both are at risk.

    At each churn time, d of n users churn, of whom d * n1 / n are expected in the first group, with variance
    ``d n1 (n - n1) (n - d) / (n^2 (n - 1))`` (Mantel). The same as lifelines' test of many groups, without its
    tables: a page asks for dozens of pairs.
    """
    days = np.unique(np.concatenate([durations[observed] for durations, observed in (first, second)]))
    at_risk = [
        len(durations) - np.searchsorted(np.sort(durations), days, side="left") for durations, _ in (first, second)
    ]
    churned = [
        np.searchsorted(ended, days, side="right") - np.searchsorted(ended, days, side="left")
        for ended in (np.sort(durations[observed]) for durations, observed in (first, second))
    ]
    n, d = (at_risk[0] + at_risk[1]).astype(np.float64), (churned[0] + churned[1]).astype(np.float64)
    share = at_risk[0] / n
    variance = float((d * share * (1 - share) * (n - d) / np.maximum(n - 1, 1)).sum())
    if variance <= 0:
        return math.nan
    surplus = float((churned[0] - d * share).sum())
    return math.erfc(abs(surplus) / math.sqrt(2 * variance))


def _holm_known(p_values: Sequence[float]) -> list[float]:
    known = [position for position, p in enumerate(p_values) if not math.isnan(p)]
    adjusted = [math.nan] * len(p_values)
    for position, p in zip(known, holm([p_values[k] for k in known]), strict=True):
        adjusted[position] = p
    return adjusted
