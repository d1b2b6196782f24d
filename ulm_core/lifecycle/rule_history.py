"""Editing stage rules: every list a workspace ever had, who put it in force and when, and the way back."""

from __future__ import annotations

from ulm_core.documents import Documents, Saved
from ulm_core.errors import NotFoundError
from ulm_core.lifecycle.rules import StageRules, rules_in_force
from ulm_core.workspace import Workspace

KIND = "stage-rules"
NAME = "in force"


def rule_history(workspace: Workspace) -> tuple[Saved[StageRules], ...]:
    """Return every version of the workspace's rules, oldest first; nothing before they were edited."""
    try:
        return _documents(workspace).history(NAME)
    except NotFoundError:
        return ()


def put_in_force(workspace: Workspace, rules: StageRules, owner: str = "") -> StageRules:
    """Make `rules` those of the workspace, as a new version, and return them with its number.

    The rules they replace are kept as a version too, so that the first edit can be undone. Rules equal to
    the ones in force add no version.

    Parameters
    ----------
    rules
        The list as it was written, not resolved: it keeps following the learnt churn horizon.
    owner
        Who asks for it; empty where nobody signed in.

    Raises
    ------
    BusyError
        When another process is saving at this moment.
    """
    documents = _documents(workspace)
    if not rule_history(workspace):
        documents.save(NAME, _unnumbered(rules_in_force(workspace.config)))
    saved = documents.save(NAME, _unnumbered(rules), owner)
    numbered = rules.model_copy(update={"version": saved.version})
    body = numbered.model_dump(mode="json")
    workspace.save_config(workspace.config.model_copy(update={"stage_rules": body}))
    return numbered


def restore(workspace: Workspace, version: int, owner: str = "") -> StageRules:
    """Put the rules of an earlier version in force again, as a new version.

    Raises
    ------
    NotFoundError
        When there is no such version.
    """
    for saved in rule_history(workspace):
        if saved.version == version:
            return put_in_force(workspace, saved.body, owner)
    raise NotFoundError.for_name("version", str(version), [str(saved.version) for saved in rule_history(workspace)])


def _documents(workspace: Workspace) -> Documents[StageRules]:
    return Documents(workspace, KIND, StageRules)


def _unnumbered(rules: StageRules) -> StageRules:
    return rules.model_copy(update={"version": 1})
