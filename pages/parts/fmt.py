"""Numbers, dates and durations the way a reader of the session's language writes them."""

from __future__ import annotations

import math
from datetime import date, datetime, timedelta

from babel.dates import format_date
from babel.numbers import format_currency, format_decimal, format_percent, get_currency_symbol

from pages.parts.i18n import _, language

MISSING = "–"
_LOCALES = {"en": "en_GB", "zh": "zh_CN"}
_UNITS = {
    "en": ((1e9, "B"), (1e6, "M"), (1e3, "k")),
    "zh": ((1e8, "亿"), (1e4, "万")),
}
_COMPACT_FROM = {"en": 10_000, "zh": 10_000}


def locale() -> str:
    """Return the locale that formats follow."""
    return _LOCALES[language()]


def is_missing(value: float | None) -> bool:
    """Return whether there is no number to show."""
    return value is None or math.isnan(value)


def number(value: float | None, digits: int = 0) -> str:
    """Return `value` with thousands separators and `digits` decimals."""
    if is_missing(value):
        return MISSING
    pattern = "#,##0" + ("." + "0" * digits if digits else "")
    return str(format_decimal(round(float(value or 0), digits), format=pattern, locale=locale()))


def compact(value: float | None, digits: int = 1) -> str:
    """Return a short form for headline numbers: 12.5k in English, 1.2万 in Chinese."""
    if is_missing(value):
        return MISSING
    amount = float(value or 0)
    if abs(amount) < _COMPACT_FROM[language()]:
        return number(amount, 0 if amount == int(amount) else digits)
    for size, unit in _UNITS[language()]:
        if abs(amount) >= size:
            return f"{number(amount / size, digits)}{unit}"
    return number(amount)


def percent(share: float | None, digits: int = 1) -> str:
    """Return a share in 0..1 as a percentage."""
    if is_missing(share):
        return MISSING
    pattern = "0" + ("." + "0" * digits if digits else "") + "%"
    return str(format_percent(float(share or 0), format=pattern, locale=locale()))


def money(value: float | None, currency: str | None, *, short: bool = False) -> str:
    """Return an amount in `currency` (ISO code), or a plain number when the log has none."""
    if is_missing(value):
        return MISSING
    if currency is None:
        return compact(value) if short else number(value, 2)
    if short:
        return f"{get_currency_symbol(currency, locale='en_US')}{compact(value)}"
    return str(format_currency(float(value or 0), currency, locale="en_US"))


def day(value: date | datetime | None) -> str:
    """Return a calendar day in the reader's writing."""
    return MISSING if value is None else str(format_date(value, format="medium", locale=locale()))


def moment(value: datetime | None) -> str:
    """Return a day and a time of day."""
    return MISSING if value is None else f"{day(value)} {value:%H:%M}"


def day_range(start: date | datetime | None, end: date | datetime | None) -> str:
    """Return a period."""
    return f"{day(start)} – {day(end)}"


def duration(seconds: float | None) -> str:
    """Return a span of time in its one or two largest units."""
    if is_missing(seconds):
        return MISSING
    span = timedelta(seconds=round(float(seconds or 0)))
    hours, rest = divmod(span.seconds, 3600)
    minutes, left = divmod(rest, 60)
    if span.days:
        return _("{n} d {m} h").format(n=span.days, m=hours)
    if hours:
        return _("{n} h {m} min").format(n=hours, m=minutes)
    if minutes:
        return _("{n} min {m} s").format(n=minutes, m=left)
    return _("{n} s").format(n=left)


def signed_percent(share: float | None, digits: int = 1) -> str:
    """Return a relative change with its sign, or "n/a" when there was nothing to compare with."""
    if is_missing(share):
        return _("n/a")
    return ("+" if float(share or 0) > 0 else "") + percent(share, digits).replace("-", "−")


def signed(value: float | None, digits: int = 0) -> str:
    """Return a difference with its sign."""
    return ("+" if value is not None and value > 0 else "") + number(value, digits).replace("-", "−")
