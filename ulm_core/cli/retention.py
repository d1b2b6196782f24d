"""The command that counts how many users came back."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
import typer

from ulm_core.cli.common import JsonOption, WorkspaceOption, emit, table_lines
from ulm_core.cli.log import (
    ByOption,
    EntityOption,
    FromOption,
    Log,
    Period,
    TimezoneOption,
    ToOption,
    WeekStartOption,
    open_log,
)
from ulm_core.lifecycle.conditions import parse_match
from ulm_core.lifecycle.parsing import parse_brackets, parse_range
from ulm_core.lifecycle.periods import Periods, first_periods, make_periods
from ulm_core.lifecycle.retention import Retention, RetentionSpec, compute_retention


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command()(retention)


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
        Literal["on", "on-or-after", "on-or-before", "streak"],
        typer.Option("--mode", help="Back in that period, in it or later, in it or earlier, in all up to it."),
    ] = "on",
    min_occurrences: Annotated[int, typer.Option("--min-occurrences", min=1, help="Return events per period.")] = 1,
    rolling: Annotated[
        bool, typer.Option("--rolling", help="Windows of 24 h, 7 or 30 days from each user's own start.")
    ] = False,
    square: Annotated[
        bool, typer.Option("--square", help="Follow every cohort for all periods, past the end of the range.")
    ] = False,
    brackets: Annotated[
        str | None, typer.Option("--brackets", metavar="1,2-7", help="Columns of several periods.")
    ] = None,
    values: Annotated[bool, typer.Option("--values", help="Add sums and averages of the events' value.")] = False,
    by: ByOption = None,
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
    chosen = _cohorts(log, from_, to, period, cohorts)
    spec = RetentionSpec.checked(
        from_us=chosen.from_us,
        to_us=chosen.to_us,
        start_event=parse_match(start),
        return_event=parse_match(return_),
        interval=period,
        kind=kind,
        mode=mode,
        min_occurrences=min_occurrences,
        own_windows=rolling,
        follow=(cohorts or len(chosen)) if square else None,
        brackets=None if brackets is None else parse_brackets(brackets),
        with_value=values,
        labels=log.groups(by, chosen.to_us),
    )
    result = compute_retention(log.index, log.config, spec, log.snapshot)
    emit(result.to_json(), as_json, _triangle(result))


def _triangle(result: Retention) -> list[str]:
    """Return cohorts as rows, lags as columns; the mean row is weighted by cohort size."""
    rates = np.vstack([result.rates, result.mean])
    labels = [*result.periods.iso_labels(), "mean"]
    sizes = [f"{size:,}" for size in (*result.sizes.tolist(), result.sizes.sum())]
    cells = [["" if np.isnan(rate) else f"{100 * rate:.1f}%" for rate in row] for row in rates]
    rows = [[label, size, *row] for label, size, row in zip(labels, sizes, cells, strict=True)]
    return table_lines(["cohort", "users", *(column.label for column in result.columns)], rows)


def _cohorts(log: Log, first: str | None, last: str | None, period: Period, count: int | None) -> Periods:
    """Return the periods of the cohorts: the first so many from --from on, or else the last so many."""
    from_us, to_us = parse_range(first, last, log.zone)
    calendar = (period, log.zone, log.config.week_start)
    if count is not None and from_us is not None and to_us is None:
        return first_periods(from_us, count, *calendar)
    periods = RetentionSpec(from_us=from_us, to_us=to_us).periods(log.index, log.config, period)
    if count is None or count >= len(periods):
        return periods
    kept = periods.starts_us[: count + 1] if from_us is not None else periods.starts_us[-count - 1 :]
    return make_periods(int(kept[0]), int(kept[-1]), *calendar)
