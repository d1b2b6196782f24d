"""The data behind a page, opened once a version, and results computed once a question.

Caches are keyed by (workspace root, data version, configuration, question as text): the same key means the
same answer for every reader, so results are shared and never copied. The configuration holds the stage
rules, which readers edit: a changed rule is another question.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date
from pathlib import Path
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

import streamlit as st

from ulm_core.lifecycle.rules import StageRules, workspace_rules
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
    configuration: str

    @property
    def sample(self) -> str | None:
        """Name of the sample, when the data is one."""
        return self.config.name if self.config.sample else None

    @property
    def local_days(self) -> tuple[date, date]:
        """First and last day of the data in the workspace's time zone."""
        zone = ZoneInfo(self.config.timezone)
        first, last = (
            (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(zone).date()
            for moment in (self.summary.first_at, self.summary.as_of)
        )
        return first, last

    def remember(self, name: str, question: str, answer: Callable[[], R]) -> R:
        """Return ``answer()``, computed once for everybody who asks the same of the same data.

        Parameters
        ----------
        name
            What is asked, usually the name of a function of `ulm_core`.
        question
            Everything the answer depends on beside the data, spelled out.
        answer
            Computes it.
        """
        result: R = _answer(str(self.workspace.root), self.version, self.configuration, name, question, answer)
        return result

    @property
    def rules(self) -> StageRules:
        """The stage rules in force, with the learnt churn horizon in them."""
        return self.remember("rules", "", lambda: workspace_rules(self.index, self.config))


def open_workspace() -> Workspace:
    """Return the workspace named in the settings."""
    return Workspace(get_settings().workspace)


@st.cache_resource(max_entries=VERSIONS_KEPT, show_spinner=False)
def _open(root: str, version: str, configuration: str) -> Data:
    workspace = Workspace(Path(root))
    return Data(
        workspace=workspace,
        version=version,
        config=WorkspaceConfig.model_validate_json(configuration),
        index=TimelineIndex.open(workspace),
        snapshot=Snapshot.open(workspace),
        summary=reports.dataset_summary(workspace),
        configuration=configuration,
    )


def open_data() -> Data:
    """Return the published data.

    Raises
    ------
    EmptyWorkspaceError
        When nothing was loaded yet.
    """
    workspace = open_workspace()
    return _open(str(workspace.root), workspace.version_dir().name, workspace.config.model_dump_json())


@st.cache_resource(max_entries=RESULTS_KEPT, show_spinner=False)
def _answer(root: str, version: str, configuration: str, name: str, question: str, _compute: Callable[[], Any]) -> Any:
    return _compute()
