"""Fields a condition can name, and their values to choose from."""

from __future__ import annotations

from pages.parts.data import Data
from pages.parts.i18n import N_, _
from ulm_core.timeline.properties import property_column, property_names
from ulm_core.warehouse.reports import attribute_values, item_attribute_names, item_values

NUMBERS = ("event.value", "event.quantity")
MANY_VALUES = 400
OPERATORS = {
    "=": N_("is"), "!=": N_("is not"), "~": N_("contains"), ">=": N_("is at least"), "<=": N_("is at most"),
    ">": N_("is more than"), "<": N_("is less than"), "set": N_("is known"), "unset": N_("is not known"),
}  # fmt: skip


def fields(data: Data) -> list[str]:
    """Return every field of this log."""
    names = data.remember("funnel_fields", "", lambda: _fields(data))
    return list(names)


def _fields(data: Data) -> list[str]:
    items = [f"item.{name}" for name in item_attribute_names(data.snapshot)] if data.summary.items else []
    users = [f"user.{name}" for name in attribute_values(data.snapshot)]
    properties = [f"property.{name}" for name in property_names(data.snapshot)]
    return [*NUMBERS, *items, *users, *properties]


def field_label(field: str) -> str:
    """Return a field in words."""
    kind, _dot, name = field.partition(".")
    kinds = {"item": _("item"), "user": _("user"), "event": _("event"), "property": _("event")}
    words = {"value": _("value"), "quantity": _("quantity"), "category": _("category"), "id": _("id")}
    return f"{kinds[kind]}: {words.get(name, name.replace('_', ' '))}"


def values(data: Data, field: str) -> list[str]:
    """Return known values of a field, at most some hundred; none for numbers."""
    return list(data.remember("funnel_values", field, lambda: _values(data, field)))


def _values(data: Data, field: str) -> list[str]:
    kind, _dot, name = field.partition(".")
    if kind == "user":
        return attribute_values(data.snapshot).get(name, [])
    if kind == "property":
        return list(property_column(data.index, data.snapshot, name).values[:MANY_VALUES])
    if kind == "item" and name != "id":
        return sorted(set(item_values(data.snapshot, name).values()))[:MANY_VALUES]
    return []
