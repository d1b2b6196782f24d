"""What the commands that ask a log share: the opened log, ranges and calendars, and one way to answer."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from ulm_core.cli.common import emit, open_workspace, table_lines
from ulm_core.lifecycle.filters import UserLabels
from ulm_core.lifecycle.groups import group_labels, largest_groups
from ulm_core.lifecycle.results import Result
from ulm_core.timeline.entities import entity_index
from ulm_core.timeline.index import TimelineIndex
from ulm_core.warehouse.snapshot import Snapshot
from ulm_core.workspace import Workspace, WorkspaceConfig

Period = Literal["hour", "day", "week", "month", "quarter"]
FromOption = Annotated[
    str | None, typer.Option("--from", metavar="T", help="Start, ISO 8601; widened to whole periods.")
]
ToOption = Annotated[str | None, typer.Option("--to", metavar="T", help="End; its whole period counts.")]
TimezoneOption = Annotated[
    str | None, typer.Option("--timezone", help="Time zone of the calendar.", show_default="the workspace's")
]
WeekStartOption = Annotated[
    Literal["monday", "sunday"] | None,
    typer.Option("--week-start", help="First day of a week.", show_default="the workspace's"),
]

EntityOption = Annotated[
    str | None,
    typer.Option(
        "--entity",
        metavar="COL",
        help="Analyse this instead of users: session, a column of the events (an account), a user attribute.",
    ),
]

ByOption = Annotated[
    str | None,
    typer.Option(
        "--by", metavar="COL", help="Break down by stage, cohort:NAME or a user attribute: the 5 largest groups."
    ),
]


@dataclass(frozen=True)
class Log:
    """The opened workspace with its calendar as asked for."""

    workspace: Workspace
    index: TimelineIndex
    config: WorkspaceConfig

    @property
    def zone(self) -> str:
        """Name of the calendar's time zone."""
        return self.config.timezone

    def groups(self, by: str | None, end_us: int | None) -> UserLabels | None:
        """Return the largest groups of a breakdown as they are at the end of a range; None without one."""
        if by is None:
            return None
        at_us = self.index.manifest.last_us + 1 if end_us is None else end_us
        return largest_groups(group_labels(self.index, self.config, self.snapshot, by, at_us))

    @property
    def snapshot(self) -> Snapshot:
        """SQL over the published version."""
        return Snapshot.open(self.workspace)


def open_log(
    path: Path | None, timezone: str | None = None, week_start: str | None = None, entity: str | None = None
) -> Log:
    """Open the workspace with the calendar asked for; `entity` is what takes the place of the user."""
    workspace = open_workspace(path)
    index = entity_index(workspace, entity or "user")
    asked = {"timezone": timezone, "week_start": week_start}
    config = workspace.config.model_copy(update={name: value for name, value in asked.items() if value})
    return Log(workspace, index, config)


def answer_with(result: Result, as_json: bool, extra: dict[str, Any] | None = None) -> None:
    """Print a result as JSON, with `extra` fields, or as a table."""
    table = result.to_arrow()
    rows = [[_cell(value) for value in row.values()] for row in table.to_pylist()]
    emit(result.to_json() | (extra or {}), as_json, table_lines(table.column_names, rows))


def _cell(value: object) -> str:
    if isinstance(value, float):
        return "-" if value != value else f"{value:,.3f}"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
