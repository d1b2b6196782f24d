"""A draft of the stage rules while it is edited: plain values, moved and changed by the buttons of the editor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from ulm_core.lifecycle.rules import STAGES, StageRule, StageRules
from ulm_core.lifecycle.stage_colors import next_color
from ulm_core.lifecycle.stage_conditions import NEEDS_WINDOW, Condition, Feature, Op, horizons, spell_horizons, unit_of

DayUnit = Literal["days", "weeks", "horizons"]
DAY_UNITS: tuple[DayUnit, ...] = ("days", "weeks", "horizons")
NEW_CONDITION = Condition(feature="active_days_window", op=">=", value=1, window_days=28)
DEFAULT_WINDOW = 28.0


@dataclass(frozen=True)
class Amount:
    """A number with the unit it is shown in; plain numbers (counts, values) are "days" to nobody."""

    number: float
    unit: DayUnit = "days"

    @staticmethod
    def of(stored: float | str) -> Amount:
        """Return a stored threshold or window as it is shown; whole weeks from two weeks on stay days."""
        return Amount(horizons(stored), "horizons") if isinstance(stored, str) else Amount(float(stored))

    @property
    def stored(self) -> float | str:
        """The threshold or window as a rule keeps it."""
        if self.unit == "horizons":
            return spell_horizons(self.number)
        return self.number * 7 if self.unit == "weeks" else self.number


@dataclass(frozen=True)
class Row:
    """One condition as it is shown."""

    feature: Feature
    op: Op
    value: Amount
    window: Amount

    @staticmethod
    def of(condition: Condition) -> Row:
        """Return a stored condition as it is shown."""
        window = Amount.of(DEFAULT_WINDOW if condition.window_days is None else condition.window_days)
        return Row(condition.feature, condition.op, Amount.of(condition.value), window)

    @property
    def has_days(self) -> bool:
        """Whether the threshold is a number of days, and so may be one of weeks or horizons."""
        return unit_of(self.feature) == "days"

    @property
    def has_window(self) -> bool:
        """Whether the feature looks back over a window."""
        return self.feature in NEEDS_WINDOW

    @property
    def is_valid(self) -> bool:
        """Whether a rule can keep it: a window is longer than nothing and at most a century."""
        try:
            self.condition()
        except ValueError:
            return False
        return True

    def condition(self) -> Condition:
        """Return the condition as a rule keeps it."""
        value = self.value.stored if self.has_days else self.value.number
        return Condition(
            feature=self.feature, op=self.op, value=value, window_days=self.window.stored if self.has_window else None
        )


@dataclass(frozen=True)
class DraftRule:
    """One rule while it is edited. `key` stays the same while it moves up and down."""

    key: int
    name: str
    active: bool
    color: str | None
    rows: tuple[Row, ...] = ()


@dataclass(frozen=True)
class Draft:
    """A rule list while it is edited; every method returns the draft that follows.

    Attributes
    ----------
    base
        The rules the edit began with.
    rules
        Read top to bottom; the last one is for everyone else and stays last.
    order
        Names in the order in which they are shown.
    """

    base: StageRules
    rules: tuple[DraftRule, ...]
    order: tuple[str, ...] = field(default=())

    @staticmethod
    def of(rules: StageRules, base: StageRules | None = None) -> Draft:
        """Begin to edit a rule list; `base`: the rules in force, where another list is the start."""
        drafts = tuple(
            DraftRule(key, rule.name, rule.active, rule.color, tuple(Row.of(c) for c in rule.conditions))
            for key, rule in enumerate(rules.rules)
        )
        return Draft(base or rules, drafts, rules.order)

    def place(self, key: int) -> int:
        """Return where a rule stands; -1 when it is gone."""
        return next((k for k, rule in enumerate(self.rules) if rule.key == key), -1)

    def can_move(self, key: int, step: int) -> bool:
        """Return whether a rule can go up (-1) or down (+1): the last one stays the last."""
        k = self.place(key)
        return 0 <= k < len(self.rules) - 1 and 0 <= k + step < len(self.rules) - 1

    def move(self, key: int, step: int) -> Draft:
        """Move a rule up (-1) or down (+1)."""
        if not self.can_move(key, step):
            return self
        rules, k = list(self.rules), self.place(key)
        rules[k], rules[k + step] = rules[k + step], rules[k]
        return replace(self, rules=tuple(rules))

    def remove(self, key: int) -> Draft:
        """Take a rule out; the last one stays."""
        kept = [rule for rule in self.rules[:-1] if rule.key != key]
        return replace(self, rules=(*kept, self.rules[-1]))

    def add(self, name: str) -> Draft:
        """Put a new rule before the last one, with a colour nobody has yet."""
        color = next_color(rule.color for rule in self.rules if rule.color)
        new = DraftRule(max(rule.key for rule in self.rules) + 1, name, True, color, (Row.of(NEW_CONDITION),))
        return replace(self, rules=(*self.rules[:-1], new, self.rules[-1]))

    def change(self, key: int, **values: Any) -> Draft:
        """Change name, colour, activity or rows of a rule."""
        rules = tuple(replace(rule, **values) if rule.key == key else rule for rule in self.rules)
        return replace(self, rules=rules)

    def change_row(self, key: int, row: int, new: Row | None) -> Draft:
        """Replace one condition of a rule; None takes it out. A rule before the last keeps at least one."""
        rows = list(self.rules[self.place(key)].rows)
        rows[row : row + 1] = [] if new is None else [new]
        return self.change(key, rows=tuple(rows)) if rows else self

    def add_row(self, key: int) -> Draft:
        """Add a condition to a rule."""
        return self.change(key, rows=(*self.rules[self.place(key)].rows, Row.of(NEW_CONDITION)))

    def stage_rules(self) -> StageRules:
        """Return the rule list of the draft; raises InputError where it is none."""
        rules = [
            StageRule.model_construct(
                name=" ".join(rule.name.split()),
                conditions=tuple(row.condition() for row in rule.rows),
                active=rule.active,
                color=None if rule.name in STAGES else rule.color,
            ).model_dump(mode="json")
            for rule in self.rules
        ]
        return StageRules.checked({"rules": rules, "order": list(_kept_order(self.order, [r["name"] for r in rules]))})

    def is_changed(self) -> bool:
        """Return whether saving would change anything."""
        return self.stage_rules() != self.base.model_copy(update={"version": 1})


def _kept_order(order: Sequence[str], names: Sequence[str]) -> Sequence[str]:
    return [name for name in order if name in names]
