"""Commands about alerts: list, create, check, history, delete."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from ulm_core.alerts.check import Alerts, Check, check_alerts, series
from ulm_core.alerts.model import read_alert
from ulm_core.alerts.numbers import Ground
from ulm_core.alerts.sentences import describe_when
from ulm_core.alerts.webhook import masked
from ulm_core.cli.common import JsonOption, WorkspaceOption, emit, open_workspace, table_lines

NameArgument = Annotated[str, typer.Argument(help="Name of the alert.")]


def register(app: typer.Typer) -> None:
    """Add the group of commands to `app`."""
    group = typer.Typer(help="Alerts: numbers that are looked at after every load.", no_args_is_help=True)
    group.command("list")(list_alerts)
    for command in (create, check, history, delete):
        group.command()(command)
    app.add_typer(group, name="alert")


def list_alerts(workspace: WorkspaceOption = None, as_json: JsonOption = False) -> None:
    """List the alerts with what their last check found."""
    alerts = Alerts(open_workspace(workspace))
    latest = alerts.latest()
    entries: list[dict[str, Any]] = []
    for name, saved in alerts.all().items():
        seen = latest.get(name)
        entries.append(
            {
                "name": name,
                "description": str(describe_when(saved.body)),
                "webhook": masked(saved.body.webhook),
                "owner": saved.owner,
                "status": seen.status if seen else "unchecked",
                "value": seen.value if seen else None,
            }
        )
    rows = [(entry["name"], entry["status"], entry["description"]) for entry in entries]
    emit({"alerts": entries}, as_json, table_lines(("alert", "status", "speaks when"), rows))


def create(
    name: NameArgument,
    alert: Annotated[
        str, typer.Option("--alert", metavar="JSON", help="Number and condition (docs/alerts.md); @FILE.")
    ],
    owner: Annotated[str, typer.Option("--owner", help="Whose it is.")] = "",
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Save an alert; an existing one gets a new version."""
    studio = open_workspace(workspace)
    read = read_alert(Path(alert[1:]).read_text(encoding="utf-8") if alert.startswith("@") else alert)
    if studio.current_version() is not None:
        series(Ground.open(studio), read)  # an unknown cohort, stage or event is refused here
    saved = Alerts(studio).save(name, read, owner)
    sentence = str(describe_when(read))
    emit({"name": name, "version": saved.version, "description": sentence}, as_json, [f"{name}: {sentence}."])


def _entry(found: Check) -> dict[str, Any]:
    return found.model_dump(mode="json")


def _lines(checks: list[Check]) -> list[str]:
    rows = [
        (found.alert, found.status, found.period, "-" if found.value is None else f"{found.value:,.4g}", found.reason)
        for found in checks
    ]
    return table_lines(("alert", "status", "period", "value", "reason"), rows)


def check(
    again: Annotated[bool, typer.Option("--again", help="Also those checked against this data already.")] = False,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Check the alerts against the published data, as every load does by itself."""
    found = check_alerts(open_workspace(workspace), again=again)
    emit({"checks": [_entry(entry) for entry in found]}, as_json, _lines(found))


def history(workspace: WorkspaceOption = None, as_json: JsonOption = False) -> None:
    """Show what every check found, the latest first."""
    found = Alerts(open_workspace(workspace)).history()
    emit({"checks": [_entry(entry) for entry in found]}, as_json, _lines(found))


def delete(name: NameArgument, workspace: WorkspaceOption = None, as_json: JsonOption = False) -> None:
    """Delete an alert; the history of its checks stays."""
    Alerts(open_workspace(workspace)).delete(name)
    emit({"deleted": name}, as_json, [f"Deleted: {name}."])
