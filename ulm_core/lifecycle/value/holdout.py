"""How wrong the model was: fitted on the first part of the log, compared with what came in the second."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ulm_core.lifecycle.results import UserCodes
from ulm_core.lifecycle.value.buying import BuyingModel
from ulm_core.lifecycle.value.histories import Floats, Ints, Purchases

#: Repeat purchases by which customers are put together; the last takes all above.
FREQUENCY_EDGES = (0, 1, 2, 3, 4, 5, 7, 10, 15, 25, 50)


@dataclass(frozen=True, eq=False)
class Holdout:
    """The test.

    Attributes
    ----------
    model
        Fitted on the calibration days only.
    purchases
        The customers as they stood at the cut.
    weeks
        Length of the holdout.
    cut_us
        Its start (UTC us).
    expected, actual
        float64[n] and int64[n], purchases per customer in the holdout, said before and seen after.
    buys_again
        float64[n], chance of at least one, said before.
    """

    model: BuyingModel
    purchases: Purchases
    weeks: float
    cut_us: int
    expected: Floats
    actual: Ints
    buys_again: Floats

    @property
    def mean_absolute_error(self) -> float:
        """Mean of ``|expected - actual|`` over customers."""
        return float(np.abs(self.expected - self.actual).mean())

    @property
    def root_mean_squared_error(self) -> float:
        """Root of the mean of ``(expected - actual) ** 2`` over customers."""
        return float(np.sqrt(((self.expected - self.actual) ** 2).mean()))

    @property
    def aggregate_error(self) -> float:
        """``sum of expected / sum of actual - 1``; nan when nobody bought."""
        total = float(self.actual.sum())
        return float(self.expected.sum()) / total - 1 if total else float("nan")

    @property
    def constant_error(self) -> float:
        """Mean absolute error of the same number for everyone, their mean: what a model has to beat."""
        return float(np.abs(self.actual.mean() - self.actual).mean())

    def groups(self) -> npt.NDArray[np.int64]:
        """Return int64[n], each customer's group of `FREQUENCY_EDGES`."""
        return frequency_groups(self.purchases.frequency)

    def by_frequency(self) -> pa.Table:
        """Return frequency, users, expected, actual (means), for each number of repeat purchases before the cut."""
        return by_group(self.groups(), group_names(FREQUENCY_EDGES), self.expected, self.actual)

    def users(self, frequency: str) -> UserCodes:
        """Return the customers of one line of `by_frequency`."""
        names = group_names(FREQUENCY_EDGES)
        return np.asarray(self.purchases.customers[self.groups() == names.index(frequency)])


def frequency_groups(frequency: Ints) -> npt.NDArray[np.int64]:
    """Return int64[n], the position in `FREQUENCY_EDGES` of each number of repeat purchases."""
    return np.searchsorted(FREQUENCY_EDGES, frequency, side="right") - 1


def group_names(edges: Sequence[int]) -> tuple[str, ...]:
    """Return the names of half-open groups of whole numbers: "4", "5-6", "50+".

    Examples
    --------
    >>> group_names((0, 1, 3))
    ('0', '1-2', '3+')
    """
    inner = [str(a) if b == a + 1 else f"{a}-{b - 1}" for a, b in pairwise(edges)]
    return (*inner, f"{edges[-1]}+")


def by_group(codes: npt.NDArray[np.int64], names: Sequence[str], expected: Floats, actual: Ints) -> pa.Table:
    """Return users and means by group; groups without users are left out."""
    sizes = np.bincount(codes, minlength=len(names))
    kept = np.flatnonzero(sizes).tolist()
    sums = [np.bincount(codes, weights=values, minlength=len(names))[kept] for values in (expected, actual)]
    return pa.table(
        {
            "frequency": [names[code] for code in kept],
            "users": sizes[kept],
            "expected": sums[0] / sizes[kept],
            "actual": sums[1] / sizes[kept],
        }
    )
