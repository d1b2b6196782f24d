"""Calendar periods in the workspace's time zone, as half-open ranges of UTC microseconds.

All walks along timelines compare integers only; time zones, daylight saving and the first day of
the week are settled once, here, when the boundaries are made.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Literal, cast
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
from numpy.typing import NDArray

from ulm_core.errors import InputError
from ulm_core.messages import N_
from ulm_core.moments import DAY_US as DAY_US  # part of this module's own words, too
from ulm_core.moments import HOUR_US as HOUR_US
from ulm_core.moments import SECOND_US as SECOND_US

Interval = Literal["hour", "day", "week", "month", "quarter"]
WeekStart = Literal["monday", "sunday"]
INTERVALS: tuple[Interval, ...] = ("hour", "day", "week", "month", "quarter")

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# No period is longer: clocks go back by an hour or so, and once in history by a day.
_LONGEST_US: dict[Interval, int] = {
    "hour": HOUR_US, "day": 2 * DAY_US, "week": 8 * DAY_US, "month": 32 * DAY_US, "quarter": 93 * DAY_US,
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class Periods:
    """Consecutive calendar periods.

    Attributes
    ----------
    starts_us
        int64[n + 1] boundaries in microseconds UTC; period ``i`` is ``[starts_us[i], starts_us[i + 1])``.
    labels
        Local start of each period: a date (for hours, a date and time).
    is_complete
        bool[n]; False where the period ends after the data's as-of time.
    interval
        What a period is: hour, day, week, month or quarter.
    """

    starts_us: NDArray[np.int64]
    labels: tuple[date, ...]
    is_complete: NDArray[np.bool_]
    interval: Interval

    def __len__(self) -> int:
        """Return the number of periods."""
        return len(self.labels)

    @property
    def from_us(self) -> int:
        """Start of the first period."""
        return int(self.starts_us[0])

    @property
    def to_us(self) -> int:
        """End (exclusive) of the last period."""
        return int(self.starts_us[-1])

    def before(self, timezone: str, week_start: WeekStart) -> int:
        """Return the start (UTC us) of the period just before the first one."""
        earlier = make_periods(self.from_us - 1, self.from_us, self.interval, timezone, week_start)
        return earlier.from_us

    def iso_labels(self) -> list[str]:
        """Return the labels in ISO 8601."""
        return [label.isoformat() for label in self.labels]

    def position(self, label: date | str) -> int:
        """Return the index of the period with this label.

        Raises
        ------
        InputError
            When no period starts on that date.
        """
        wanted = label if isinstance(label, str) else label.isoformat()
        try:
            return self.iso_labels().index(wanted)
        except ValueError:
            raise InputError(N_("No {interval} starts at {label}."), interval=self.interval, label=wanted) from None


def to_datetime(time_us: int) -> datetime:
    """Return microseconds since 1970 as an aware datetime in UTC (exact, unlike ``fromtimestamp``)."""
    return _EPOCH + timedelta(microseconds=int(time_us))


def to_us(moment: datetime) -> int:
    """Return an aware datetime as microseconds UTC since 1970 (exact)."""
    return (moment - _EPOCH) // timedelta(microseconds=1)


def zone(timezone: str) -> ZoneInfo:
    """Return the time zone of that name.

    Raises
    ------
    InputError
        When the name is not in the time zone database.
    """
    try:
        return ZoneInfo(timezone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise InputError(N_("{timezone} is not a time zone name such as Europe/Paris."), timezone=timezone) from None


def local_datetime(time_us: int, timezone: str) -> datetime:
    """Return the wall-clock time (naive) in a time zone."""
    return to_datetime(time_us).astimezone(zone(timezone)).replace(tzinfo=None)


def local_to_us(moment: datetime, timezone: str) -> int:
    """Return the UTC microseconds of a wall-clock time.

    A time that daylight saving skips is the instant of the change; one that happens twice is its
    first occurrence, so that a day that starts twice starts once.
    """
    return to_us(moment.replace(tzinfo=zone(timezone), fold=0))


def make_periods(
    from_us: int,
    to_us: int,
    interval: Interval,
    timezone: str = "UTC",
    week_start: WeekStart = "monday",
    as_of_us: int | None = None,
) -> Periods:
    """Cut ``[from_us, to_us)`` into calendar periods, widened to whole periods at both ends.

    Parameters
    ----------
    from_us, to_us
        Range in microseconds UTC, half-open.
    interval
        Length of a period.
    timezone
        Time zone of the calendar.
    week_start
        First day of a week.
    as_of_us
        Time of the last event known; periods that end later are incomplete. None: all are complete.

    Returns
    -------
    Periods
        At least one period.

    Raises
    ------
    InputError
        When the range is empty or the time zone unknown.

    Examples
    --------
    >>> day = 86_400_000_000
    >>> make_periods(0, 3 * day, "day").iso_labels()
    ['1970-01-01', '1970-01-02', '1970-01-03']
    """
    if to_us <= from_us:
        raise InputError(N_("The period is empty: it must end after it starts."))
    if interval not in INTERVALS:
        raise InputError(N_("{interval} is not one of {known}."), interval=interval, known=", ".join(INTERVALS))
    if interval == "hour":
        starts, labels = _hours(from_us, to_us, timezone)
    else:
        starts, labels = _calendar(from_us, to_us, interval, timezone, week_start)
    boundaries = np.array(starts, dtype=np.int64)
    limit = boundaries[-1] if as_of_us is None else as_of_us
    return Periods(boundaries, tuple(labels), boundaries[1:] <= limit, interval)


def first_periods(
    from_us: int,
    count: int,
    interval: Interval,
    timezone: str = "UTC",
    week_start: WeekStart = "monday",
    as_of_us: int | None = None,
) -> Periods:
    """Return exactly `count` periods, the first one holding `from_us`; as `make_periods` otherwise."""
    made = make_periods(from_us, from_us + count * _LONGEST_US[interval], interval, timezone, week_start, as_of_us)
    return Periods(made.starts_us[: count + 1], made.labels[:count], made.is_complete[:count], interval)


def _calendar(
    from_us: int, to_us: int, interval: Interval, timezone: str, week_start: WeekStart
) -> tuple[list[int], list[date]]:
    day = _first_day(local_datetime(from_us, timezone).date(), interval, week_start)
    starts, labels = [_midnight_us(day, timezone)], []
    while starts[-1] < to_us:
        labels.append(day)
        day = _next_day(day, interval)
        starts.append(_midnight_us(day, timezone))
    return starts, labels


def _hours(from_us: int, to_us: int, timezone: str) -> tuple[list[int], list[date]]:
    # Hours are steps of 60 minutes of real time: the hour that daylight saving repeats is two periods.
    local = local_datetime(from_us, timezone)
    into_hour = local - local.replace(minute=0, second=0, microsecond=0)
    start = from_us - into_hour // timedelta(microseconds=1)
    starts = list(range(start, to_us + HOUR_US, HOUR_US))
    if starts[-2] >= to_us:
        starts.pop()
    labels = [cast(date, local_datetime(s, timezone)) for s in starts[:-1]]
    return starts, labels


def _midnight_us(day: date, timezone: str) -> int:
    return local_to_us(datetime(day.year, day.month, day.day), timezone)


def _first_day(day: date, interval: Interval, week_start: WeekStart) -> date:
    if interval == "week":
        back = day.weekday() if week_start == "monday" else (day.weekday() + 1) % 7
        return day - timedelta(days=back)
    if interval == "month":
        return day.replace(day=1)
    if interval == "quarter":
        return day.replace(month=(day.month - 1) // 3 * 3 + 1, day=1)
    return day


def _next_day(day: date, interval: Interval) -> date:
    if interval == "day":
        return day + timedelta(days=1)
    if interval == "week":
        return day + timedelta(days=7)
    months = day.year * 12 + day.month - 1 + (1 if interval == "month" else 3)
    return date(months // 12, months % 12 + 1, 1)
