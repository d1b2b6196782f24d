"""The command that shows, replaces and restores the stage rules, and the option to try others."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from ulm_core.cli.common import JsonOption, WorkspaceOption, emit, open_workspace, table_lines
from ulm_core.errors import InputError
from ulm_core.lifecycle.horizon import learn_churn_horizon
from ulm_core.lifecycle.rule_history import put_in_force, restore, rule_history
from ulm_core.lifecycle.rules import StageRules, rules_in_force
from ulm_core.lifecycle.stage_presets import PRESETS, get_preset
from ulm_core.messages import N_
from ulm_core.timeline.index import TimelineIndex
from ulm_core.workspace import Workspace, WorkspaceConfig

RulesOption = Annotated[
    str | None,
    typer.Option(
        "--rules", metavar="PRESET|FILE", help="Stage rules to try: a preset or a JSON file.", show_default="in force"
    ),
]


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command("stage-rules")(stage_rules)


def read_rules(text: str) -> StageRules:
    """Return the rules of a preset, or of a JSON file (a rule list, or what ``stage-rules --json`` prints).

    Raises
    ------
    InputError
        When the file cannot be read or holds no rules.
    NotFoundError
        When there is neither such a file nor such a preset.
    """
    path = Path(text)
    if path.suffix != ".json" and not path.is_file():
        return get_preset(text).rules
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(N_("{path} cannot be read as stage rules: {reason}."), path=path, reason=error) from error
    if isinstance(value, dict) and isinstance(value.get("stage_rules"), dict):
        value = value["stage_rules"]
    return StageRules.checked(value)


def rules_to_try(index: TimelineIndex, config: WorkspaceConfig, text: str | None) -> StageRules | None:
    """Return the rules that `--rules` names, the learnt horizon in them; None where it was not given."""
    return None if text is None else read_rules(text).resolve(learn_churn_horizon(index, config).days)


def stage_rules(
    use: Annotated[
        str | None, typer.Option("--set", metavar="PRESET|FILE", help="Put a preset or a JSON file in force.")
    ] = None,
    version: Annotated[
        int | None, typer.Option("--restore", metavar="N", help="Put an earlier version in force.")
    ] = None,
    owner: Annotated[str, typer.Option("--owner", help="Who does it; kept in the history.")] = "",
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show the stage rules in force with their history and the presets; or put others in force."""
    opened = open_workspace(workspace)
    if use is not None and version is not None:
        raise InputError(N_("Give --set or --restore, not both."))
    if use is not None:
        put_in_force(opened, read_rules(use), owner)
    if version is not None:
        restore(opened, version, owner)
    answer = _described(opened)
    rows = [(rule["name"], rule["definition"]) for rule in answer["definitions"]]
    emit(answer, as_json, table_lines(("stage", "rule"), rows))


def _described(workspace: Workspace) -> dict[str, Any]:
    rules = rules_in_force(workspace.config)
    days = learn_churn_horizon(TimelineIndex.open(workspace), workspace.config).days
    resolved = rules.resolve(days)
    return {
        "version": rules.version,
        "horizon_days": days,
        "stage_rules": rules.model_dump(mode="json"),
        "definitions": [
            {"name": rule.name, "definition": str(sentence), "active": rule.active}
            for rule, sentence in zip(resolved.rules, resolved.sentences(), strict=True)
        ],
        "history": [
            {"version": saved.version, "saved_at": saved.saved_at.isoformat(), "owner": saved.owner}
            for saved in rule_history(workspace)
        ],
        "presets": [preset.name for preset in PRESETS],
    }
