"""Stage rules: the list, read top to bottom, that gives a user exactly one lifecycle stage at any time."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from ulm_core.errors import InputError, NotFoundError
from ulm_core.lifecycle.horizon import learn_churn_horizon
from ulm_core.lifecycle.periods import DAY_US
from ulm_core.lifecycle.stage_colors import is_readable
from ulm_core.lifecycle.stage_conditions import FEATURES, OPS, Condition, Feature, Op
from ulm_core.messages import N_, Message, message
from ulm_core.timeline.index import TimelineIndex
from ulm_core.workspace import WorkspaceConfig

STAGES = ("new", "activated", "active", "converted", "loyal", "resurrected", "at risk", "churned")
STAGE_NAMES = (
    N_("new"),
    N_("activated"),
    N_("active"),
    N_("converted"),
    N_("loyal"),
    N_("resurrected"),
    N_("at risk"),
    N_("churned"),
    N_("not yet seen"),
)
NOT_YET_SEEN = "not yet seen"
UNSEEN = 255
MAX_STAGES = 32
MAX_RULES = 64


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class StageRule(_Frozen):
    """A stage and the conditions that must all hold; without conditions it holds for everyone.

    Attributes
    ----------
    active
        Whether users of the stage count as active where a forecast asks how many are.
    color
        ``#RRGGBB`` of a stage of the workspace's own; the standard ones have theirs. None: grey.
    """

    name: str = Field(min_length=1, max_length=60)
    conditions: tuple[Condition, ...] = Field((), max_length=20)
    active: bool = True
    color: str | None = Field(None, pattern="^#[0-9A-Fa-f]{6}$")

    @field_validator("name")
    @classmethod
    def _tidy(cls, name: str) -> str:
        tidy = " ".join(name.split())
        if not tidy or not tidy.isprintable():
            raise ValueError("a stage needs a name")
        return tidy

    @field_validator("color")
    @classmethod
    def _readable(cls, color: str | None) -> str | None:
        if color is not None and not is_readable(color):
            raise ValueError("a colour must stand out from the light and from the dark page (contrast 3:1)")
        return color

    def sentence(self) -> Message:
        """Return the (resolved) definition in words, with its numbers."""
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

    A list may speak of the churn horizon (``"value": "horizon/2"``) and so fits any log; `resolve` puts
    numbers there. Only a resolved list can be applied.

    Attributes
    ----------
    version
        Counts changes; stored with results so that two mixes can be compared.
    rules
        Read top to bottom. The last one has no condition, so that every user has a stage.
    order
        Names in the order in which stages are shown; names it leaves out follow as they appear. Empty: the
        standard order.
    """

    version: int = Field(1, ge=1)
    rules: tuple[StageRule, ...] = Field(min_length=1, max_length=MAX_RULES)
    order: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _total(self) -> StageRules:
        if self.rules[-1].conditions:
            raise ValueError("the last rule must have no condition, so that every user has a stage")
        if any(not rule.conditions for rule in self.rules[:-1]):
            raise ValueError("only the last rule may be without a condition: those after it would never be read")
        if len(self.stages) > MAX_STAGES:
            raise ValueError(f"at most {MAX_STAGES} stages")
        if NOT_YET_SEEN in self.stages:
            raise ValueError(f"“{NOT_YET_SEEN}” is the name for users without an event yet")
        return self

    @classmethod
    def checked(cls, rules: object) -> StageRules:
        """Return rules from plain JSON values.

        Raises
        ------
        InputError
            When they are no rule list; the message names the place.
        """
        try:
            return cls.model_validate(rules)
        except ValidationError as error:
            found = error.errors(include_url=False)
            # Of a value that is neither a number nor a horizon, the second complaint names both.
            first = next((line for line in found if line["type"] == "value_error"), found[0])
            place = ".".join(str(part) for part in first["loc"] if "function" not in str(part)) or "rules"
            reason = str(first["msg"]).removeprefix("Value error, ")
            raise InputError(
                N_("These are no stage rules. {place}: {reason}."), place=place, reason=reason, code="stage_rules"
            ) from error

    @property
    def stages(self) -> tuple[str, ...]:
        """Stage names by code, in the order in which they are shown."""
        names = tuple(dict.fromkeys(rule.name for rule in self.rules))
        first = [name for name in dict.fromkeys(self.order or STAGES) if name in names]
        return (*first, *(name for name in names if name not in first))

    @property
    def colors(self) -> dict[str, str]:
        """Colours of the workspace's own stages by name."""
        return {rule.name: rule.color for rule in reversed(self.rules) if rule.color and rule.name not in STAGES}

    @property
    def active_stages(self) -> tuple[str, ...]:
        """Stages whose users count as active; of rules that share a name, the first one says it."""
        flags = {rule.name: rule.active for rule in reversed(self.rules)}
        return tuple(name for name in self.stages if flags[name])

    @property
    def quiet_stages(self) -> tuple[str, ...]:
        """Stages whose users do not count as active: at risk, lost."""
        active = self.active_stages
        return tuple(name for name in self.stages if name not in active)

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

    @property
    def sources(self) -> tuple[str, ...]:
        """Where a user may come from: every stage, and "not yet seen" as the last."""
        return (*self.stages, NOT_YET_SEEN)

    def source_code(self, source: str) -> int:
        """Return the code of one of `sources`; `UNSEEN` for "not yet seen".

        Raises
        ------
        NotFoundError
            When it is none of them.
        """
        if source not in self.sources:
            raise NotFoundError.for_name("stage", source, self.sources)
        return UNSEEN if source == NOT_YET_SEEN else self.code(source)

    def name_of(self, code: int) -> str:
        """Return the name of a stage code; "not yet seen" for `UNSEEN`."""
        return NOT_YET_SEEN if code == UNSEEN else self.stages[code]

    def first_code(self) -> int:
        """Return the stage of a user without any activity: *new* where there is such a stage, else not yet seen."""
        return self.code("new") if "new" in self.stages else UNSEEN

    def means_the_same_as(self, other: StageRules) -> bool:
        """Return whether both lists give every user of every log the same stage."""
        return self._meaning() == other._meaning()

    def _meaning(self) -> list[tuple[str, tuple[Condition, ...]]]:
        return [(rule.name, rule.conditions) for rule in self.rules]

    def resolve(self, horizon_days: float) -> StageRules:
        """Return the list with multiples of the churn horizon as numbers of days.

        Raises
        ------
        InputError
            When the horizon is not positive.
        """
        if not 0 < horizon_days <= 36_500:
            raise InputError(N_("A churn horizon must be longer than 0 days, not {days}."), days=horizon_days)
        rules = (
            rule.model_copy(update={"conditions": tuple(c.resolve(horizon_days) for c in rule.conditions)})
            for rule in self.rules
        )
        return self.model_copy(update={"rules": tuple(rules)})

    def sentences(self) -> list[Message]:
        """Return the definition of every stage, in the order the rules are read."""
        return [rule.sentence() for rule in self.rules]

    def compile(self) -> CompiledRules:
        """Return the (resolved) rules as arrays for the kernel."""
        pairs = [(rule, condition) for rule in self.rules for condition in rule.conditions]
        ends = np.cumsum([0] + [len(rule.conditions) for rule in self.rules])
        return CompiledRules(
            stage=np.array([self.code(rule.name) for rule in self.rules], np.uint8),
            first_condition=ends.astype(np.int64),
            feature=np.array([FEATURES.index(c.feature) for _, c in pairs], np.int64),
            op=np.array([OPS.index(c.op) for _, c in pairs], np.int64),
            value=np.array([c.threshold for _, c in pairs], np.float64),
            window_us=np.array([math.floor(c.window * DAY_US) for _, c in pairs], np.int64),
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


def condition(feature: Feature, op: Op, value: float | str, window_days: float | str | None = None) -> Condition:
    """Return a condition; the shorthand rule lists are written with."""
    return Condition(feature=feature, op=op, value=value, window_days=window_days)


DEFAULT_RULES = StageRules(
    rules=(
        StageRule(name="churned", conditions=(condition("days_since_last", ">", "horizon"),), active=False),
        StageRule(name="resurrected", conditions=(condition("days_since_return", "<=", 28, "horizon"),)),
        StageRule(name="at risk", conditions=(condition("days_since_last", ">", "horizon/2"),), active=False),
        StageRule(name="new", conditions=(condition("days_since_first", "<=", 28), condition("active_days", "<", 3))),
        StageRule(name="activated", conditions=(condition("days_since_first", "<=", 28),)),
        StageRule(name="loyal", conditions=(condition("active_days_window", ">=", 8, 56),)),
        StageRule(name="converted", conditions=(condition("conversions_window", ">=", 1, 56),)),
        StageRule(name="active"),
    )
)


def default_rules(horizon_days: float) -> StageRules:
    """Return the default rule list for a churn horizon in days; raises as `StageRules.resolve`."""
    return DEFAULT_RULES.resolve(horizon_days)


def rules_in_force(config: WorkspaceConfig) -> StageRules:
    """Return the workspace's rule list as it was written (not resolved): its own, or the default one.

    Raises
    ------
    InputError
        When the configuration holds something else.
    """
    return DEFAULT_RULES if config.stage_rules is None else StageRules.checked(config.stage_rules)


def workspace_rules(index: TimelineIndex, config: WorkspaceConfig, until_us: int | None = None) -> StageRules:
    """Return the rules in force, the churn horizon in them learnt from the log (up to `until_us`)."""
    return rules_in_force(config).resolve(learn_churn_horizon(index, config, until_us=until_us).days)
