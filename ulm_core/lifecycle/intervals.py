"""Intervals of shares."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


def wilson(part: npt.ArrayLike, whole: npt.ArrayLike, level: float = 0.95) -> tuple[Floats, Floats]:
    """Return Wilson's score interval of ``part / whole``, element by element.

    It stays within [0, 1] and holds for small counts and for shares of 0 and 1, which the usual
    ``p +- z * sqrt(p (1 - p) / n)`` does not (E. B. Wilson, 1927).

    Parameters
    ----------
    part, whole
        Counts, ``0 <= part <= whole``.
    level
        Confidence of each interval for itself, in (0, 1).

    Returns
    -------
    lower, upper
        nan where the whole is 0.
    """
    k, n = np.asarray(part, np.float64), np.asarray(whole, np.float64)
    k, n = np.broadcast_arrays(k, n)
    z2 = NormalDist().inv_cdf((1 + level) / 2) ** 2
    with np.errstate(invalid="ignore", divide="ignore"):
        center = (k + z2 / 2) / (n + z2)
        half = np.sqrt(z2 * (k * (n - k) / n + z2 / 4)) / (n + z2)
    lower, upper = np.maximum(center - half, 0.0), np.minimum(center + half, 1.0)
    # Exact at the ends, where rounding would leave 1e-17 or 1 - 1e-16.
    return np.where(k == 0, np.where(n > 0, 0.0, np.nan), lower), np.where(k == n, np.where(n > 0, 1.0, np.nan), upper)
