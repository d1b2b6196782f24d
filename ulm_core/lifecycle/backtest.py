"""How wrong forecasts of the stage mix were: made again at every past period, compared with what came."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ulm_core.lifecycle.markov import fit_chain
from ulm_core.messages import N_, Message, message

Floats = npt.NDArray[np.float64]
LEAST_ORIGINS = 5
LEAST_SKILL = 0.05  # below, two error rates count as about the same


@dataclass(frozen=True, eq=False)
class BackTest:
    """Errors by how many periods ahead, over rolling origins.

    At every origin the chain is learnt from the periods before it only. Arrays have one entry (or row) a
    period ahead, 1 to n.

    Attributes
    ----------
    n_origins
        int64[n]; past forecasts that could be compared.
    mix_error, mix_error_unchanged
        float64[n]; mean share of users in another stage than forecast (half the sum of the absolute
        differences of shares): of the forecast, and of "the mix stays as it is".
    active_error, active_error_unchanged
        float64[n]; mean absolute error of the number of active users, relative to the true number.
    half_width, active_half_width
        float64[n, n_stages], float64[n]; the quantile of past absolute errors, in shares of all users, that
        makes an interval; nan with fewer than `LEAST_ORIGINS` origins.
    coverage
        float64[n]; share of (origin, stage) that lay in the interval made from the other origins.
    """

    n_origins: npt.NDArray[np.int64]
    mix_error: Floats
    mix_error_unchanged: Floats
    active_error: Floats
    active_error_unchanged: Floats
    half_width: Floats
    active_half_width: Floats
    coverage: Floats

    @property
    def skill(self) -> Floats:
        """1 - error / error of no change, of the mix, by period ahead; at or below 0 the forecast is of no use."""
        return _skill(self.mix_error, self.mix_error_unchanged)

    @property
    def active_skill(self) -> Floats:
        """The same of the number of active users."""
        return _skill(self.active_error, self.active_error_unchanged)

    def sentence(self, ahead: int) -> Message:
        """Return what the back-test says of the mix that many periods ahead, whichever way it went."""
        k = ahead - 1
        if self.n_origins[k] < LEAST_ORIGINS:
            return message(
                N_("Only {n} past forecasts {ahead} periods ahead can be compared: too few to judge this one."),
                n=int(self.n_origins[k]),
                ahead=ahead,
            )
        return message(
            N_(
                "{n} past forecasts {ahead} periods ahead put {error:.1%} of users into the wrong stage; “no change” "
                "put {unchanged:.1%}. {verdict}"
            ),
            n=int(self.n_origins[k]),
            ahead=ahead,
            error=float(self.mix_error[k]),
            unchanged=float(self.mix_error_unchanged[k]),
            verdict=_verdict(float(self.skill[k])),
        )

    def active_sentence(self, ahead: int) -> Message:
        """Return what the back-test says of the number of active users that many periods ahead."""
        k = ahead - 1
        if self.n_origins[k] < LEAST_ORIGINS:
            return self.sentence(ahead)
        return message(
            N_(
                "Their numbers of active users were off by {error:.1%} on average; “no change” was off by "
                "{unchanged:.1%}. {verdict}"
            ),
            error=float(self.active_error[k]),
            unchanged=float(self.active_error_unchanged[k]),
            verdict=_verdict(float(self.active_skill[k])),
        )


def _skill(error: Floats, unchanged: Floats) -> Floats:
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(unchanged > 0, 1 - error / unchanged, np.nan)


def _verdict(skill: float) -> Message:
    if skill >= LEAST_SKILL:
        return message(N_("The forecast is better."))
    if skill > -LEAST_SKILL:
        return message(N_("The forecast does not beat it: both are about as good."))
    return message(N_("The forecast does not beat it: trust the last mix instead."))


def back_test(
    flows: npt.NDArray[np.int64], active: npt.NDArray[np.bool_], window: int, n_ahead: int, level: float
) -> BackTest:
    """Forecast from every past origin and compare.

    Parameters
    ----------
    flows
        int64[n_periods, n_stages + 1, n_stages] of complete periods, as in `StageFlow`.
    active
        bool[n_stages]; stages that count as active.
    window
        Periods a chain is learnt from; early origins have fewer, at least a third of it.
    n_ahead
        Farthest period ahead.
    level
        Share of past errors an interval holds.
    """
    ends = flows.sum(axis=1).astype(np.float64)  # users by stage at the end of each period
    errors: list[list[Floats]] = [[] for _ in range(n_ahead)]
    unchanged: list[list[Floats]] = [[] for _ in range(n_ahead)]
    truths: list[list[Floats]] = [[] for _ in range(n_ahead)]
    for origin in range(max(1, math.ceil(window / 3)), len(flows)):
        start, total = ends[origin - 1], ends[origin - 1].sum()
        if not total:
            continue
        path = fit_chain(flows[max(0, origin - window) : origin]).project(start, n_ahead)
        for k in range(min(n_ahead, len(flows) - origin)):
            truth = ends[origin + k]
            errors[k].append(path[k] / path[k].sum() - truth / truth.sum())
            unchanged[k].append(start / total - truth / truth.sum())
            truths[k].append(np.array([path[k] @ active - truth @ active, start @ active - truth @ active, *truth]))
    return _summary(errors, unchanged, truths, active, level)


def _summary(
    errors: Sequence[Sequence[Floats]],
    unchanged: Sequence[Sequence[Floats]],
    truths: Sequence[Sequence[Floats]],
    active: npt.NDArray[np.bool_],
    level: float,
) -> BackTest:
    n_stages = len(active)
    rows = [_one(e, u, t, active, level) for e, u, t in zip(errors, unchanged, truths, strict=True)]
    columns = list(zip(*rows, strict=True)) if rows else [()] * 8
    return BackTest(
        n_origins=np.array(columns[0], np.int64),
        mix_error=np.array(columns[1]),
        mix_error_unchanged=np.array(columns[2]),
        active_error=np.array(columns[3]),
        active_error_unchanged=np.array(columns[4]),
        half_width=np.array(columns[5]).reshape(len(rows), n_stages),
        active_half_width=np.array(columns[6]),
        coverage=np.array(columns[7]),
    )


def _one(
    errors: Sequence[Floats],
    unchanged: Sequence[Floats],
    truths: Sequence[Floats],
    active: npt.NDArray[np.bool_],
    level: float,
) -> tuple[int, float, float, float, float, Floats, float, float]:
    n = len(errors)
    if not n:
        nothing = np.full(len(active), np.nan)
        return 0, math.nan, math.nan, math.nan, math.nan, nothing, math.nan, math.nan
    wrong, still, known = np.abs(np.stack(errors)), np.abs(np.stack(unchanged)), np.stack(truths)
    truth = known[:, 2:]
    n_active, total = truth @ active, truth.sum(axis=1)
    missed = np.abs(known[:, :2])
    with np.errstate(invalid="ignore", divide="ignore"):
        relative = np.where(n_active[:, None] > 0, missed / n_active[:, None], np.nan)
    means = [float(np.nanmean(column)) if np.isfinite(column).any() else math.nan for column in relative.T]
    others = [_quantile(np.delete(wrong, k, axis=0), level) for k in range(n)]
    inside = np.stack([wrong[k] <= others[k] for k in range(n)])
    return (
        n,
        float(wrong.sum(axis=1).mean() / 2),
        float(still.sum(axis=1).mean() / 2),
        means[0],
        means[1],
        _quantile(wrong, level),
        float(_quantile(missed[:, :1] / total[:, None], level)[0]),
        float(inside.mean()) if n > LEAST_ORIGINS else math.nan,
    )


def _quantile(errors: Floats, level: float) -> Floats:
    """Return, by column, the ceil((n + 1) level)-th smallest of n errors (split conformal), at most the largest."""
    n = len(errors)
    if n < LEAST_ORIGINS:
        return np.full(errors.shape[1], np.nan)
    place = min(math.ceil((n + 1) * level), n)
    return np.asarray(np.sort(errors, axis=0)[place - 1], np.float64)
