"""Sums of money that do not depend on the order of adding: whole multiples of a power of two."""

from __future__ import annotations

import math

import numpy as np

from ulm_core.timeline.index import Partition, TimelineIndex
from ulm_core.timeline.runner import map_merge

_FINEST = 40  # values are rounded to 2**-40 at best, a millionth of a millionth


def exact_scale(index: TimelineIndex) -> float:
    """Return the largest power of two by which values can be multiplied so that all of them fit 63 bits together.

    Whole numbers add up to the same whatever the order, floating point does not: with them one answer holds
    however the log is cut into partitions.
    """

    def peak(part: Partition) -> float:
        seen = part.value[~np.isnan(part.value)]
        return float(max(seen.max(), -seen.min())) if len(seen) else 0.0

    highest = map_merge(index, peak, lambda peaks: max(peaks, default=0.0))
    room = 62 - math.log2(max(highest * index.manifest.n_events, 1.0))
    return 2.0 ** max(0, min(_FINEST, math.floor(room)))
