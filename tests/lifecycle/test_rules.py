import pytest
from pydantic import ValidationError

from ulm_core.errors import InputError, NotFoundError
from ulm_core.lifecycle.rules import STAGES, Condition, StageRule, StageRules, default_rules


def rules(*names: str) -> StageRules:
    condition = Condition(feature="active_days", op=">=", value=3)
    return StageRules(
        rules=(*(StageRule(name=name, conditions=(condition,)) for name in names), StageRule(name="active"))
    )


class TestStageRules:
    def test_the_default_list_knows_exactly_the_eight_stages(self):
        assert default_rules(56).stages == STAGES
        assert {rule.name for rule in default_rules(56).rules} == set(STAGES)

    def test_codes_of_standard_stages_do_not_depend_on_the_order_of_rules(self):
        assert rules("loyal", "new").code("new") == STAGES.index("new")

    def test_stages_of_ones_own_come_after_the_standard_ones(self):
        assert rules("loyal", "whale", "fan").stages == (*STAGES, "whale", "fan")

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
