"""What customers spend per purchase: the Gamma-Gamma model.

A customer's purchases vary around a mean of their own (gamma), means vary across customers (gamma again), and
both are independent of how often the customer buys.

References
----------
Fader and Hardie (2013), The Gamma-Gamma model of monetary value, brucehardie.com/notes/025.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ulm_core.errors import InputError
from ulm_core.lifecycle.value.histories import Floats, Ints
from ulm_core.messages import N_

LEAST_SPENDERS = 10
_LIMIT = 12.0


@dataclass(frozen=True)
class SpendingModel:
    """A fitted model.

    Attributes
    ----------
    p
        Shape of a customer's purchases.
    q, v
        Shape and scale of the customers' means: ``p * v / (q - 1)`` on average.
    correlation
        Between how often and how much; the model wants it near 0.
    """

    p: float
    q: float
    v: float
    correlation: float = math.nan

    @property
    def mean(self) -> float:
        """Mean spend of a customer nothing is known of; inf where q is at most 1."""
        return self.p * self.v / (self.q - 1) if self.q > 1 else math.inf

    def expected(self, frequency: Ints, spend: Floats) -> Floats:
        """Return each customer's mean spend, float64[n]: between the population's and the customer's own.

        ``p (v + x m) / (p x + q - 1)``; without a repeat purchase it is the population's.
        """
        x = np.where(np.isfinite(spend) & (spend > 0), frequency, 0).astype(np.float64)
        own = np.where(x > 0, spend, 0.0)
        if self.q > 1:
            return np.asarray(self.p * (self.v + x * own) / (self.p * x + self.q - 1), np.float64)
        known = own[x > 0]
        return np.where(x > 0, own, known.mean() if len(known) else 0.0)


def fit_spending(frequency: Ints, spend: Floats) -> SpendingModel:
    """Return the model of maximum likelihood over customers with a repeat purchase of some value.

    ``ln L = lnG(px+q) - lnG(px) - lnG(q) + q ln v + (px-1) ln m + px ln x - (px+q) ln(x m + v)``.

    Raises
    ------
    InputError
        When there are fewer than 10 of them.
    """
    from scipy.optimize import minimize
    from scipy.special import digamma, gammaln

    used = (frequency > 0) & (np.nan_to_num(spend) > 0)
    x, m = frequency[used].astype(np.float64), spend[used]
    if len(x) < LEAST_SPENDERS:
        raise InputError(
            N_("Too few customers with a repeat purchase of some value ({n}); at least {least} are needed."),
            n=len(x),
            least=LEAST_SPENDERS,
        )
    scale = float(m.mean())  # fitted at mean 1, so that one start suits any currency
    m = m / scale

    def loss(logs: npt.NDArray[np.float64]) -> tuple[float, npt.NDArray[np.float64]]:
        p, q, v = np.exp(logs)
        px, total = p * x, x * m + v
        each = gammaln(px + q) - gammaln(px) - gammaln(q) + q * math.log(v)
        each = each + (px - 1) * np.log(m) + px * np.log(x) - (px + q) * np.log(total)
        by_p = x * (digamma(px + q) - digamma(px) + np.log(m * x / total))
        by_q = digamma(px + q) - digamma(q) + math.log(v) - np.log(total)
        by_v = q / v - (px + q) / total
        gradient = np.array([by_p.mean() * p, by_q.mean() * q, by_v.mean() * v])
        return -float(each.mean()), -gradient

    options = {"jac": True, "method": "L-BFGS-B", "bounds": [(-_LIMIT, _LIMIT)] * 3}
    found = minimize(loss, np.log([5.0, 4.0, 0.5]), **options, options={"ftol": 1e-14, "gtol": 1e-8})
    p, q, v = (float(value) for value in np.exp(found.x))
    is_varied = np.ptp(x) > 0 and np.ptp(m) > 0
    return SpendingModel(p, q, v * scale, float(np.corrcoef(x, m)[0, 1]) if is_varied else 0.0)
