"""The command that simulates a shop."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ulm_core.cli.common import JsonOption, emit, note, open_workspace, table_lines
from ulm_core.errors import InputError
from ulm_core.events.simulator import (
    TRUTH_FOLDER,
    SimulationReport,
    SimulatorConfig,
    simulate,
    simulated_bundle,
    simulator_config,
)
from ulm_core.messages import N_
from ulm_core.timeline.publish import import_bundle
from ulm_core.warehouse.loading import LoadReport

_DEFAULT = SimulatorConfig()


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command("simulate")(run)


def run(
    users: Annotated[int, typer.Option("--users", "-n", help="Accounts, fake ones included.")] = _DEFAULT.users,
    days: Annotated[int, typer.Option("--days", help="Length of the log in days.")] = _DEFAULT.days,
    seed: Annotated[int, typer.Option("--seed", help="Same seed, same log.")] = _DEFAULT.seed,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="New folder for the files and the truth.")] = None,
    workspace: Annotated[
        Path | None, typer.Option("--workspace", "-w", help="Replace this workspace's data by the log instead.")
    ] = None,
    parameters: Annotated[
        list[str] | None,
        typer.Option("--set", help="Any other parameter as name=value; docs/simulator.md lists them."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Simulate a shop whose truth is known: taste, churn, campaigns, dirty rows and fake users."""
    if (out is None) == (workspace is None):
        raise InputError(N_("Name either a folder (--out) or a workspace (--workspace) for the simulated log."))
    config = simulator_config(**{**_pairs(parameters or []), "users": users, "days": days, "seed": seed})
    if out is not None:
        report = simulate(config, out, _progress)
        emit(report.to_json(), as_json, _file_lines(report))
        return
    target = open_workspace(workspace)
    bundle = simulated_bundle(config, target.root / TRUTH_FOLDER, _progress)
    loaded = import_bundle(target, bundle, report=note)
    emit(loaded.to_json(), as_json, _load_lines(loaded, target.root / TRUTH_FOLDER))


def _pairs(parameters: list[str]) -> dict[str, str]:
    pairs = [entry.partition("=") for entry in parameters]
    for name, _, value in pairs:
        if not value:
            raise InputError(N_("“{text}” is not name=value."), text=name)
        if name not in SimulatorConfig.model_fields:
            raise InputError(
                N_("There is no parameter “{name}”. Known: {known}."),
                name=name,
                known=", ".join(SimulatorConfig.model_fields),
            )
    return {name: value for name, _, value in pairs}


def _progress(done: int, total: int) -> None:
    note(f"{done:,} of {total:,} users")


def _file_lines(report: SimulationReport) -> list[str]:
    rows: list[tuple[str, object]] = [
        ("rows", f"{report.rows:,}"),
        ("files", len(report.files)),
        ("seconds", f"{report.seconds:.1f}"),
        ("rows a second", f"{report.rows_per_second:,.0f}"),
        ("folder", report.directory),
    ]
    return table_lines(("what", "value"), rows)


def _load_lines(report: LoadReport, truth: Path) -> list[str]:
    loaded = f"{report.rows_loaded:,} rows loaded, {report.rows_quarantined:,} quarantined"
    return [f"{report.source}: {loaded}; the truth is in {truth}."]
