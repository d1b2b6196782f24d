"""What commands share: the common options, and one way to answer."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from ulm_core.messages import Message
from ulm_core.settings import get_settings
from ulm_core.workspace import Workspace

WorkspaceOption = Annotated[
    Path | None, typer.Option("--workspace", "-w", help="Folder of the workspace.", show_default="data/workspace")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Answer with one JSON object on stdout.")]


def open_workspace(path: Path | None) -> Workspace:
    """Return the workspace at `path`, by default the one of the settings."""
    return Workspace(path or get_settings().workspace)


def _plain(value: object) -> object:
    """Turn values into what JSON knows; nan becomes null, which JSON does have."""
    if isinstance(value, np.generic | np.ndarray):
        value = value.tolist()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): _plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple | set):
        return [_plain(entry) for entry in value]
    if isinstance(value, datetime | date):
        return value.isoformat()
    return str(value) if isinstance(value, Message | Path) else value


def emit(answer: Mapping[str, Any], as_json: bool, lines: Iterable[str]) -> None:
    """Print `answer` as JSON, or `lines` for people."""
    if as_json:
        print(json.dumps(_plain(answer), ensure_ascii=False, allow_nan=False))
        return
    for line in lines:
        print(line)


def note(text: object) -> None:
    """Tell people how far a command is; stderr, so that stdout stays the answer."""
    print(text, file=sys.stderr, flush=True)


def table_lines(header: Sequence[str], rows: Iterable[Sequence[object]]) -> list[str]:
    """Return rows as aligned text, numbers to the right."""
    cells = [[str(cell) for cell in row] for row in rows]
    widths = [max(len(line[column]) for line in [list(header), *cells]) for column in range(len(header))]

    def line(row: Sequence[str]) -> str:
        parts = [
            cell.rjust(width) if cell.replace(",", "").replace(".", "").replace("%", "").lstrip("-").isdigit()
            else cell.ljust(width)
            for cell, width in zip(row, widths, strict=True)
        ]  # fmt: skip
        return "  ".join(parts).rstrip()

    return [line(list(header)), "  ".join("-" * width for width in widths), *(line(row) for row in cells)]
