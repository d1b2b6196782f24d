"""The page Stages without a browser: every section in both languages, and the editor from preset to restore."""

from __future__ import annotations

import pytest
from streamlit.testing.v1 import AppTest

from tests.app.conftest import OpenPage, shown
from tests.app.test_pages import LANGUAGES, assert_whole
from ulm_core.i18n import translator
from ulm_core.lifecycle.rule_history import put_in_force, rule_history
from ulm_core.lifecycle.rules import DEFAULT_RULES, StageRules, rules_in_force
from ulm_core.lifecycle.stage_presets import PRESETS, get_preset
from ulm_core.workspace import Workspace

HEADINGS = {
    "flow": "Flow between stages",
    "time": "Time in a stage",
    "forecast": "Forecast of the mix",
    "rules": "Stage rules",
}


@pytest.mark.slow
@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("section", HEADINGS)
def test_every_section_draws_the_real_year(open_page: OpenPage, journey: Workspace, section: str, lang: str) -> None:
    app = open_page(journey, "stages", lang, section=section)
    assert_whole(app)
    assert translator(lang)(HEADINGS[section]) in shown(app)
    assert not app.warning


@pytest.mark.parametrize("section", HEADINGS)
def test_every_section_draws_six_events(open_page: OpenPage, small_workspace: Workspace, section: str) -> None:
    assert_whole(open_page(small_workspace, "stages", section=section))


def test_an_unknown_section_is_the_first(open_page: OpenPage, small_workspace: Workspace) -> None:
    assert HEADINGS["flow"] in shown(open_page(small_workspace, "stages", section="magic"))


@pytest.mark.parametrize("preset", [preset.name for preset in PRESETS])
@pytest.mark.parametrize("page", ["overview", "lifecycle", "churn", "user"])
def test_every_page_draws_under_every_preset(
    open_page: OpenPage, small_workspace: Workspace, page: str, preset: str
) -> None:
    put_in_force(small_workspace, get_preset(preset).rules)
    assert_whole(open_page(small_workspace, page))


def edit(app: AppTest, name: str) -> int:
    """Open the form of a rule and return its key."""
    keys = [b.key for b in app.button if str(b.key).startswith("rule_edit_")]
    place = [rule.name for rule in DEFAULT_RULES.rules].index(name)
    app.button(key=keys[place]).click().run()
    return int(keys[place].removeprefix("rule_edit_"))


class TestEditor:
    def test_nothing_can_be_saved_before_something_changed(self, open_page: OpenPage, small_workspace: Workspace):
        app = open_page(small_workspace, "stages", section="rules")
        assert app.button(key="stage_rules_save").disabled
        assert "0 of 3 users would change stage" in shown(app)

    def test_a_threshold_is_edited_previewed_saved_and_restored(
        self, open_page: OpenPage, small_workspace: Workspace
    ) -> None:
        app = open_page(small_workspace, "stages", section="rules")
        rule = edit(app, "at risk")
        assert app.number_input(key=f"rule_{rule}_0_value_number").value == 0.5
        assert app.selectbox(key=f"rule_{rule}_0_value_unit").value == "horizons"
        app.selectbox(key=f"rule_{rule}_0_value_unit").set_value("days").run()
        app.number_input(key=f"rule_{rule}_0_value_number").set_value(1).run()
        assert_whole(app)
        assert "days since the last activity > 1" in shown(app)
        assert rules_in_force(small_workspace.config) == DEFAULT_RULES  # a preview saves nothing
        app.text_input(key="stage_owner").set_value("ann").run()
        app.button(key="stage_rules_save").click().run()
        assert_whole(app)
        assert rules_in_force(small_workspace.config).rules[2].conditions[0].value == 1
        assert [(saved.version, saved.owner) for saved in rule_history(small_workspace)] == [(1, ""), (2, "ann")]
        app.button(key="restore_1").click().run()
        assert_whole(app)
        assert rules_in_force(small_workspace.config).means_the_same_as(DEFAULT_RULES)
        assert "Version 3" in shown(app)

    def test_a_preset_becomes_the_draft_and_nothing_more(self, open_page: OpenPage, small_workspace: Workspace):
        app = open_page(small_workspace, "stages", section="rules")
        app.selectbox(key="preset").set_value("growth").run()
        assert_whole(app)
        assert "at-risk WAU" in shown(app)
        assert rules_in_force(small_workspace.config) == DEFAULT_RULES
        app.button(key="stage_rules_discard").click().run()
        assert "at-risk WAU" not in shown(app)

    def test_a_stage_is_added_named_coloured_and_removed(self, open_page: OpenPage, small_workspace: Workspace):
        app = open_page(small_workspace, "stages", section="rules")
        app.button(key="rule_add").click().run()
        app.text_input(key="rule_name_8").set_value("big spender").run()
        app.selectbox(key="rule_8_0_feature").set_value("value_window").run()
        app.number_input(key="rule_8_0_value_number").set_value(3).run()
        assert_whole(app)
        assert "value of conversions in the last 28 days ≥ 3" in shown(app).replace(">=", "≥")
        app.get("color_picker")[0].set_value("#ffff00").run()
        assert "hard to see" in shown(app)
        app.button(key="stage_rules_save").click().run()
        saved = rules_in_force(small_workspace.config)
        assert saved.rules[7].name == "big spender"
        assert saved.colors["big spender"] != "#FFFF00"
        app.button(key="rule_remove_7").click().run()
        app.button(key="stage_rules_save").click().run()
        assert rules_in_force(small_workspace.config).means_the_same_as(DEFAULT_RULES)

    def test_an_impossible_window_leaves_the_one_before(self, open_page: OpenPage, small_workspace: Workspace):
        app = open_page(small_workspace, "stages", section="rules")
        rule = edit(app, "loyal")
        app.number_input(key=f"rule_{rule}_0_window_number").set_value(0).run()
        assert_whole(app)
        assert app.number_input(key=f"rule_{rule}_0_window_number").value == 56

    def test_rules_saved_by_somebody_else_replace_an_old_draft(
        self, open_page: OpenPage, small_workspace: Workspace
    ) -> None:
        app = open_page(small_workspace, "stages", section="rules")
        app.button(key="rule_add").click().run()
        put_in_force(small_workspace, StageRules.checked({"rules": [{"name": "everyone"}]}), "bob")
        app.run()
        assert_whole(app)
        assert "my stage 1" not in shown(app)
        assert "bob" in shown(app)

    def test_a_filter_offers_the_stages_in_force(self, open_page: OpenPage, small_workspace: Workspace) -> None:
        put_in_force(small_workspace, get_preset("growth").rules)
        app = open_page(small_workspace, "lifecycle", stage=["dormant", "loyal"])
        assert_whole(app)
        assert "loyal" in shown(app)  # named as a word of the link that means nothing here
        assert "Stage: dormant" in shown(app)


class TestWhatIf:
    def test_a_slider_moves_the_forecast_and_reset_takes_it_back(
        self, open_page: OpenPage, small_workspace: Workspace
    ) -> None:
        app = open_page(small_workspace, "stages", section="forecast")
        assert_whole(app)
        source = app.selectbox(key="what_if_source").value
        target = next(name for name in ("active", "converted") if name != source)
        app.slider(key=f"what_if_{source}_{target}").set_value(10.0).run()
        assert_whole(app)
        assert "+10.0 points" in shown(app)
        app.button(key="what_if_reset").click().run()
        assert "points:" not in shown(app)
