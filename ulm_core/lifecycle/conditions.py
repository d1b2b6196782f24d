r"""An event and conditions on it as a value, and as the text of command lines and addresses.

``purchase[item.category=MILK|BREAD][value>=5]``: the name, then any number of conditions in brackets, all of
which must hold; values of one condition are alternatives. ``\`` takes the next character as it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, model_validator

from ulm_core.errors import InputError
from ulm_core.lifecycle.events import ANY_EVENT
from ulm_core.messages import N_

Operator = Literal["=", "!=", ">=", "<=", ">", "<", "~", "set", "unset"]
OPERATORS: tuple[Operator, ...] = get_args(Operator)
NUMERIC: tuple[Operator, ...] = (">=", "<=", ">", "<")
WITHOUT_VALUE: tuple[Operator, ...] = ("set", "unset")

_FIELD = re.compile(r"(item|user|property)\..+|event\.(value|quantity)", re.DOTALL)
_SHORT = {"value": "event.value", "quantity": "event.quantity"}
_SPECIAL = re.compile(r"([\\\[\]|,])")


class Where(BaseModel):
    """One condition on an event.

    Attributes
    ----------
    field
        ``item.<attribute>`` (``item.id``, ``item.category``, ``item.text``, ``item.price`` or any other),
        ``user.<attribute>``, ``event.value``, ``event.quantity`` or ``property.<name>``.
    op
        ``=`` is one of the values; ``!=`` is none of them (or missing); ``~`` contains one of them, whatever the
        case; ``> >= < <=`` compare numbers; set, unset: there is a value, there is none.
    values
        Texts; one number for comparisons, none for set and unset.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    field: str
    op: Operator = "="
    values: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _whole(self) -> Where:
        if not _FIELD.fullmatch(self.field):
            raise ValueError(
                f"“{self.field}” is no field; write item.category, user.<attribute>, value or property.<name>"
            )
        if self.op in NUMERIC and not (len(self.values) == 1 and _is_number(self.values[0])):
            raise ValueError(f"{self.field} {self.op} needs one number")
        if bool(self.values) == (self.op in WITHOUT_VALUE):
            raise ValueError(f"{self.field} {self.op} needs {'no value' if self.values else 'a value'}")
        return self

    def __str__(self) -> str:
        """Return the condition as it is written in brackets."""
        field = _escaped(self.field.removeprefix("event.") if self.field in _SHORT.values() else self.field)
        if self.op in WITHOUT_VALUE:
            return f"[{'!' if self.op == 'unset' else ''}{field}]"
        return f"[{field}{self.op}{'|'.join(map(_escaped, self.values))}]"


class EventMatch(BaseModel):
    """An event by name, and conditions that all must hold.

    Attributes
    ----------
    event
        Event name; ``*`` is anything a user does.
    where
        Conditions.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    event: str = Field(ANY_EVENT, min_length=1)
    where: tuple[Where, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _from_text(cls, value: object) -> object:
        return parse_fields(value) if isinstance(value, str) else value

    def __str__(self) -> str:
        """Return the text that `parse_match` reads."""
        return _escaped(self.event) + "".join(map(str, self.where))


def _is_number(text: str) -> bool:
    try:
        return float(text) == float(text)
    except ValueError:
        return False


def _escaped(text: str) -> str:
    return _SPECIAL.sub(r"\\\1", text)


def parse_match(text: str) -> EventMatch:
    r"""Return the match that a text stands for.

    Raises
    ------
    InputError
        When a bracket holds no condition.

    Examples
    --------
    >>> parse_match("purchase[item.category=MILK|BREAD]").where[0].values
    ('MILK', 'BREAD')
    """
    try:
        return EventMatch.model_validate(text)
    except ValueError as error:
        reason = str(error).splitlines()[2].strip() if len(str(error).splitlines()) > 2 else str(error)
        reason = re.sub(r"^Value error, | \[type=.*$", "", reason)
        raise InputError(
            N_("“{text}” is not an event with conditions such as purchase[item.category=MILK][value>=5]: {reason}."),
            text=text,
            reason=reason,
        ) from error


def split_matches(text: str) -> list[str]:
    """Return the texts of a list of matches, cut at commas outside brackets.

    Examples
    --------
    >>> split_matches("view, buy[item.id=a,b],*")
    ['view', 'buy[item.id=a,b]', '*']
    """
    parts, depth = [""], 0
    for mark in _marks(text):
        depth += {"[": 1, "]": -1}.get(mark, 0)
        if mark == "," and depth <= 0:
            parts.append("")
        else:
            parts[-1] += mark
    return [part.strip() for part in parts]


def parse_fields(text: str) -> dict[str, object]:
    """Return event and conditions of a text, unchecked; a name such as ``[App] opened`` has no condition."""
    name, *groups = _groups(text) or [""]
    if not name:
        return {"event": _plain(text.strip())}
    return {"event": _plain(name.strip()), "where": tuple(_condition(group) for group in groups)}


def _marks(text: str) -> Iterator[str]:
    """Yield the characters of a text, an escaped one together with its backslash."""
    for match in re.finditer(r"\\.|.", text, re.DOTALL):
        yield match[0]


def _groups(text: str) -> list[str] | None:
    """Return what stands before the first bracket, and inside each; None: the brackets are no conditions."""
    parts, is_open = [""], False
    for mark in _marks(text.strip()):
        if mark == "[" and not is_open:
            parts.append("")
            is_open = True
        elif mark == "]" and is_open:
            is_open = False
        elif len(parts) > 1 and not is_open:
            return None
        else:
            parts[-1] += mark
    return None if is_open else parts


def _plain(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text, flags=re.DOTALL)


def _condition(text: str) -> dict[str, object]:
    operator = re.search(r"(?<!\\)(!=|>=|<=|=|>|<|~)", text)
    if operator is None:
        is_unset = text.startswith("!")
        return {"field": _field(text.removeprefix("!")), "op": "unset" if is_unset else "set"}
    values = [""]
    for mark in _marks(text[operator.end() :]):
        if mark == "|":
            values.append("")
        else:
            values[-1] += mark
    plain = tuple(_plain(value.strip()) for value in values)
    return {"field": _field(text[: operator.start()]), "op": operator[0], "values": plain}


def _field(text: str) -> str:
    name = _plain(text.strip())
    return _SHORT.get(name, name)
