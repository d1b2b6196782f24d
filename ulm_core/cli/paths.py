"""The command that shows what users did before and after an event."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from ulm_core.cli.common import JsonOption, WorkspaceOption
from ulm_core.cli.log import EntityOption, FromOption, TimezoneOption, ToOption, answer_with, open_log
from ulm_core.lifecycle.conditions import parse_match
from ulm_core.lifecycle.parsing import parse_duration, parse_range
from ulm_core.lifecycle.paths import PathsSpec, compute_paths


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command()(paths)


def paths(
    around: Annotated[str, typer.Option("--around", help="Event, with conditions where wanted.")],
    before: Annotated[int, typer.Option("--before", min=0, help="Steps before it.")] = 2,
    after: Annotated[int, typer.Option("--after", min=0, help="Steps after it.")] = 3,
    occurrence: Annotated[
        Literal["first", "last", "every"], typer.Option("--occurrence", help="A user's first, last or every one.")
    ] = "first",
    collapse: Annotated[
        bool, typer.Option("--collapse/--no-collapse", help="The same event again and again is one step.")
    ] = True,
    gap: Annotated[
        str | None, typer.Option("--gap", help="Pause at which a path is cut: 30m.", show_default="never")
    ] = None,
    from_: FromOption = None,
    to: ToOption = None,
    timezone: TimezoneOption = None,
    entity: EntityOption = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what users did before and after an event: steps, links, the most frequent paths, loops."""
    log = open_log(workspace, timezone, entity=entity)
    from_us, to_us = parse_range(from_, to, log.zone)
    spec = PathsSpec.checked(
        from_us=from_us,
        to_us=to_us,
        around=parse_match(around),
        before=before,
        after=after,
        occurrence=occurrence,
        collapse=collapse,
        gap_seconds=None if gap is None else parse_duration(gap),
    )
    answer_with(compute_paths(log.index, log.config, spec, log.snapshot), as_json)
