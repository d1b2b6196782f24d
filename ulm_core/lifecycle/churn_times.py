"""When users churn: per user the origin, the end of observation, and whether it ended in churn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from ulm_core.errors import InputError
from ulm_core.lifecycle.periods import DAY_US, make_periods
from ulm_core.lifecycle.results import join
from ulm_core.messages import N_
from ulm_core.timeline.index import Partition, TimelineIndex
from ulm_core.timeline.runner import map_merge
from ulm_core.workspace import WorkspaceConfig

NEVER = np.iinfo(np.int64).min
DEFAULT_FOLLOWED_DAYS = 182


@njit(cache=True, nogil=True)
def _last_before_churn(
    time: Any, event: Any, active: Any, origin_us: int, horizon_us: int, end_us: int
) -> tuple[Any, Any]:
    """Return one user's origin and the last active event before the first silence longer than the horizon.

    The origin is `NEVER` for users at no risk: without an active event by `end_us`, or, where one origin
    is given for all (`origin_us` not `NEVER`), not yet seen or already churned at it.
    """
    origin, last = np.int64(NEVER), np.int64(NEVER)
    for i in range(len(time)):
        t = time[i]
        if not active[event[i]] or t > end_us:
            continue
        if last == NEVER:
            if origin_us != NEVER and t >= origin_us:
                break
            origin = t
        elif t - last > horizon_us and t >= origin_us:
            break  # that silence was churn; coming back does not undo it
        last = t
    if origin_us == NEVER or last == NEVER:
        return origin, last
    return (origin_us if origin_us - last <= horizon_us else np.int64(NEVER)), last


@njit(cache=True, nogil=True)
def churn_times(
    offsets: Any, time: Any, event: Any, active: Any, origin_us: int, horizon_us: int, end_us: int
) -> tuple[Any, Any, Any]:
    """Return, per user, origin and end of observation (us) and whether it ended in churn.

    See `_last_before_churn` for the origin; `origin_us` is `NEVER` for "each user's first active event".
    """
    n_users = len(offsets) - 1
    origin = np.empty(n_users, np.int64)
    until = np.full(n_users, end_us, np.int64)
    churned = np.zeros(n_users, np.bool_)
    for user in range(n_users):
        a, b = offsets[user], offsets[user + 1]
        origin[user], last = _last_before_churn(time[a:b], event[a:b], active, origin_us, horizon_us, end_us)
        if origin[user] != NEVER and end_us - last > horizon_us:
            until[user] = last + horizon_us
            churned[user] = True
    return origin, until, churned


@dataclass(frozen=True, eq=False)
class Observed:
    """What the log says about every user's stay.

    Attributes
    ----------
    origin
        int64[n_users], UTC us; `NEVER` for users at no risk (see `observe`).
    days
        float64[n_users], days of 24 hours from the origin to churn or censoring; nan where at no risk.
    has_churned
        bool[n_users]; False for users at no risk too.
    """

    origin: npt.NDArray[np.int64]
    days: npt.NDArray[np.float64]
    has_churned: npt.NDArray[np.bool_]

    @property
    def is_at_risk(self) -> npt.NDArray[np.bool_]:
        """bool[n_users], whether the user could churn at the origin."""
        return np.asarray(self.origin != NEVER)


def default_origin(index: TimelineIndex, config: WorkspaceConfig) -> int:
    """Return where curves from a common origin start unless told otherwise (UTC us).

    The local midnight half a year (26 weeks) before the last event, or in the middle of the activity of a log
    shorter than a year: enough before it to know users by, and enough after it to see them leave.
    """
    first, last = index.active_span(config)
    moment = max(last - DEFAULT_FOLLOWED_DAYS * DAY_US, first + (last - first) // 2)
    return make_periods(moment, moment + 1, "day", config.timezone).from_us


def observe(index: TimelineIndex, config: WorkspaceConfig, origin_us: int | None, horizon_days: float) -> Observed:
    """Return how long every user stayed.

    Churn is the first silence longer than the horizon, at *last active event + horizon*; who has not churned by
    the end of the log is censored there.

    Parameters
    ----------
    origin_us
        Time 0 for all (UTC us): users not yet seen or already churned then are at no risk. None: each user's
        first active event.

    Raises
    ------
    InputError
        When the origin lies after the log.
    """
    active = index.active_mask(config)
    common = NEVER if origin_us is None else origin_us
    horizon_us, end_us = round(horizon_days * DAY_US), index.manifest.last_us
    if common > end_us:
        raise InputError(N_("The date at which curves start lies after the last event."))

    def kernel(part: Partition) -> tuple[Any, Any, Any]:
        partial: tuple[Any, Any, Any] = churn_times(
            part.offsets, part.time, part.event, active, common, horizon_us, end_us
        )
        return partial

    def merge(partials: Sequence[tuple[Any, Any, Any]]) -> tuple[Any, Any, Any]:
        origin, until, churned = zip(*partials, strict=True)
        return join(origin), join(until), join(churned)

    origin, until, churned = map_merge(index, kernel, merge)
    is_at_risk = origin != NEVER
    days = np.full(index.n_users, np.nan)
    days[is_at_risk] = (until[is_at_risk] - origin[is_at_risk]) / DAY_US
    return Observed(origin, days, churned & is_at_risk)


@njit(cache=True, nogil=True)
def first_active(offsets: Any, time: Any, event: Any, active: Any) -> Any:
    """Return int64[n_users]: time of each user's first active event, the smallest integer without any."""
    first = np.full(len(offsets) - 1, NEVER, np.int64)
    for user in range(len(offsets) - 1):
        for i in range(offsets[user], offsets[user + 1]):
            if active[event[i]]:
                first[user] = time[i]
                break
    return first
