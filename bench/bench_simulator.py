"""Speed and memory of the simulator: rows a second, CPU seconds and peak memory at growing sizes.

Every size runs in a process of its own, after the kernels are compiled; what must not grow is the peak memory.
The floor for comparison: the same number of rows of one repeated ready-made chunk, written by the same Parquet
writer, nothing simulated.

    python bench/bench_simulator.py [rows in millions ...]      default: 5 20
"""

from __future__ import annotations

import json
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from ulm_core.events.simulator import SimulatorConfig, simulate  # noqa: E402
from ulm_core.events.simulator.chunks import chunks, event_table  # noqa: E402
from ulm_core.events.simulator.output import EventFiles  # noqa: E402
from ulm_core.events.simulator.shop import build_shop  # noqa: E402

ROWS_PER_USER = 82  # of the default shop over a year


def config_for(millions: float) -> SimulatorConfig:
    return SimulatorConfig(users=int(millions * 1e6 / ROWS_PER_USER), days=365)


def measure(kind: str, millions: float) -> dict[str, float]:
    """Run one size in this process."""
    config, directory = config_for(millions), Path(tempfile.mkdtemp(dir=ROOT / "bench" / "results"))
    wall, cpu = time.perf_counter(), time.process_time()
    rows = simulate(config, directory).rows if kind == "simulate" else write_only(config, directory)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    size = sum(path.stat().st_size for path in (directory / "events").iterdir()) / 1e6
    shutil.rmtree(directory)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"rows": rows, "wall_s": wall, "cpu_s": cpu, "peak_mb": peak, "events_mb": size}


def write_only(config: SimulatorConfig, directory: Path) -> int:
    """Write one chunk over and over: what Parquet and zstd alone cost."""
    shop = build_shop(config)
    chunk = next(iter(chunks(config.model_copy(update={"users": 6_000}), shop)))
    table, rows, wanted = event_table(config, shop, chunk), 0, config.users * ROWS_PER_USER
    with EventFiles(config, directory) as files:
        while rows < wanted:
            files.write(chunk, table)
            rows += table.num_rows
    return rows


def main() -> None:
    """Measure every size in a process of its own and print one line each."""
    (ROOT / "bench" / "results").mkdir(exist_ok=True)
    if sys.argv[1:2] == ["--one"]:
        print(json.dumps(measure(sys.argv[2], float(sys.argv[3]))))
        return
    sizes = [float(size) for size in sys.argv[1:]] or [5.0, 20.0]
    for kind, millions in [("simulate", 0.1), *[("simulate", size) for size in sizes], ("write only", sizes[0])]:
        command = [sys.executable, __file__, "--one", kind, str(millions)]
        found = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
        print(
            f"{kind:>10}: {found['rows']:>11,.0f} rows, {found['wall_s']:6.1f} s wall, {found['cpu_s']:6.1f} s CPU, "
            f"{found['rows'] / found['wall_s']:>9,.0f} rows/s, peak {found['peak_mb']:,.0f} MB, "
            f"files {found['events_mb']:,.0f} MB"
        )


if __name__ == "__main__":
    main()
