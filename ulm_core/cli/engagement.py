"""Commands about coming back: lifecycle per period and retention."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
import typer

from ulm_core.cli.common import JsonOption, WorkspaceOption, emit, table_lines
from ulm_core.cli.log import (
    EntityOption,
    FromOption,
    Log,
    Period,
    TimezoneOption,
    ToOption,
    WeekStartOption,
    answer_with,
    open_log,
)
from ulm_core.lifecycle.activity import ActivitySpec, compute_activity
from ulm_core.lifecycle.parsing import parse_range
from ulm_core.lifecycle.periods import make_periods
from ulm_core.lifecycle.retention import Retention, RetentionSpec, compute_retention


def register(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    for command in (lifecycle, retention):
        app.command()(command)


def lifecycle(
    period: Annotated[Period, typer.Option("--period", help="Length of a period.")] = "week",
    from_: FromOption = None,
    to: ToOption = None,
    timezone: TimezoneOption = None,
    week_start: WeekStartOption = None,
    entity: EntityOption = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Count new, returning, resurrecting and dormant users per period."""
    log = open_log(workspace, timezone, week_start, entity)
    from_us, to_us = parse_range(from_, to, log.zone)
    spec = ActivitySpec.checked(from_us=from_us, to_us=to_us, interval=period)
    answer_with(compute_activity(log.index, log.config, spec), as_json)


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
    entity: EntityOption = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Count how many users of each cohort came back so many periods later."""
    log = open_log(workspace, timezone, week_start, entity)
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


def _triangle(result: Retention) -> list[str]:
    """Return cohorts as rows, lags as columns; the mean row is weighted by cohort size."""
    n = len(result.periods)
    rates = np.vstack([result.rates, result.mean])
    labels = [*result.periods.iso_labels(), "mean"]
    sizes = [f"{size:,}" for size in (*result.sizes.tolist(), result.sizes.sum())]
    cells = [["" if np.isnan(rate) else f"{100 * rate:.1f}%" for rate in row] for row in rates]
    rows = [[label, size, *row] for label, size, row in zip(labels, sizes, cells, strict=True)]
    return table_lines(["cohort", "users", *(str(lag) for lag in range(n))], rows)


def _cohort_range(
    log: Log, first: str | None, last: str | None, period: Period, cohorts: int | None
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
