"""The command that asks the published tables in SQL, read-only."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import pyarrow.csv as pc
import typer

from ulm_core.cli.common import JsonOption, WorkspaceOption, emit, open_workspace, table_lines
from ulm_core.warehouse.adhoc import Analyst
from ulm_core.warehouse.adhoc_process import ask_apart
from ulm_core.warehouse.snapshot import Snapshot


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command()(sql)


def sql(
    query: Annotated[
        str, typer.Argument(help="One SELECT; - reads it from stdin; empty lists tables and columns.")
    ] = "",
    rows: Annotated[int | None, typer.Option("--rows", min=1, help="Most rows.", show_default="the setting")] = None,
    seconds: Annotated[
        float | None, typer.Option("--seconds", min=0.1, help="Longest it may take.", show_default="the setting")
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Write the rows to this CSV instead.")] = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Ask the published tables in SQL, on a connection that can read them and do nothing else (docs/sql.md)."""
    opened = open_workspace(workspace)
    if not query:
        with Analyst(Snapshot.open(opened)) as analyst:
            schema = analyst.schema()
        lines = [f"{table}({', '.join(name for name, _ in columns)})" for table, columns in schema.items()]
        emit({"tables": {table: dict(columns) for table, columns in schema.items()}}, as_json, lines)
        return
    answer = ask_apart(opened, sys.stdin.read() if query == "-" else query, rows, seconds)
    table = answer.table
    said = {"rows": table.num_rows, "cut": answer.is_cut, "elapsed_seconds": round(answer.elapsed_seconds, 6)}
    if out is not None:
        pc.write_csv(table, out)
        emit({**said, "path": str(out)}, as_json, [f"{table.num_rows:,} rows written to {out}."])
        return
    records = table.to_pylist()
    lines = table_lines(table.column_names, [list(record.values()) for record in records])
    more = ["… and more rows"] if answer.is_cut else []
    emit({"columns": table.column_names, "data": records, **said}, as_json, [*lines, *more])
