"""Loading, appending, opening: ratios to DuckDB's own `CREATE TABLE AS ... ORDER BY user, time` of the same file.

    python bench/bench_load.py [--millions 3] [--runs 3] [--formats csv parquet]

The log is the simulator's. Every load, and every run of the peer, is a process of its own, in turn, with the same
threads and the same `memory_limit`; a load is everything from the call to the switch of versions: reading, cleaning,
quarantine, warehouse, snapshot, index. `stages` are the stages of every user at the end of the log, computed on what
was loaded. The append is the log's last deliveries (about 1%) on top of the rest; opening is a new process from the
open call to the summary (events by kind, users, items, time span, quarantine), and one to everybody's stages.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import duckdb  # noqa: E402

from ulm_core.events.simulator import SimulatorConfig, simulate  # noqa: E402
from ulm_core.lifecycle.stages import stages_at  # noqa: E402
from ulm_core.settings import get_settings  # noqa: E402
from ulm_core.timeline.index import TimelineIndex  # noqa: E402
from ulm_core.timeline.publish import import_log  # noqa: E402
from ulm_core.warehouse.reports import dataset_summary  # noqa: E402
from ulm_core.workspace import Workspace  # noqa: E402

ROWS_PER_USER = 82  # of the default shop over a year
FOLDER = ROOT / "bench" / "results" / "load"


def make_log(millions: float) -> tuple[Path, Path]:
    """Return (all but the last 1% by arrival, the rest) as Parquet; made once for each size."""
    folder = FOLDER / f"{millions:g}M"
    if not (folder / "truth" / "truth.json").exists():
        shutil.rmtree(folder, ignore_errors=True)
        users = int(millions * 1e6 / ROWS_PER_USER)
        simulate(SimulatorConfig(users=users, days=365, delivery_days=361, part_rows=2_000_000_000), folder)
    first, rest = sorted((folder / "events").glob("*.parquet"))
    return first, rest


def as_csv(path: Path) -> Path:
    """Return the same rows as CSV."""
    target = path.with_suffix(".csv")
    if not target.exists():
        duckdb.sql(f"COPY (FROM '{path}') TO '{target}.part'")
        Path(f"{target}.part").rename(target)
    return target


def peer(path: str, folder: str) -> None:
    """Let DuckDB sort the file into a table, with its own reader."""
    settings, reader = get_settings(), "read_csv" if path.endswith(".csv") else "read_parquet"
    with duckdb.connect(f"{folder}/peer.duckdb") as connection:
        connection.execute(f"SET threads = {settings.threads}")
        connection.execute(f"SET memory_limit = '{settings.memory_limit_gb}GB'")
        connection.execute(f"""CREATE TABLE t AS SELECT * FROM {reader}('{path}') ORDER BY "user", time""")
        connection.execute("CHECKPOINT")


def load(path: str, folder: str) -> None:
    """Load the file into the workspace in `folder`."""
    import_log(Workspace(Path(folder)), path)


def stages(folder: str) -> None:
    """Compute the stage of every user at the end of the log."""
    workspace = Workspace(Path(folder))
    index = TimelineIndex.open(workspace)
    stages_at(index, workspace.config, index.manifest.last_us)


def first_number(folder: str) -> None:
    """Open a workspace as a page does, up to its summary: events by kind, users, items, time span, quarantine."""
    workspace = Workspace(Path(folder))
    assert dataset_summary(workspace).rows == TimelineIndex.open(workspace).manifest.n_events


WORK: dict[str, Callable[..., None]] = {
    "peer": peer, "load": load, "stages": stages, "first_number": first_number,
}  # fmt: skip


def measure(name: str, *arguments: object) -> dict[str, float]:
    """Run one piece of work in a process of its own; imports and compilation are not counted."""
    command = [sys.executable, __file__, "--work", name, *map(str, arguments)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def run_work(name: str, arguments: list[str]) -> None:
    """Be such a process."""
    wall, cpu = time.perf_counter(), time.process_time()
    WORK[name](*arguments)
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(json.dumps({"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu, "gb": used}))


def median(runs: list[dict[str, float]], what: str) -> float:
    """Return the median of one figure."""
    return statistics.median(run[what] for run in runs)


def compare(kind: str, path: Path, runs: int) -> dict[str, float]:
    """Measure peer and load in turn; return the load's medians."""
    workspace, ours, theirs, after = FOLDER / f"workspace-{kind}", [], [], []
    for _ in range(runs):
        (FOLDER / "peer.duckdb").unlink(missing_ok=True)
        theirs.append(measure("peer", path, FOLDER))
        shutil.rmtree(workspace, ignore_errors=True)
        ours.append(measure("load", path, workspace))
        after.append(measure("stages", workspace))
    whole = {what: median(ours, what) + median(after, what) for what in ("wall", "cpu")}
    print(f"{kind}: peer {median(theirs, 'wall'):.1f} s wall, {median(theirs, 'cpu'):.1f} s CPU; load", end=" ")
    print(
        f"{median(ours, 'wall'):.1f} s, {median(ours, 'cpu'):.1f} s; stages {median(after, 'cpu'):.1f} s CPU;", end=" "
    )
    print(f"peak {median(ours, 'gb'):.2f} GB (peer {median(theirs, 'gb'):.2f})")
    print(f"  (load + stages) / peer: {whole['wall'] / median(theirs, 'wall'):.2f}x wall,", end=" ")
    print(f"{whole['cpu'] / median(theirs, 'cpu'):.2f}x CPU", flush=True)
    return {what: median(ours, what) for what in ("wall", "cpu")}


def append_and_open(kind: str, rest: Path, full: dict[str, float]) -> None:
    """Append the last deliveries once, then open the workspace in new processes."""
    workspace = FOLDER / f"workspace-{kind}"
    before = TimelineIndex(Workspace(workspace).version_dir() / "timeline").manifest.n_events
    added = measure("load", rest, workspace)
    after = TimelineIndex(Workspace(workspace).version_dir() / "timeline").manifest.n_events
    print(
        f"append {after - before:,} events to {before:,}: {added['wall']:.1f} s wall, {added['cpu']:.1f} s CPU:",
        end=" ",
    )
    print(
        f"{added['wall'] / full['wall']:.1%} of the full load's wall, {added['cpu'] / full['cpu']:.1%} of its CPU",
        end="",
    )
    print(f"; peak {added['gb']:.2f} GB")
    for name, title in (("first_number", "open to the first number"), ("stages", "open to the stages of all users")):
        opened = [measure(name, workspace) for _ in range(3)]
        print(f"{title}: {median(opened, 'wall'):.2f} s wall, {median(opened, 'cpu'):.2f} s CPU")


def main() -> None:
    """Measure all sides in turn."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--millions", type=float, default=3)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--formats", nargs="+", default=["csv", "parquet"], choices=["csv", "parquet"])
    parser.add_argument("--work", nargs="+", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.work:
        run_work(options.work[0], options.work[1:])
        return
    first, rest = make_log(options.millions)
    print(f"{options.millions:g} M rows, {get_settings().threads} threads, load average {os.getloadavg()[0]:.1f}")
    for kind in options.formats:
        full = compare(kind, as_csv(first) if kind == "csv" else first, options.runs)
    append_and_open(options.formats[-1], rest, full)


if __name__ == "__main__":
    main()
