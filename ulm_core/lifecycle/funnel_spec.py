"""What a funnel is asked with."""

from __future__ import annotations

import zlib
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SkipValidation, field_serializer, field_validator, model_validator

from ulm_core.lifecycle.conditions import EventMatch, parse_fields
from ulm_core.lifecycle.filters import UserLabels
from ulm_core.lifecycle.funnel_walk import Counting, Order
from ulm_core.lifecycle.results import RangeSpec

MAX_STEPS = 30
DEFAULT_WINDOW_SECONDS = 14 * 86_400
LONGEST_SECONDS = 10 * 366 * 86_400
MAX_GRACE_SECONDS = 2

Trend = Literal["day", "week", "month"]


class FunnelStep(EventMatch):
    """A step: an event with conditions, or ``*``.

    Attributes
    ----------
    is_optional
        The funnel goes on without it; its bar counts who did it after the required step before it.
    window_seconds
        Longest time since the required step before it; None: only the window of the whole funnel.
    """

    is_optional: bool = False
    window_seconds: float | None = Field(None, gt=0, le=LONGEST_SECONDS)

    @property
    def match(self) -> EventMatch:
        """What fills the step."""
        return EventMatch(event=self.event, where=self.where)

    @property
    def name(self) -> str:
        """The event's name, with its conditions where there are any."""
        return str(self.match) if self.where else self.event


class Exclusion(BaseModel):
    """An event that must not lie between two steps.

    Attributes
    ----------
    event
        An event, with conditions or not; a text is read as one.
    after_step, before_step
        The two steps, counted from 1.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    event: EventMatch
    after_step: int = Field(ge=1)
    before_step: int = Field(ge=2)


class FunnelSpec(RangeSpec):
    """Asks for a funnel.

    Attributes
    ----------
    steps
        2 to 30 events, with conditions or not; ``*`` is any event but the passive ones. Texts are read as steps.
    order
        ordered: other events may lie between; strict: any other event of the user resets the attempt;
        any: the steps may come in any order, bar k counts users with k distinct steps in one window.
    window_seconds
        Conversion window from step 1, boundary included.
    entry
        any: every step 1 opens an attempt; first: only a user's first one in the range.
    exclusions
        Events that drop a user who has one between the two steps (not in any order).
    counting
        users; sessions: every attempt stays within a session, and sessions are counted; totals: every attempt
        counts, the next one opens when the one before is complete, lost or out of time.
    hold
        What all events of an attempt share: ``session``, ``item``, ``item.<attribute>`` or ``property.<name>``.
    grace_seconds
        Events of a user this close (0 to 2 s) count as simultaneous: they may be taken in any order.
    counts_after_range
        Whether an attempt opened in the range may be completed after it.
    trend
        Also count per period of entry.
    labels
        Also count per group.
    """

    steps: tuple[FunnelStep, ...] = Field(min_length=2, max_length=MAX_STEPS)
    order: Order = "ordered"
    window_seconds: float = Field(DEFAULT_WINDOW_SECONDS, gt=0, le=LONGEST_SECONDS)
    entry: Literal["any", "first"] = "any"
    exclusions: tuple[Exclusion, ...] = ()
    counting: Counting = "users"
    hold: str | None = None
    grace_seconds: float = Field(0, ge=0, le=MAX_GRACE_SECONDS)
    counts_after_range: bool = False
    trend: Trend | None = None
    labels: Annotated[UserLabels | None, SkipValidation] = None

    @field_validator("steps", mode="before")
    @classmethod
    def _named(cls, steps: Any) -> Any:
        return tuple(parse_fields(step) if isinstance(step, str) else step for step in steps)

    @field_serializer("labels")
    def _named_groups(self, labels: UserLabels | None) -> list[str | int] | None:
        """Return what tells two breakdowns apart, not a value per user."""
        return None if labels is None else [labels.title, *labels.names, zlib.crc32(labels.codes.tobytes())]

    @model_validator(mode="after")
    def _makes_sense(self) -> FunnelSpec:
        last = len(self.steps)
        if any(not x.after_step < x.before_step <= last for x in self.exclusions):
            raise ValueError(f"an exclusion lies between two steps of the funnel, from 1 to {last}")
        if self.order == "any" and (self.exclusions or any(step.window_seconds for step in self.steps)):
            raise ValueError("an exclusion or a window of a step needs steps in order: in any order nothing is between")
        if any(step.is_optional for step in self.steps):
            if self.order != "ordered":
                raise ValueError("optional steps need the order “ordered”")
            if self.steps[0].is_optional or self.steps[-1].is_optional:
                raise ValueError("the first and the last step cannot be optional")
        return self
