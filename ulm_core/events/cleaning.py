"""What is done with rows that look wrong: every rule is a choice, and the report counts the other choices too."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class CleaningRules(BaseModel):
    """Choices of one load. A rejected row is never lost: it stands in the quarantine with its original text."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    duplicates: Literal["drop", "keep"] = Field(
        "drop", description="Rows equal in every mapped column: count the first only, or each."
    )
    missing_user: Literal["quarantine", "session"] = Field(
        "quarantine", description="Rows without a user: set aside, or take the session as an anonymous user."
    )
    earliest: datetime = Field(datetime(1970, 1, 2), description="Earlier times are implausible (UTC).")
    latest: datetime | None = Field(
        None, description="Later times are implausible (UTC); empty: one day after the load."
    )
    max_value: float = Field(1e12, gt=0, description="Values beyond this, either sign, are impossible.")
    max_quantity: float = Field(1e9, gt=0, description="Quantities beyond this, either sign, are impossible.")
    returns: Literal["event", "keep", "drop"] = Field(
        "event",
        description="Negative quantities and cancelled orders: an event of their own, as they are, or set aside.",
    )
    return_event: str = Field("return", min_length=1, description="Name of the event for a negative quantity.")
    cancel_event: str = Field("cancellation", min_length=1, description="Name of the event for a cancelled order.")
    robots: Literal["flag", "drop", "off"] = Field(
        "flag", description="Event storms of one user: flag the user, set the rows aside, or do not look."
    )
    robot_moments_per_hour: int = Field(
        1000, ge=60, description="Different moments within one hour from which a user is a robot."
    )
    robot_regular_share: float = Field(
        0.9, gt=0.5, le=1, description="Share of equal gaps between a user's moments from which it is a robot."
    )
    robot_min_moments: int = Field(
        100, ge=20, description="Moments a user needs before the regularity of its gaps says anything."
    )


AS_IS = CleaningRules(duplicates="keep", returns="keep", robots="off")
