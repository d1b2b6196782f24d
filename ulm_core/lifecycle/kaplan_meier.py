"""Kaplan-Meier and Nelson-Aalen curves and the log-rank test, in the shape our results need."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Curve:
    """The survival function of one group.

    Attributes
    ----------
    group
        Name of the group.
    n_users, n_churned
        Users at risk at time 0, and those whose churn was seen; the others are censored.
    days
        float64[n]; 0 and every time at which somebody churned or was censored, ascending.
    survival, lower, upper
        float64[n]; share not churned up to and including that day, with its interval.
    at_risk, churned
        int64[n]; users neither churned nor censored just before that day, and those who churned on it.
    cumulative_hazard, hazard_lower, hazard_upper
        float64[n]; Nelson-Aalen estimate up to and including that day, with its interval.
    median_days, median_lower, median_upper
        First day on which the survival (its lower, upper bound) is at most 0.5; inf = not reached.
    """

    group: str
    n_users: int
    n_churned: int
    days: Floats
    survival: Floats
    lower: Floats
    upper: Floats
    at_risk: npt.NDArray[np.int64]
    churned: npt.NDArray[np.int64]
    cumulative_hazard: Floats
    hazard_lower: Floats
    hazard_upper: Floats
    median_days: float
    median_lower: float
    median_upper: float

    def survival_at(self, days: npt.ArrayLike) -> Floats:
        """Return the share not churned at given days; nan after the last day observed."""
        return self._at(self.survival, days)

    def interval_at(self, days: npt.ArrayLike) -> tuple[Floats, Floats]:
        """Return the interval of the survival at given days."""
        return self._at(self.lower, days), self._at(self.upper, days)

    def at_risk_at(self, days: npt.ArrayLike) -> npt.NDArray[np.int64]:
        """Return how many users are observed at least that long without having churned before."""
        position = np.searchsorted(self.days, np.asarray(days, np.float64), side="left")
        return np.append(self.at_risk, 0)[position]

    def _at(self, values: Floats, days: npt.ArrayLike) -> Floats:
        asked = np.asarray(days, np.float64)
        position = np.searchsorted(self.days, asked, side="right") - 1
        return np.where(asked <= self.days[-1], values[position], np.nan)


@dataclass(frozen=True)
class LogRank:
    """Log-rank test of "all groups churn alike": statistic, degrees of freedom, p value."""

    statistic: float
    degrees_of_freedom: int
    p_value: float


def _distinct(
    durations: Floats, observed: npt.NDArray[np.bool_]
) -> tuple[Floats, npt.NDArray[np.bool_], npt.NDArray[np.int64]]:
    """Return each distinct (duration, observed) once, with how often it occurs.

    Durations are often whole days: millions of stays are then a few hundred rows to lifelines.
    """
    days, place = np.unique(durations, return_inverse=True)
    n_observed = np.bincount(place[observed], minlength=len(days))
    n_censored = np.bincount(place[~observed], minlength=len(days))
    counts = np.concatenate([n_observed, n_censored])
    kept = counts > 0
    seen = np.repeat([True, False], len(days))
    return np.tile(days, 2)[kept], seen[kept], counts[kept].astype(np.int64)


def fit_curve(group: str, durations: Floats, observed: npt.NDArray[np.bool_], level: float) -> Curve:
    """Return the Kaplan-Meier curve of one group.

    The interval is Greenwood's, on the log(-log) scale ("exponential Greenwood"), so that it stays in
    [0, 1]; at each time, confidence `level`.

    Parameters
    ----------
    durations
        float64[n > 0] days from the origin to churn or censoring.
    observed
        bool[n]; True = churned, False = censored.
    """
    from lifelines import KaplanMeierFitter  # slow to import; only the churn page needs it

    days, seen, weights = _distinct(durations, observed)
    fitter = KaplanMeierFitter(alpha=1 - level).fit(days, seen, weights=weights)
    survival = fitter.survival_function_.to_numpy()[:, 0]
    # lifelines writes nan where the variance is not defined (nobody churned yet): the estimate is exact there.
    bounds = fitter.confidence_interval_.to_numpy()
    lower, upper = (np.where(np.isnan(bound), survival, bound) for bound in bounds.T)
    days = fitter.survival_function_.index.to_numpy(np.float64)
    counts = (fitter.event_table[name].to_numpy(np.float64) for name in ("at_risk", "observed"))
    at_risk, churned = (np.rint(column).astype(np.int64) for column in counts)
    hazard, hazard_lower, hazard_upper = nelson_aalen(at_risk, churned, level)
    return Curve(
        group=group,
        n_users=len(durations),
        n_churned=int(observed.sum()),
        days=days,
        survival=survival,
        lower=lower,
        upper=upper,
        at_risk=at_risk,
        churned=churned,
        cumulative_hazard=hazard,
        hazard_lower=hazard_lower,
        hazard_upper=hazard_upper,
        median_days=_median(days, survival),
        median_lower=_median(days, lower),
        median_upper=_median(days, upper),
    )


def nelson_aalen(
    at_risk: npt.NDArray[np.int64], churned: npt.NDArray[np.int64], level: float
) -> tuple[Floats, Floats, Floats]:
    """Return the cumulative hazard ``sum of d / n`` with its interval, each float64[n].

    The variance is ``sum of d * (n - d) / n**3``, that of ties in discrete time (Klein 1991; lifelines' choice);
    the interval is symmetric on the log scale. Before anyone churned the estimate is 0 without width.

    Parameters
    ----------
    at_risk, churned
        int64[n]; users at risk just before each time, and those who churned at it.
    level
        Confidence level.
    """
    steps = np.divide(churned, at_risk, out=np.zeros(len(churned)), where=at_risk > 0)
    hazard = np.cumsum(steps)
    variance = np.cumsum(np.divide(steps * (1 - steps), at_risk, out=np.zeros(len(churned)), where=at_risk > 0))
    width = np.divide(normal_quantile(level) * np.sqrt(variance), hazard, out=np.zeros(len(hazard)), where=hazard > 0)
    return hazard, hazard * np.exp(-width), hazard * np.exp(width)


def normal_quantile(level: float) -> float:
    """Return how many standard errors a two-sided interval of confidence `level` reaches."""
    return NormalDist().inv_cdf(0.5 + level / 2)


def log_rank(durations: Floats, groups: npt.NDArray[Any], observed: npt.NDArray[np.bool_]) -> LogRank | None:
    """Return the log-rank test between the groups; None with fewer than two groups or no churn at all."""
    n_groups = len(np.unique(groups))
    if n_groups < 2 or not observed.any():
        return None
    from lifelines.statistics import multivariate_logrank_test  # slow to import

    test = multivariate_logrank_test(durations, groups, observed)
    if math.isnan(test.test_statistic):
        return None
    return LogRank(float(test.test_statistic), n_groups - 1, float(test.p_value))


def _median(days: Floats, survival: Floats) -> float:
    reached = np.flatnonzero(survival <= 0.5)
    return float(days[reached[0]]) if len(reached) else math.inf
