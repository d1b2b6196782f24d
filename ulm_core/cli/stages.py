"""Commands about lifecycle stages: who is in which, who moved where, how long they stay, and what comes."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from ulm_core.cli.common import JsonOption, WorkspaceOption, emit, table_lines
from ulm_core.cli.log import FromOption, Period, TimezoneOption, ToOption, WeekStartOption, answer_with, open_log
from ulm_core.cli.stage_rules import RulesOption, rules_to_try
from ulm_core.errors import InputError
from ulm_core.lifecycle.dwell import DwellSpec, compute_dwell
from ulm_core.lifecycle.parsing import parse_range, parse_time
from ulm_core.lifecycle.periods import to_datetime
from ulm_core.lifecycle.rules import workspace_rules
from ulm_core.lifecycle.stage_flow import StageFlowSpec, compute_stage_flow
from ulm_core.lifecycle.stage_forecast import StageForecastSpec, compute_stage_forecast
from ulm_core.lifecycle.stages import StageMixSpec, compute_stage_mix, stages_at
from ulm_core.lifecycle.transitions import TransitionSpec, compute_transitions
from ulm_core.messages import N_


def register(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    for command in (stages, transitions, dwell, forecast):
        app.command()(command)


def stages(
    at: Annotated[
        str | None, typer.Option("--at", metavar="T", help="Stages at one time; default: after the last event.")
    ] = None,
    period: Annotated[
        Period | None, typer.Option("--period", help="Instead: the mix at the end of each period.")
    ] = None,
    rules: RulesOption = None,
    from_: FromOption = None,
    to: ToOption = None,
    timezone: TimezoneOption = None,
    week_start: WeekStartOption = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Count users by lifecycle stage, with the definition of each stage."""
    log = open_log(workspace, timezone, week_start)
    chosen = rules_to_try(log.index, log.config, rules) or workspace_rules(log.index, log.config)
    if period is not None:
        from_us, to_us = parse_range(from_, to, log.zone)
        spec = StageMixSpec.checked(from_us=from_us, to_us=to_us, interval=period, rules=chosen)
        answer_with(compute_stage_mix(log.index, log.config, spec), as_json)
        return
    at_us = log.index.manifest.last_us + 1 if at is None else parse_time(at, log.zone)
    codes = stages_at(log.index, log.config, at_us, chosen)
    counts = {stage: int((codes == chosen.code(stage)).sum()) for stage in chosen.stages}
    definitions = [str(sentence) for sentence in chosen.sentences()]
    answer = {
        "at": to_datetime(at_us).isoformat(),
        "stages": counts,
        "definitions": definitions,
        "rules_version": chosen.version,
        "as_of": to_datetime(log.index.manifest.last_us).isoformat(),
    }
    emit(answer, as_json, [*table_lines(("stage", "users"), counts.items()), "", *definitions])


def transitions(
    from_: FromOption = None,
    to: ToOption = None,
    period: Annotated[
        Period | None, typer.Option("--period", help="Instead of two times: the flows of every period.")
    ] = None,
    rules: RulesOption = None,
    timezone: TimezoneOption = None,
    week_start: WeekStartOption = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Count who went from which stage to which between two times, with intervals; or in every period."""
    log = open_log(workspace, timezone, week_start)
    chosen = rules_to_try(log.index, log.config, rules)
    if period is not None:
        from_us, to_us = parse_range(from_, to, log.zone)
        flow = StageFlowSpec.checked(from_us=from_us, to_us=to_us, interval=period, rules=chosen)
        answer_with(compute_stage_flow(log.index, log.config, flow), as_json)
        return
    if from_ is None or to is None:
        raise InputError(N_("Name the two times with --from and --to, or give a --period."))
    times = {"from_us": parse_time(from_, log.zone), "to_us": parse_time(to, log.zone)}
    spec = TransitionSpec.checked(**times, rules=chosen)
    answer_with(compute_transitions(log.index, log.config, spec), as_json)


def dwell(
    period: Annotated[Literal["day", "week"], typer.Option("--period", help="How often stages are looked at.")] = "day",
    from_: FromOption = None,
    to: ToOption = None,
    rules: RulesOption = None,
    timezone: TimezoneOption = None,
    week_start: WeekStartOption = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say how long users stay in each stage (Kaplan-Meier), and where they go from there."""
    log = open_log(workspace, timezone, week_start)
    from_us, to_us = parse_range(from_, to, log.zone)
    chosen = rules_to_try(log.index, log.config, rules)
    spec = DwellSpec.checked(from_us=from_us, to_us=to_us, interval=period, rules=chosen)
    result = compute_dwell(log.index, log.config, spec)
    answer = result.to_json()
    names = ("stage", "stays", "users", "ended", "median_days")
    emit(answer, as_json, table_lines(names, [[row[name] for name in names] for row in answer["stages"]]))


def forecast(
    period: Annotated[Literal["day", "week", "month"], typer.Option("--period", help="Length of a period.")] = "week",
    ahead: Annotated[int, typer.Option("--ahead", help="Periods to forecast.")] = 8,
    window: Annotated[int, typer.Option("--window", help="Latest periods the rates are learnt from.")] = 12,
    what_if: Annotated[
        list[str] | None,
        typer.Option(
            "--what-if", metavar="FROM>TO:POINTS", help="A share that rises: 'at risk>active:+2'. Repeatable."
        ),
    ] = None,
    from_: FromOption = None,
    to: ToOption = None,
    rules: RulesOption = None,
    timezone: TimezoneOption = None,
    week_start: WeekStartOption = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Forecast the stage mix (Markov chain), with its back-tested error and what other rates would bring."""
    log = open_log(workspace, timezone, week_start)
    from_us, to_us = parse_range(from_, to, log.zone)
    spec = StageForecastSpec.checked(
        from_us=from_us,
        to_us=to_us,
        interval=period,
        ahead=ahead,
        window=window,
        changes=tuple(_change(text) for text in what_if or ()),
        rules=rules_to_try(log.index, log.config, rules),
    )
    result = compute_stage_forecast(log.index, log.config, spec)
    answer = result.to_json()
    rows = [
        (label, *(f"{users:,.0f}" for users in row), f"{active:,.0f}")
        for label, row, active in zip(answer["periods"], result.users_ahead, result.active, strict=True)
    ]
    lines = table_lines(("period", *result.stages, "all active"), rows)
    said = [str(result.test.sentence(ahead)), str(result.test.active_sentence(ahead))]
    emit(answer, as_json, [*lines, "", *dict.fromkeys(said)])


def _change(text: str) -> dict[str, object]:
    source, arrow, rest = text.partition(">")
    target, colon, points = rest.rpartition(":")
    try:
        if arrow and colon:
            return {"source": source.strip(), "target": target.strip(), "points": float(points)}
    except ValueError:
        pass
    raise InputError(N_("“{text}” is not a change. Write it like 'at risk>active:+2' (percent points)."), text=text)
