"""How often customers will buy: the BG/NBD model and its modified form.

Both say: while a customer is with us, purchases come at random at a rate of their own (gamma across customers);
after a purchase the customer may leave for good, with a chance of their own (beta). In the BG/NBD that can
happen after a repeat purchase only, in the modified one (MBG/NBD) after the first one too.

References
----------
Fader, Hardie and Lee (2005), "Counting your customers" the easy way, Marketing Science 24(2).
Batislam, Denizel and Filiztekin (2007), Empirical validation and comparison of models for customer base analysis,
International Journal of Research in Marketing 24(3).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from ulm_core.errors import InputError
from ulm_core.lifecycle.value.histories import Floats, Ints
from ulm_core.messages import N_

BuyingKind = Literal["bg", "mbg"]
LEAST_REPEATS = 10
_LIMIT = 10.0  # of the logarithm of a parameter: beyond, the likelihood is flat


@dataclass(frozen=True)
class BuyingModel:
    """A fitted model; times are in weeks.

    Attributes
    ----------
    kind
        bg: BG/NBD; mbg: MBG/NBD.
    r, alpha
        Shape and scale of the purchase rates: ``r / alpha`` purchases a week on average.
    a, b
        Of the chance of leaving after a purchase: ``a / (a + b)`` on average.
    log_likelihood
        At these parameters, summed over customers.
    """

    kind: BuyingKind
    r: float
    alpha: float
    a: float
    b: float
    log_likelihood: float = math.nan

    def still_there(self, frequency: Ints, recency: Floats, age: Floats) -> Floats:
        """Return the chance that a customer has not left for good, given the history.

        No churn score: in the BG/NBD it is exactly 1 for everyone with one purchase, however long ago (AUC .32 on
        CDNOW). It is only a step on the way to `expected` and `buys_again`.
        """
        r, alpha, a, b = self.r, self.alpha, self.a, self.b
        x = np.asarray(frequency, np.float64)
        growth = (r + x) * (np.log(alpha + age) - np.log(alpha + recency))
        if self.kind == "mbg":
            return np.asarray(1 / (1 + a / (b + x) * np.exp(growth)), np.float64)
        gone = np.where(x > 0, a / (b + np.maximum(x, 1) - 1) * np.exp(growth), 0.0)
        return np.asarray(1 / (1 + gone), np.float64)

    def expected(self, weeks: float, frequency: Ints, recency: Floats, age: Floats) -> Floats:
        """Return the purchases to expect in the next `weeks`, float64[n] (Fader et al. 2005, equation 10).

        With ``k = b + x`` (MBG: ``b + x + 1``):
        ``(a + k - 1) / (a - 1) * (1 - ((alpha + T) / (alpha + T + t)) ** (r + x) * 2F1(r + x, k; a + k - 1; z))``
        times the chance of being still there, ``z = t / (alpha + T + t)``.
        """
        from scipy.special import hyp2f1

        x = np.asarray(frequency, np.float64)
        a = self.a if abs(self.a - 1) > 1e-6 else 1 + 1e-6  # removable singularity
        k = self.b + x + (self.kind == "mbg")
        reach = self.alpha + age
        fall = (reach / (reach + weeks)) ** (self.r + x)
        series = hyp2f1(self.r + x, k, a + k - 1, weeks / (reach + weeks))
        per_alive = (a + k - 1) / (a - 1) * (1 - fall * series)
        return np.asarray(per_alive * self.still_there(frequency, recency, age), np.float64)

    def buys_again(self, weeks: float, frequency: Ints, recency: Floats, age: Floats) -> Floats:
        """Return the chance of at least one purchase in the next `weeks`, float64[n]: ``1 - exp(-expected)``.

        As if the expected purchases came at random. The model's own answer, which goes by the chance of being
        still there, was measured to be worse on CDNOW (Brier .166 against .161).
        """
        return np.asarray(-np.expm1(-self.expected(weeks, frequency, recency, age)), np.float64)


def log_likelihood(model: BuyingModel, frequency: Ints, recency: Floats, age: Floats) -> tuple[Floats, Floats]:
    """Return each customer's log likelihood, float64[n], and its gradient by r, alpha, a and b, float64[4, n].

    BG/NBD (2005, equation 6) and MBG/NBD (2007), with ``k = b + x`` (MBG: ``b + x + 1``):
    ``Gamma(r+x) alpha^r / Gamma(r) * B(a, k) / B(a, b) * [(alpha+T)^-(r+x) + a / (k-1) * (alpha+t_x)^-(r+x)]``,
    the second term in the BG/NBD only where x > 0.
    """
    from scipy.special import betaln, digamma, gammaln

    r, alpha, a, b = model.r, model.alpha, model.a, model.b
    x = np.asarray(frequency, np.float64)
    k = b + x + (model.kind == "mbg")
    shared = gammaln(r + x) - gammaln(r) + r * math.log(alpha) + betaln(a, k) - betaln(a, b)
    stayed = -(r + x) * np.log(alpha + age)
    can_leave = (x > 0) | (model.kind == "mbg")
    left = math.log(a) - np.log(np.where(can_leave, k - 1, 1)) - (r + x) * np.log(alpha + recency)
    either = np.logaddexp(stayed, np.where(can_leave, left, -np.inf))
    to_left = np.where(can_leave, np.exp(left - either), 0.0)
    to_stayed = 1 - to_left
    gradient = (
        digamma(r + x) - digamma(r) + math.log(alpha)
        - to_stayed * np.log(alpha + age) - to_left * np.log(alpha + recency),
        r / alpha - (r + x) * (to_stayed / (alpha + age) + to_left / (alpha + recency)),
        digamma(a + b) - digamma(a + k) + to_left / a,
        digamma(k) - digamma(a + k) - digamma(b) + digamma(a + b) - to_left / np.where(can_leave, k - 1, 1),
    )  # fmt: skip
    return np.asarray(shared + either, np.float64), np.stack(gradient)


def fit_buying(frequency: Ints, recency: Floats, age: Floats, kind: BuyingKind = "mbg") -> BuyingModel:
    """Return the model of maximum likelihood.

    Raises
    ------
    InputError
        When fewer than 10 customers bought again.
    """
    from scipy.optimize import minimize

    if int((frequency > 0).sum()) < LEAST_REPEATS:
        raise InputError(
            N_("Too few customers bought again ({n}); at least {least} are needed."),
            n=int((frequency > 0).sum()),
            least=LEAST_REPEATS,
        )
    rows, weights = _distinct(frequency, recency, age)
    columns = rows[:, 0].astype(np.int64), rows[:, 1], rows[:, 2]
    n = len(frequency)

    def loss(logs: npt.NDArray[np.float64]) -> tuple[float, npt.NDArray[np.float64]]:
        parameters = np.exp(logs)
        each, gradient = log_likelihood(BuyingModel(kind, *parameters), *columns)
        return -float(weights @ each) / n, -(gradient @ weights) * parameters / n

    weeks = max(float(age.mean()), 1e-3)
    starts = (np.log([0.5, weeks / 4, 0.5, 2.0]), np.log([1.0, weeks, 1.0, 5.0]))
    options = {"jac": True, "method": "L-BFGS-B", "bounds": [(-_LIMIT, _LIMIT)] * 4}
    fits = (minimize(loss, start, **options, options={"ftol": 1e-14, "gtol": 1e-8}) for start in starts)
    found = min(fits, key=lambda fit: float(fit.fun))
    r, alpha, a, b = (float(value) for value in np.exp(found.x))
    return BuyingModel(kind, r, alpha, a, b, -float(found.fun) * n)


def _distinct(frequency: Ints, recency: Floats, age: Floats) -> tuple[Floats, Floats]:
    """Return the different histories and how many customers have each: millions share thousands."""
    rows, counts = np.unique(np.column_stack([frequency, recency, age]), axis=0, return_counts=True)
    return rows, counts.astype(np.float64)
