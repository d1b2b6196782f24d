"""Churn risk of every user who is still with us, and how honest such risks were when they could be checked."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pydantic import Field

from ulm_core.errors import InputError, NotFoundError
from ulm_core.lifecycle.horizon import learn_churn_horizon
from ulm_core.lifecycle.intervals import wilson
from ulm_core.lifecycle.periods import to_datetime
from ulm_core.lifecycle.results import Result, Spec, Stopwatch, UserCodes, number_or_none
from ulm_core.lifecycle.rules import workspace_rules
from ulm_core.lifecycle.stages import stages_at
from ulm_core.messages import N_, Message, message
from ulm_core.model.histories import DAY_US, F64, I64
from ulm_core.timeline.index import TimelineIndex
from ulm_core.training.churn_metrics import auc, brier
from ulm_core.training.promoted_risk import PromotedRisks
from ulm_core.training.risk_model import Outcomes, RiskLog, fit_risk
from ulm_core.workspace import WorkspaceConfig

TEST_CUTS = 3
BINS = 10


class RiskSpec(Spec):
    """Asks for churn risks.

    Attributes
    ----------
    horizon_days
        Days without activity that are churn; None: learnt from the log, or the promoted model's own.
    """

    horizon_days: int | None = Field(None, ge=1, le=3_650)


@dataclass(frozen=True, eq=False)
class RiskTest:
    """Risks said at a cut, and what came of them within one horizon.

    Attributes
    ----------
    cut_us
        The moment (UTC us); nothing at or after it was known.
    users
        int32[n], users with us then.
    risk, churned
        float64[n], said before; 0 or 1, seen after.
    silence
        float64[n], days since the last event: what a risk has to order better than.
    """

    cut_us: int
    users: UserCodes
    risk: F64
    churned: F64
    silence: F64

    @property
    def auc(self) -> float:
        """Chance that a churner had the higher risk."""
        return auc(self.churned, self.risk)

    @property
    def silence_auc(self) -> float:
        """The same for the silence alone, without any model."""
        return auc(self.churned, self.silence)

    @property
    def brier(self) -> float:
        """Mean squared error of the risks."""
        return brier(self.churned, self.risk)

    @property
    def constant_brier(self) -> float:
        """That of the churn rate for everyone."""
        return brier(self.churned, np.full(len(self.churned), self.churned.mean()))

    def bins(self) -> npt.NDArray[np.int64]:
        """Return int64[n], each user's bin: ten of equal size by risk, 0 the lowest."""
        place = np.empty(len(self.risk), np.int64)
        place[np.argsort(self.risk, kind="stable")] = np.arange(len(self.risk)) * BINS // max(len(self.risk), 1)
        return place

    def reliability(self) -> pa.Table:
        """Return bin, users, said (mean risk), churned (share), with its 95% Wilson interval."""
        place = self.bins()
        rows = [(k, self.risk[place == k], self.churned[place == k]) for k in np.unique(place).tolist()]
        lower, upper = wilson([seen.sum() for _, _, seen in rows], [len(seen) for _, _, seen in rows])
        return pa.table(
            {
                "bin": [k + 1 for k, _, _ in rows],
                "users": [len(said) for _, said, _ in rows],
                "said": [float(said.mean()) for _, said, _ in rows],
                "churned": [float(seen.mean()) for _, _, seen in rows],
                "lower": lower,
                "upper": upper,
            }
        )

    @property
    def calibration_error(self) -> float:
        """Expected calibration error: mean over the bins of ``|said - churned|``, weighted by users."""
        table = self.reliability()
        said, churned, users = (table[name].to_numpy() for name in ("said", "churned", "users"))
        return float((np.abs(said - churned) * users).sum() / users.sum()) if len(users) else float("nan")

    def to_json(self) -> dict[str, Any]:
        """Return the figures of the test."""
        return {
            "cut": to_datetime(self.cut_us).isoformat(),
            "users": len(self.users),
            "churned": int(self.churned.sum()),
            "auc": number_or_none(self.auc),
            "silence_auc": number_or_none(self.silence_auc),
            "brier": self.brier,
            "constant_brier": self.constant_brier,
            "calibration_error": self.calibration_error,
        }


@dataclass(frozen=True, kw_only=True, eq=False)
class ChurnRisk(Result):
    """Risk of churn within one horizon from the end of the log.

    Attributes
    ----------
    horizon_days
        Days without activity that are churn.
    source
        Where the risks come from, in words.
    is_calibrated
        Whether they were calibrated at an earlier cut.
    scored, user_ids
        int32[n], users with us at the end, the highest risk first; and their ids.
    risk
        float64[n].
    silence, value
        float64[n]: days since the last active event, sum of the values of conversions.
    stages
        Stage of each at the end.
    tests
        The latest first; empty where the log is too short to check.
    """

    horizon_days: int
    source: Message
    is_calibrated: bool
    scored: UserCodes
    user_ids: npt.NDArray[np.object_]
    risk: F64
    silence: F64
    value: F64
    stages: npt.NDArray[np.object_]
    tests: tuple[RiskTest, ...]

    def only(self, mask: npt.NDArray[np.bool_] | None) -> ChurnRisk:
        """Return the risks of some users, bool[n_users]; tests stay those of everyone."""
        if mask is None:
            return self
        keep = mask[self.scored]
        names = ("scored", "user_ids", "risk", "silence", "value", "stages")
        return replace(self, **{name: getattr(self, name)[keep] for name in names})

    def users(self, cell: tuple[Literal["all", "between", "bin"], Any]) -> UserCodes:
        """Return users.

        ``("all", None)``; ``("between", (low, high))``: a risk from `low` to below `high` (1 included);
        ``("bin", k)``: those of a bin of the latest test, counted from 1.
        """
        which, what = cell
        if which == "bin":
            if not self.tests:
                raise NotFoundError(N_("There is no test: the log is too short to check risks."))
            return np.sort(self.tests[0].users[self.tests[0].bins() == int(what) - 1])
        if which == "between":
            low, high = what
            return np.sort(self.scored[(self.risk >= low) & ((self.risk < high) | (high >= 1))])
        return np.sort(self.scored)

    def expected_churners(self) -> float:
        """Return how many of them will churn, by their risks."""
        return float(self.risk.sum())

    def to_arrow(self) -> pa.Table:
        """Return one row per user, the highest risk first."""
        return pa.table(
            {
                "user_id": pa.array(self.user_ids.tolist(), pa.string()),
                "risk": self.risk,
                "stage": pa.array(self.stages.tolist(), pa.string()),
                "days_since_last": self.silence,
                "value": self.value,
            }
        )

    def to_json(self) -> dict[str, Any]:
        """Return the summary, the tests and the latest reliability curve; users by `to_arrow`."""
        return {
            "horizon_days": self.horizon_days,
            "source": str(self.source),
            "calibrated": self.is_calibrated,
            "users": len(self.scored),
            "expected_churners": self.expected_churners(),
            "tests": [test.to_json() for test in self.tests],
            "reliability": self.tests[0].reliability().to_pylist() if self.tests else [],
            **self.stamp(),
        }


def compute_churn_risk(
    index: TimelineIndex, config: WorkspaceConfig, spec: RiskSpec, promoted: PromotedRisks | None = None
) -> ChurnRisk:
    """Return the churn risk of every user who is with us at the end of the log.

    Churn: no active event in the horizon that follows. With us: active in the horizon before; who was silent for
    longer has churned, and has no risk. Risks come from the promoted model, else from a tabular one
    (`ulm_core.training.risk_model`). The tests repeat the whole way of learning at cuts one horizon apart, each
    with nothing but what was known then; the promoted model is tested at its own test cut.

    Parameters
    ----------
    promoted
        Risks of the promoted model; None, or one of another horizon: the tabular model answers.

    Raises
    ------
    InputError
        When the log is too short to learn from.
    """
    watch = Stopwatch(index)
    by_model = promoted if promoted and spec.horizon_days in (None, promoted.horizon_days) else None
    days = by_model.horizon_days if by_model else spec.horizon_days or learn_churn_horizon(index, config).days
    log, end_us = RiskLog(index, index.active_mask(config), days), index.manifest.last_us + 1
    said = _promoted(log, by_model, end_us) if by_model else _tabular(log, end_us)
    order = np.lexsort((said.users, -said.risk))
    ranked = said.users[order]
    rules = workspace_rules(index, config)
    names = np.array([*rules.stages, ""], dtype=object)
    codes = stages_at(index, config, end_us, rules)[ranked]
    result = ChurnRisk(
        horizon_days=days,
        source=said.source,
        is_calibrated=said.is_calibrated,
        scored=ranked.astype(np.int32),
        user_ids=index.user_ids[ranked],
        risk=said.risk[order],
        silence=log.silence(ranked, end_us),
        value=_value(index, config)[ranked],
        stages=names[np.minimum(codes, len(rules.stages))],
        tests=said.tests,
        **watch.fields(),
    )
    return result.only(spec.users)


@dataclass(frozen=True, eq=False)
class _Said:
    users: I64
    risk: F64
    source: Message
    is_calibrated: bool
    tests: tuple[RiskTest, ...]


def _promoted(log: RiskLog, promoted: PromotedRisks, end_us: int) -> _Said:
    outcomes = log.outcomes(promoted.cut_us, end_us)
    is_known = len(outcomes.users) == len(promoted.tested) and outcomes.can_teach
    tests = (_test(log, promoted.cut_us, outcomes, promoted.said),) if is_known else ()
    source = message(N_("the promoted model “{run}”"), run=promoted.name)
    return _Said(promoted.users, promoted.risk, source, True, tests)


def _tabular(log: RiskLog, end_us: int) -> _Said:
    model = fit_risk(log, end_us)
    if model is None:
        raise InputError(
            N_("The log is too short to learn risks from: it must hold two horizons of {days} days, with churn."),
            days=log.horizon_days,
        )
    users, tests = log.with_us(end_us), []
    for cut_us in (end_us - k * log.horizon_days * DAY_US for k in range(1, TEST_CUTS + 1)):
        then, outcomes = fit_risk(log, cut_us), log.outcomes(cut_us, end_us)
        if then is not None and outcomes.can_teach:
            tests.append(_test(log, cut_us, outcomes, then.predict(log.features(outcomes.users, cut_us))))
    source = message(N_("logistic regression and boosted trees on recency, frequency, rhythm, value and breadth"))
    risk = model.predict(log.features(users, end_us))
    return _Said(users, risk, source, model.calibration_cut is not None, tuple(tests))


def _test(log: RiskLog, cut_us: int, outcomes: Outcomes, risk: F64) -> RiskTest:
    users = outcomes.users
    return RiskTest(cut_us, users.astype(np.int32), risk, outcomes.churned, log.silence(users, cut_us))


def _value(index: TimelineIndex, config: WorkspaceConfig) -> F64:
    counts = index.conversion_mask(config)[index.event] & ~np.isnan(index.value)
    user = np.repeat(np.arange(index.n_users), np.diff(index.offsets))
    return np.bincount(user[counts], weights=index.value[counts], minlength=index.n_users).astype(np.float64)
