import pytest

from ulm_core.errors import NotFoundError
from ulm_core.lifecycle.rule_history import put_in_force, restore, rule_history
from ulm_core.lifecycle.rules import DEFAULT_RULES, StageRule, StageRules, rules_in_force
from ulm_core.lifecycle.stage_conditions import Condition
from ulm_core.lifecycle.stage_presets import get_preset
from ulm_core.workspace import Workspace, WorkspaceConfig

OWN = StageRules(
    rules=(
        StageRule(name="fan", conditions=(Condition(feature="active_days", op=">=", value=3),)),
        StageRule(name="guest"),
    )
)


def versions(workspace: Workspace) -> list[tuple[int, str, str]]:
    return [(saved.version, saved.owner, saved.body.stages[0]) for saved in rule_history(workspace)]


def test_nothing_was_edited_in_a_fresh_workspace(workspace: Workspace):
    assert rule_history(workspace) == ()
    assert rules_in_force(workspace.config) == DEFAULT_RULES


def test_an_edit_keeps_the_rules_it_replaces_and_says_who(workspace: Workspace):
    assert put_in_force(workspace, OWN, "ann").version == 2
    assert rules_in_force(workspace.config).means_the_same_as(OWN)
    assert rules_in_force(workspace.config).version == 2
    assert versions(workspace) == [(1, "", "new"), (2, "ann", "fan")]


def test_saving_the_same_rules_again_adds_no_version(workspace: Workspace):
    put_in_force(workspace, OWN)
    assert put_in_force(workspace, OWN.model_copy(update={"version": 9})).version == 2
    assert len(rule_history(workspace)) == 2


def test_an_earlier_version_comes_back_as_a_new_one(workspace: Workspace):
    put_in_force(workspace, OWN, "ann")
    assert restore(workspace, 1, "bob").version == 3
    assert rules_in_force(workspace.config).means_the_same_as(DEFAULT_RULES)
    assert versions(workspace)[-1] == (3, "bob", "new")
    with pytest.raises(NotFoundError):
        restore(workspace, 8)


def test_other_settings_stay_as_they_are(small_workspace: Workspace):
    put_in_force(small_workspace, get_preset("growth").rules)
    assert small_workspace.config.conversion_events == ("purchase",)


def test_a_load_brings_its_configuration_and_leaves_the_rules(small_workspace: Workspace):
    put_in_force(small_workspace, OWN)
    version = str(small_workspace.current_version())
    small_workspace.publish(version, WorkspaceConfig(name="Other"))
    assert small_workspace.config.name == "Other"
    assert rules_in_force(small_workspace.config).means_the_same_as(OWN)
