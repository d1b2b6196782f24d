"""Commands about lifecycle stages: who is in which, and who moved where."""

from __future__ import annotations

from typing import Annotated

import typer

from ulm_core.cli.common import JsonOption, WorkspaceOption, emit, table_lines
from ulm_core.cli.log import (
    EntityOption,
    FromOption,
    Period,
    TimezoneOption,
    ToOption,
    WeekStartOption,
    answer_with,
    open_log,
)
from ulm_core.lifecycle.parsing import parse_range, parse_time
from ulm_core.lifecycle.periods import to_datetime
from ulm_core.lifecycle.rules import workspace_rules
from ulm_core.lifecycle.stages import StageMixSpec, compute_stage_mix, stages_at
from ulm_core.lifecycle.transitions import TransitionSpec, compute_transitions


def register(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    for command in (stages, transitions):
        app.command()(command)


def stages(
    at: Annotated[
        str | None, typer.Option("--at", metavar="T", help="Stages at one time; default: after the last event.")
    ] = None,
    period: Annotated[
        Period | None, typer.Option("--period", help="Instead: the mix at the end of each period.")
    ] = None,
    from_: FromOption = None,
    to: ToOption = None,
    timezone: TimezoneOption = None,
    week_start: WeekStartOption = None,
    entity: EntityOption = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Count users by lifecycle stage, with the definition of each stage."""
    log = open_log(workspace, timezone, week_start, entity)
    if period is not None:
        from_us, to_us = parse_range(from_, to, log.zone)
        mix = compute_stage_mix(
            log.index, log.config, StageMixSpec.checked(from_us=from_us, to_us=to_us, interval=period)
        )
        answer_with(mix, as_json)
        return
    rules = workspace_rules(log.index, log.config)
    at_us = log.index.manifest.last_us + 1 if at is None else parse_time(at, log.zone)
    codes = stages_at(log.index, log.config, at_us, rules)
    counts = {stage: int((codes == rules.code(stage)).sum()) for stage in rules.stages}
    answer = {
        "at": to_datetime(at_us).isoformat(),
        "stages": counts,
        "definitions": [str(sentence) for sentence in rules.sentences()],
        "as_of": to_datetime(log.index.manifest.last_us).isoformat(),
    }
    emit(answer, as_json, [*table_lines(("stage", "users"), counts.items()), "", *answer["definitions"]])


def transitions(
    from_: Annotated[str, typer.Option("--from", metavar="T", help="First time, ISO 8601.")],
    to: Annotated[str, typer.Option("--to", metavar="T", help="Second time.")],
    timezone: TimezoneOption = None,
    entity: EntityOption = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Count who went from which stage to which between two times."""
    log = open_log(workspace, timezone, entity=entity)
    spec = TransitionSpec.checked(from_us=parse_time(from_, log.zone), to_us=parse_time(to, log.zone))
    answer_with(compute_transitions(log.index, log.config, spec), as_json)
