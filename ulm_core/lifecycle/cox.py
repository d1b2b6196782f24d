"""What goes with churn: Cox regression on what was known at the origin, and whether its assumption holds."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pydantic import Field, SkipValidation

from ulm_core.errors import InputError, NotFoundError
from ulm_core.lifecycle.behaviour import BEHAVIOURS
from ulm_core.lifecycle.churn_times import observe
from ulm_core.lifecycle.cox_fit import (
    LEAST_CHURNED,
    Design,
    Fitted,
    behaviour_design,
    fit_cox,
    is_unknown,
    varying,
    with_attribute,
)
from ulm_core.lifecycle.filters import UserLabels
from ulm_core.lifecycle.horizon import learn_churn_horizon
from ulm_core.lifecycle.multiplicity import holm
from ulm_core.lifecycle.results import Result, Spec, Stopwatch, UserCodes, mask_or_all, select
from ulm_core.messages import N_, Message, message
from ulm_core.timeline.index import TimelineIndex
from ulm_core.workspace import WorkspaceConfig

SIGNIFICANT = 0.05
CHURNED_EACH = 10  # churned users per covariate below which estimates are shaky (Peduzzi et al. 1995)


class CoxSpec(Spec):
    """Asks what goes with churn.

    Attributes
    ----------
    origin_us
        Time 0 for all (UTC us). Covariates are measured there; nothing at or after it is looked at.
    horizon_days
        Days of silence that count as churn; None: learnt from the log. Behaviour is measured over as many days
        before the origin.
    behaviours
        Which of `BEHAVIOURS`; none needed where there are attributes.
    attributes
        User attributes. Values are compared with the most frequent one, rare ones gathered (`with_attribute`).
        Users of whom one is not known are compared among themselves only.
    confidence
        Level of the intervals.
    """

    origin_us: int
    horizon_days: float | None = Field(None, gt=0, le=36_500)
    behaviours: tuple[str, ...] = tuple(BEHAVIOURS)
    attributes: Annotated[tuple[UserLabels, ...], SkipValidation] = ()
    confidence: float = Field(0.95, gt=0, lt=1)


@dataclass(frozen=True)
class Driver:
    """One covariate: how the hazard of churn goes with it, the others equal.

    Attributes
    ----------
    name
        The behaviour, or ``attribute=value``.
    unit
        What one more of it means; for an attribute the value it is compared with.
    is_behaviour
        Whether it is a behaviour, counted in units, and not a value of an attribute.
    ratio, lower, upper
        Hazard ratio per unit, with its interval.
    p_value, p_holm
        Of "ratio 1" (Wald), as it is and corrected for the number of covariates.
    changes_p, changes_holm
        Of "the ratio is the same at all times" (Schoenfeld residuals against the rank of time), likewise.
    trend
        Correlation of the scaled Schoenfeld residuals with the rank of time.
    """

    name: str
    unit: Message
    is_behaviour: bool
    ratio: float
    lower: float
    upper: float
    p_value: float
    p_holm: float
    changes_p: float
    changes_holm: float
    trend: float

    @property
    def holds(self) -> bool:
        """Whether nothing speaks against a ratio that is the same at all times."""
        return not self.changes_holm < SIGNIFICANT

    def assumption(self) -> Message:
        """Return what the check of the assumption says, in words."""
        if self.holds:
            return message(N_("No sign that the ratio changes over time."))
        grows = (self.ratio > 1) == (self.trend > 0)
        if grows:
            return message(N_("The effect grows over time; the ratio is an average over the period."))
        return message(N_("The effect fades or turns over time; the ratio is an average over the period."))


@dataclass(frozen=True, kw_only=True, eq=False)
class Cox(Result):
    """Drivers of churn.

    Attributes
    ----------
    horizon_days, origin_us
        As asked for, or learnt.
    drivers
        One per covariate that varies.
    left_out
        Covariates that are the same for everyone, so that nothing can be said.
    n_churned
        Churned users in the fit.
    not_known
        Users of whom an attribute is not known, per attribute.
    concordance
        Chance that of two users the one with the higher hazard churns first; 0.5 = no order.
    included
        bool[n_users].
    values
        float64[n_users, n_drivers], what the fit saw.
    times, residuals
        float64[n_churned] days and float64[n_churned, n_drivers]: each churn's estimate of the log hazard ratio
        (scaled Schoenfeld residual + coefficient), in order of time.
    """

    horizon_days: float
    origin_us: int
    drivers: tuple[Driver, ...]
    left_out: tuple[str, ...]
    n_churned: int
    not_known: dict[str, int]
    concordance: float
    included: npt.NDArray[np.bool_]
    has_churned: npt.NDArray[np.bool_]
    values: npt.NDArray[np.float64]
    times: npt.NDArray[np.float64]
    residuals: npt.NDArray[np.float64]

    @property
    def n_users(self) -> int:
        """Users in the fit."""
        return int(self.included.sum())

    @property
    def is_thin(self) -> bool:
        """Whether there are fewer than 10 churned users per covariate."""
        return self.n_churned < CHURNED_EACH * len(self.drivers)

    def users(self, cell: tuple[str, Literal["all", "churned", "high"]]) -> UserCodes:
        """Return users of ``(driver or "", side)``.

        all: everyone in the fit; churned: those of them who churned; high: those with an attribute's value, or
        with a behaviour in the upper quarter (ties at its edge included).
        """
        name, side = cell
        if side != "high":
            return select(self.included & (self.has_churned | (side == "all")))
        return select(self.is_high(name))

    def is_high(self, name: str) -> npt.NDArray[np.bool_]:
        """Return bool[n_users], the users whom a driver concerns most (see `users`)."""
        position = self._position(name)
        values = self.values[:, position]
        if not self.drivers[position].is_behaviour:
            return np.asarray(self.included & (values == 1))
        edge = float(np.quantile(values[self.included], 0.75))
        return np.asarray(self.included & (values >= edge))

    def _position(self, name: str) -> int:
        names = [driver.name for driver in self.drivers]
        if name not in names:
            raise NotFoundError.for_name("driver", name, names)
        return names.index(name)

    def effect_over_time(self, name: str, n_bins: int = 8) -> pa.Table:
        """Return days, ratio, lower, upper: the hazard ratio over time, in bins of equally many churns.

        Mean and its 95% interval of the bin's residuals, exponentiated. A ratio that stays at the driver's own
        speaks for the assumption.
        """
        residuals = self.residuals[:, self._position(name)]
        bins = np.array_split(np.arange(len(residuals)), min(n_bins, max(len(residuals) // 5, 1)))
        mean = np.array([residuals[rows].mean() for rows in bins])
        error = np.array([residuals[rows].std(ddof=1) / math.sqrt(len(rows)) if len(rows) > 1 else 0 for rows in bins])
        days = np.array([self.times[rows].mean() for rows in bins])
        return pa.table(
            {
                "days": days,
                "ratio": np.exp(mean),
                "lower": np.exp(mean - 1.96 * error),
                "upper": np.exp(mean + 1.96 * error),
            }
        )

    def sentences(self) -> tuple[Message, ...]:
        """Return what to know before reading the ratios."""
        found = [
            message(
                N_("Of “{attribute}” nothing is known for {n} users. They are compared among themselves only."),
                attribute=name,
                n=n,
            )
            for name, n in self.not_known.items()
            if n
        ]
        if self.is_thin:
            found.append(
                message(
                    N_("Only {churned} churned users for {n} covariates: fewer than {each} each; read with care."),
                    churned=self.n_churned,
                    n=len(self.drivers),
                    each=CHURNED_EACH,
                )
            )
        return tuple(found)

    def to_arrow(self) -> pa.Table:
        """Return one row per driver."""
        names = ("name", "ratio", "lower", "upper", "p_value", "p_holm", "changes_p", "changes_holm", "holds")
        columns = {name: [getattr(driver, name) for driver in self.drivers] for name in names}
        return pa.table({**columns, "unit": [str(driver.unit) for driver in self.drivers]})

    def to_json(self) -> dict[str, Any]:
        """Return the drivers with the check of the assumption in words."""
        rows = self.to_arrow().to_pylist()
        words = [str(driver.assumption()) for driver in self.drivers]
        return {
            "horizon_days": self.horizon_days,
            "users": self.n_users,
            "churned": self.n_churned,
            "concordance": self.concordance,
            "drivers": [row | {"assumption": word} for row, word in zip(rows, words, strict=True)],
            "left_out": list(self.left_out),
            "not_known": self.not_known,
            "notes": [str(sentence) for sentence in self.sentences()],
            **self.stamp(),
        }


def compute_cox(index: TimelineIndex, config: WorkspaceConfig, spec: CoxSpec) -> Cox:
    """Return hazard ratios of churn by Cox regression (Efron's ties; lifelines).

    Population and times as in `compute_survival` from a common origin. Covariates are what was known there:
    behaviour before it, and attributes, which carry no date and are taken as they are.

    Whether an attribute is known at all often tells how users were selected (in the sample, households with
    demographics churn at 1%, the others at 15%). So "not known" is no value: it opens a stratum with a baseline
    hazard of its own, in which the attribute says nothing.

    Raises
    ------
    InputError
        When too few users churned, or nothing varies.
    """
    unknown = [name for name in spec.behaviours if name not in BEHAVIOURS]
    if unknown:
        raise NotFoundError.for_name("behaviour", unknown[0], list(BEHAVIOURS))
    watch = Stopwatch(index)
    horizon_days = spec.horizon_days or float(learn_churn_horizon(index, config).days)
    seen = observe(index, config, spec.origin_us, horizon_days)
    included = mask_or_all(spec.users, index.n_users) & seen.is_at_risk
    n_churned = int(seen.has_churned[included].sum())
    found = behaviour_design(index, config, spec.behaviours, spec.origin_us, horizon_days)
    for labels in spec.attributes:
        found = with_attribute(found, labels, included, seen.has_churned)
    design, left_out = varying(found, included)
    if n_churned < LEAST_CHURNED or not design.names:
        raise InputError(
            N_("Too little to learn from: {churned} churned users and {n} covariates that vary."),
            churned=n_churned,
            n=len(design.names),
        )
    fitted = fit_cox(design, seen, included, spec.confidence)
    return Cox(
        horizon_days=horizon_days,
        origin_us=spec.origin_us,
        drivers=_drivers(design, fitted),
        left_out=left_out,
        n_churned=n_churned,
        not_known={labels.title: int((is_unknown(labels) & included).sum()) for labels in spec.attributes},
        concordance=fitted.concordance,
        included=included,
        has_churned=seen.has_churned,
        values=design.values,
        times=fitted.times,
        residuals=fitted.residuals,
        **watch.fields(),
    )


def _drivers(design: Design, fitted: Fitted) -> tuple[Driver, ...]:
    ratio, lower, upper = np.exp(fitted.coefficients)
    p_values, changes = fitted.p_values.tolist(), fitted.changes.tolist()
    ranks = np.arange(len(fitted.times))
    return tuple(
        Driver(
            name=name,
            unit=design.units[k],
            is_behaviour=k < design.n_behaviours,
            ratio=float(ratio[k]),
            lower=float(lower[k]),
            upper=float(upper[k]),
            p_value=p_values[k],
            p_holm=p_holm,
            changes_p=changes[k],
            changes_holm=changes_holm,
            trend=_correlation(ranks, fitted.residuals[:, k]),
        )
        for k, (name, p_holm, changes_holm) in enumerate(zip(design.names, holm(p_values), holm(changes), strict=True))
    )


def _correlation(x: npt.NDArray[Any], y: npt.NDArray[np.float64]) -> float:
    return float(np.corrcoef(x, y)[0, 1]) if len(x) > 1 and np.ptp(y) > 0 else 0.0
