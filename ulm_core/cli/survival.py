"""The command that draws churn curves and says what goes with churn."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from ulm_core.cli.common import JsonOption, WorkspaceOption, emit, table_lines
from ulm_core.cli.log import EntityOption, Log, TimezoneOption, open_log
from ulm_core.lifecycle.churn_times import default_origin
from ulm_core.lifecycle.cox import Cox, CoxSpec, compute_cox
from ulm_core.lifecycle.groups import group_labels
from ulm_core.lifecycle.parsing import parse_duration, parse_time
from ulm_core.lifecycle.restricted_mean import default_limit, restricted_mean
from ulm_core.lifecycle.survival import Survival, SurvivalSpec, compute_survival
from ulm_core.warehouse.snapshot import Snapshot

DAY_SECONDS = 86_400


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command()(survival)


def survival(
    by: Annotated[str, typer.Option("--by", help="none, cohort, stage, or the name of a user attribute.")] = "none",
    cohort: Annotated[Literal["month", "quarter"], typer.Option("--cohort", help="Length of a cohort.")] = "month",
    at: Annotated[
        str | None,
        typer.Option(
            "--at", metavar="T", help="Time 0 of the curves; by stage, and for --cox, 26 weeks before the end."
        ),
    ] = None,
    horizon: Annotated[
        str | None, typer.Option("--horizon", help="Silence that counts as churn: 180d, 8w.", show_default="learnt")
    ] = None,
    until: Annotated[
        str | None,
        typer.Option("--until", help="Restriction of the mean survival times: 90d, 26w.", show_default="as followed"),
    ] = None,
    cox: Annotated[bool, typer.Option("--cox", help="Also say what goes with churn (Cox regression at --at).")] = False,
    attributes: Annotated[
        str, typer.Option("--attributes", help="User attributes for --cox, separated by commas.")
    ] = "",
    timezone: TimezoneOption = None,
    entity: EntityOption = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Draw churn curves with hazards, restricted means and tests; with --cox also what goes with churn."""
    log = open_log(workspace, timezone, entity=entity)
    horizon_days = None if horizon is None else parse_duration(horizon) / DAY_SECONDS
    origin = None if at is None else parse_time(at, log.zone)
    result = compute_survival(log.index, log.config, _spec(log, by, cohort, origin, horizon_days))
    until_days = default_limit(result.curves) if until is None else parse_duration(until) / DAY_SECONDS
    lines = _lines(result, until_days)
    answer = result.to_json(until_days)
    if cox:
        drivers = compute_cox(log.index, log.config, _cox_spec(log, origin, horizon_days, attributes))
        answer["cox"] = drivers.to_json()
        lines += _cox_lines(drivers)
    emit(answer, as_json, lines)


def _spec(
    log: Log, by: str, cohort: Literal["month", "quarter"], origin: int | None, horizon_days: float | None
) -> SurvivalSpec:
    if by in ("none", "cohort"):
        return SurvivalSpec.checked(by=by, cohort_interval=cohort, origin_us=origin, horizon_days=horizon_days)
    is_behavioural = by == "stage" or by.startswith("cohort:")
    if is_behavioural and origin is None:  # known at one moment only, so that time must run from it
        origin = default_origin(log.index, log.config)
    if by == "stage":
        return SurvivalSpec.checked(by="stage", origin_us=origin, horizon_days=horizon_days)
    at_us = origin if origin is not None else log.index.manifest.last_us + 1
    labels = group_labels(log.index, log.config, Snapshot.open(log.workspace), by, at_us)
    return SurvivalSpec.checked(by="labels", labels=labels, origin_us=origin, horizon_days=horizon_days)


def _cox_spec(log: Log, origin: int | None, horizon_days: float | None, attributes: str) -> CoxSpec:
    at_us = default_origin(log.index, log.config) if origin is None else origin
    names = [name.strip() for name in attributes.split(",") if name.strip()]
    snapshot = Snapshot.open(log.workspace)
    labels = tuple(group_labels(log.index, log.config, snapshot, name, at_us) for name in names)
    return CoxSpec.checked(origin_us=at_us, horizon_days=horizon_days, attributes=labels)


def _lines(result: Survival, until_days: float) -> list[str]:
    means = {curve.group: restricted_mean(curve, until_days) for curve in result.curves}
    rows = [
        (
            c.group,
            f"{c.n_users:,}",
            f"{c.n_churned:,}",
            f"{c.median_days:.1f}".replace("inf", "not reached"),
            f"{means[c.group].days:.1f} ± {means[c.group].error:.1f}".replace("nan ± nan", "-"),
        )
        for c in result.curves
    ]
    header = ("group", "users", "churned", "median days", f"mean of the first {until_days:.0f} days")
    lines = [str(result.sentence()), "", *table_lines(header, rows)]
    if result.test is not None:
        lines += ["", f"log-rank: p = {result.test.p_value:.3g}"]
    return lines


def _cox_lines(cox: Cox) -> list[str]:
    rows = [
        (
            d.name,
            f"{d.ratio:.3f}",
            f"{d.lower:.3f} to {d.upper:.3f}",
            f"{d.p_holm:.2g}",
            str(d.unit),
            str(d.assumption()),
        )
        for d in cox.drivers
    ]
    header = ("covariate", "ratio", "interval", "p (Holm)", "per", "assumption")
    head = f"Hazard ratios: {cox.n_users:,} users, {cox.n_churned:,} churned, concordance {cox.concordance:.3f}"
    return ["", head, *(str(sentence) for sentence in cox.sentences()), *table_lines(header, rows)]
