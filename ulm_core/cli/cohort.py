"""Commands about cohorts: list, create, show, export, delete."""

from __future__ import annotations

import csv
import sys
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from ulm_core.cli.common import JsonOption, WorkspaceOption, emit, table_lines
from ulm_core.cli.log import Log, TimezoneOption, open_log
from ulm_core.documents import Saved
from ulm_core.errors import InputError
from ulm_core.lifecycle.cohorts.evaluate import Mask, cohort_mask
from ulm_core.lifecycle.cohorts.model import Cohort, read_rule
from ulm_core.lifecycle.cohorts.sentences import describe
from ulm_core.lifecycle.cohorts.store import Cohorts, read_ids
from ulm_core.lifecycle.parsing import parse_time
from ulm_core.lifecycle.periods import to_datetime
from ulm_core.messages import N_
from ulm_core.warehouse.snapshot import Snapshot

NameArgument = Annotated[str, typer.Argument(help="Name of the cohort.")]
AtOption = Annotated[
    str | None, typer.Option("--at", metavar="T", help="When it is looked at.", show_default="after the last event")
]


def register(app: typer.Typer) -> None:
    """Add the group of commands to `app`."""
    group = typer.Typer(help="Cohorts: named groups of users, live or fixed.", no_args_is_help=True)
    group.command("list")(list_cohorts)
    for command in (create, show, export, delete):
        group.command()(command)
    app.add_typer(group, name="cohort")


class _Opened:
    """The log, its saved cohorts and the time they are looked at."""

    def __init__(self, workspace: Path | None, timezone: str | None = None, at: str | None = None) -> None:
        self.log: Log = open_log(workspace, timezone)
        self.saved = Cohorts(self.log.workspace)
        self.at_us = self.log.index.manifest.last_us + 1 if at is None else parse_time(at, self.log.zone)
        self.ground = self.saved.log(self.log.index, self.log.config, Snapshot.open(self.log.workspace))

    def mask(self, rule: Any) -> Mask:
        return cohort_mask(self.ground, rule, self.at_us)

    def entry(self, name: str, saved: Saved[Cohort]) -> dict[str, Any]:
        return {
            "name": name,
            "kind": saved.body.rule.kind,
            "live": saved.body.is_live,
            "users": int(self.mask(saved.body.rule).sum()),
            "description": str(describe(saved.body.rule)),
            "note": saved.body.note,
            "owner": saved.owner,
            "version": saved.version,
            "saved_at": saved.saved_at.isoformat(),
        }

    def stamp(self) -> dict[str, Any]:
        return {"at": to_datetime(self.at_us).isoformat()}


def list_cohorts(workspace: WorkspaceOption = None, as_json: JsonOption = False) -> None:
    """List the saved cohorts with their sizes."""
    opened = _Opened(workspace)
    entries = [opened.entry(name, saved) for name, saved in opened.saved.all().items()]
    rows = [(entry["name"], f"{entry['users']:,}", entry["description"]) for entry in entries]
    emit({"cohorts": entries, **opened.stamp()}, as_json, table_lines(("cohort", "users", "description"), rows))


def create(
    name: NameArgument,
    rule: Annotated[str | None, typer.Option("--rule", metavar="JSON", help="The rule; @FILE reads it.")] = None,
    ids: Annotated[Path | None, typer.Option("--ids", help="Instead: a CSV of user ids.")] = None,
    static: Annotated[bool, typer.Option("--static", help="Fix the users as they are at --at.")] = False,
    at: AtOption = None,
    note: Annotated[str, typer.Option("--note", help="A note for readers.")] = "",
    owner: Annotated[str, typer.Option("--owner", help="Whose it is.")] = "",
    timezone: TimezoneOption = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Save a cohort by a rule (docs/cohorts.md) or from a list of ids; an existing one gets a new version."""
    opened = _Opened(workspace, timezone, at)
    unmatched: tuple[str, ...] = ()
    if (rule is None) == (ids is None):
        raise InputError(N_("Give either --rule or --ids."))
    if ids is not None:
        uploaded = opened.saved.upload(opened.log.index, read_ids(_text(ids)))
        body, unmatched = Cohort(rule=uploaded.rule, note=note), uploaded.unmatched
    else:
        read = read_rule(_text(Path(rule[1:])) if rule and rule.startswith("@") else rule)
        opened.mask(read)  # an unknown event or stage is refused here, not at the first look
        body = Cohort(rule=opened.saved.freeze(opened.ground, read, opened.at_us) if static else read, note=note)
    entry = opened.entry(name, opened.saved.save(name, body, owner))
    answer = {**entry, "unmatched": list(unmatched), **opened.stamp()}
    lines = [f"{name}: {entry['users']:,} users. {entry['description']}."]
    emit(answer, as_json, lines + ([f"Without an event: {len(unmatched)} ids."] if unmatched else []))


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(N_("{path} cannot be read: {reason}."), path=path, reason=error) from error


def show(
    name: NameArgument,
    at: AtOption = None,
    timezone: TimezoneOption = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show a cohort: its rule, its description and its size."""
    opened = _Opened(workspace, timezone, at)
    saved = opened.saved.get(name)
    entry = opened.entry(name, saved)
    answer = {**entry, "rule": saved.body.rule.model_dump(mode="json"), **opened.stamp()}
    emit(answer, as_json, [f"{entry['description']}: {entry['users']:,} users."])


def export(
    name: NameArgument,
    out: Annotated[Path | None, typer.Option("--out", help="CSV to write.", show_default="stdout")] = None,
    at: AtOption = None,
    timezone: TimezoneOption = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write the ids of a cohort's users as CSV."""
    opened = _Opened(workspace, timezone, at)
    codes = np.flatnonzero(opened.mask(opened.saved.rule(name)))
    ids = opened.log.index.user_ids[codes].astype(str).tolist()
    if out is not None:
        with out.open("w", encoding="utf-8", newline="") as file:
            _write(file, ids)
    elif not as_json:
        _write(sys.stdout, ids)
    answer = {"name": name, "users": len(ids), **opened.stamp()}
    if out is None:
        emit({**answer, "ids": ids}, as_json, [])
    else:
        emit({**answer, "path": str(out)}, as_json, [f"{len(ids):,} ids written to {out}."])


def _write(file: Any, ids: list[str]) -> None:
    csv.writer(file, lineterminator="\n").writerows([["user_id"], *([name] for name in ids)])


def delete(name: NameArgument, workspace: WorkspaceOption = None, as_json: JsonOption = False) -> None:
    """Delete a cohort with its history."""
    log = open_log(workspace)
    Cohorts(log.workspace).delete(name)
    emit({"deleted": name}, as_json, [f"Deleted: {name}."])
