"""What every analysis is asked with (`Spec`) and answers with (`Result`)."""

from __future__ import annotations

import math
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Self, TypeVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, SkipValidation, ValidationError

from ulm_core.errors import InputError
from ulm_core.lifecycle.periods import Interval, Periods, make_periods, to_datetime
from ulm_core.messages import N_

if TYPE_CHECKING:
    import pandas as pd

    from ulm_core.timeline.index import TimelineIndex
    from ulm_core.workspace import WorkspaceConfig

UserMask = Annotated[NDArray[np.bool_], SkipValidation]
UserCodes = NDArray[np.int32]


class Spec(BaseModel):
    """Base of all analysis specs: frozen, and an unknown field is an error.

    Attributes
    ----------
    users
        bool[n_users]; only users marked True are looked at. None: everyone.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)

    users: UserMask | None = None

    @classmethod
    def checked(cls, **fields: Any) -> Self:
        """Return the spec, or raise InputError (not pydantic's error) with the first thing that is wrong."""
        try:
            return cls(**fields)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            field = ".".join(str(part) for part in first["loc"])
            reason = str(first["msg"]).removeprefix("Value error, ")
            if not field:
                raise InputError(N_("This cannot be computed: {reason}."), reason=reason) from error
            raise InputError(N_("“{field}” is not valid: {reason}."), field=field, reason=reason) from error


class RangeSpec(Spec):
    """A spec over a time range.

    Attributes
    ----------
    from_us, to_us
        Half-open range in microseconds UTC. None: from the first active event (for funnels the first
        event), to the last event.
    """

    from_us: int | None = None
    to_us: int | None = None

    def bounds(self, index: TimelineIndex) -> tuple[int, int]:
        """Return the range with the log's own ends filled in.

        Raises
        ------
        InputError
            When the range ends before it starts.
        """
        first, end = self.from_us, self.to_us
        if first is not None and end is not None and end <= first:
            raise InputError(N_("The period is empty: it must end after it starts."))
        # A range outside the log is no error, but an answer without users.
        if end is None:
            end = max(index.manifest.last_us, first or index.manifest.last_us) + 1
        if first is None:
            first = min(index.manifest.first_us, end - 1)
        return first, end

    def periods(self, index: TimelineIndex, config: WorkspaceConfig, interval: Interval) -> Periods:
        """Return the range cut into calendar periods of the workspace's time zone."""
        first, end = self.bounds(index)
        if self.from_us is None:  # a campaign sent before the log begins must not open empty periods
            first = min(max(first, index.active_span(config)[0]), end - 1)
        return make_periods(first, end, interval, config.timezone, config.week_start, index.manifest.last_us)

    def log_start(self, index: TimelineIndex, config: WorkspaceConfig) -> int:
        """Return the local midnight (UTC us) of the day on which activity begins."""
        first = index.active_span(config)[0]
        return make_periods(first, first + 1, "day", config.timezone).from_us


@dataclass(frozen=True, kw_only=True, eq=False)
class Result(ABC):
    """Base of all analysis results.

    Attributes
    ----------
    as_of
        Time of the last event the answer could see (UTC).
    elapsed_seconds
        How long computing took.
    """

    as_of: datetime
    elapsed_seconds: float

    @abstractmethod
    def to_arrow(self) -> pa.Table:
        """Return the numbers as a table."""

    def to_pandas(self) -> pd.DataFrame:
        """Return the numbers as a data frame."""
        frame: pd.DataFrame = self.to_arrow().to_pandas()
        return frame

    @abstractmethod
    def users(self, cell: Any) -> UserCodes:
        """Return the codes of the users behind one number, exactly as many as it shows."""

    @abstractmethod
    def to_json(self) -> dict[str, Any]:
        """Return the numbers as the command line prints them."""

    def stamp(self) -> dict[str, Any]:
        """Return the fields every JSON answer ends with."""
        return {"as_of": self.as_of.isoformat(), "elapsed_seconds": round(self.elapsed_seconds, 6)}


class Stopwatch:
    """Takes the time from its creation on, and fills the two fields every result has."""

    def __init__(self, index: TimelineIndex) -> None:
        self._as_of_us = index.manifest.last_us
        self._started = time.perf_counter()

    def fields(self) -> dict[str, Any]:
        """Return ``as_of`` and ``elapsed_seconds`` for a result."""
        return {
            "as_of": to_datetime(self._as_of_us),
            "elapsed_seconds": time.perf_counter() - self._started,
        }


def select(flags: NDArray[np.bool_]) -> UserCodes:
    """Return the codes of the users marked True."""
    return np.flatnonzero(flags).astype(np.int32)


def mask_or_all(users: NDArray[np.bool_] | None, n_users: int) -> NDArray[np.bool_]:
    """Return the user mask, checked, or one that selects everyone.

    Raises
    ------
    InputError
        When the mask was made for another number of users.
    """
    if users is None:
        return np.ones(n_users, dtype=np.bool_)
    if len(users) != n_users:
        raise InputError(
            N_("The user filter covers {given} users, the data has {n_users}."), given=len(users), n_users=n_users
        )
    return np.ascontiguousarray(users, dtype=np.bool_)


Scalar = TypeVar("Scalar", bound=np.generic)


def join(partials: Sequence[NDArray[Scalar]]) -> NDArray[Scalar]:
    """Return per-user partials in one array: the usual merge of `map_merge`."""
    return np.concatenate(partials)


def share_of(part: NDArray[np.int64], whole: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return part / whole element by element, nan where the whole is 0 (no base is not 0%)."""
    whole = np.broadcast_to(whole, part.shape)
    out: NDArray[np.float64] = np.divide(part, whole, out=np.full(part.shape, np.nan), where=whole > 0)
    return out


def number_or_none(value: float) -> float | None:
    """Return a float for JSON: None where it is not a number ("no base" is not 0)."""
    return float(value) if math.isfinite(value) else None


def ratio(numerator: float, denominator: float) -> float:
    """Return the quotient, nan where there is no base."""
    return numerator / denominator if denominator else math.nan
