"""Whether a series of values makes an alert speak."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ulm_core.alerts import model as m

SCALE = 0.6745
"""Makes the median absolute deviation of a normal sample agree with its standard deviation."""


@dataclass(frozen=True)
class Verdict:
    """What a check found.

    Attributes
    ----------
    speaks
        Whether the condition holds; None where too little is known to say.
    value
        The number in the last complete period.
    against
        What it was held against: the limit, the value before, the median of the past; nan where nothing.
    score
        Relative change, or robust z; nan for a threshold.
    """

    speaks: bool | None
    value: float
    against: float = math.nan
    score: float = math.nan


def n_needed(when: Any) -> int:
    """Return how many periods a condition looks at."""
    return {"threshold": 1, "change": 2}.get(when.kind) or when.past + 1


def robust_z(value: float, past: Sequence[float]) -> float:
    """Return 0.6745 (value - median) / MAD; infinite where the past never moved and the value did.

    Examples
    --------
    >>> robust_z(16, [9, 10, 11, 10, 12])  # median 10, deviations 1 0 1 0 2, MAD 1
    4.047
    """
    middle = statistics.median(past)
    spread = statistics.median(abs(entry - middle) for entry in past)
    if spread == 0:
        return 0.0 if value == middle else math.copysign(math.inf, value - middle)
    return SCALE * (value - middle) / spread


def judge(when: Any, values: Sequence[float]) -> Verdict:
    """Return whether the last of `values` makes a condition hold; earlier ones are the past, oldest first."""
    value, past = values[-1], [entry for entry in values[:-1] if not math.isnan(entry)]
    if math.isnan(value):
        return Verdict(None, value)
    if when.kind == "threshold":
        return Verdict(value > when.limit if when.side == "above" else value < when.limit, value, when.limit)
    return _changed(when, value, past) if when.kind == "change" else _unusual(when, value, past)


def _changed(when: m.Change, value: float, past: Sequence[float]) -> Verdict:
    if not past or past[-1] == 0:
        return Verdict(None, value, past[-1] if past else math.nan)
    change = (value - past[-1]) / abs(past[-1])
    signed = {"rise": change, "fall": -change, "any": abs(change)}[when.direction]
    return Verdict(signed >= when.share, value, past[-1], change)


def _unusual(when: m.Anomaly, value: float, past: Sequence[float]) -> Verdict:
    if len(past) < 5:  # the median of fewer says nothing
        return Verdict(None, value)
    z = robust_z(value, past[-when.past :])
    return Verdict(abs(z) >= when.z, value, statistics.median(past[-when.past :]), z)
