"""The one home of column names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ulm_core.errors import InputError
from ulm_core.messages import N_


class Columns:
    """Standard column names of an event file; every other spelling is an alias of one of these."""

    USER = "user"
    TIME = "time"
    EVENT = "event"
    ITEM = "item"
    VALUE = "value"
    QUANTITY = "quantity"
    SESSION = "session"
    PROPERTIES = "properties"
    ITEM_TEXT = "item_text"
    ITEM_CATEGORY = "item_category"
    ITEM_PRICE = "item_price"
    ITEM_ATTRIBUTES = "item_attributes"


REQUIRED = (Columns.USER, Columns.TIME, Columns.EVENT)
STANDARD = (
    *REQUIRED,
    Columns.ITEM,
    Columns.VALUE,
    Columns.QUANTITY,
    Columns.SESSION,
    Columns.PROPERTIES,
)

# What a log's own columns say about its items; nothing of it makes two events different.
DESCRIBING = (Columns.ITEM_TEXT, Columns.ITEM_CATEGORY, Columns.ITEM_PRICE, Columns.ITEM_ATTRIBUTES)
ROLES = (*STANDARD, *DESCRIBING)

ALIASES: Mapping[str, str] = {
    "user_id": Columns.USER,
    "timestamp": Columns.TIME,
    "event_time": Columns.TIME,
    "event_name": Columns.EVENT,
    "event_type": Columns.EVENT,
    "item_id": Columns.ITEM,
    "session_id": Columns.SESSION,
}


def match_columns(found: Iterable[str]) -> dict[str, str]:
    """Return the file's column for each standard column it holds.

    Parameters
    ----------
    found
        Column names of the file, in its spelling.

    Returns
    -------
    dict
        Standard name -> name in the file; optional columns that are absent are left out.

    Raises
    ------
    InputError
        When user, time or event is missing; the message lists what the file does hold.
    """
    names = list(found)
    matched: dict[str, str] = {}
    for name in names:
        key = name.strip().lower().lstrip("\ufeff")
        standard = ALIASES.get(key, key)
        if standard in STANDARD:
            matched.setdefault(standard, name)
    missing = [name for name in REQUIRED if name not in matched]
    if missing:
        raise InputError(
            N_("The file lacks the column {missing}. It holds: {found}. An event file needs user, time and event."),
            missing=", ".join(missing),
            found=", ".join(names[:20]) or "-",
        )
    return matched
