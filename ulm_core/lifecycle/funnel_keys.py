"""What all events of one attempt can share: a session, an item, a property."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ulm_core.errors import InputError, NotFoundError
from ulm_core.lifecycle.funnel_units import session_keys
from ulm_core.lifecycle.funnel_walk import Key
from ulm_core.lifecycle.matching import Matcher
from ulm_core.messages import N_
from ulm_core.timeline.index import Partition, TimelineIndex
from ulm_core.timeline.properties import property_column
from ulm_core.warehouse.reports import item_attribute_names, item_values

if TYPE_CHECKING:
    from ulm_core.warehouse.snapshot import Snapshot

SESSION = "session"
SESSION_GAP_US = 30 * 60 * 1_000_000

Codes = npt.NDArray[np.integer[Any]]


def session_key(index: TimelineIndex, matcher: Matcher, is_any: npt.NDArray[np.bool_]) -> Key:
    """Return the sessions of the log; where it names none, a silence of 30 minutes ends one."""
    if (index.session >= 0).any():
        return lambda part: part.session
    return lambda part: session_keys(part.offsets, part.time, matcher.events(part), is_any, SESSION_GAP_US)


def held_key(field: str, index: TimelineIndex, snapshot: Snapshot | None) -> Key:
    """Return the values of ``item``, ``item.<attribute>`` or ``property.<name>`` as codes.

    Raises
    ------
    NotFoundError
        When no item or event has such an attribute or property.
    InputError
        When the field is none of these.
    """
    kind, _, name = field.partition(".")
    if kind == "item" and name in ("", "id"):
        return lambda part: part.item
    if kind not in ("item", "property") or not name:
        raise InputError(
            N_("“{field}” cannot be held constant. Write session, item, item.<attribute> or property.<name>."),
            field=field,
        )
    if snapshot is None:
        raise ValueError("an attribute or a property needs the snapshot")
    if kind == "property":
        codes = property_column(index, snapshot, name).codes
        return lambda part: _slice(codes, index, part)
    table = _item_codes(index, snapshot, name)
    return lambda part: table[part.item]


def _slice(codes: Codes, index: TimelineIndex, part: Partition) -> Codes:
    begin = int(index.offsets[part.first_user])
    return codes[begin : begin + len(part.event)]


def _item_codes(index: TimelineIndex, snapshot: Snapshot, attribute: str) -> npt.NDArray[np.int64]:
    """Return the attribute's code by item code; the last entry is where item -1 (none) points."""
    values = item_values(snapshot, attribute)
    if not values:
        raise NotFoundError.for_name("attribute", attribute, item_attribute_names(snapshot))
    code_of = {value: code for code, value in enumerate(sorted(set(values.values())))}
    codes = [code_of[values[item]] if item in values else -1 for item in index.item_ids.tolist()]
    return np.array([*codes, -1], np.int64)
