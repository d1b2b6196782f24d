"""Drivers: what those who converted did and were *before* they entered the funnel, unlike those who dropped.

Only events before a user's own step 1 count. What happens inside the funnel cannot be a driver: whoever gets
further has more time, and more reason, to do things.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from numba import njit

from ulm_core.errors import InputError
from ulm_core.lifecycle.filters import UserLabels, attribute_labels
from ulm_core.lifecycle.funnel_result import Funnel
from ulm_core.lifecycle.multiplicity import holm
from ulm_core.lifecycle.periods import DAY_US
from ulm_core.lifecycle.proportions import TwoShares
from ulm_core.lifecycle.results import Result, Stopwatch, UserCodes, join, number_or_none
from ulm_core.messages import N_
from ulm_core.timeline.index import Partition
from ulm_core.timeline.runner import map_merge
from ulm_core.warehouse.reports import attribute_values, item_values
from ulm_core.warehouse.snapshot import Snapshot

LOOKBACK_DAYS = 30
MIN_USERS = 20  # with and without, for a lift to be tested
TOP_CATEGORIES = 25

Kind = Literal["event", "category", "attribute"]


@dataclass(frozen=True)
class Driver:
    """One thing some users did or were before they entered.

    Attributes
    ----------
    kind
        event: did it in the days before; category: did something with an item of it; attribute: has the value.
    name, value
        Event or attribute, and value or category.
    shares
        Who converted, with it and without.
    p_holm
        p value, corrected for all drivers looked at (Holm).
    """

    kind: Kind
    name: str
    value: str
    shares: TwoShares
    p_holm: float


@dataclass(frozen=True, kw_only=True, eq=False)
class Drivers(Result):
    """What separates those who converted from those who dropped, the surest first.

    Attributes
    ----------
    step
        The step that counts as converted, from 1.
    lookback_days
        How long before the entry events count.
    drivers
        Those with enough users on both sides.
    entrants, converted
        User codes of who entered, and which of them converted.
    has
        bool[n_drivers, n_entrants].
    """

    step: int
    lookback_days: float
    drivers: tuple[Driver, ...]
    entrants: UserCodes
    converted: npt.NDArray[np.bool_]
    has: npt.NDArray[np.bool_]

    def to_arrow(self) -> pa.Table:
        """Return one row a driver."""
        return pa.Table.from_pylist([self._row(driver) for driver in self.drivers], self._schema())

    @staticmethod
    def _schema() -> pa.Schema:
        texts = [(name, pa.string()) for name in ("kind", "name", "value")]
        counts = [(name, pa.int64()) for name in ("users_with", "converted_with", "users_without", "converted_without")]
        numbers = [(name, pa.float64()) for name in ("lift", "lift_lower", "lift_upper", "p_holm")]
        return pa.schema(texts + counts + numbers)

    @staticmethod
    def _row(driver: Driver) -> dict[str, Any]:
        shares = driver.shares
        low, high = shares.lift_interval
        return {
            "kind": driver.kind, "name": driver.name, "value": driver.value,
            "users_with": shares.n1, "converted_with": shares.x1,
            "users_without": shares.n2, "converted_without": shares.x2,
            "lift": number_or_none(shares.lift), "lift_lower": number_or_none(low), "lift_upper": number_or_none(high),
            "p_holm": driver.p_holm,
        }  # fmt: skip

    def users(self, cell: tuple[int, bool, bool]) -> UserCodes:
        """Return who has (or lacks) driver number `cell[0]`: all of them, or with `cell[2]` only who converted."""
        number, with_it, only_converted = cell
        rows = self.has[number] == with_it
        codes: UserCodes = self.entrants[rows & self.converted if only_converted else rows]
        return codes

    def to_json(self) -> dict[str, Any]:
        """Return one entry a driver."""
        rows = [self._row(driver) for driver in self.drivers]
        return {"step": self.step, "lookback_days": self.lookback_days, "drivers": rows, **self.stamp()}


@njit(cache=True, nogil=True)
def _seen_before(offsets: Any, time: Any, code: Any, users: Any, entry: Any, lookback_us: int, n_codes: int) -> Any:
    """Return bool[n_codes, n_users given]: which codes a user has in the time before the entry, the entry left out."""
    seen = np.zeros((n_codes, len(users)), np.bool_)
    for k in range(len(users)):
        for i in range(offsets[users[k]], offsets[users[k] + 1]):
            if time[i] >= entry[k]:
                break
            if code[i] >= 0 and time[i] >= entry[k] - lookback_us:
                seen[code[i], k] = True
    return seen


def compute_drivers(
    funnel: Funnel, snapshot: Snapshot, *, step: int | None = None, lookback_days: float = LOOKBACK_DAYS
) -> Drivers:
    """Return what separates who reached a step from who entered and did not.

    Parameters
    ----------
    funnel
        One that counts users.
    snapshot
        Where attributes are read.
    step
        The step that counts as converted, from 1; default: the last.
    lookback_days
        How long before a user's entry events count.

    Raises
    ------
    InputError
        When the funnel counts sessions or attempts, or has no such step.
    """
    watch = Stopwatch(funnel.index)
    step = step or len(funnel.spec.steps)
    if funnel.spec.counting != "users":
        raise InputError(N_("Drivers need a funnel that counts users."))
    entrants = funnel.users((1, "converted"))
    converted = np.isin(entrants, funnel.users((step, "converted")), assume_unique=True)
    entry = funnel.times.flat[funnel.times.rows[:-1]]
    found: list[tuple[Kind, str, str, npt.NDArray[np.bool_]]] = []
    for kind, names, codes in _histories(funnel, snapshot):
        seen = _before(funnel, codes, len(names), entrants, entry, round(lookback_days * DAY_US))
        found += [(kind, name if kind == "event" else kind, "" if kind == "event" else name, row)
                  for name, row in zip(names, seen, strict=True)]  # fmt: skip
    found += _attributes(funnel, snapshot, entrants)
    drivers, has = _tested(found, converted)
    return Drivers(
        step=step, lookback_days=lookback_days, drivers=drivers, entrants=entrants, converted=converted, has=has,
        **watch.fields(),
    )  # fmt: skip


def _histories(funnel: Funnel, snapshot: Snapshot) -> list[tuple[Kind, list[str], npt.NDArray[np.integer[Any]]]]:
    """Return, for events and for item categories, their names and the code of every event of the log."""
    index = funnel.index
    histories: list[tuple[Kind, list[str], npt.NDArray[np.integer[Any]]]] = [
        ("event", list(index.manifest.event_names), index.event)
    ]
    categories = item_values(snapshot, "category")
    of_item = [categories.get(item) for item in index.item_ids.tolist()]
    per_item = np.bincount(index.item[index.item >= 0], minlength=len(of_item))
    sizes: dict[str, int] = {}
    for category, n in zip(of_item, per_item.tolist(), strict=True):
        if category:
            sizes[category] = sizes.get(category, 0) + n
    names = sorted(sizes, key=lambda name: (-sizes[name], name))[:TOP_CATEGORIES]
    if names:
        place = {name: code for code, name in enumerate(names)}
        table = np.array([*(place.get(category or "", -1) for category in of_item), -1], np.int16)
        histories.append(("category", names, table[index.item]))
    return histories


def _before(
    funnel: Funnel, codes: npt.NDArray[np.integer[Any]], n_codes: int, entrants: UserCodes,
    entry: npt.NDArray[np.int64], lookback_us: int,
) -> npt.NDArray[np.bool_]:  # fmt: skip
    index = funnel.index

    def kernel(part: Partition) -> npt.NDArray[np.bool_]:
        begin, stop = np.searchsorted(entrants, [part.first_user, part.first_user + part.n_users])
        users = entrants[begin:stop].astype(np.int64) - part.first_user
        first = int(index.offsets[part.first_user])
        own = codes[first : first + len(part.event)]
        seen: npt.NDArray[np.bool_] = _seen_before(
            part.offsets, part.time, own, users, entry[begin:stop], lookback_us, n_codes
        )
        return seen.T

    def merge(partials: Sequence[npt.NDArray[np.bool_]]) -> npt.NDArray[np.bool_]:
        return join(partials).T

    return map_merge(index, kernel, merge)


def _attributes(
    funnel: Funnel, snapshot: Snapshot, entrants: UserCodes
) -> list[tuple[Kind, str, str, npt.NDArray[np.bool_]]]:
    found: list[tuple[Kind, str, str, npt.NDArray[np.bool_]]] = []
    for name, values in attribute_values(snapshot).items():
        labels: UserLabels = attribute_labels(funnel.index, snapshot, name)
        codes = labels.codes[entrants]
        found += [("attribute", name, value, codes == labels.names.index(value)) for value in values
                  if value in labels.names]  # fmt: skip
    return found


def _tested(
    found: Sequence[tuple[Kind, str, str, npt.NDArray[np.bool_]]], converted: npt.NDArray[np.bool_]
) -> tuple[tuple[Driver, ...], npt.NDArray[np.bool_]]:
    """Return the drivers with enough users on both sides, p values corrected for all of them."""
    n_all, x_all = len(converted), int(converted.sum())
    kept = []
    for kind, name, value, has in found:
        n, x = int(has.sum()), int((has & converted).sum())
        if min(n, n_all - n) >= MIN_USERS:
            shares = TwoShares(x, n, x_all - x, n_all - n)
            kept.append((kind, name, value, has, shares, shares.p_value if shares.p_value == shares.p_value else 1.0))
    adjusted = holm([row[-1] for row in kept])
    order = sorted(range(len(kept)), key=lambda k: (adjusted[k], kept[k][-1], kept[k][:3]))
    drivers = tuple(Driver(*kept[k][:3], kept[k][4], adjusted[k]) for k in order)
    has = np.array([kept[k][3] for k in order], np.bool_).reshape(len(order), n_all)
    return drivers, has
