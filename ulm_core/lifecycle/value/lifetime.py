"""Customer lifetime value: what each customer is expected to buy and spend from now on, discounted."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pydantic import Field

from ulm_core.errors import InputError, NotFoundError
from ulm_core.lifecycle.filters import UserLabels
from ulm_core.lifecycle.periods import Periods
from ulm_core.lifecycle.results import Result, Spec, Stopwatch, UserCodes, mask_or_all, number_or_none
from ulm_core.lifecycle.value.buying import BuyingKind, BuyingModel, fit_buying
from ulm_core.lifecycle.value.histories import Floats, Purchases, calendar_days, read_purchases
from ulm_core.lifecycle.value.holdout import FREQUENCY_EDGES, Holdout, frequency_groups, group_names
from ulm_core.lifecycle.value.spending import SpendingModel, fit_spending
from ulm_core.messages import N_
from ulm_core.timeline.index import TimelineIndex
from ulm_core.workspace import WorkspaceConfig

#: Weeks since the last purchase by which customers are put together; the last takes all above.
SILENCE_EDGES = (0, 1, 2, 4, 8, 13, 26, 39, 52, 78)
_YEAR_WEEKS = 365.2425 / 7


class ValueSpec(Spec):
    """Asks for lifetime value.

    Attributes
    ----------
    model
        mbg: MBG/NBD (default: the better one on CDNOW); bg: BG/NBD.
    horizon_weeks
        How far to look ahead.
    yearly_discount
        A purchase in a year is worth ``1 / (1 + yearly_discount)`` of one today.
    margin
        Share of the value that is earned.
    holdout_share
        Share of the log's days, at its end, on which the model is tested.
    """

    model: BuyingKind = "mbg"
    horizon_weeks: int = Field(52, ge=1, le=260)
    yearly_discount: float = Field(0.10, ge=0, le=1)
    margin: float = Field(1.0, gt=0, le=1)
    holdout_share: float = Field(0.5, gt=0, lt=1)


@dataclass(frozen=True, kw_only=True, eq=False)
class CustomerValue(Result):
    """Lifetime value of every customer.

    Attributes
    ----------
    spec
        What was asked.
    purchases
        The customers with their history.
    buying, spending
        The models, fitted on the whole log; no `spending` where purchases have no values.
    expected
        float64[n], purchases to expect within the horizon.
    buys_again
        float64[n], chance of at least one.
    spend
        float64[n], expected mean value of a purchase; nan without `spending`.
    value
        float64[n], discounted value of the expected purchases (times the margin); nan without `spending`.
    holdout
        How wrong the model was; None where the log is too short to tell.
    """

    spec: ValueSpec
    purchases: Purchases
    buying: BuyingModel
    spending: SpendingModel | None
    expected: Floats
    buys_again: Floats
    spend: Floats
    value: Floats
    holdout: Holdout | None
    user_ids: npt.NDArray[np.object_]

    def users(self, cell: tuple[Literal["all", "cell", "group"], Any]) -> UserCodes:
        """Return customers.

        ``("all", None)``; ``("cell", (frequency, silence))``: one cell of `matrix`; ``("group", (labels, name))``:
        the customers with one label.
        """
        which, what = cell
        customers = self.purchases.customers
        if which == "cell":
            names = group_names(FREQUENCY_EDGES), group_names(SILENCE_EDGES)
            for name, known in zip(what, names, strict=True):
                if name not in known:
                    raise NotFoundError.for_name("group", name, known)
            row, column = self._cells()
            return np.asarray(customers[(row == names[0].index(what[0])) & (column == names[1].index(what[1]))])
        if which == "group":
            labels, name = what
            return np.asarray(customers[labels.codes[customers] == labels.names.index(name)])
        return customers

    def _cells(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        silence = np.searchsorted(SILENCE_EDGES, self.purchases.silence, side="right") - 1
        return frequency_groups(self.purchases.frequency), silence

    def matrix(self) -> pa.Table:
        """Return the frequency-recency matrix: frequency, silence, users, expected, buys_again, value (means).

        One row per cell with customers: repeat purchases by weeks since the last purchase.
        """
        row, column = self._cells()
        rows, columns = group_names(FREQUENCY_EDGES), group_names(SILENCE_EDGES)
        place = row * len(columns) + column
        sizes = np.bincount(place, minlength=len(rows) * len(columns))
        kept = np.flatnonzero(sizes)
        means = {
            name: np.bincount(place, weights=getattr(self, name), minlength=len(sizes))[kept] / sizes[kept]
            for name in ("expected", "buys_again", "value")
        }
        return pa.table(
            {
                "frequency": [rows[k] for k in kept // len(columns)],
                "silence": [columns[k] for k in kept % len(columns)],
                "users": sizes[kept],
                **means,
            }
        )

    def by(self, labels: UserLabels) -> pa.Table:
        """Return group, users, expected, value (sums), value_each: one row per label with customers."""
        codes = labels.codes[self.purchases.customers]
        known = codes >= 0
        sizes = np.bincount(codes[known], minlength=len(labels.names))
        kept = np.flatnonzero(sizes)
        expected, value = (
            np.bincount(codes[known], weights=values[known], minlength=len(sizes))[kept]
            for values in (self.expected, self.value)
        )
        return pa.table(
            {
                "group": pa.array([labels.names[k] for k in kept], pa.string()),
                "users": sizes[kept],
                "expected": expected,
                "value": value,
                "value_each": value / sizes[kept],
            }
        )

    def ranked(self) -> npt.NDArray[np.int64]:
        """Return int64[n], positions of the customers, the most valuable first."""
        key = self.expected if self.spending is None else self.value
        return np.argsort(-key, kind="stable")

    def to_arrow(self) -> pa.Table:
        """Return one row per customer, the most valuable first."""
        order, bought = self.ranked(), self.purchases
        return pa.table(
            {
                "user_id": pa.array(self.user_ids[order].tolist(), pa.string()),
                "repeat_purchases": bought.frequency[order],
                "weeks_since_last": bought.silence[order],
                "value_so_far": bought.total[order],
                "expected_purchases": self.expected[order],
                "buys_again": self.buys_again[order],
                "expected_spend": self.spend[order],
                "value": self.value[order],
            }
        )

    def to_json(self) -> dict[str, Any]:
        """Return the models, the test, the matrix and the totals; customers by `to_arrow`."""
        held, buying = self.holdout, self.buying
        return {
            "model": {name: getattr(buying, name) for name in ("kind", "r", "alpha", "a", "b", "log_likelihood")},
            "spending": None if self.spending is None else vars(self.spending),
            "horizon_weeks": self.spec.horizon_weeks,
            "yearly_discount": self.spec.yearly_discount,
            "margin": self.spec.margin,
            "customers": len(self.purchases),
            "expected_purchases": float(self.expected.sum()),
            "value": number_or_none(float(self.value.sum())),
            "holdout": None if held is None else _holdout_json(held),
            "matrix": self.matrix().to_pylist(),
            **self.stamp(),
        }


def _holdout_json(held: Holdout) -> dict[str, Any]:
    return {
        "weeks": held.weeks,
        "customers": len(held.purchases),
        "expected": float(held.expected.sum()),
        "actual": int(held.actual.sum()),
        "aggregate_error": number_or_none(held.aggregate_error),
        "mean_absolute_error": held.mean_absolute_error,
        "root_mean_squared_error": held.root_mean_squared_error,
        "constant_error": held.constant_error,
        "by_frequency": held.by_frequency().to_pylist(),
    }


def compute_value(index: TimelineIndex, config: WorkspaceConfig, spec: ValueSpec) -> CustomerValue:
    """Return every customer's expected purchases and lifetime value.

    A purchase is a calendar day with a conversion, its value the sum of that day's. The models are fitted on the
    customers asked for, to the end of the log; the test fits them once more on its first part.

    Raises
    ------
    InputError
        When no event is a conversion, or too few customers bought again.
    """
    watch = Stopwatch(index)
    included = mask_or_all(spec.users, index.n_users)
    days = calendar_days(index, config)
    bought = read_purchases(index, config, days, len(days), included)
    if not len(bought):
        raise InputError(N_("Nobody has bought anything: no conversion is in this log, or the filters leave nobody."))
    buying = fit_buying(bought.frequency, bought.recency, bought.age, spec.model)
    spending = _spending(bought)
    history = bought.frequency, bought.recency, bought.age
    spend = spending.expected(bought.frequency, bought.spend) if spending else np.full(len(bought), np.nan)
    return CustomerValue(
        spec=spec,
        purchases=bought,
        buying=buying,
        spending=spending,
        expected=buying.expected(spec.horizon_weeks, *history),
        buys_again=buying.buys_again(spec.horizon_weeks, *history),
        spend=spend,
        value=discounted_purchases(buying, bought, spec.horizon_weeks, spec.yearly_discount) * spend * spec.margin,
        holdout=_test(index, config, days, included, spec),
        user_ids=index.user_ids[bought.customers],
        **watch.fields(),
    )


def discounted_purchases(model: BuyingModel, bought: Purchases, weeks: int, yearly_discount: float) -> Floats:
    """Return float64[n]: the purchases to expect in the coming `weeks`, each discounted to today.

    ``integral of exp(-d t) dE(t) = exp(-d H) E(H) + d * integral from 0 to H of exp(-d t) E(t) dt`` with
    ``d = ln(1 + yearly discount) / 52.18`` a week; E is smooth, so that 12 Gauss-Legendre points are exact to
    many digits.
    """
    rows, back = np.unique(np.column_stack([bought.frequency, bought.recency, bought.age]), axis=0, return_inverse=True)
    history = rows[:, 0].astype(np.int64), rows[:, 1], rows[:, 2]
    rate = math.log1p(yearly_discount) / _YEAR_WEEKS
    total = math.exp(-rate * weeks) * model.expected(weeks, *history)
    if rate > 0:
        points, shares = np.polynomial.legendre.leggauss(12)
        for week, share in zip((points + 1) / 2 * weeks, shares * weeks / 2, strict=True):
            total += share * rate * math.exp(-rate * week) * model.expected(float(week), *history)
    return np.asarray(total[back.ravel()], np.float64)


def _spending(bought: Purchases) -> SpendingModel | None:
    try:
        return fit_spending(bought.frequency, bought.spend)
    except InputError:  # a log whose purchases have no values still has purchases to expect
        return None


def _test(
    index: TimelineIndex, config: WorkspaceConfig, days: Periods, included: npt.NDArray[np.bool_], spec: ValueSpec
) -> Holdout | None:
    everything = read_purchases(index, config, days, len(days), included)
    first = len(days) - 1 - round(float(everything.age.max()) * 7)
    n_days = first + round((len(days) - first) * (1 - spec.holdout_share))
    if not first < n_days < len(days):
        return None
    known = read_purchases(index, config, days, n_days, included)
    try:
        model = fit_buying(known.frequency, known.recency, known.age, spec.model)
    except InputError:
        return None
    counts = np.zeros(index.n_users, np.int64)
    counts[everything.customers] = everything.frequency
    weeks = (len(days) - n_days) / 7
    history: Sequence[Any] = (known.frequency, known.recency, known.age)
    return Holdout(
        model=model,
        purchases=known,
        weeks=weeks,
        cut_us=int(days.starts_us[n_days]),
        expected=model.expected(weeks, *history),
        actual=counts[known.customers] - known.frequency,
        buys_again=model.buys_again(weeks, *history),
    )
