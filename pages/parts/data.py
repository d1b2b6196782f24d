"""The data behind a page, opened once a version, and results computed once a question.

Caches are keyed by (workspace root, data version, question as JSON): the same key means the same
answer for every reader, so results are shared and never copied.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import streamlit as st

from ulm_core.settings import get_settings
from ulm_core.timeline.index import TimelineIndex
from ulm_core.warehouse import reports
from ulm_core.warehouse.snapshot import Snapshot
from ulm_core.workspace import Workspace, WorkspaceConfig

R = TypeVar("R")
RESULTS_KEPT = 256
VERSIONS_KEPT = 2


@dataclass(frozen=True)
class Data:
    """One published version of one workspace, ready to be asked."""

    workspace: Workspace
    version: str
    config: WorkspaceConfig
    index: TimelineIndex
    snapshot: Snapshot
    summary: reports.DatasetSummary

    @property
    def key(self) -> tuple[str, str]:
        """What identifies the data in a cache."""
        return str(self.workspace.root), self.version


def open_workspace() -> Workspace:
    """Return the workspace named in the settings."""
    return Workspace(get_settings().workspace)


@st.cache_resource(max_entries=VERSIONS_KEPT, show_spinner=False)
def _open(root: str, version: str) -> Data:
    workspace = Workspace(Path(root))
    return Data(
        workspace=workspace,
        version=version,
        config=workspace.config,
        index=TimelineIndex.open(workspace),
        snapshot=Snapshot.open(workspace),
        summary=reports.dataset_summary(workspace),
    )


def open_data() -> Data:
    """Return the published data.

    Raises
    ------
    EmptyWorkspaceError
        When nothing was loaded yet.
    """
    workspace = open_workspace()
    return _open(str(workspace.root), workspace.version_dir().name)


@st.cache_resource(max_entries=RESULTS_KEPT, show_spinner=False)
def _ask(root: str, version: str, name: str, question: str, _answer: Callable[[], Any]) -> Any:  # noqa: ANN401
    return _answer()


def _as_json(value: object) -> object:
    dump = getattr(value, "model_dump", None)
    return dump(mode="json") if callable(dump) else str(value)


def ask(data: Data, function: Callable[..., R], *question: object, call: Callable[[], R] | None = None) -> R:
    """Return ``function(data.index, data.config, *question)``, computed once for everybody.

    Parameters
    ----------
    data
        The data asked.
    function
        An analysis of `ulm_core`; its name is part of the cache key.
    *question
        What varies: specs (pydantic) or plain values.
    call
        How to call, where the function takes other arguments than index, configuration and question.
    """
    name = f"{function.__module__}.{function.__qualname__}"
    spelled = json.dumps(question, sort_keys=True, default=_as_json)
    answer = call or (lambda: function(data.index, data.config, *question))
    result: R = _ask(*data.key, name, spelled, answer)
    return result
