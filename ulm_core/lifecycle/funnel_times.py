"""Time to convert: how long it takes from one step to another, as a distribution."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ulm_core.lifecycle.funnel_result import Funnel
from ulm_core.lifecycle.results import UserCodes

N_BINS = 24
# Widths a reader can name: 1, 5, 15, 30 seconds and minutes; 1, 2, 6, 12 hours; days; weeks.
_WIDTHS = np.array(
    [1, 5, 15, 30, 60, 300, 900, 1_800, 3_600, 7_200, 21_600, 43_200, 86_400, 172_800, 604_800, 1_209_600, 2_592_000]
)


@dataclass(frozen=True, eq=False)
class TimeToConvert:
    """Seconds between two steps of everyone who took any time.

    Attributes
    ----------
    owners, seconds
        int32[n] user codes and float64[n].
    edges, counts
        float64[n_bins + 1] in seconds and int64[n_bins]; bin k is ``[edges[k], edges[k + 1])``.
    """

    owners: UserCodes
    seconds: npt.NDArray[np.float64]
    edges: npt.NDArray[np.float64]
    counts: npt.NDArray[np.int64]

    def quantile(self, share: float) -> float:
        """Return the time within which this share had converted; nan without anybody."""
        return float(np.quantile(self.seconds, share)) if len(self.seconds) else np.nan

    @property
    def mean(self) -> float:
        """Mean seconds; nan without anybody."""
        return float(self.seconds.mean()) if len(self.seconds) else np.nan

    def users(self, number: int) -> UserCodes:
        """Return who is in a bin; where attempts are counted each user once."""
        rows = (self.seconds >= self.edges[number]) & (self.seconds < self.edges[number + 1])
        return np.unique(self.owners[rows])


def time_to_convert(funnel: Funnel, from_step: int, to_step: int) -> TimeToConvert:
    """Return the distribution of the seconds between two steps (from 1), in at most 24 bins of a round width.

    Raises
    ------
    InputError
        When the steps do not ascend or the funnel has no such step.
    """
    owners, seconds = funnel.gaps(from_step, to_step)
    longest = float(seconds.max(initial=1.0))
    fitting = _WIDTHS[longest < _WIDTHS * N_BINS]
    width = float(fitting[0]) if len(fitting) else float(np.ceil(longest / N_BINS / 86_400) * 86_400)
    edges = np.arange(0, longest + width, width)
    edges = edges if edges[-1] > longest else np.append(edges, edges[-1] + width)
    counts, _ = np.histogram(seconds, edges)
    return TimeToConvert(owners, seconds, edges, counts.astype(np.int64))
