"""Kills real loads. Run as a program of its own: it imports once, then forks one process per attempt.

``python -m tests.timeline.kill_harness BASE FILE MODE WHERE...`` prints one JSON line per attempt. BASE is a
workspace with data; each attempt works on a copy. WHERE is a number of seconds after which the loading process
gets SIGKILL from outside, ``NAME:before`` / ``NAME:after``: the process kills itself around a named step, or
``statement:SHARE``: it kills itself before the statement to DuckDB at that share (0 to 1) of all the work sends.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ulm_core.errors import UlmError
from ulm_core.timeline import publish as publishing
from ulm_core.timeline.index import TimelineIndex
from ulm_core.timeline.undo import undo_last_load
from ulm_core.warehouse.database import Database
from ulm_core.warehouse.snapshot import Snapshot
from ulm_core.workspace import Workspace

SENDING = ("execute", "query", "stream")
# Steps a process can die around: what they are called, and whose attribute they are.
STEPS: dict[str, tuple[Any, str]] = {
    "commit": (Database, "execute"),
    "snapshot": (publishing, "write_snapshot"),
    "index": (publishing, "append_index"),
    "seal": (publishing, "_seal"),
    "rename": (Path, "rename"),
    "replace": (Path, "replace"),
    "switch": (Workspace, "_point"),
}


def state(workspace: Workspace) -> str:
    """Return a digest of everything a reader sees: pointer, configuration, tables and index."""
    folder = workspace.version_dir()
    snapshot = Snapshot(folder)
    seen: list[object] = [workspace.config.model_dump_json()]
    seen += [snapshot.query(f"SELECT * FROM {name} ORDER BY ALL").to_pylist() for name in ("events", "items", "users")]
    seen.append(snapshot.query("SELECT source, rows_loaded, rows_quarantined FROM loads ORDER BY load_id").to_pylist())
    index = TimelineIndex(folder / "timeline")
    assert (
        len(index.time) == index.manifest.n_events == snapshot.query("SELECT count(*) AS n FROM events")["n"][0].as_py()
    )
    seen.append(index.manifest.fingerprint)
    return hashlib.sha256(repr(seen).encode()).hexdigest()[:16]


def _die(*_: object, **__: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _plant(where: str) -> None:
    """Make this process kill itself around a step."""
    name, moment = where.split(":")
    owner, attribute = STEPS[name]
    real = getattr(owner, attribute)

    def step(*arguments: Any, **named: Any) -> Any:
        if name == "commit" and arguments[1] != "COMMIT":
            return real(*arguments, **named)
        if moment == "before":
            _die()
        result = real(*arguments, **named)
        _die()
        return result

    setattr(owner, attribute, step)


def _plant_statement(number: int) -> None:
    """Make this process kill itself before its `number`-th statement to DuckDB."""
    left = iter(range(number))

    def watch(name: str) -> None:
        real = getattr(Database, name)

        def watched(*arguments: Any, **named: Any) -> Any:
            if next(left, None) is None:
                _die()
            return real(*arguments, **named)

        setattr(Database, name, watched)

    for name in SENDING:
        watch(name)


def _count_statements(base: Path, file: Path, mode: str) -> int:
    """Return how many statements the work sends when nobody kills it.

    It runs in this process: what it compiles and loads is there for all that are forked.
    """
    real, sent = {name: getattr(Database, name) for name in SENDING}, [0]

    def counting(name: str) -> Callable[..., Any]:
        def count(*arguments: Any, **named: Any) -> Any:
            sent[0] += 1
            return real[name](*arguments, **named)

        return count

    with tempfile.TemporaryDirectory() as name:
        root = Path(name) / "workspace"
        shutil.copytree(base, root)
        try:
            for attribute in SENDING:
                setattr(Database, attribute, counting(attribute))
            _work(Workspace(root), file, mode)()
        finally:
            for attribute in SENDING:
                setattr(Database, attribute, real[attribute])
    return sent[0]


def _fork(work: Callable[[], object], seconds: float | None = None) -> tuple[str, str]:
    """Run `work` in a child, killed after `seconds`; return (what it answered, how it ended)."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(read)
        try:
            os.write(write, str(work()).encode())
            os._exit(0)
        except BaseException as error:
            os.write(write, repr(error).encode())
            os._exit(1)
    os.close(write)
    if seconds is not None:
        time.sleep(seconds)
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    with os.fdopen(read) as answer:
        return answer.read(), "killed" if os.WIFSIGNALED(status) else str(os.waitstatus_to_exitcode(status))


def _work(workspace: Workspace, file: Path, mode: str) -> Callable[[], object]:
    if mode == "undo":
        return lambda: undo_last_load(workspace)
    return lambda: publishing.import_file(workspace, file, mode)  # type: ignore[arg-type]


def attempt(base: Path, file: Path, mode: str, where: str, statements: int) -> dict[str, str]:
    """Load, kill, look, load again, look."""
    with tempfile.TemporaryDirectory() as name:
        root = Path(name) / "workspace"
        shutil.copytree(base, root)
        workspace = Workspace(root)
        work = _work(workspace, file, mode)

        def planted() -> object:
            if where.startswith("statement:"):
                _plant_statement(int(float(where.split(":")[1]) * statements))
            else:
                _plant(where)
            return work()

        at = where.replace(".", "", 1).isdigit()
        _, ended = _fork(work, float(where)) if at else _fork(planted)
        seen, _ = _fork(lambda: state(workspace))

        def finish() -> str:
            publishing.repair(workspace)
            repaired = state(workspace)
            if mode != "undo" or repaired == seen:  # an undo that the repair finished is not asked for again
                with contextlib.suppress(UlmError):  # nor can one that was done before the kill
                    work()
            return json.dumps({"repaired": repaired, "final": state(workspace)})

        rest, _ = _fork(finish)
        left = [path.name for path in root.rglob(".*.part")]
        return {"where": where, "ended": ended, "seen": seen, "left": ",".join(left), **json.loads(rest)}


def main() -> None:
    base, file, mode, *places = sys.argv[1:]
    statements = _count_statements(Path(base), Path(file), mode)
    for where in places:
        print(json.dumps(attempt(Path(base), Path(file), mode, where, statements)), flush=True)


if __name__ == "__main__":
    main()
