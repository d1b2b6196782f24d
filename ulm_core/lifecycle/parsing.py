"""Durations, times and ranges as people type them."""

from __future__ import annotations

import re
from datetime import datetime

from ulm_core.errors import InputError
from ulm_core.lifecycle.periods import local_to_us, to_us
from ulm_core.messages import N_

_UNIT_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 7 * 86_400, "mo": 30 * 86_400}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(mo|[smhdw])")

_BRACKET = re.compile(r"(\d+)(?:\s*[-–]\s*(\d+))?")


def parse_duration(text: str) -> float:
    """Return a duration such as ``30s``, ``15m``, ``12h``, ``14d``, ``8w`` or ``3mo`` (of 30 days) in seconds.

    Raises
    ------
    InputError
        When the text is no such duration, or zero.

    Examples
    --------
    >>> parse_duration("14d")
    1209600.0
    """
    match = _DURATION.fullmatch(text.strip().lower())
    seconds = float(match[1]) * _UNIT_SECONDS[match[2]] if match else 0.0
    if seconds <= 0:
        raise InputError(
            N_("“{text}” is not a duration. Write a number and a unit: 30s, 15m, 12h, 14d or 8w."), text=text
        )
    return seconds


def parse_brackets(text: str) -> tuple[tuple[int, int], ...]:
    """Return columns of several lags such as ``1,2-7,8-14``, both ends included.

    Raises
    ------
    InputError
        When the text is no such list.

    Examples
    --------
    >>> parse_brackets("1, 2-7")
    ((1, 1), (2, 7))
    """
    found = []
    for part in text.split(","):
        match = _BRACKET.fullmatch(part.strip())
        if match is None:
            raise InputError(N_("“{text}” are no brackets. Write lags and ranges of them: 1,2-7,8-14."), text=text)
        found.append((int(match[1]), int(match[2] or match[1])))
    return tuple(found)


def parse_time(text: str, timezone: str) -> int:
    """Return an ISO 8601 date or time as UTC microseconds; without an offset it is local time of `timezone`.

    Raises
    ------
    InputError
        When the text is no such time.

    Examples
    --------
    >>> parse_time("1970-01-02", "UTC")
    86400000000
    """
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        raise InputError(
            N_("“{text}” is not a date or time. Write it like 2017-03-31 or 2017-03-31T18:30."), text=text
        ) from None
    return local_to_us(moment, timezone) if moment.tzinfo is None else to_us(moment)


def parse_range(first: str | None, last: str | None, timezone: str) -> tuple[int | None, int | None]:
    """Return a range as half-open UTC microseconds that holds both instants; None stays open.

    Analyses widen it to whole periods, so that events up to the end of the period of `last` count.

    Raises
    ------
    InputError
        When the range ends before it starts.
    """
    from_us = None if first is None else parse_time(first, timezone)
    end_us = None if last is None else parse_time(last, timezone) + 1
    if from_us is not None and end_us is not None and end_us <= from_us:
        raise InputError(N_("The period is empty: it must end after it starts."))
    return from_us, end_us
