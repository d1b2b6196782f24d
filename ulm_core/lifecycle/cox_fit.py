"""The covariates of a Cox regression, and the fit itself (lifelines)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from ulm_core.errors import InputError
from ulm_core.lifecycle.behaviour import BEHAVIOURS, behaviour_at
from ulm_core.lifecycle.churn_times import Observed
from ulm_core.lifecycle.filters import NOT_KNOWN, UserLabels
from ulm_core.lifecycle.groups import OTHER
from ulm_core.messages import N_, Message, message
from ulm_core.timeline.index import TimelineIndex
from ulm_core.workspace import WorkspaceConfig

LEAST_CHURNED = 5  # of a value, or at all: below, a ratio may be infinite
_DURATION, _EVENT, _STRATUM = "days", "has_churned", "known"
Mask = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Design:
    """The covariates.

    Attributes
    ----------
    names, units
        One per column; the first `n_behaviours` are behaviours, the others values of attributes.
    values
        float64[n_users, n].
    stratum
        int64[n_users]; users are compared within their stratum only.
    """

    names: tuple[str, ...]
    units: tuple[Message, ...]
    values: Floats
    n_behaviours: int
    stratum: npt.NDArray[np.int64]


def behaviour_design(
    index: TimelineIndex, config: WorkspaceConfig, names: Sequence[str], origin_us: int, horizon_days: float
) -> Design:
    """Return behaviour before the origin, over one churn horizon."""
    days = max(round(horizon_days), 2)
    return Design(
        names=tuple(names),
        units=tuple(message(BEHAVIOURS[name], days=days, half=days // 2) for name in names),
        values=behaviour_at(index, config, origin_us, days, names),
        n_behaviours=len(names),
        stratum=np.zeros(index.n_users, np.int64),
    )


def is_unknown(labels: UserLabels) -> Mask:
    """Return bool[n_users], true where the attribute is not known."""
    codes = [code for code, name in enumerate(labels.names) if name == NOT_KNOWN]
    return np.isin(labels.codes, [-1, *codes])


def with_attribute(design: Design, labels: UserLabels, included: Mask, has_churned: Mask) -> Design:
    """Return the design with one column per value of an attribute but the most frequent.

    Values of which fewer than 5 users churned are gathered as "Other", which joins the most frequent value
    where it has as few. Users of whom the attribute is not known form a stratum.

    Parameters
    ----------
    included, has_churned
        bool[n_users], users in the fit, and who churned.
    """
    unknown = is_unknown(labels)
    known = included & ~unknown
    churned = np.bincount(labels.codes[known & has_churned], minlength=len(labels.names))
    sizes = np.bincount(labels.codes[known], minlength=len(labels.names))
    own = [code for code in np.flatnonzero(churned >= LEAST_CHURNED) if labels.names[code] != NOT_KNOWN]
    base = max(own, key=lambda code: int(sizes[code]), default=-1)
    rest = known & ~np.isin(labels.codes, own)
    columns = {labels.names[code]: labels.codes == code for code in own if code != base}
    if base >= 0 and int((rest & has_churned).sum()) >= LEAST_CHURNED:
        columns[OTHER] = rest
    unit = message(N_("compared with {value}"), value=labels.names[base] if base >= 0 else "")
    if rest.any() and OTHER not in columns:
        unit = message(N_("compared with {value} and rare values"), value=labels.names[base] if base >= 0 else "")
    return replace(
        design,
        names=(*design.names, *(f"{labels.title}={name}" for name in columns)),
        units=(*design.units, *([unit] * len(columns))),
        values=np.column_stack([design.values, *(own.astype(np.float64) for own in columns.values())]),
        stratum=design.stratum * 2 + unknown,
    )


def varying(design: Design, included: Mask) -> tuple[Design, tuple[str, ...]]:
    """Return the design without the columns that are the same for everyone, and the names of these."""
    values = design.values[included]
    spread = np.ptp(values, axis=0) if len(values) else np.zeros(len(design.names))
    keep = np.flatnonzero(spread > 0).tolist()
    kept = replace(
        design,
        names=tuple(design.names[k] for k in keep),
        units=tuple(design.units[k] for k in keep),
        values=design.values[:, keep],
        n_behaviours=sum(k < design.n_behaviours for k in keep),
    )
    return kept, tuple(name for name in design.names if name not in kept.names)


@dataclass(frozen=True, eq=False)
class Fitted:
    """What the regression found.

    Attributes
    ----------
    coefficients
        float64[3, n]: log hazard ratios, their lower and their upper bound.
    p_values, changes
        float64[n]: of "no effect" (Wald), and of "the same effect at all times" (Schoenfeld, rank of time).
    concordance
        Of the fit with its own data.
    times, residuals
        float64[n_churned] and float64[n_churned, n], in order of time: scaled Schoenfeld residuals + coefficients.
    """

    coefficients: Floats
    p_values: Floats
    changes: Floats
    concordance: float
    times: Floats
    residuals: Floats


def fit_cox(design: Design, seen: Observed, included: Mask, level: float) -> Fitted:
    """Return the regression over the included users, within strata.

    Raises
    ------
    InputError
        When the covariates cannot be told apart.
    """
    import pandas as pd  # these are slow to import; only the churn page needs them
    from lifelines import CoxPHFitter
    from lifelines.exceptions import ConvergenceError
    from lifelines.statistics import proportional_hazard_test

    frame = pd.DataFrame(design.values[included], columns=[f"x{k}" for k in range(len(design.names))])
    frame[_DURATION], frame[_EVENT] = seen.days[included], seen.has_churned[included]
    strata = [_STRATUM] if len(np.unique(design.stratum[included])) > 1 else None
    if strata:
        frame[_STRATUM] = design.stratum[included]
    fitter = CoxPHFitter(alpha=1 - level, strata=strata)
    try:
        fitter.fit(frame, _DURATION, _EVENT)
    except (ConvergenceError, np.linalg.LinAlgError) as error:
        raise InputError(
            N_("The covariates say the same thing, or tell everyone apart. Choose fewer of them.")
        ) from error
    changes = proportional_hazard_test(fitter, frame, time_transform="rank").p_value
    residuals = fitter.compute_residuals(frame, "scaled_schoenfeld") + fitter.params_
    times = frame.loc[residuals.index, _DURATION].to_numpy()
    order = np.argsort(times, kind="stable")
    return Fitted(
        coefficients=np.vstack([fitter.params_.to_numpy(), fitter.confidence_intervals_.to_numpy().T]),
        p_values=fitter.summary["p"].to_numpy(),
        changes=np.atleast_1d(np.asarray(changes, np.float64)),
        concordance=float(fitter.concordance_index_),
        times=times[order],
        residuals=residuals.to_numpy()[order],
    )
