"""The command that draws churn curves."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from ulm_core.cli.common import JsonOption, WorkspaceOption, emit, table_lines
from ulm_core.cli.log import EntityOption, TimezoneOption, open_log
from ulm_core.lifecycle.filters import attribute_labels
from ulm_core.lifecycle.parsing import parse_duration, parse_time
from ulm_core.lifecycle.survival import SurvivalSpec, compute_survival
from ulm_core.warehouse.snapshot import Snapshot


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command()(survival)


def survival(
    by: Annotated[str, typer.Option("--by", help="none, cohort, stage, or the name of a user attribute.")] = "none",
    cohort: Annotated[Literal["month", "quarter"], typer.Option("--cohort", help="Length of a cohort.")] = "month",
    at: Annotated[str | None, typer.Option("--at", metavar="T", help="Time 0 of the curves; needed by stage.")] = None,
    horizon: Annotated[
        str | None, typer.Option("--horizon", help="Silence that counts as churn: 180d, 8w.", show_default="learnt")
    ] = None,
    timezone: TimezoneOption = None,
    entity: EntityOption = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Draw churn curves (Kaplan-Meier) with intervals, users at risk, medians, and the log-rank test."""
    log = open_log(workspace, timezone, entity=entity)
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
