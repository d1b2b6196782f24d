"""A calibrated churn model over time-safe features of a user's past, learnt at earlier cuts of the same log."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ulm_core.model.histories import DAY_US, F64, I64, Histories, Mask
from ulm_core.model.scorer import Calibration
from ulm_core.model.tabular import tabular, tabular_features
from ulm_core.timeline.index import TimelineIndex
from ulm_core.training.batches import churn_labels
from ulm_core.training.churn_metrics import fit_platt

MAX_CUTS = 4
MAX_ROWS = 100_000  # examples of one cut: more of them no longer move the model, only its time
LEAST_EACH = 10  # churned and stayed users without which a cut teaches nothing
SEEDS = 3
CHUNK = 100_000
_TREES: dict[str, Any] = {
    "n_estimators": 150,
    "learning_rate": 0.03,
    "num_leaves": 8,
    "min_child_samples": 40,
    "subsample": 0.8,
    "subsample_freq": 1,
    "colsample_bytree": 0.6,
    "reg_lambda": 1.0,
    "n_jobs": 1,
    "deterministic": True,
    "verbose": -1,
}
Scores = Callable[[F64], F64]


@dataclass(frozen=True)
class RiskLog:
    """The log as the model reads it: what is activity, and which silence is churn."""

    index: TimelineIndex
    active: Mask
    horizon_days: int

    def features(self, users: I64, at_us: int) -> F64:
        """Return float64[n, n_features], what `users` did before `at_us`."""
        parts = [
            tabular(Histories.from_index(self.index, rows, at_us), self.active, self.index.manifest.n_items)
            for rows in np.array_split(users, max(len(users) // CHUNK, 1))
        ]
        return np.concatenate(parts).astype(np.float64)

    def outcomes(self, at_us: int, boundary_us: int) -> Outcomes:
        """Return who was with us at a cut and whether they churned by the end of one horizon.

        Parameters
        ----------
        at_us
            The cut: users active in the horizon before it.
        boundary_us
            Nothing at or after it may be known; an outcome that is not in by then is none.
        """
        every = np.arange(self.index.n_users, dtype=np.int64)
        labels = churn_labels(
            self.index, every, np.full(len(every), at_us, np.int64), self.horizon_days, boundary_us, self.active
        )
        return Outcomes(every[labels.known], labels.churned[labels.known].astype(np.float64))

    def with_us(self, at_us: int) -> I64:
        """Return int64[n], the users active in the horizon before a moment."""
        return self.outcomes(at_us, np.iinfo(np.int64).max).users

    def silence(self, users: I64, at_us: int) -> F64:
        """Return float64[n], days since the last active event before a moment."""
        column = tabular_features(self.index.manifest.event_names).index("recency")
        return np.asarray(np.expm1(self.features(users, at_us)[:, column]), np.float64)


@dataclass(frozen=True, eq=False)
class Outcomes:
    """Users with us at a cut, int64[n], and whether they churned, float64[n] of 0 and 1."""

    users: I64
    churned: F64

    @property
    def can_teach(self) -> bool:
        """Whether both kinds are there often enough."""
        n_churned = int(self.churned.sum())
        return min(n_churned, len(self.churned) - n_churned) >= LEAST_EACH

    def sample(self, most: int, seed: int) -> Outcomes:
        """Return at most `most` of them, drawn with a seed."""
        if len(self.users) <= most:
            return self
        rows = np.sort(np.random.default_rng(seed).choice(len(self.users), most, replace=False))
        return Outcomes(self.users[rows], self.churned[rows])


@dataclass(frozen=True, eq=False)
class RiskModel:
    """Logistic regression and boosted trees, their log odds averaged, then calibrated.

    Attributes
    ----------
    parts
        Each gives probabilities float64[n] for features float64[n, k].
    calibration
        Platt scaling, fitted at a later cut than the parts; the identity where there was none.
    train_cuts, calibration_cut
        When it was taught (UTC us).
    """

    parts: tuple[Scores, ...]
    calibration: Calibration = field(default_factory=Calibration)
    train_cuts: tuple[int, ...] = ()
    calibration_cut: int | None = None

    def log_odds(self, features: F64) -> F64:
        """Return the mean log odds of the parts, float64[n]."""
        return np.asarray(np.mean([_logit(part(features)) for part in self.parts], axis=0), np.float64)

    def predict(self, features: F64) -> F64:
        """Return calibrated probabilities of churn, float64[n]."""
        scaled = self.log_odds(features) * self.calibration.slope + self.calibration.offset
        return np.asarray(1 / (1 + np.exp(-scaled)), np.float64)


def _logit(probability: F64) -> F64:
    p = np.clip(probability, 1e-6, 1 - 1e-6)
    return np.asarray(np.log(p / (1 - p)), np.float64)


def fit_risk(log: RiskLog, as_of_us: int) -> RiskModel | None:
    """Return the model as it could have been learnt at `as_of_us`; None where nothing can be learnt.

    Cuts lie one horizon apart; the latest has its outcomes in just by `as_of_us`. It calibrates, the older ones
    (at most 3) teach. With a single cut that cut teaches, and the model is not calibrated.
    """
    horizon = log.horizon_days * DAY_US
    cuts = [as_of_us - k * horizon for k in range(1, MAX_CUTS + 1)]
    found = [(cut, log.outcomes(cut, as_of_us).sample(MAX_ROWS, seed=0)) for cut in cuts]
    usable = [(cut, outcomes) for cut, outcomes in found if outcomes.can_teach]
    if not usable:
        return None
    teaching = usable[1:] or usable
    features = np.concatenate([log.features(outcomes.users, cut) for cut, outcomes in teaching])
    churned = np.concatenate([outcomes.churned for _, outcomes in teaching])
    model = RiskModel(_fit_parts(features, churned), train_cuts=tuple(cut for cut, _ in teaching))
    if len(usable) == 1:
        return model
    cut, outcomes = usable[0]
    calibration = fit_platt(outcomes.churned, model.log_odds(log.features(outcomes.users, cut)))
    return RiskModel(model.parts, calibration, model.train_cuts, cut)


def _fit_parts(features: F64, churned: F64) -> tuple[Scores, ...]:
    import lightgbm  # these are slow to import; only who asks for risks needs them
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    linear = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=3000)).fit(features, churned)
    trees = [
        lightgbm.train(
            {**_TREES, "objective": "binary", "seed": seed}, lightgbm.Dataset(features, churned), _TREES["n_estimators"]
        )
        for seed in range(SEEDS)
    ]

    def by_line(rows: F64) -> F64:
        return np.asarray(linear.predict_proba(rows)[:, 1], np.float64)

    def by_trees(rows: F64) -> F64:
        return np.asarray(np.mean([booster.predict(rows) for booster in trees], axis=0), np.float64)

    return by_line, by_trees
