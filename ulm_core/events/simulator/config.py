"""What is simulated: every parameter with its default, its limits and its meaning."""

from __future__ import annotations

import datetime as dt
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from ulm_core.errors import InputError
from ulm_core.messages import N_
from ulm_core.moments import DAY_US

MAX_DELIVERIES = 400  # one open file each
MAX_ROWS_PER_USER = 50_000  # nobody, robots included, writes more rows; the chunk buffer relies on it


class SimulatorConfig(BaseModel):
    """One simulated shop. Same configuration, same rows; only the order inside files follows `chunk_rows`.

    Formulas and what is not modelled stand in `docs/simulator.md`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    users: int = Field(2_000, ge=1, le=50_000_000, description="Accounts, fake ones included.")
    days: int = Field(180, ge=7, le=3_660, description="Length of the log in days.")
    seed: int = Field(1, ge=0, lt=2**64, description="Seed of every random stream.")
    start: dt.date = Field(dt.date(2025, 1, 1), description="First day of the log (UTC).")

    items: int = Field(1_200, ge=1, le=1_000_000, description="Items; at least one a taste and category.")
    clusters: int = Field(6, ge=1, le=8, description="Taste clusters of users and items.")
    categories: int = Field(10, ge=1, le=12, description="Item categories.")
    taste_strength: float = Field(0.75, ge=0, le=1, description="Chance that a viewed item is of the user's own taste.")
    popularity_exponent: float = Field(0.8, ge=0, le=2, description="Zipf exponent of items inside taste x category.")
    new_item_share: float = Field(0.15, ge=0, le=0.9, description="Share of items launched while the log runs.")
    repeat_share: float = Field(0.15, ge=0, le=1, description="Chance that a view is of the item bought last.")

    early_share: float = Field(0.3, ge=0, le=1, description="Share who signed up in the 60 days before the log.")
    sessions_per_week: float = Field(1.5, gt=0, le=50, description="Mean sessions a week of a living user.")
    session_spread: float = Field(0.6, ge=0, le=2, description="Sigma of the log-normal that spreads session rates.")
    views_per_session: float = Field(3.5, ge=1, le=30, description="Mean item views of a session.")
    search_rate: float = Field(0.35, ge=0, le=1, description="Chance that a session begins with a search.")
    cart_rate: float = Field(0.16, ge=0, le=1, description="Base chance from view to cart.")
    purchase_rate: float = Field(0.5, ge=0, le=1, description="Chance from cart to purchase.")
    rate_rate: float = Field(0.25, ge=0, le=1, description="Chance that a purchase is rated, some days later.")
    share_rate: float = Field(0.02, ge=0, le=1, description="Chance that a view that was not carted is shared.")
    taste_lift: float = Field(1.6, ge=1, le=4, description="Cart chance times this for own taste, else divided.")

    churn_hazard: float = Field(1 / 60, ge=0, le=10, description="Churn hazard a day, activated, satisfaction 0.5.")
    satisfaction_effect: float = Field(3.0, ge=0, le=10, description="Hazard x exp(-this x (satisfaction - 0.5)).")
    satisfaction_memory: float = Field(0.6, ge=0, lt=1, description="Weight of the past in satisfaction.")
    inactivated_ratio: float = Field(2.5, ge=1, le=50, description="Hazard ratio before the first purchase.")
    channel_effect: float = Field(1.0, ge=0, le=3, description="Power on the channels' hazard ratios; 0 = none.")
    resurrection_share: float = Field(0.2, ge=0, le=1, description="Chance that a churned user returns at all.")
    resurrection_days: float = Field(60.0, gt=0, le=3_660, description="Mean days from churn to return.")

    weekly_season: float = Field(0.25, ge=0, lt=1, description="Amplitude of the week (peak Saturday).")
    yearly_season: float = Field(0.2, ge=0, lt=1, description="Amplitude of the year (peak 1 December).")
    daily_season: float = Field(0.8, ge=0, lt=1, description="Amplitude of the day (peak 19:00 UTC).")

    campaigns: int = Field(4, ge=0, le=24, description="Evenly spaced; of four or more the last has no effect.")
    campaign_lift: float = Field(0.06, ge=0, le=0.4, description="Chance of an extra purchase a mean campaign causes.")
    holdout_share: float = Field(0.2, gt=0, lt=1, description="Share of each audience held out at random.")
    campaign_window_days: int = Field(14, ge=1, le=90, description="Days in which a campaign works.")

    late_share: float = Field(0.01, ge=0, le=1, description="Share of rows that arrive later than they happened.")
    late_days: float = Field(3.0, gt=0, le=365, description="Mean delay of a late row.")
    dirty_share: float = Field(0.005, ge=0, le=0.5, description="Broken copies added, as a share of good rows.")
    shilling_share: float = Field(0.005, ge=0, le=0.5, description="Share of accounts that promote the target items.")
    shilling_targets: int = Field(2, ge=1, le=20, description="Items an attack promotes (of the least viewed).")
    shilling_fillers: int = Field(20, ge=0, le=200, description="Other items a shilling account rates to look real.")
    robot_share: float = Field(0.002, ge=0, le=0.5, description="Share of accounts that are robots.")
    robot_requests: int = Field(600, ge=10, le=4_000, description="Views of one storm, one every two seconds.")

    delivery_days: int = Field(30, ge=1, le=3_660, description="Days of arrivals one file holds.")
    format: Literal["parquet", "csv"] = Field("parquet", description="Format of the event files.")
    chunk_rows: int = Field(500_000, ge=1_000, le=20_000_000, description="Rows generated at once; bounds the memory.")
    part_rows: int = Field(20_000_000, ge=10_000, description="Rows after which a file is continued in the next part.")

    @model_validator(mode="after")
    def _is_coherent(self) -> Self:
        if self.items < self.clusters * self.categories:
            raise ValueError(f"items must be at least clusters x categories = {self.clusters * self.categories}")
        if self.campaigns and self.days / (self.campaigns + 1) <= self.campaign_window_days + 1:
            raise ValueError(
                "campaign windows overlap or leave the log: take fewer campaigns, more days or a shorter window"
            )
        if self.shilling_share + self.robot_share > 1:
            raise ValueError("shilling_share and robot_share together exceed 1")
        if self.deliveries > MAX_DELIVERIES:
            raise ValueError(f"delivery_days gives {self.deliveries} files; at most {MAX_DELIVERIES}")
        return self

    @property
    def deliveries(self) -> int:
        """Number of files the log arrives in (before parts)."""
        return -(-self.days // self.delivery_days)

    @property
    def start_us(self) -> int:
        """First moment of the log, microseconds since 1970 UTC."""
        return (self.start - dt.date(1970, 1, 1)).days * DAY_US

    @property
    def end_us(self) -> int:
        """First moment after the log, microseconds since 1970 UTC."""
        return self.start_us + self.days * DAY_US


def campaigns_that_fit(days: int) -> int:
    """Return how many campaigns a log of `days` days has room for, up to the usual number.

    Examples
    --------
    >>> [campaigns_that_fit(days) for days in (30, 31, 60, 180)]
    [0, 1, 2, 4]
    """
    fields = SimulatorConfig.model_fields
    usual, window = int(fields["campaigns"].default), int(fields["campaign_window_days"].default)
    return max(0, min(usual, -(-days // (window + 1)) - 2))


def simulator_config(**values: object) -> SimulatorConfig:
    """Return a configuration; what cannot be simulated is an `InputError` that names the parameter.

    Raises
    ------
    InputError
        When a value is out of its limits or values contradict each other.
    """
    try:
        return SimulatorConfig.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        raise InputError(
            N_("This cannot be simulated: {field}: {reason}."),
            field=".".join(map(str, first["loc"])) or "simulator",
            reason=first["msg"].removeprefix("Value error, "),
        ) from error
