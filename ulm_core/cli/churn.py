"""The command that lists users by their risk of churn."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from ulm_core.cli.common import JsonOption, WorkspaceOption, emit, note, table_lines
from ulm_core.cli.log import open_log
from ulm_core.errors import UlmError
from ulm_core.lifecycle.filters import UserFilter, filter_mask
from ulm_core.lifecycle.parsing import parse_duration
from ulm_core.training.churn_risk import ChurnRisk, RiskSpec, compute_churn_risk
from ulm_core.training.promoted_risk import PromotedRisks, promoted_run, saved_risks, score_risks
from ulm_core.warehouse.snapshot import Snapshot
from ulm_core.workspace import Workspace

DAY_SECONDS = 86_400


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command(name="churn-risk")(churn_risk)


def churn_risk(
    horizon: Annotated[
        str | None, typer.Option("--horizon", help="Silence that counts as churn: 56d, 8w.", show_default="learnt")
    ] = None,
    source: Annotated[
        Literal["auto", "tabular"], typer.Option("--source", help="auto: the promoted model where there is one.")
    ] = "auto",
    stage: Annotated[list[str] | None, typer.Option("--stage", help="Only users in this stage; repeatable.")] = None,
    at_least: Annotated[float, typer.Option("--at-least", min=0, max=1, help="Only risks from here on.")] = 0.0,
    top: Annotated[int, typer.Option("--top", min=0, help="How many users to list; 0: all.")] = 20,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """List users by their calibrated risk of churn, with how honest such risks were at earlier cuts."""
    log = open_log(workspace)
    spec = RiskSpec.checked(
        horizon_days=None if horizon is None else round(parse_duration(horizon) / DAY_SECONDS),
        users=filter_mask(
            log.index, log.config, UserFilter(stages=tuple(stage or ())), log.index.manifest.last_us + 1,
            Snapshot.open(log.workspace),
        ),
    )  # fmt: skip
    promoted = _promoted(log.workspace) if source == "auto" else None
    result = compute_churn_risk(log.index, log.config, spec, promoted)
    shown = [row for row in result.to_arrow().to_pylist() if row["risk"] >= at_least]
    shown = shown[: top or len(shown)]
    rows = [
        (row["user_id"], f"{row['risk']:.1%}", row["stage"], f"{row['days_since_last']:.0f}", f"{row['value']:,.2f}")
        for row in shown
    ]
    header = ("user", "risk", "stage", "days silent", "value so far")
    emit(result.to_json() | {"users_by_risk": shown}, as_json, [*_head(result), "", *table_lines(header, rows)])


def _promoted(workspace: Workspace) -> PromotedRisks | None:
    run = promoted_run(workspace)
    if run is None:
        return None
    kept = saved_risks(workspace)
    if kept is None:
        note(f"Scoring users with {run.name}; kept for the next time")
    try:
        return kept or score_risks(workspace)
    except UlmError as error:  # trained on other data than what is loaded now
        note(error)
        return None


def _head(result: ChurnRisk) -> list[str]:
    lines = [
        f"{len(result.scored):,} users, {result.expected_churners():,.0f} of them expected to churn "
        f"within {result.horizon_days} days",
        f"by {result.source}" + ("" if result.is_calibrated else ", not calibrated: the log is too short"),
    ]
    lines += [
        f"checked at {test.to_json()['cut'][:10]}: {len(test.users):,} users, AUC {test.auc:.3f} (silence alone "
        f"{test.silence_auc:.3f}), Brier {test.brier:.4f} (constant {test.constant_brier:.4f}), "
        f"calibration error {test.calibration_error:.4f}"
        for test in result.tests
    ]
    return lines
