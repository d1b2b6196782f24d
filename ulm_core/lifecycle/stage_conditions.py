"""Conditions of stage rules: one comparison of a feature of a timeline with a threshold."""

from __future__ import annotations

import re
from typing import Annotated, Literal, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from ulm_core.messages import N_, Message, message

Feature = Literal[
    "days_since_first",
    "days_since_last",
    "days_since_return",
    "active_days",
    "active_days_window",
    "conversions_window",
    "conversions",
    "events_window",
    "sessions_window",
    "value_window",
    "calendar_days_since_first",
    "calendar_days_since_last",
    "calendar_days_between",
]
Op = Literal["<", "<=", ">", ">=", "=="]
Unit = Literal["days", "count", "value"]
FEATURES: tuple[Feature, ...] = get_args(Feature)
OPS: tuple[Op, ...] = get_args(Op)
NEEDS_WINDOW = frozenset(
    {
        "days_since_return",
        "active_days_window",
        "conversions_window",
        "events_window",
        "sessions_window",
        "value_window",
    }
)
MAX_DAYS = 36_500

_SENTENCES: dict[Feature, str] = {
    "days_since_first": N_("days since the first activity {op} {value:g}"),
    "days_since_last": N_("days since the last activity {op} {value:g}"),
    "days_since_return": N_("days since coming back from a silence of more than {window:g} days {op} {value:g}"),
    "active_days": N_("active days so far {op} {value:g}"),
    "active_days_window": N_("active days in the last {window:g} days {op} {value:g}"),
    "conversions_window": N_("conversions in the last {window:g} days {op} {value:g}"),
    "conversions": N_("conversions so far {op} {value:g}"),
    "events_window": N_("active events in the last {window:g} days {op} {value:g}"),
    "sessions_window": N_("sessions in the last {window:g} days {op} {value:g}"),
    "value_window": N_("value of conversions in the last {window:g} days {op} {value:g}"),
    "calendar_days_since_first": N_("calendar days since the first active day {op} {value:g}"),
    "calendar_days_since_last": N_("calendar days since the last active day {op} {value:g}"),
    "calendar_days_between": N_("calendar days between the last two active days {op} {value:g}"),
}
_HORIZON = re.compile(r"horizon(?:\s*([/*])\s*(\d+(?:\.\d+)?))?")


def horizons(amount: str) -> float:
    """Return how many churn horizons an amount such as ``horizon``, ``horizon/2`` or ``horizon*1.5`` is.

    Raises
    ------
    ValueError
        When it is written otherwise, or is no positive amount.
    """
    found = _HORIZON.fullmatch(amount.strip())
    if found is None or (found[2] and float(found[2]) == 0):
        raise ValueError("a threshold is a number, or the learnt horizon: horizon, horizon/2, horizon*1.5")
    factor = float(found[2] or 1)
    return 1 / factor if found[1] == "/" else factor


def spell_horizons(factor: float) -> str:
    """Return the one way a number of churn horizons is written; the inverse of `horizons`.

    Raises
    ------
    ValueError
        When it is no positive number.
    """
    if not factor > 0:
        raise ValueError("a number of churn horizons must be more than 0")
    if factor == 1:
        return "horizon"
    if factor < 1 and abs(1 / factor - round(1 / factor)) < 1e-9:
        return f"horizon/{round(1 / factor)}"
    return f"horizon*{factor:g}"


def _canonical(amount: str) -> str:
    return spell_horizons(horizons(amount))


Horizons = Annotated[str, AfterValidator(_canonical)]
Value = Annotated[float, Field(allow_inf_nan=False)] | Horizons
Window = Annotated[float, Field(gt=0, le=MAX_DAYS)] | Horizons


def unit_of(feature: Feature) -> Unit:
    """Return what the threshold of a feature is counted in."""
    if feature == "value_window":
        return "value"
    return "days" if "days_since" in feature or feature == "calendar_days_between" else "count"


class Condition(BaseModel):
    """One comparison ``feature op value`` at a time t, from the events strictly before t.

    `value` (of features counted in days) and `window_days` are numbers, or multiples of the churn horizon
    (``horizon``, ``horizon/2``), which `resolve` turns into numbers. Only activity counts, never passive
    events. A day is 24 hours for spans of time, and a calendar day of the workspace's time zone where
    days are counted. Features:

    - ``days_since_first``, ``days_since_last``: t minus the first, the last active event;
    - ``days_since_return``: t minus the latest event that ended a silence longer than `window_days`;
      infinite where there was none;
    - ``active_days``: calendar days with an active event; ``conversions``: conversion events so far;
    - ``active_days_window``, ``conversions_window``, ``events_window``, ``sessions_window``: calendar days
      with an active event, conversion events, active events, sessions (of which at least one event), in
      ``[t - window_days, t)``. Two neighbouring active events are of one session where the log says so;
      where either names no session, when at most 30 minutes lie between them;
    - ``value_window``: sum of the values of conversions in the window, each to four decimals;
    - ``calendar_days_since_first``, ``calendar_days_since_last``: from the first, the last active day to
      the day that t ends or lies in; 0 = that very day;
    - ``calendar_days_between``: between the last active day and the one before it; infinite with one only.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    feature: Feature
    op: Op
    value: Value
    window_days: Window | None = None

    @model_validator(mode="after")
    def _window_where_needed(self) -> Condition:
        if (self.feature in NEEDS_WINDOW) != (self.window_days is not None):
            raise ValueError(f"window_days must be given for {', '.join(sorted(NEEDS_WINDOW))}, and only for them")
        if isinstance(self.value, str) and unit_of(self.feature) != "days":
            raise ValueError("only a number of days can be a multiple of the churn horizon")
        return self

    def resolve(self, horizon_days: float) -> Condition:
        """Return the condition with multiples of the churn horizon as numbers of days."""
        window = None if self.window_days is None else _in_days(self.window_days, horizon_days)
        return self.model_copy(update={"value": _in_days(self.value, horizon_days), "window_days": window})

    @property
    def threshold(self) -> float:
        """The value as a number; the condition must have been resolved."""
        return float(self.value)

    @property
    def window(self) -> float:
        """The window in days, 0 where there is none; the condition must have been resolved."""
        return float(self.window_days or 0)

    def sentence(self) -> Message:
        """Return the (resolved) condition in words."""
        return message(_SENTENCES[self.feature], op=self.op, value=self.threshold, window=self.window)


def _in_days(amount: float | str, horizon_days: float) -> float:
    return horizons(amount) * horizon_days if isinstance(amount, str) else amount
