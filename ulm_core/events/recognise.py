"""Recognising columns by name and content: which one is the user, the time, the event, and how sure that is."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

import pyarrow as pa

from ulm_core.events.columns import STANDARD, Columns
from ulm_core.events.mapping import NULLS, ColumnMapping, TimeKind
from ulm_core.messages import N_, Message, message

# Names without case, blanks, underscores. Strong names say it all, weak ones need the content to agree.
_STRONG: Mapping[str, str] = {
    Columns.USER: r"(user|customer|visitor|member|client|account|household|person|distinct|reviewer|buyer|shopper|"
    r"subscriber|player|patient|guest|anonymous|owneruser|passenger|learner|student)(id|key|no|number|uuid|code)?|uid",
    Columns.TIME: r"time|timestamp|ts|datetime|date|eventtime|eventdate|eventtimestamp|createdat|creationdate|"
    r"occurredat|receivedat|(invoice|order|purchase|transaction|visit|review|view|click|sale)(date|time|datetime|at|ts|timestamp)|"
    r"tdat|timems|unixreviewtime|eventdatetime|loggedat|servertime",
    Columns.EVENT: r"event(name|type)?|action(type|name)?|behaviou?r(type)?|activity(type|name)?|interaction(type)?|"
    r"verb|eventaction",
    Columns.ITEM: r"(item|product|article|movie|video|content|song|track|book|asset|sku|offer|listing|course|page|post|"
    r"parentasin|asin)(id|key|no|code)?|stockcode|productsku|parentasin",
    Columns.VALUE: r"value|price|amount|revenue|total|spend|sales(value)?|unitprice|rating|overall|stars|dollars|"
    r"(total|order|item|sale|net|gross)(price|amount|value)|score|turnover",
    Columns.QUANTITY: r"quantity|qty|units?|count|n(um)?items|quantitysold|pieces",
    Columns.SESSION: r"(user)?session(id|key|no)?|visit(id|no|number)?|(order|invoice|basket|transaction|cart|receipt)"
    r"(id|no|number|key)?",
    Columns.PROPERTIES: r"(event)?(properties|props|params|attributes|payload|context|metadata)",
}
_WEAK: Mapping[str, str] = {
    Columns.USER: r".*(user|customer|visitor|member|client).*|id",
    Columns.TIME: r".*(time|date|timestamp)|.*at$|day",
    Columns.EVENT: r".*(event|action|behaviou?r).*|type|kind|name|category|status",
    Columns.ITEM: r".*(item|product|sku|article).*",
    Columns.VALUE: r".*(price|amount|revenue|value|cost).*",
    Columns.QUANTITY: r".*(qty|quantity).*",
    Columns.SESSION: r".*(session|visit|order|invoice|basket).*",
    Columns.PROPERTIES: r".*(properties|params|json).*",
}
_ISO = re.compile(r"\d{4}-\d{1,2}-\d{1,2}([T ]\d{1,2}:\d{2}.*)?$")
_SLASHED = re.compile(r"(\d{1,2})[./-](\d{1,2})[./-](\d{4}|\d{2})([T ,].*)?$")
_EPOCH = re.compile(r"(1\d{9}(\.\d+)?|[1-9]\d{8}|1\d{12}|[1-9]\d{11}|1\d{15}|[1-9]\d{14})$")
_COMPACT = re.compile(r"(19|20)\d{2}(0[1-9]|1[0-2])([0-2]\d|3[01])$")
_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?$", re.IGNORECASE)
_COMMA_NUMBER = re.compile(r"[-+]?\d{1,3}(\.\d{3})*,\d+$|[-+]?\d+,\d{1,4}$")

STRONG_NAME, WEAK_NAME, NO_NAME = 0.9, 0.55, 0.35


@dataclass(frozen=True)
class Guess:
    """One column: the role it seems to play, how sure that is (0..1), and why."""

    column: str
    role: str | None
    confidence: float
    why: Message
    examples: tuple[str, ...] = ()


@dataclass(frozen=True)
class Recognition:
    """What was recognised: one guess per column, and the mapping they make."""

    guesses: tuple[Guess, ...]
    mapping: ColumnMapping
    confidences: Mapping[str, float] = field(default_factory=dict)

    def mapping_above(self, confidence: float) -> ColumnMapping:
        """Return the mapping without the roles that are less sure than `confidence`."""
        unsure = {role: () for role, sure in self.confidences.items() if sure < confidence}
        return self.mapping.model_copy(update=unsure)


@dataclass(frozen=True)
class _Profile:
    """What the sampled texts of a column look like."""

    texts: tuple[str, ...]
    time: float
    number: float
    distinct: float
    n_distinct: int
    json: float
    whole: bool


def _share(texts: tuple[str, ...], *patterns: re.Pattern[str]) -> float:
    hits = sum(any(pattern.match(text) for pattern in patterns) for text in texts)
    return hits / len(texts) if texts else 0.0


def _profile(column: pa.ChunkedArray) -> _Profile:
    texts = tuple(
        str(value).strip() for value in column.to_pylist() if value is not None and str(value).strip() not in NULLS
    )
    distinct = len(set(texts))
    return _Profile(
        texts,
        time=_share(texts, _ISO, _SLASHED, _EPOCH, _COMPACT),
        number=_share(texts, _NUMBER, _COMMA_NUMBER),
        distinct=distinct / len(texts) if texts else 0.0,
        n_distinct=distinct,
        json=sum(text.startswith("{") for text in texts) / len(texts) if texts else 0.0,
        whole=bool(texts) and all(re.fullmatch(r"\d+\.0+", text) for text in texts),
    )


def _fits(role: str, profile: _Profile) -> float:
    """Return how well the content fits a role, 0 (cannot be) to 1."""
    if not profile.texts:
        return 0.0
    if role == Columns.TIME:
        return profile.time if profile.time > 0.5 else 0.0
    if role in {Columns.VALUE, Columns.QUANTITY}:
        return profile.number if profile.number > 0.5 and profile.time < 0.5 else 0.0
    if role == Columns.EVENT:
        few = profile.n_distinct <= max(3, min(200, len(profile.texts) // 2))
        return 0.0 if profile.time > 0.5 or not few else 1.0 if profile.number < 0.5 else 0.6
    if role == Columns.PROPERTIES:
        return profile.json
    is_moment = _share(profile.texts, _ISO, _SLASHED) > 0.5
    is_measure = profile.number > 0.9 and not profile.whole and any("." in text for text in profile.texts)
    return 0.0 if is_moment or is_measure or profile.json > 0.5 else 1.0


def _without_name(role: str, profile: _Profile) -> float:
    """Return how sure the content alone makes a role; only moments, and texts with few values, speak for themselves."""
    if role == Columns.TIME and _share(profile.texts, _ISO, _SLASHED) > 0.9:
        return 0.7
    if role == Columns.TIME and profile.time > 0.95 and profile.distinct > 0.3:
        return 0.5
    if (
        role == Columns.EVENT
        and profile.n_distinct in range(2, 30)
        and profile.number < 0.1
        and len(profile.texts) >= 10
    ):
        return NO_NAME
    if role == Columns.PROPERTIES and profile.json > 0.9:
        return 0.6
    return 0.0


def _confidence(role: str, name: str, profile: _Profile) -> tuple[float, Message]:
    leaf = re.sub(r"[\s_\-\ufeff$]+", "", name.rsplit(".", 1)[-1]).lower()
    fits = _fits(role, profile)
    nested = 0.9 if "." in name else 1.0
    if re.fullmatch(_STRONG[role], leaf):
        exact = 1.0 if leaf in {role, f"{role}id", f"{role}name", f"{role}type"} else 0.97
        return round(nested * exact * (STRONG_NAME + 0.1 * fits if fits else 0.3), 3), message(_BY_BOTH)
    if re.fullmatch(_WEAK[role], leaf) and fits:
        return round(nested * (WEAK_NAME + 0.15 * fits), 3), message(_BY_NAME)
    return round(nested * _without_name(role, profile), 3), message(_BY_CONTENT)


_BY_BOTH = N_("The name says so, and the content agrees.")
_BY_NAME = N_("The name hints at it.")
_BY_CONTENT = N_("The content looks like it; the name does not say.")
_NOTHING = N_("Neither name nor content says what it is.")


def recognise(sample: pa.Table) -> Recognition:
    """Return what the columns of a log seem to be.

    Parameters
    ----------
    sample
        The first rows, every column as text.

    Examples
    --------
    >>> table = pa.table({"visitorid": ["1", "2"], "timestamp": ["1433221332117", "1433224214164"],
    ...                   "event": ["view", "addtocart"]})
    >>> recognise(table).mapping.user
    ('visitorid',)
    """
    profiles = {name: _profile(sample[name]) for name in sample.column_names}
    scored = [
        (*_confidence(role, name, profile), role, name) for name, profile in profiles.items() for role in STANDARD
    ]
    scored.sort(key=lambda entry: (-entry[0], STANDARD.index(entry[2]), sample.column_names.index(entry[3])))
    roles: dict[str, tuple[str, float, Message]] = {}
    for confidence, why, role, name in scored:
        if confidence > 0 and role not in roles and name not in {taken[0] for taken in roles.values()}:
            roles[role] = (name, confidence, why)
    by_column = {name: (role, confidence, why) for role, (name, confidence, why) in roles.items()}
    guesses = []
    for name, profile in profiles.items():
        examples = tuple(dict.fromkeys(profile.texts))[:3]
        if name in by_column:
            guesses.append(Guess(name, *by_column[name], examples))
        else:
            guesses.append(Guess(name, None, 0.0, message(_NOTHING), examples))
    return Recognition(
        tuple(guesses), _mapping(roles, profiles), {role: confidence for role, (_, confidence, _) in roles.items()}
    )


def _mapping(roles: Mapping[str, tuple[str, float, Message]], profiles: Mapping[str, _Profile]) -> ColumnMapping:
    values: dict[str, object] = {role: (name,) for role, (name, _, _) in roles.items()}
    if Columns.TIME in roles:
        values["time_kind"] = time_kind_of(profiles[roles[Columns.TIME][0]].texts)
    ids = [profiles[roles[role][0]] for role in (Columns.USER, Columns.ITEM, Columns.SESSION) if role in roles]
    values["whole_ids"] = any(profile.whole for profile in ids)
    numbers = [profiles[roles[role][0]] for role in (Columns.VALUE, Columns.QUANTITY) if role in roles]
    values["decimal_comma"] = any(_share(profile.texts, _COMMA_NUMBER) > 0.5 for profile in numbers)
    if Columns.VALUE in roles and re.search(r"unit_?\s?price", roles[Columns.VALUE][0], re.IGNORECASE):
        values["value_is"] = "unit price"
    return ColumnMapping.model_validate(values)


def with_content(mapping: ColumnMapping, sample: pa.Table) -> ColumnMapping:
    """Return a mapping by name, completed by what the content says: how moments, numbers and ids are written."""
    profiles = {name: _profile(sample[name]) for name in sample.column_names}
    roles = {role: mapping.references(role)[0] for role in STANDARD if mapping.references(role)}
    found = _mapping(
        {role: (name, 1.0, message(_BY_BOTH)) for role, name in roles.items() if name in profiles}, profiles
    )
    written = ("time_kind", "whole_ids", "decimal_comma", "value_is")
    return mapping.model_copy(update={name: getattr(found, name) for name in written})


def time_kind_of(texts: tuple[str, ...]) -> TimeKind:
    """Return how moments are written. Slashed dates are day-first unless a second part above 12 says otherwise.

    Examples
    --------
    >>> time_kind_of(("01/13/2024",))
    'month_first'
    """
    slashed = [match for match in map(_SLASHED.match, texts) if match]
    if len(slashed) <= len(texts) / 2:
        return "auto"
    return "month_first" if any(int(match.group(2)) > 12 for match in slashed) else "day_first"
