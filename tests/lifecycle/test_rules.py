import pytest
from pydantic import ValidationError

from tests.lifecycle.logs import CONFIG, days, index_of
from ulm_core.errors import InputError, NotFoundError
from ulm_core.lifecycle.periods import DAY_US
from ulm_core.lifecycle.rules import (
    DEFAULT_RULES,
    STAGES,
    UNSEEN,
    StageRule,
    StageRules,
    default_rules,
    rules_in_force,
    workspace_rules,
)
from ulm_core.lifecycle.stage_conditions import Condition, horizons, spell_horizons


def rules(*names: str) -> StageRules:
    condition = Condition(feature="active_days", op=">=", value=3)
    return StageRules(
        rules=(*(StageRule(name=name, conditions=(condition,)) for name in names), StageRule(name="active"))
    )


class TestStageRules:
    def test_the_default_list_knows_exactly_the_eight_stages(self):
        assert default_rules(56).stages == STAGES
        assert {rule.name for rule in default_rules(56).rules} == set(STAGES)

    def test_stages_stand_in_the_standard_order_whichever_way_rules_are_read(self):
        assert rules("loyal", "new").stages == ("new", "active", "loyal")

    def test_stages_of_ones_own_come_after_the_standard_ones_unless_an_order_is_given(self):
        assert rules("whale", "loyal", "fan").stages == ("active", "loyal", "whale", "fan")
        own = rules("whale", "fan").model_copy(update={"order": ("fan", "gone", "active")})
        assert own.stages == ("fan", "active", "whale")

    def test_codes_have_names_and_an_empty_history_is_new_where_there_is_such_a_stage(self):
        assert [default_rules(56).name_of(code) for code in (0, UNSEEN)] == ["new", "not yet seen"]
        assert default_rules(56).first_code() == 0
        assert rules("fan").first_code() == UNSEEN

    def test_quiet_stages_do_not_count_as_active(self):
        assert DEFAULT_RULES.quiet_stages == ("at risk", "churned")
        assert set(DEFAULT_RULES.active_stages) == set(STAGES) - {"at risk", "churned"}

    def test_only_conditions_and_names_make_the_meaning(self):
        repainted = StageRules.model_validate(DEFAULT_RULES.model_dump() | {"version": 7, "order": ["churned"]})
        assert DEFAULT_RULES.means_the_same_as(repainted)
        assert not DEFAULT_RULES.means_the_same_as(default_rules(56))

    def test_an_unreadable_colour_is_refused(self):
        with pytest.raises(ValidationError, match="contrast"):
            StageRule(name="fan", color="#FFFF00")
        with pytest.raises(ValidationError, match="contrast"):
            StageRule(name="fan", color="#101020")

    def test_a_rule_nobody_would_reach_the_next_one_after_is_refused(self):
        with pytest.raises(ValidationError, match="never be read"):
            StageRules(rules=(StageRule(name="new"), StageRule(name="active")))

    def test_the_last_rule_must_always_hold(self):
        condition = Condition(feature="active_days", op=">", value=0)
        with pytest.raises(ValidationError, match="no condition"):
            StageRules(rules=(StageRule(name="new", conditions=(condition,)),))

    def test_an_unknown_stage_is_named_with_near_ones(self):
        with pytest.raises(NotFoundError, match="Did you mean: churned"):
            default_rules(56).code("chruned")

    def test_rules_survive_json(self):
        assert StageRules.model_validate_json(default_rules(56).model_dump_json()) == default_rules(56)

    def test_a_typo_in_a_rule_is_refused(self):
        with pytest.raises(ValidationError, match="extra"):
            StageRule.model_validate({"name": "new", "condition": []})

    def test_windows_are_given_where_needed_and_only_there(self):
        with pytest.raises(ValidationError, match="window_days"):
            Condition(feature="conversions_window", op=">", value=1)
        with pytest.raises(ValidationError, match="window_days"):
            Condition(feature="active_days", op=">", value=1, window_days=3)

    @pytest.mark.parametrize("days", [0, -1, 1e9])
    def test_an_impossible_horizon_is_refused(self, days: float):
        with pytest.raises(InputError, match="churn horizon"):
            default_rules(days)

    def test_definitions_state_their_numbers(self):
        sentences = [str(sentence) for sentence in default_rules(56).sentences()]
        assert sentences[0] == "churned: days since the last activity > 56"
        assert sentences[1] == "resurrected: days since coming back from a silence of more than 56 days <= 28"
        assert sentences[2] == "at risk: days since the last activity > 28"
        assert sentences[3] == "new: days since the first activity <= 28 and active days so far < 3"
        assert sentences[5] == "loyal: active days in the last 56 days >= 8"
        assert sentences[7] == "active: everyone else"

    def test_definitions_are_translated_to_the_last_word(self):
        words = {"at risk": "流失风险", "{stage}: {definition}": "{stage}：{definition}",
                 "days since the last activity {op} {value:g}": "距上次活动天数 {op} {value:g}"}  # fmt: skip
        sentence = default_rules(56).rules[2].sentence()
        assert sentence.render(lambda text: words.get(text, text)) == "流失风险：距上次活动天数 > 28"


class TestHorizonInRules:
    @pytest.mark.parametrize(
        ("written", "factor"), [("horizon", 1), ("horizon/2", 0.5), ("horizon * 1.5", 1.5), ("horizon/3", 1 / 3)]
    )
    def test_multiples_are_read_and_written(self, written: str, factor: float):
        assert horizons(written) == pytest.approx(factor)
        assert horizons(spell_horizons(factor)) == pytest.approx(factor)

    @pytest.mark.parametrize("written", ["horizons", "horizon/0", "2*horizon", "", "nan"])
    def test_what_is_no_amount_is_refused(self, written: str):
        with pytest.raises(ValidationError):
            Condition(feature="days_since_last", op=">", value=written)

    def test_only_days_can_be_horizons(self):
        with pytest.raises(ValidationError, match="number of days"):
            Condition(feature="active_days", op=">", value="horizon")

    def test_one_list_fits_every_horizon(self):
        assert default_rules(21).rules[2].conditions[0].threshold == 10.5
        assert default_rules(21).rules[1].conditions[0].window == 21


class TestRulesInForce:
    def test_a_workspace_without_rules_has_the_default_ones(self):
        assert rules_in_force(CONFIG) is DEFAULT_RULES

    def test_a_workspaces_own_rules_are_used_with_the_learnt_horizon(self):
        own = StageRules(
            rules=(
                StageRule(name="gone", conditions=(Condition(feature="days_since_last", op=">", value="horizon/2"),)),
                StageRule(name="here"),
            )
        )
        config = CONFIG.model_copy(update={"stage_rules": own.model_dump(mode="json")})
        index = index_of(days("u", 0, 20, 21))  # the longest silence is 20 days: the horizon is 3 weeks
        rules = workspace_rules(index, config)
        assert str(rules.sentences()[0]) == "gone: days since the last activity > 10.5"
        # Up to day 15 there was no silence at all: one week.
        assert workspace_rules(index, config, 15 * DAY_US).rules[0].conditions[0].threshold == 3.5

    def test_nonsense_in_the_configuration_is_named(self):
        config = CONFIG.model_copy(update={"stage_rules": {"rules": [{"name": "x", "when": []}]}})
        with pytest.raises(InputError, match=r"rules\.0\.when"):
            rules_in_force(config)
