"""A draft of the stage rules: what the buttons of the editor do to it."""

from __future__ import annotations

import pytest

from pages.parts.stages.draft import Amount, Draft, Row
from ulm_core.lifecycle.rules import DEFAULT_RULES
from ulm_core.lifecycle.stage_conditions import FEATURES, OPS, Condition
from ulm_core.lifecycle.stage_presets import PRESETS


def names(draft: Draft) -> list[str]:
    return [rule.name for rule in draft.rules]


DRAFT = Draft.of(DEFAULT_RULES)


@pytest.mark.parametrize("preset", PRESETS, ids=lambda preset: preset.name)
def test_what_is_not_edited_comes_back_as_it_was(preset) -> None:
    draft = Draft.of(preset.rules)
    assert draft.stage_rules() == preset.rules
    assert not draft.is_changed()
    assert Draft.of(preset.rules, DEFAULT_RULES).is_changed() == (preset.name != "default")


def test_rules_move_and_the_last_one_stays_the_last() -> None:
    at_risk = DRAFT.rules[2].key
    assert names(DRAFT.move(at_risk, -1))[:3] == ["churned", "at risk", "resurrected"]
    assert DRAFT.move(DRAFT.rules[0].key, -1) is DRAFT
    assert DRAFT.move(DRAFT.rules[-2].key, 1) is DRAFT
    assert DRAFT.move(DRAFT.rules[-1].key, -1) is DRAFT
    assert DRAFT.move(at_risk, -1).move(at_risk, 1).stage_rules() == DEFAULT_RULES


def test_a_rule_is_removed_but_never_the_last() -> None:
    assert "loyal" not in names(DRAFT.remove(DRAFT.rules[5].key))
    assert DRAFT.remove(DRAFT.rules[-1].key).rules == DRAFT.rules


def test_a_new_rule_stands_before_the_last_in_a_colour_of_its_own() -> None:
    longer = DRAFT.add("fan").add("guest")
    assert names(longer)[-3:] == ["fan", "guest", "active"]
    assert len({rule.color for rule in longer.rules[-3:-1]}) == 2
    assert longer.stage_rules().stages[-2:] == ("fan", "guest")
    assert longer.stage_rules().colors.keys() == {"fan", "guest"}


def test_conditions_are_added_changed_and_removed_down_to_one() -> None:
    new = DRAFT.rules[3]
    assert len(DRAFT.add_row(new.key).rules[3].rows) == 3
    shorter = DRAFT.change_row(new.key, 0, None)
    assert [row.feature for row in shorter.rules[3].rows] == ["active_days"]
    assert shorter.change_row(new.key, 0, None) is shorter


@pytest.mark.parametrize(
    ("amount", "stored"),
    [
        (Amount(28), 28.0),
        (Amount(4, "weeks"), 28.0),
        (Amount(1, "horizons"), "horizon"),
        (Amount(0.5, "horizons"), "horizon/2"),
        (Amount(1.25, "horizons"), "horizon*1.25"),
    ],
)
def test_numbers_are_kept_in_days_or_horizons(amount: Amount, stored: float | str) -> None:
    assert amount.stored == stored


def test_horizons_are_shown_as_they_were_entered() -> None:
    assert Amount.of("horizon/2") == Amount(0.5, "horizons")
    assert Amount.of(56.0) == Amount(56.0, "days")


@pytest.mark.parametrize("feature", FEATURES)
def test_any_feature_can_take_the_place_of_any_other(feature) -> None:
    start = Row.of(Condition(feature="days_since_return", op="<=", value="horizon/2", window_days="horizon"))
    row = Row(feature, OPS[0], start.value, start.window)
    assert row.is_valid
    assert row.condition().feature == feature


@pytest.mark.parametrize("window", [Amount(0), Amount(-3), Amount(99_999), Amount(0, "horizons")])
def test_an_impossible_window_is_not_valid(window: Amount) -> None:
    assert not Row("active_days_window", ">=", Amount(1), window).is_valid
