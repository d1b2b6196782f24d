"""Stage rules: the list, read top to bottom, that gives a user exactly one lifecycle stage at any time."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, model_validator

from ulm_core.errors import InputError, NotFoundError
from ulm_core.lifecycle.horizon import learn_churn_horizon
from ulm_core.lifecycle.periods import DAY_US
from ulm_core.messages import N_, Message, message
from ulm_core.timeline.index import TimelineIndex
from ulm_core.workspace import WorkspaceConfig

STAGES = ("new", "activated", "active", "converted", "loyal", "at risk", "churned", "resurrected")
STAGE_NAMES = (
    N_("new"),
    N_("activated"),
    N_("active"),
    N_("converted"),
    N_("loyal"),
    N_("at risk"),
    N_("churned"),
    N_("resurrected"),
    N_("not yet seen"),
)
NOT_YET_SEEN = "not yet seen"
UNSEEN = 255
MAX_STAGES = 32

Feature = Literal[
    "days_since_first",
    "days_since_last",
    "days_since_return",
    "active_days",
    "active_days_window",
    "conversions_window",
]
Op = Literal["<", "<=", ">", ">=", "=="]
FEATURES: tuple[Feature, ...] = (
    "days_since_first",
    "days_since_last",
    "days_since_return",
    "active_days",
    "active_days_window",
    "conversions_window",
)
OPS: tuple[Op, ...] = ("<", "<=", ">", ">=", "==")
NEEDS_WINDOW = frozenset({"days_since_return", "active_days_window", "conversions_window"})

_SENTENCES: dict[Feature, str] = {
    "days_since_first": N_("days since the first activity {op} {value:g}"),
    "days_since_last": N_("days since the last activity {op} {value:g}"),
    "days_since_return": N_("days since coming back from a silence of more than {window:g} days {op} {value:g}"),
    "active_days": N_("active days so far {op} {value:g}"),
    "active_days_window": N_("active days in the last {window:g} days {op} {value:g}"),
    "conversions_window": N_("conversions in the last {window:g} days {op} {value:g}"),
}


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Condition(_Frozen):
    """One comparison ``feature op value`` at a time t, from the events strictly before t.

    Features (only activity counts, never passive events; a day is 24 hours for spans of time and a
    calendar day of the workspace's time zone where days are counted):

    - ``days_since_first``, ``days_since_last``: t minus the first, the last active event;
    - ``days_since_return``: t minus the latest event that ended a silence longer than `window_days`;
      infinite where there was none;
    - ``active_days``: calendar days with an active event;
    - ``active_days_window``, ``conversions_window``: calendar days with an active event, number of
      conversion events, among the events in ``[t - window_days, t)``.
    """

    feature: Feature
    op: Op
    value: float = Field(allow_inf_nan=False)
    window_days: float | None = Field(None, gt=0, le=36_500)

    @model_validator(mode="after")
    def _window_where_needed(self) -> Condition:
        if (self.feature in NEEDS_WINDOW) != (self.window_days is not None):
            raise ValueError(f"window_days must be given for {', '.join(sorted(NEEDS_WINDOW))}, and only for them")
        return self

    def sentence(self) -> Message:
        """Return the condition in words."""
        return message(_SENTENCES[self.feature], op=self.op, value=self.value, window=self.window_days or 0)


class StageRule(_Frozen):
    """A stage and the conditions that must all hold; without conditions it holds for everyone."""

    name: str = Field(min_length=1, max_length=60)
    conditions: tuple[Condition, ...] = ()

    def sentence(self) -> Message:
        """Return the definition in words, with its numbers."""
        stage = message(self.name)
        parts = [condition.sentence() for condition in self.conditions]
        if not parts:
            return message(N_("{stage}: everyone else"), stage=stage)
        definition = parts[0]
        for part in parts[1:]:
            definition = message(N_("{first} and {second}"), first=definition, second=part)
        return message(N_("{stage}: {definition}"), stage=stage, definition=definition)


class StageRules(_Frozen):
    """An ordered rule list; the first rule whose conditions hold gives the stage.

    Attributes
    ----------
    version
        Counts changes; stored with results so that two mixes can be compared.
    rules
        Read top to bottom. The last one has no condition, so that every user has a stage.
    """

    version: int = Field(1, ge=1)
    rules: tuple[StageRule, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _total(self) -> StageRules:
        if self.rules[-1].conditions:
            raise ValueError("the last rule must have no condition, so that every user has a stage")
        if len(self.stages) > MAX_STAGES:
            raise ValueError(f"at most {MAX_STAGES} stages")
        if NOT_YET_SEEN in self.stages:
            raise ValueError(f"“{NOT_YET_SEEN}” is the name for users without an event yet")
        return self

    @property
    def stages(self) -> tuple[str, ...]:
        """Stage names by code: the eight standard ones that occur first, then own ones as they appear."""
        names = list(dict.fromkeys(rule.name for rule in self.rules))
        own = [name for name in names if name not in STAGES]
        return STAGES + tuple(own)

    def code(self, stage: str) -> int:
        """Return the code of a stage.

        Raises
        ------
        NotFoundError
            When no stage has that name.
        """
        if stage not in self.stages:
            raise NotFoundError.for_name("stage", stage, self.stages)
        return self.stages.index(stage)

    def sentences(self) -> list[Message]:
        """Return the definition of every stage, in the order the rules are read."""
        return [rule.sentence() for rule in self.rules]

    def compile(self) -> CompiledRules:
        """Return the rules as arrays for the kernel."""
        pairs = [(rule, condition) for rule in self.rules for condition in rule.conditions]
        ends = np.cumsum([0] + [len(rule.conditions) for rule in self.rules])
        return CompiledRules(
            stage=np.array([self.code(rule.name) for rule in self.rules], np.uint8),
            first_condition=ends.astype(np.int64),
            feature=np.array([FEATURES.index(c.feature) for _, c in pairs], np.int64),
            op=np.array([OPS.index(c.op) for _, c in pairs], np.int64),
            value=np.array([c.value for _, c in pairs], np.float64),
            window_us=np.array([_days_us(c.window_days) for _, c in pairs], np.int64),
        )


@dataclass(frozen=True, eq=False)
class CompiledRules:
    """Rules as flat arrays: rule r owns the conditions ``first_condition[r]:first_condition[r + 1]``."""

    stage: npt.NDArray[np.uint8]
    first_condition: npt.NDArray[np.int64]
    feature: npt.NDArray[np.int64]
    op: npt.NDArray[np.int64]
    value: npt.NDArray[np.float64]
    window_us: npt.NDArray[np.int64]


def _days_us(days: float | None) -> int:
    return 0 if days is None else math.floor(days * DAY_US)


def default_rules(horizon_days: float) -> StageRules:
    """Return the default rule list for a churn horizon.

    Parameters
    ----------
    horizon_days
        Days of silence after which a user counts as churned; see `learn_churn_horizon`.

    Raises
    ------
    InputError
        When the horizon is not positive.
    """
    if not 0 < horizon_days <= 36_500:
        raise InputError(N_("A churn horizon must be longer than 0 days, not {days}."), days=horizon_days)
    rules = (
        StageRule(name="churned", conditions=(_is("days_since_last", ">", horizon_days),)),
        StageRule(name="resurrected", conditions=(_is("days_since_return", "<=", 28, horizon_days),)),
        StageRule(name="at risk", conditions=(_is("days_since_last", ">", horizon_days / 2),)),
        StageRule(name="new", conditions=(_is("days_since_first", "<=", 28), _is("active_days", "<", 3))),
        StageRule(name="activated", conditions=(_is("days_since_first", "<=", 28),)),
        StageRule(name="loyal", conditions=(_is("active_days_window", ">=", 8, 56),)),
        StageRule(name="converted", conditions=(_is("conversions_window", ">=", 1, 56),)),
        StageRule(name="active"),
    )
    return StageRules(version=1, rules=rules)


def _is(feature: Feature, op: Op, value: float, window_days: float | None = None) -> Condition:
    return Condition(feature=feature, op=op, value=value, window_days=window_days)


def workspace_rules(index: TimelineIndex, config: WorkspaceConfig, until_us: int | None = None) -> StageRules:
    """Return the default rules with the horizon learnt from the workspace's log (up to `until_us`)."""
    return default_rules(learn_churn_horizon(index, config, until_us=until_us).days)
