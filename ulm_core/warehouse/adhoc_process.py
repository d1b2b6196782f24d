"""Queries of analysts in a process of their own, which can be killed.

DuckDB looks whether it is to stop between batches of rows only: one call of ``repeat('x', 1000000000)`` may run, and
allocate, for minutes. So the query runs apart, with a limit on its address space, and is killed when it overstays.
The process reads a request as one JSON line and writes a JSON line and, after it, the rows as an Arrow stream.
"""

from __future__ import annotations

import contextlib
import json
import resource
import subprocess
import sys
from typing import Any

import pyarrow as pa

from ulm_core.errors import InputError, UlmError
from ulm_core.messages import N_
from ulm_core.settings import get_settings
from ulm_core.warehouse.adhoc import Analyst, Answer, slow_error
from ulm_core.warehouse.snapshot import Snapshot
from ulm_core.workspace import Workspace

GRACE_SECONDS = 3.0
"""Beyond the time limit, for starting and for a query that lets itself be stopped."""
OTHER_MEMORY_GB = 3.0
"""Address space of the program itself, beside what the query may use."""


def ask_apart(workspace: Workspace, sql: str, rows: int | None = None, seconds: float | None = None) -> Answer:
    """Return the rows of one SELECT, asked in a process of its own; arguments and errors as `Analyst.ask`."""
    limit = seconds or get_settings().sql_timeout_seconds
    request = {"workspace": str(workspace.root), "sql": sql, "rows": rows, "seconds": limit}
    command = [sys.executable, "-m", "ulm_core.warehouse.adhoc_process"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        try:
            written, _ = process.communicate(json.dumps(request).encode(), timeout=limit + GRACE_SECONDS)
        except subprocess.TimeoutExpired as error:
            process.kill()
            raise slow_error(limit) from error
    return _read(written)


def _read(written: bytes) -> Answer:
    head, _, body = written.partition(b"\n")
    answer: dict[str, Any] = json.loads(head) if head else {}
    if "error" in answer:
        raise InputError(str(answer["error"]), code=str(answer["code"]), **answer["fields"])
    if not answer:  # it died: no other limit is so hard
        raise InputError(N_("The query needed too much memory and was stopped."), code="large_sql")
    table = pa.ipc.open_stream(body).read_all()
    return Answer(table, bool(answer["is_cut"]), float(answer["elapsed_seconds"]))


def _limit_memory() -> None:
    gigabytes = get_settings().sql_memory_gb + OTHER_MEMORY_GB
    with contextlib.suppress(ValueError, OSError):  # a lower limit of the system stands
        resource.setrlimit(resource.RLIMIT_AS, (int(gigabytes * 2**30), resource.RLIM_INFINITY))


def _answer(request: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
    try:
        with Analyst(Snapshot.open(Workspace(request["workspace"]))) as analyst:
            answer = analyst.ask(str(request["sql"]), request["rows"], request["seconds"])
    except UlmError as error:
        fields = {name: str(value) if not isinstance(value, int | float) else value for name, value in
                  error.message.fields.items()}  # fmt: skip
        return {"error": error.message.template, "code": error.code, "fields": fields}, b""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, answer.table.schema) as writer:
        writer.write_table(answer.table)
    return {"is_cut": answer.is_cut, "elapsed_seconds": answer.elapsed_seconds}, sink.getvalue().to_pybytes()


def main() -> None:
    """Answer the one request on stdin."""
    _limit_memory()
    head, body = _answer(json.loads(sys.stdin.buffer.readline() or b"{}"))
    sys.stdout.buffer.write(json.dumps(head).encode() + b"\n" + body)


if __name__ == "__main__":
    main()
