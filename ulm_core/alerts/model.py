"""What an alert is: a number, how often it is taken, and the condition under which it speaks."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from ulm_core.errors import InputError
from ulm_core.lifecycle.overview import KPIS
from ulm_core.messages import N_

MAX_PAST = 60


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class KpiNumber(_Frozen):
    """A figure of the overview, within each period."""

    kind: Literal["kpi"] = "kpi"
    name: Literal[KPIS]  # type: ignore[valid-type]


class CohortNumber(_Frozen):
    """The size of a saved cohort at the end of each period."""

    kind: Literal["cohort"] = "cohort"
    name: str = Field(min_length=1)


class StageNumber(_Frozen):
    """The share of users in a stage at the end of each period, 0 to 1."""

    kind: Literal["stage"] = "stage"
    stage: str = Field(min_length=1)


class FunnelNumber(_Frozen):
    """The share of those who entered a funnel within each period and completed it by its end, 0 to 1."""

    kind: Literal["funnel"] = "funnel"
    steps: tuple[str, ...] = Field(min_length=2, max_length=30)
    order: Literal["ordered", "strict", "any"] = "ordered"
    window_seconds: float = Field(14 * 86_400, gt=0)


class RetentionNumber(_Frozen):
    """The share of the users of `start` in a period who are back with `back` exactly `lag` periods later, 0 to 1."""

    kind: Literal["retention"] = "retention"
    start: str = "*"
    back: str = "*"
    lag: int = Field(1, ge=1, le=52)


Number = Annotated[KpiNumber | CohortNumber | StageNumber | FunnelNumber | RetentionNumber, Field(discriminator="kind")]


class Threshold(_Frozen):
    """The number is above (or below) a limit."""

    kind: Literal["threshold"] = "threshold"
    side: Literal["above", "below"]
    limit: float = Field(allow_inf_nan=False)


class Change(_Frozen):
    """The number rose (fell, moved) by at least a share of what it was in the period before."""

    kind: Literal["change"] = "change"
    direction: Literal["rise", "fall", "any"] = "any"
    share: float = Field(0.2, gt=0, allow_inf_nan=False)


class Anomaly(_Frozen):
    """The number is unusual against past periods.

    Robust z = 0.6745 (value - median) / median absolute deviation of the past periods; unusual from `z` on.
    """

    kind: Literal["anomaly"] = "anomaly"
    z: float = Field(3.5, gt=0, le=100)
    past: int = Field(12, ge=5, le=MAX_PAST)


When = Annotated[Threshold | Change | Anomaly, Field(discriminator="kind")]


class Alert(_Frozen):
    """A number and the condition under which it speaks.

    Attributes
    ----------
    interval
        Calendar periods the number is taken over; only complete ones are looked at.
    webhook
        Address a message is posted to when the alert begins to speak; empty: none. It may hold a secret of the
        receiving service: it is never shown whole, never logged and never part of a message.
    """

    number: Number
    interval: Literal["day", "week", "month"] = "week"
    when: When
    webhook: str = Field("", max_length=2_000)


_ALERT: TypeAdapter[Alert] = TypeAdapter(Alert)


def read_alert(value: object) -> Alert:
    """Return the alert in JSON text, or in plain values.

    Raises
    ------
    InputError
        With the first thing that is wrong.
    """
    try:
        return _ALERT.validate_json(value) if isinstance(value, str | bytes) else _ALERT.validate_python(value)
    except ValidationError as error:
        first: Any = error.errors(include_url=False)[0]
        raise InputError(
            N_("This is no alert: {reason} (at {place})."),
            reason=str(first["msg"]).removeprefix("Value error, "),
            place=".".join(str(part) for part in first["loc"]) or "alert",
        ) from error
