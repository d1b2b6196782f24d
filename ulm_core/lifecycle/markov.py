"""A Markov chain of stages with newcomers: learnt from flows, projected, and changed for a what-if."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from ulm_core.errors import InputError
from ulm_core.messages import N_

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Chain:
    """How users move in one period.

    Attributes
    ----------
    rates
        float64[n_stages, n_stages]; the share of users of a stage (row) who are in another (column) one
        period later; every row sums to 1.
    newcomers
        float64[n_stages]; users first seen in a period, by the stage they end it in.
    """

    rates: Floats
    newcomers: Floats

    def project(self, start: npt.ArrayLike, n_periods: int) -> Floats:
        """Return float64[n_periods, n_stages]: ``users(t + 1) = users(t) @ rates + newcomers``."""
        now = np.asarray(start, np.float64)
        path = np.empty((n_periods, len(now)))
        for k in range(n_periods):
            now = now @ self.rates + self.newcomers
            path[k] = now
        return path


def fit_chain(flows: npt.NDArray[np.int64]) -> Chain:
    """Return the chain learnt from some periods' flows, pooled.

    ``rate(i, j) = users who went from i to j / users who started a period in i``, summed over the periods; a
    stage nobody started in keeps its users. Newcomers are the mean over the periods.

    Parameters
    ----------
    flows
        int64[n_periods > 0, n_stages + 1, n_stages], the last row = not yet seen.
    """
    moves = flows[:, :-1].sum(axis=0).astype(np.float64)
    sums = moves.sum(axis=1, keepdims=True)
    rates = np.divide(moves, sums, out=np.eye(len(moves)), where=sums > 0)
    return Chain(rates, flows[:, -1].mean(axis=0))


def change_rates(chain: Chain, changes: Sequence[tuple[int, int, float]]) -> Chain:
    """Return the chain with some rates raised or lowered.

    The other cells of a changed row share what is left in the proportions they had; where they had nothing,
    what is left stays in the stage. A rate never leaves [0, 1].

    Parameters
    ----------
    changes
        (from, to, points): the rate rises by points / 100. At most one a cell.

    Raises
    ------
    InputError
        When the changed rates of a row come to more than 100%, or nothing is left to take from.
    """
    rates = chain.rates.copy()
    for row in {row for row, _, _ in changes}:
        rates[row] = _changed_row(rates[row], row, [(to, points) for r, to, points in changes if r == row])
    return replace(chain, rates=rates)


def _changed_row(old: Floats, stage: int, changes: Sequence[tuple[int, float]]) -> Floats:
    new, is_fixed = old.copy(), np.zeros(len(old), np.bool_)
    for target, points in changes:
        new[target] = min(max(old[target] + points / 100, 0.0), 1.0)
        is_fixed[target] = True
    left = 1 - new[is_fixed].sum()
    if left < -1e-9 or (is_fixed.all() and abs(left) > 1e-9):
        raise InputError(N_("The changed shares of one stage must leave 0% to 100% for its other moves."))
    others = old[~is_fixed].sum()
    if others > 0:
        new[~is_fixed] = old[~is_fixed] * max(left, 0.0) / others
    elif left > 1e-9:
        if is_fixed[stage]:
            raise InputError(N_("The changed shares of one stage must leave 0% to 100% for its other moves."))
        new[stage] = left
    return new
