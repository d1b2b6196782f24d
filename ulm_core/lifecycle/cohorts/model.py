"""What a cohort is: one rule, possibly made of others, that says of every user at any time whether they belong."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from ulm_core.errors import InputError
from ulm_core.lifecycle.events import ANY_EVENT
from ulm_core.messages import N_

MAX_DEPTH = 6
MAX_RULES = 50
MAX_CLAUSES = 12
Days = Annotated[float, Field(gt=0, le=36_500, allow_inf_nan=False)]
Measure = Literal["times", "value", "quantity"]
ClauseOp = Literal[">=", "<=", "=="]
MEASURES: tuple[Measure, ...] = ("times", "value", "quantity")
CLAUSE_OPS: tuple[ClauseOp, ...] = (">=", "<=", "==")


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Window(_Frozen):
    """Which events a clause looks at; nothing given: all before the cohort is looked at.

    Attributes
    ----------
    last_days
        Days (of 24 hours) back from the time the cohort is looked at, or from the start of its silence.
    first_day, last_day
        Calendar days of the workspace, both included.
    within_days
        Any stretch of that many days: the events that count lie at most so far apart.
    """

    last_days: Days | None = None
    first_day: date | None = None
    last_day: date | None = None
    within_days: Days | None = None

    @model_validator(mode="after")
    def _in_order(self) -> Window:
        if self.last_days and (self.first_day or self.last_day):
            raise ValueError("a window is either the last days or between two days")
        if self.first_day and self.last_day and self.last_day < self.first_day:
            raise ValueError("the window must end after it starts")
        return self


class Clause(_Frozen):
    """``event`` happened `op` `amount` times in a window, or its values (quantities) add up to so much."""

    event: str = Field(ANY_EVENT, min_length=1, max_length=500)
    op: ClauseOp = ">="
    amount: float = Field(1, ge=0, allow_inf_nan=False)
    measure: Measure = "times"
    window: Window = Window()

    @model_validator(mode="after")
    def _makes_sense(self) -> Clause:
        if self.op == ">=" and self.amount <= 0:
            raise ValueError("“at least” needs an amount above 0")
        if self.measure == "times" and self.amount != int(self.amount):
            raise ValueError("a number of times is a whole number")
        if self.measure != "times" and self.op == "==":
            raise ValueError("a sum is compared with at least or at most")
        if self.window.within_days and self.op != ">=":
            raise ValueError("“within any days” goes with at least only")
        return self


class Silence(_Frozen):
    """None of `event` in the `days` before the cohort is looked at; what the clauses count came before that."""

    days: Days
    event: str = Field(ANY_EVENT, min_length=1, max_length=500)


class Behaviour(_Frozen):
    """What users did: every clause holds; `in_order`: each one only with events after the one before was met."""

    kind: Literal["behaviour"] = "behaviour"
    clauses: tuple[Clause, ...] = Field(min_length=1, max_length=MAX_CLAUSES)
    in_order: bool = False
    then_silent: Silence | None = None


class HasAttribute(_Frozen):
    """Users whose attribute is (or is not) one of `values`; no value named: any. Attributes carry no date."""

    kind: Literal["attribute"] = "attribute"
    name: str = Field(min_length=1)
    values: tuple[str, ...] = ()
    is_in: bool = True


class Moment(_Frozen):
    """A point in time: days before the cohort is looked at, or the end of a calendar day; never after the former."""

    days_ago: float = Field(0, ge=0, le=36_500, allow_inf_nan=False)
    day: date | None = None

    @model_validator(mode="after")
    def _one_of_both(self) -> Moment:
        if self.day is not None and self.days_ago:
            raise ValueError("a moment is either a day or a number of days ago")
        return self


NOW = Moment()


class InStage(_Frozen):
    """Users in one of the lifecycle stages at a moment."""

    kind: Literal["stage"] = "stage"
    stages: tuple[str, ...] = Field(min_length=1)
    at: Moment = NOW


class Moved(_Frozen):
    """Users in one of the stages `before` at the first moment and in one of `after` at the second; () is any."""

    kind: Literal["transition"] = "transition"
    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    first: Moment
    second: Moment = NOW


class Listed(_Frozen):
    """Users fixed by their ids.

    Attributes
    ----------
    members
        Where the ids are kept; see `ulm_core.warehouse.members`.
    source
        An upload, a cohort frozen at creation, or a list opened from a number on a page.
    n_given, n_unmatched
        Ids given, and how many of them had no event then.
    origin
        What a frozen cohort was computed from.
    as_of
        When that was looked at (UTC).
    """

    kind: Literal["users"] = "users"
    members: str = Field(pattern="^[0-9a-f]{24}$")
    source: Literal["upload", "static", "list"] = "list"
    n_given: int = Field(ge=0)
    n_unmatched: int = Field(0, ge=0)
    origin: Rule | None = None
    as_of: datetime | None = None


class SavedCohort(_Frozen):
    """The users of another saved cohort, as it stands when it is looked at."""

    kind: Literal["cohort"] = "cohort"
    name: str = Field(min_length=1)


class AllOf(_Frozen):
    """Users that belong to every one of the rules."""

    kind: Literal["all"] = "all"
    rules: tuple[Rule, ...] = Field(min_length=1, max_length=MAX_RULES)


class AnyOf(_Frozen):
    """Users that belong to at least one of the rules."""

    kind: Literal["any"] = "any"
    rules: tuple[Rule, ...] = Field(min_length=1, max_length=MAX_RULES)


class NoneOf(_Frozen):
    """Users seen by then that do not belong to the rule."""

    kind: Literal["not"] = "not"
    rule: Rule


Rule = Annotated[
    Behaviour | HasAttribute | InStage | Moved | Listed | SavedCohort | AllOf | AnyOf | NoneOf,
    Field(discriminator="kind"),
]
for _model in (Listed, AllOf, AnyOf, NoneOf):
    _model.model_rebuild()


class Cohort(_Frozen):
    """A rule with a note for its readers."""

    rule: Rule
    note: str = Field("", max_length=500)

    @model_validator(mode="after")
    def _small(self) -> Cohort:
        if sum(1 for _ in walk(self.rule)) > MAX_RULES or depth(self.rule) > MAX_DEPTH:
            raise ValueError(f"a cohort has at most {MAX_RULES} rules, nested at most {MAX_DEPTH} deep")
        return self

    @property
    def is_live(self) -> bool:
        """Whether it is computed anew from each version of the data; else its users are fixed."""
        return not isinstance(self.rule, Listed)


def parts(rule: Any) -> tuple[Any, ...]:
    """Return the rules a rule is made of."""
    if isinstance(rule, AllOf | AnyOf):
        return rule.rules
    return (rule.rule,) if isinstance(rule, NoneOf) else ()


def walk(rule: Any) -> Iterator[Any]:
    """Yield a rule and all rules inside it."""
    yield rule
    for part in parts(rule):
        yield from walk(part)


def depth(rule: Any) -> int:
    """Return how deep a rule is nested; 1 where it holds no other."""
    return 1 + max((depth(part) for part in parts(rule)), default=0)


_RULE: TypeAdapter[Any] = TypeAdapter(Rule)


def read_rule(value: object) -> Any:
    """Return the rule in JSON text, or in plain values.

    Raises
    ------
    InputError
        With the first thing that is wrong, and where.
    """
    try:
        rule = _RULE.validate_json(value) if isinstance(value, str | bytes) else _RULE.validate_python(value)
        return Cohort(rule=rule).rule
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise InputError(
            N_("This is no cohort: {reason} (at {place})."),
            reason=str(first["msg"]).removeprefix("Value error, "),
            place=".".join(str(part) for part in first["loc"]) or "rule",
        ) from error
