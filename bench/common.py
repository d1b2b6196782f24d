"""What benchmarks share: the sample in a temporary or given workspace, and honest timing."""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from ulm_core.events.samples import get_sample  # noqa: E402
from ulm_core.timeline.publish import import_bundle  # noqa: E402
from ulm_core.workspace import Workspace  # noqa: E402


def sample_workspace(name: str = "complete-journey") -> Workspace:
    """Return a workspace with the sample loaded; kept below bench/results for the next run."""
    workspace = Workspace(ROOT / "bench" / "results" / f"workspace-{name}")
    if workspace.current_version() is None:
        import_bundle(workspace, get_sample(name).read())
    return workspace


def measure(work: Callable[[], object], runs: int = 7, warm_up: int = 1) -> tuple[float, float]:
    """Return (median wall seconds, median CPU seconds) of `work`."""
    wall, cpu = [], []
    for run in range(warm_up + runs):
        started, used = time.perf_counter(), time.process_time()
        work()
        if run >= warm_up:
            wall.append(time.perf_counter() - started)
            cpu.append(time.process_time() - used)
    return statistics.median(wall), statistics.median(cpu)


def compare(title: str, ours: Callable[[], object], peer: Callable[[], object], peer_name: str) -> None:
    """Measure both in turn and print the ratio of medians."""
    our_wall, our_cpu = measure(ours)
    peer_wall, peer_cpu = measure(peer)
    print(
        f"{title}: ours {our_wall * 1e3:.1f} ms wall, {our_cpu * 1e3:.1f} ms CPU; {peer_name} {peer_wall * 1e3:.1f} ms"
    )
    print(f"  {peer_name} / ours: {peer_wall / our_wall:.1f}x wall, {peer_cpu / max(our_cpu, 1e-4):.1f}x CPU")
