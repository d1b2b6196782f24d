"""How the columns of a file become events: an editable, saveable mapping.

A *reference* names a column of the file, or a place inside a nested one: ``properties.product_id`` is the field
``product_id`` of the JSON (or struct) column ``properties``. A role takes several references; the first that holds
something in a row counts (``user_id``, else ``anonymous_id``). References a file lacks are passed over.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from ulm_core.errors import InputError
from ulm_core.events.columns import ALIASES, DESCRIBING, ROLES, STANDARD, Columns
from ulm_core.messages import N_

References = tuple[str, ...]
TimeKind = Literal["auto", "epoch_s", "epoch_ms", "epoch_us", "day_first", "month_first", "relative_days", "pattern"]

NULLS = ("", "\\N", "NULL", "null", "None", "NaN", "nan", "NA", "N/A")
EVERYTHING_ELSE = "*"


class ColumnMapping(BaseModel):
    """Which column plays which role, how times are written, what an event is called.

    Attributes
    ----------
    user, time, event, item, value, quantity, session
        References by role; user and time are required, event where `event_name` and `wide` say nothing.
    properties
        References kept beside the event as JSON; ``*`` stands for every column that plays no role.
    item_text, item_category, item_price, item_attributes
        References that describe the row's item, for the items table. Of the text, all that hold something count
        (``brand``, ``category_code`` -> ``acme, kitchen.kettle``); attributes keep their own names.
    event_name
        Name of the event of every row of a log that has no event column; beside `event` it names rows without one.
    event_names
        Names for the values of the event column (``pv`` -> ``view``); a value that is not listed stays as it is.
    wide
        Column -> event, for logs with one column per kind of event.
    wide_kind
        ``flag``: the column holds 0/1 or a count, each non-zero one is an event at the row's time (a count becomes
        its quantity). ``time``: the column holds the moment of that event.
    value_is
        ``amount`` of the row, or ``unit price`` that is multiplied by the quantity.
    decimal_comma
        Numbers are written ``1.234,50``.
    cancelled_prefix
        Sessions (orders, invoices) whose id starts like this are cancellations.
    whole_ids
        Ids written ``17850.0`` (a spreadsheet's habit) are read as ``17850``.
    time_kind, time_pattern
        How moments are written; ``auto`` knows ISO 8601 and epochs in s, ms and us; ``pattern`` is strptime's.
    timezone
        Zone of moments that carry none.
    origin
        Day 0 of relative days (UTC).
    nulls
        Texts that mean "nothing here".
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    user: References = ()
    time: References = ()
    event: References = ()
    item: References = ()
    value: References = ()
    quantity: References = ()
    session: References = ()
    properties: References = ()
    item_text: References = ()
    item_category: References = ()
    item_price: References = ()
    item_attributes: References = ()
    event_name: str | None = None
    event_names: dict[str, str] = Field(default_factory=dict)
    wide: dict[str, str] = Field(default_factory=dict)
    wide_kind: Literal["flag", "time"] = "flag"
    value_is: Literal["amount", "unit price"] = "amount"
    decimal_comma: bool = False
    cancelled_prefix: str | None = None
    whole_ids: bool = False
    time_kind: TimeKind = "auto"
    time_pattern: str | None = None
    timezone: str = "UTC"
    origin: datetime = datetime(2000, 1, 1)
    nulls: tuple[str, ...] = NULLS

    @field_validator(*(name for name in ROLES), mode="before")
    @classmethod
    def _one_or_many(cls, value: object) -> object:
        return (value,) if isinstance(value, str) else value

    @field_validator("timezone")
    @classmethod
    def _known_timezone(cls, value: str) -> str:
        from zoneinfo import ZoneInfo  # the check is the constructor

        ZoneInfo(value)
        return value

    @model_validator(mode="after")
    def _pattern_is_given(self) -> ColumnMapping:
        if self.time_kind == "pattern" and not self.time_pattern:
            raise ValueError("time_kind 'pattern' needs time_pattern, for example %d.%m.%Y %H:%M")
        return self

    @property
    def describes_items(self) -> bool:
        """Whether the log's own columns say something about its items."""
        return bool(self.item) and any(self.references(role) for role in DESCRIBING)

    def references(self, role: str) -> References:
        """Return the references of a role (a name of `ulm_core.events.columns.Columns`)."""
        found: References = getattr(self, role)
        return found

    def with_roles(self, roles: Mapping[str, str]) -> ColumnMapping:
        """Return the mapping with some roles given to other columns (``{"user": "member"}``).

        Raises
        ------
        InputError
            When a role is unknown.
        """
        unknown = [role for role in roles if role not in ROLES]
        if unknown:
            raise InputError(
                N_("“{role}” is no role of a column. Roles: {known}."), role=unknown[0], known=", ".join(ROLES)
            )
        return self.model_copy(update={role: (column,) for role, column in roles.items()})


def standard_mapping(names: Iterable[str]) -> ColumnMapping:
    """Return the mapping of a file with the standard column names or their aliases, as far as it has them.

    Examples
    --------
    >>> standard_mapping(["User_ID", "timestamp", "colour"]).user
    ('User_ID',)
    """
    found: dict[str, tuple[str, ...]] = {}
    for name in names:
        key = name.strip().lower().lstrip("\ufeff")
        role = ALIASES.get(key, key)
        if role in STANDARD:
            found.setdefault(role, (name,))
    return ColumnMapping.model_validate(found)


def is_complete(mapping: ColumnMapping) -> bool:
    """Return whether user, time and event are known."""
    has_event = bool(mapping.event or mapping.event_name or mapping.wide)
    has_time = bool(mapping.time) or (bool(mapping.wide) and mapping.wide_kind == "time")
    return bool(mapping.user) and has_time and has_event


def require_complete(mapping: ColumnMapping, columns: Iterable[str]) -> None:
    """Refuse a mapping without user, time or event.

    Raises
    ------
    InputError
        Names what is missing beside what the file holds.
    """
    if is_complete(mapping):
        return
    lacking = [role for role in (Columns.USER, Columns.TIME, Columns.EVENT) if not mapping.references(role)]
    if mapping.event_name or mapping.wide:
        lacking = [role for role in lacking if role != Columns.EVENT]
    raise InputError(
        N_("The file lacks the column {missing}. It holds: {found}. An event file needs user, time and event."),
        missing=", ".join(lacking),
        found=", ".join(list(columns)[:20]) or "-",
    )
