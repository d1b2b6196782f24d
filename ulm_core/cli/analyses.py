"""Commands that answer questions about users over time: stages, transitions, lifecycle, funnel, retention, survival."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import typer

from ulm_core.cli.common import JsonOption, WorkspaceOption, emit, open_workspace, table_lines
from ulm_core.errors import InputError
from ulm_core.lifecycle.activity import ActivitySpec, compute_activity
from ulm_core.lifecycle.filters import attribute_labels
from ulm_core.lifecycle.funnel import Exclusion, FunnelSpec, compute_funnel
from ulm_core.lifecycle.parsing import parse_duration, parse_range, parse_time
from ulm_core.lifecycle.periods import make_periods, to_datetime
from ulm_core.lifecycle.results import Result
from ulm_core.lifecycle.retention import Retention, RetentionSpec, compute_retention
from ulm_core.lifecycle.rules import workspace_rules
from ulm_core.lifecycle.stages import StageMixSpec, compute_stage_mix, stages_at
from ulm_core.lifecycle.survival import SurvivalSpec, compute_survival
from ulm_core.lifecycle.transitions import TransitionSpec, compute_transitions
from ulm_core.messages import N_
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


def register(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    for command in (stages, transitions, lifecycle, funnel, retention, survival):
        app.command()(command)


@dataclass(frozen=True)
class _Log:
    """The opened workspace with its calendar as asked for."""

    workspace: Workspace
    index: TimelineIndex
    config: WorkspaceConfig

    @property
    def zone(self) -> str:
        """Name of the calendar's time zone."""
        return self.config.timezone


def _open(path: Path | None, timezone: str | None = None, week_start: str | None = None) -> _Log:
    workspace = open_workspace(path)
    index = TimelineIndex.open(workspace)
    asked = {"timezone": timezone, "week_start": week_start}
    config = workspace.config.model_copy(update={name: value for name, value in asked.items() if value})
    return _Log(workspace, index, config)


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
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Count users by lifecycle stage, with the definition of each stage."""
    log = _open(workspace, timezone, week_start)
    if period is not None:
        from_us, to_us = parse_range(from_, to, log.zone)
        mix = compute_stage_mix(
            log.index, log.config, StageMixSpec.checked(from_us=from_us, to_us=to_us, interval=period)
        )
        _answer(mix, as_json)
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
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Count who went from which stage to which between two times."""
    log = _open(workspace, timezone)
    spec = TransitionSpec.checked(from_us=parse_time(from_, log.zone), to_us=parse_time(to, log.zone))
    _answer(compute_transitions(log.index, log.config, spec), as_json)


def lifecycle(
    period: Annotated[Period, typer.Option("--period", help="Length of a period.")] = "week",
    from_: FromOption = None,
    to: ToOption = None,
    timezone: TimezoneOption = None,
    week_start: WeekStartOption = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Count new, returning, resurrecting and dormant users per period."""
    log = _open(workspace, timezone, week_start)
    from_us, to_us = parse_range(from_, to, log.zone)
    spec = ActivitySpec.checked(from_us=from_us, to_us=to_us, interval=period)
    _answer(compute_activity(log.index, log.config, spec), as_json)


def funnel(
    steps: Annotated[str, typer.Option("--steps", metavar="A,B,C", help="Event names in order; * is any event.")],
    order: Annotated[
        Literal["ordered", "strict", "any"], typer.Option("--order", help="How steps may follow each other.")
    ] = "ordered",
    window: Annotated[str, typer.Option("--window", help="Conversion window from step 1: 30s 15m 12h 14d 8w.")] = "14d",
    from_: FromOption = None,
    to: ToOption = None,
    exclude: Annotated[
        list[str] | None, typer.Option("--exclude", metavar="X:1-2", help="Event that must not lie between two steps.")
    ] = None,
    entry: Annotated[Literal["any", "first"], typer.Option("--entry", help="Which step 1 opens an attempt.")] = "any",
    from_step: Annotated[int, typer.Option("--from-step", help="With --times: from this step.")] = 1,
    to_step: Annotated[
        int | None, typer.Option("--to-step", help="With --times: to this step.", show_default="the last")
    ] = None,
    times: Annotated[bool, typer.Option("--times", help="Add the seconds between the two steps.")] = False,
    timezone: TimezoneOption = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Count users who get from step to step, and how long it takes them."""
    log = _open(workspace, timezone)
    from_us, to_us = parse_range(from_, to, log.zone)
    names = tuple(step.strip() for step in steps.split(","))
    spec = FunnelSpec.checked(
        from_us=from_us,
        to_us=to_us,
        steps=names,
        order=order,
        window_seconds=parse_duration(window),
        entry=entry,
        exclusions=tuple(_exclusion(text) for text in exclude or ()),
    )
    result = compute_funnel(log.index, log.config, spec)
    extra = {"times": result.times_json(from_step, to_step or len(names))} if times else {}
    _answer(result, as_json, extra)


def retention(
    start: Annotated[str, typer.Option("--start", help="Event that puts a user into a cohort.")] = "*",
    return_: Annotated[str, typer.Option("--return", help="Event that counts as coming back.")] = "*",
    period: Annotated[Period, typer.Option("--period", help="Length of a period.")] = "week",
    cohorts: Annotated[
        int | None, typer.Option("--cohorts", min=1, help="How many periods.", show_default="all")
    ] = None,
    kind: Annotated[
        Literal["recurring", "first-time", "first-ever"], typer.Option("--kind", help="Which start events count.")
    ] = "first-time",
    mode: Annotated[
        Literal["on", "on-or-after"], typer.Option("--mode", help="Back in that period, or in it or later.")
    ] = "on",
    min_occurrences: Annotated[int, typer.Option("--min-occurrences", min=1, help="Return events per period.")] = 1,
    from_: FromOption = None,
    to: ToOption = None,
    timezone: TimezoneOption = None,
    week_start: WeekStartOption = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Count how many users of each cohort came back so many periods later."""
    log = _open(workspace, timezone, week_start)
    from_us, to_us = _cohort_range(log, from_, to, period, cohorts)
    spec = RetentionSpec.checked(
        from_us=from_us,
        to_us=to_us,
        start_event=start,
        return_event=return_,
        interval=period,
        kind=kind,
        mode=mode,
        min_occurrences=min_occurrences,
    )
    result = compute_retention(log.index, log.config, spec)
    emit(result.to_json(), as_json, _triangle(result))


def survival(
    by: Annotated[str, typer.Option("--by", help="none, cohort, stage, or the name of a user attribute.")] = "none",
    cohort: Annotated[Literal["month", "quarter"], typer.Option("--cohort", help="Length of a cohort.")] = "month",
    at: Annotated[str | None, typer.Option("--at", metavar="T", help="Time 0 of the curves; needed by stage.")] = None,
    horizon: Annotated[
        str | None, typer.Option("--horizon", help="Silence that counts as churn: 180d, 8w.", show_default="learnt")
    ] = None,
    timezone: TimezoneOption = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Draw churn curves (Kaplan-Meier) with intervals, users at risk, medians, and the log-rank test."""
    log = _open(workspace, timezone)
    is_attribute = by not in ("none", "cohort", "stage")
    spec = SurvivalSpec.checked(
        by="labels" if is_attribute else by,
        cohort_interval=cohort,
        origin_us=None if at is None else parse_time(at, log.zone),
        horizon_days=None if horizon is None else parse_duration(horizon) / 86_400,
        labels=attribute_labels(log.index, Snapshot.open(log.workspace), by) if is_attribute else None,
    )
    result = compute_survival(log.index, log.config, spec)
    rows = [
        (c.group, f"{c.n_users:,}", f"{c.n_churned:,}", f"{c.median_days:.1f}".replace("inf", "not reached"))
        for c in result.curves
    ]
    lines = [str(result.sentence()), "", *table_lines(("group", "users", "churned", "median days"), rows)]
    if result.test is not None:
        lines += ["", f"log-rank: p = {result.test.p_value:.3g}"]
    emit(result.to_json(), as_json, lines)


def _triangle(result: Retention) -> list[str]:
    """Return cohorts as rows, lags as columns; the mean row is weighted by cohort size."""
    n = len(result.periods)
    rates = np.vstack([result.rates, result.mean])
    labels = [*result.periods.iso_labels(), "mean"]
    sizes = [f"{size:,}" for size in (*result.sizes.tolist(), result.sizes.sum())]
    cells = [["" if np.isnan(rate) else f"{100 * rate:.1f}%" for rate in row] for row in rates]
    rows = [[label, size, *row] for label, size, row in zip(labels, sizes, cells, strict=True)]
    return table_lines(["cohort", "users", *(str(lag) for lag in range(n))], rows)


def _answer(result: Result, as_json: bool, extra: dict[str, Any] | None = None) -> None:
    table = result.to_arrow()
    rows = [[_cell(value) for value in row.values()] for row in table.to_pylist()]
    emit(result.to_json() | (extra or {}), as_json, table_lines(table.column_names, rows))


def _cell(value: object) -> str:
    if isinstance(value, float):
        return "-" if value != value else f"{value:,.3f}"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def _exclusion(text: str) -> Exclusion:
    event, _, pair = text.rpartition(":")
    first, _, last = pair.partition("-")
    if not (event and first.isdigit() and last.isdigit()):
        raise InputError(N_("“{text}” is not an exclusion. Write the event and two steps: refund:1-2."), text=text)
    return Exclusion.model_construct(event=event, after_step=int(first), before_step=int(last))


def _cohort_range(
    log: _Log, first: str | None, last: str | None, period: Period, cohorts: int | None
) -> tuple[int | None, int | None]:
    """Return the range of the cohorts: the first so many from --from on, or else the last so many."""
    from_us, to_us = parse_range(first, last, log.zone)
    if cohorts is None:
        return from_us, to_us
    manifest = log.index.manifest
    start = manifest.first_us if from_us is None else from_us
    end = manifest.last_us + 1 if to_us is None else to_us
    starts = make_periods(start, end, period, log.zone, log.config.week_start).starts_us
    chosen = starts[: cohorts + 1] if from_us is not None else starts[-cohorts - 1 :]
    return int(chosen[0]), int(chosen[-1])
