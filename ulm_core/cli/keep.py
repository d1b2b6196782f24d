"""Commands that keep a workspace in order: init, undo, repair, erase."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ulm_core.cli.common import JsonOption, WorkspaceOption, emit, note, open_workspace
from ulm_core.settings import get_settings
from ulm_core.timeline.erase import Erasure, erase_user
from ulm_core.timeline.publish import repair as repair_workspace
from ulm_core.timeline.undo import undo_last_load
from ulm_core.warehouse.create import create_workspace


def register(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    app.command()(init)
    app.command()(undo)
    app.command()(repair)
    app.command()(erase)


def init(
    pseudonymise: Annotated[bool, typer.Option("--pseudonymise", help="Keep pseudonyms instead of user ids.")] = False,
    encrypt: Annotated[bool, typer.Option("--encrypt", help="Encrypt the database and every Parquet file.")] = False,
    key_file: Annotated[
        Path | None, typer.Option(help="File of the key, outside the workspace; created when missing.")
    ] = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Create a workspace, with pseudonyms and encryption where asked; this cannot be changed later."""
    root = workspace or get_settings().workspace
    created = create_workspace(root, pseudonymised=pseudonymise, encrypted=encrypt, key_file=key_file)
    answer = {"workspace": created.root, **created.protection.model_dump(exclude={"key_check"})}
    lines = [f"Created {created.root}."]
    if pseudonymise or encrypt:
        lines.append("Set ULM_KEY_FILE to the key file; without it the workspace stays closed. Keep a copy of it.")
    emit(answer, as_json, lines)


def undo(workspace: WorkspaceOption = None, as_json: JsonOption = False) -> None:
    """Take back the last load; one load can be undone, once."""
    gone = undo_last_load(open_workspace(workspace), note)
    emit({"undone": list(gone)}, as_json, [f"Load {', '.join(map(str, gone))} is undone."])


def repair(workspace: WorkspaceOption = None, as_json: JsonOption = False) -> None:
    """Finish what a killed load left; the next load does the same by itself."""
    published = repair_workspace(open_workspace(workspace), note)
    emit({"published": published}, as_json, ["Finished a load that was cut off." if published else "All is in order."])


def erase(
    user: Annotated[str, typer.Option("--user", help="Id of the user, as the log has it.")],
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Erase a user from everything the workspace holds; cannot be undone."""
    done = erase_user(open_workspace(workspace), user, note)
    emit(done.to_json(), as_json, _erase_lines(done))


def _erase_lines(done: Erasure) -> list[str]:
    lines = [
        f"Erased: {done.events:,} events; derived files: {done.files_changed} cleaned, {done.files_removed} removed.",
        f"Models marked as stale: {', '.join(done.runs_stale) or 'none'}.",
    ]
    return lines + [f"Still holds the id, remove it by hand: {path}" for path in done.files_left]
