"""What one condition says about every event of a partition."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ulm_core.errors import NotFoundError
from ulm_core.lifecycle.conditions import NUMERIC, WITHOUT_VALUE, Where
from ulm_core.timeline.index import Partition, TimelineIndex
from ulm_core.timeline.properties import property_column
from ulm_core.warehouse.reports import attribute_of_users, item_attribute_names, item_values, user_attribute_names

if TYPE_CHECKING:
    from ulm_core.warehouse.snapshot import Snapshot

Flags = npt.NDArray[np.bool_]
RowTest = Callable[[Partition], Flags]
_COMPARE: dict[str, Callable[[Any, Any], Any]] = {
    ">": operator.gt, ">=": operator.ge, "<": operator.lt, "<=": operator.le,
}  # fmt: skip


def row_test(where: Where, index: TimelineIndex, snapshot: Snapshot | None) -> RowTest:
    """Return a function that tells which events of a partition satisfy a condition.

    Raises
    ------
    NotFoundError
        When no item, user or event has such an attribute or property.
    """
    kind, _, name = where.field.partition(".")
    if kind == "event":
        return _of_numbers(where, name)
    if kind == "item" and name == "id":
        return _of_items(accepted(where, index.item_ids.tolist()), where)
    if snapshot is None:
        raise ValueError("a condition on an attribute or a property needs the snapshot")
    if kind == "item":
        values = _known(item_values(snapshot, name), "attribute", name, item_attribute_names(snapshot))
        return _of_items(accepted(where, map(values.get, index.item_ids.tolist())), where)
    if kind == "user":
        values = _known(attribute_of_users(snapshot, name), "attribute", name, user_attribute_names(snapshot))
        return _of_users(accepted(where, map(values.get, index.user_ids.tolist())))
    return _of_property(where, index, snapshot, name)


def _known(values: Mapping[str, str], kind: str, name: str, names: Iterable[str]) -> Mapping[str, str]:
    if not values:
        raise NotFoundError.for_name(kind, name, list(names))
    return values


def accepted(where: Where, values: Iterable[str | None]) -> Flags:
    """Return which values satisfy a condition; None is a missing one."""
    verdicts: dict[str | None, bool] = {}
    wanted, lowered = set(where.values), [value.lower() for value in where.values]

    def verdict(value: str | None) -> bool:
        if where.op in ("unset", "!="):
            return value is None or (where.op == "!=" and value not in wanted)
        if value is None or where.op == "set":
            return value is not None
        if where.op in NUMERIC:
            return bool(_COMPARE[where.op](_number(value), float(where.values[0])))
        return value in wanted if where.op == "=" else any(part in value.lower() for part in lowered)

    def known(value: str | None) -> bool:
        if value not in verdicts:
            verdicts[value] = verdict(value)
        return verdicts[value]

    return np.fromiter(map(known, values), np.bool_)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return np.nan  # compares false with everything


def _of_items(by_item: Flags, where: Where) -> RowTest:
    # The last entry is where item -1 (none) points.
    table = np.append(by_item, accepted(where, [None]))
    return lambda part: table[part.item]


def _of_users(by_user: Flags) -> RowTest:
    def test(part: Partition) -> Flags:
        own = by_user[part.first_user : part.first_user + part.n_users]
        return np.repeat(own, np.diff(part.offsets))

    return test


def _of_property(where: Where, index: TimelineIndex, snapshot: Snapshot, name: str) -> RowTest:
    column = property_column(index, snapshot, name)
    table = np.append(accepted(where, column.values), accepted(where, [None]))

    def test(part: Partition) -> Flags:
        begin = int(index.offsets[part.first_user])
        return table[column.codes[begin : begin + len(part.event)]]

    return test


def _of_numbers(where: Where, name: str) -> RowTest:
    numbers = np.array([_number(value) for value in where.values])

    def test(part: Partition) -> Flags:
        values: npt.NDArray[np.float64] = getattr(part, name)
        if where.op in NUMERIC:
            return np.asarray(_COMPARE[where.op](values, numbers[0]), np.bool_)
        has = ~np.isnan(values) if where.op in WITHOUT_VALUE else np.isin(values, numbers)
        return has if where.op in ("set", "=", "~") else np.logical_not(has)

    return test
