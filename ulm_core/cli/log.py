"""What the commands that ask a log share: the opened log, ranges and calendars, and one way to answer."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from ulm_core.cli.common import emit, open_workspace, table_lines
from ulm_core.lifecycle.results import Result
from ulm_core.timeline.entities import entity_index
from ulm_core.timeline.index import TimelineIndex
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
