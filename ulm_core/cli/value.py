"""The command that says what customers are worth from now on."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from ulm_core.cli.common import JsonOption, WorkspaceOption, emit, table_lines
from ulm_core.cli.log import EntityOption, TimezoneOption, open_log
from ulm_core.lifecycle.groups import group_labels
from ulm_core.lifecycle.parsing import parse_duration
from ulm_core.lifecycle.value.lifetime import CustomerValue, ValueSpec, compute_value
from ulm_core.warehouse.snapshot import Snapshot

WEEK_SECONDS = 7 * 86_400


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command()(value)


def value(
    horizon: Annotated[str, typer.Option("--horizon", help="How far to look ahead, in whole weeks: 52w.")] = "52w",
    model: Annotated[Literal["mbg", "bg"], typer.Option("--model", help="MBG/NBD or BG/NBD.")] = "mbg",
    discount: Annotated[float, typer.Option("--discount", help="Yearly discount rate, 0 to 1.")] = 0.10,
    margin: Annotated[float, typer.Option("--margin", help="Share of the value that is earned.")] = 1.0,
    holdout: Annotated[float, typer.Option("--holdout", help="Share of the log's days to test on.")] = 0.5,
    by: Annotated[str | None, typer.Option("--by", help="Also sum by stage, or by a user attribute.")] = None,
    top: Annotated[int, typer.Option("--top", min=0, help="How many customers to list; 0: all.")] = 20,
    timezone: TimezoneOption = None,
    entity: EntityOption = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say what every customer is expected to buy and be worth, and how wrong that was on a holdout."""
    log = open_log(workspace, timezone, entity=entity)
    spec = ValueSpec.checked(
        model=model,
        horizon_weeks=max(round(parse_duration(horizon) / WEEK_SECONDS), 1),
        yearly_discount=discount,
        margin=margin,
        holdout_share=holdout,
    )
    result = compute_value(log.index, log.config, spec)
    table = result.to_arrow()
    shown = table.slice(0, top or len(table)).to_pylist()
    answer = result.to_json() | {"users": shown}
    if by is not None:
        at_us = log.index.manifest.last_us + 1
        labels = group_labels(log.index, log.config, Snapshot.open(log.workspace), by, at_us)
        answer["by"] = result.by(labels).to_pylist()
    columns = [name for name in table.column_names if shown and shown[0][name] == shown[0][name]]
    rows = [[_cell(row[name]) for name in columns] for row in shown]
    emit(answer, as_json, [*_head(result), "", *table_lines(columns, rows)])


def _head(result: CustomerValue) -> list[str]:
    held, weeks = result.holdout, result.spec.horizon_weeks
    lines = [
        f"{len(result.purchases):,} customers, {result.expected.sum():,.0f} purchases to expect in {weeks} weeks",
        f"discounted value: {result.value.sum():,.2f}" if result.spending else "no values in this log",
    ]
    if held is not None:
        lines.append(
            f"holdout of {held.weeks:g} weeks: {held.expected.sum():,.0f} expected, {held.actual.sum():,} bought "
            f"({held.aggregate_error:+.1%}); mean absolute error {held.mean_absolute_error:.3f}, "
            f"of a constant {held.constant_error:.3f}"
        )
    return lines


def _cell(entry: object) -> str:
    return f"{entry:,.2f}" if isinstance(entry, float) else str(entry)
