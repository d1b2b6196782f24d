"""Forecast of the stage mix, its back-tested error, and what other transition rates would bring."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field

from ulm_core.errors import InputError
from ulm_core.lifecycle.backtest import BackTest, back_test
from ulm_core.lifecycle.horizon import learn_churn_horizon
from ulm_core.lifecycle.markov import Chain, Floats, change_rates, fit_chain
from ulm_core.lifecycle.periods import DAY_US, make_periods
from ulm_core.lifecycle.results import RangeSpec, Result, Stopwatch, UserCodes, number_or_none, select
from ulm_core.lifecycle.rules import StageRules
from ulm_core.lifecycle.stage_flow import StageFlow, StageFlowSpec, compute_stage_flow
from ulm_core.lifecycle.stages import StageCodes
from ulm_core.messages import N_
from ulm_core.timeline.index import TimelineIndex
from ulm_core.workspace import WorkspaceConfig

ForecastInterval = Literal["day", "week", "month"]
LONGEST = {"day": DAY_US, "week": 7 * DAY_US, "month": 31 * DAY_US}
LEAST_PERIODS = 3


class RateChange(BaseModel):
    """A what-if: the share that goes from one stage to another in a period rises by `points` (percent points)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: str
    target: str
    points: float = Field(ge=-100, le=100)


class StageForecastSpec(RangeSpec):
    """Asks how many users will be in each stage.

    Attributes
    ----------
    from_us, to_us
        Periods that are over within the range are learnt from; the forecast starts at the end of the last one.
    interval
        Length of a period.
    ahead
        How many periods are forecast.
    window
        How many of the latest periods the rates are learnt from.
    changes
        What-if; empty: none.
    level
        Share of past errors that the interval holds.
    rules
        The rule list; None: the rules in force.
    """

    interval: ForecastInterval = "week"
    ahead: int = Field(8, ge=1, le=104)
    window: int = Field(12, ge=1, le=520)
    changes: tuple[RateChange, ...] = ()
    level: float = Field(0.8, gt=0, lt=1)
    rules: StageRules | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class StageForecast(Result):
    """Users by stage in the periods to come.

    Attributes
    ----------
    rules
        The rules that were applied.
    start_label, labels
        First day of the last period that is over, and of each period to come.
    start
        int64[n_stages]; users by stage where the forecast starts.
    users_ahead, lower, upper
        float64[n, n_stages]; expected users at the end of each period, and the interval (nan: too short a past).
    active, active_lower, active_upper
        float64[n]; users in stages that count as active.
    changed
        float64[n, n_stages]; `users_ahead` under the what-if, or None.
    chain, n_learnt, n_skipped
        The rates, from how many periods they were learnt, and how many at the log's begin were left out.
    test
        The back-test.
    codes
        uint8[n_users]; stages where the forecast starts.
    """

    rules: StageRules
    start_label: date
    labels: tuple[date, ...]
    start: npt.NDArray[np.int64]
    users_ahead: Floats
    lower: Floats
    upper: Floats
    active: Floats
    active_lower: Floats
    active_upper: Floats
    changed: Floats | None
    chain: Chain
    n_learnt: int
    n_skipped: int
    test: BackTest
    codes: StageCodes

    @property
    def stages(self) -> tuple[str, ...]:
        """Stage names, in the order of the columns."""
        return self.rules.stages

    @property
    def is_active(self) -> npt.NDArray[np.bool_]:
        """bool[n_stages]; whether a stage counts as active."""
        return active_mask(self.rules)

    @property
    def changed_active(self) -> Floats | None:
        """Active users under the what-if, float64[n]."""
        return None if self.changed is None else np.asarray(self.changed @ self.is_active, np.float64)

    def users(self, cell: str) -> UserCodes:
        """Return the users of a stage where the forecast starts; nobody stands behind a number to come."""
        return select(self.codes == self.rules.code(cell))

    def to_arrow(self) -> pa.Table:
        """Return ahead, period, stage, users, lower, upper, what_if: one row per period to come and stage."""
        n, n_stages = self.users_ahead.shape
        changed = np.full((n, n_stages), np.nan) if self.changed is None else self.changed
        return pa.table(
            {
                "ahead": np.repeat(np.arange(1, n + 1), n_stages),
                "period": np.repeat([label.isoformat() for label in self.labels], n_stages),
                "stage": pa.array(list(self.stages) * n, pa.string()),
                "users": self.users_ahead.ravel(),
                "lower": self.lower.ravel(),
                "upper": self.upper.ravel(),
                "what_if": changed.ravel(),
            }
        )

    def to_json(self) -> dict[str, Any]:
        """Return start, forecast by stage, active users, rates and the back-test."""
        answer = {
            "start": {"period": self.start_label.isoformat(), "stages": self._by_stage(self.start)},
            "periods": [label.isoformat() for label in self.labels],
            "stages": self._by_stage(self.users_ahead.T),
            "lower": self._by_stage(self.lower.T),
            "upper": self._by_stage(self.upper.T),
            "active": self.active.tolist(),
            "active_lower": self.active_lower.tolist(),
            "active_upper": self.active_upper.tolist(),
            "rates": {name: self._by_stage(row) for name, row in zip(self.stages, self.chain.rates, strict=True)},
            "newcomers": self._by_stage(self.chain.newcomers),
            "learnt_from_periods": self.n_learnt,
            "skipped_periods": self.n_skipped,
            "back_test": self._back_test(),
            **self.stamp(),
        }
        if self.changed is not None and self.changed_active is not None:
            answer["what_if"] = {
                "stages": self._by_stage(self.changed.T),
                "active": self.changed_active.tolist(),
                "active_difference": (self.changed_active - self.active).tolist(),
            }
        return answer

    def _by_stage(self, values: npt.NDArray[Any]) -> dict[str, Any]:
        return dict(zip(self.stages, values.tolist(), strict=True))

    def _back_test(self) -> list[dict[str, Any]]:
        names = (
            "mix_error",
            "mix_error_unchanged",
            "active_error",
            "active_error_unchanged",
            "coverage",
            "skill",
            "active_skill",
        )
        columns = {name: getattr(self.test, name) for name in names}
        return [
            {
                "ahead": k + 1,
                "origins": int(self.test.n_origins[k]),
                **{name: number_or_none(float(values[k])) for name, values in columns.items()},
                "sentence": str(self.test.sentence(k + 1)),
                "active_sentence": str(self.test.active_sentence(k + 1)),
            }
            for k in range(len(self.labels))
        ]


def active_mask(rules: StageRules) -> npt.NDArray[np.bool_]:
    """Return bool[n_stages]; whether a stage counts as active."""
    return np.isin(np.array(rules.stages, dtype=object), np.array(rules.active_stages, dtype=object))


def compute_stage_forecast(index: TimelineIndex, config: WorkspaceConfig, spec: StageForecastSpec) -> StageForecast:
    """Forecast the stage mix with a Markov chain learnt from the latest periods.

    Periods that begin less than one churn horizon after the log does are neither learnt from nor tested on
    (unless nothing else is there): whoever comes then looks new, although most have been around before.

    Raises
    ------
    InputError
        When fewer than three periods are over, or a what-if is not possible.
    """
    flow = compute_stage_flow(
        index,
        config,
        StageFlowSpec(
            from_us=spec.from_us, to_us=spec.to_us, interval=spec.interval, rules=spec.rules, users=spec.users
        ),
    )
    return forecast_flow(index, config, flow, spec)


def forecast_flow(
    index: TimelineIndex, config: WorkspaceConfig, flow: StageFlow, spec: StageForecastSpec
) -> StageForecast:
    """Forecast from flows that were computed before (of the spec's range, interval, rules and users)."""
    watch = Stopwatch(index)
    over = flow.n_complete
    if over < LEAST_PERIODS:
        raise InputError(
            N_("A forecast needs {least} periods that are over; the range has {n}. Choose a longer one."),
            least=LEAST_PERIODS,
            n=over,
        )
    skipped = _unsettled(index, config, flow, spec)
    rules, flows = flow.rules, flow.counts[skipped:over]
    learnt = flows[-spec.window :]
    chain, start = fit_chain(learnt), flows[-1].sum(axis=0)
    ahead = chain.project(start, spec.ahead)
    active = active_mask(rules)
    test = back_test(flows, active, spec.window, spec.ahead, spec.level)
    total = ahead.sum(axis=1)
    width, active_width = test.half_width * total[:, None], test.active_half_width * total
    end_us = int(flow.periods.starts_us[over])
    forecast = StageForecast(
        rules=rules,
        start_label=flow.periods.labels[over - 1],
        labels=_labels_after(end_us, config, spec),
        start=start,
        users_ahead=ahead,
        lower=np.maximum(ahead - width, 0),
        upper=np.minimum(ahead + width, total[:, None]),
        active=ahead @ active,
        active_lower=np.maximum(ahead @ active - active_width, 0),
        active_upper=np.minimum(ahead @ active + active_width, total),
        changed=None,
        chain=chain,
        n_learnt=len(learnt),
        n_skipped=skipped,
        test=test,
        codes=flow.codes[:, over],
        **watch.fields(),
    )
    return with_changes(forecast, spec.changes)


def _unsettled(index: TimelineIndex, config: WorkspaceConfig, flow: StageFlow, spec: StageForecastSpec) -> int:
    horizon = learn_churn_horizon(index, config).days
    settled_us = spec.log_start(index, config) + horizon * DAY_US
    first = int(np.searchsorted(flow.periods.starts_us, settled_us, side="left"))
    return first if flow.n_complete - first >= LEAST_PERIODS else 0


def with_changes(forecast: StageForecast, changes: Sequence[RateChange]) -> StageForecast:
    """Return a forecast with what the changed rates would bring beside it; without changes, without.

    Raises
    ------
    InputError
        When a move is changed twice, or the changed shares of a stage leave nothing for its other moves.
    NotFoundError
        When a change names a stage that does not exist.
    """
    if not changes:
        return replace(forecast, changed=None)
    rules = forecast.rules
    cells = [(rules.code(c.source), rules.code(c.target), c.points) for c in changes]
    if len({cell[:2] for cell in cells}) < len(cells):
        raise InputError(N_("A move can be changed only once."))
    changed = change_rates(forecast.chain, cells).project(forecast.start, len(forecast.labels))
    return replace(forecast, changed=changed)


def _labels_after(end_us: int, config: WorkspaceConfig, spec: StageForecastSpec) -> tuple[date, ...]:
    until = end_us + spec.ahead * LONGEST[spec.interval]
    return make_periods(end_us, until, spec.interval, config.timezone, config.week_start).labels[: spec.ahead]
