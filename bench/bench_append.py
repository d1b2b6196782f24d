"""Appending 1% of a log against building everything anew, on The Complete Journey: equal bytes, then the ratio.

Both sides are measured from the call to the switch of versions, in the same run, on the same rows: the first 99%
by time are loaded; then the last 1% is appended (ours), or all rows are loaded into a new workspace (peer).
"""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path

import pyarrow.parquet as pq
from common import sample_workspace

from ulm_core.timeline.index import COLUMNS, TimelineIndex
from ulm_core.timeline.publish import import_file
from ulm_core.timeline.undo import undo_last_load
from ulm_core.warehouse.snapshot import Snapshot
from ulm_core.workspace import Workspace

SHARE, RUNS = 0.01, 5


def split(folder: Path) -> tuple[Path, Path, Path]:
    """Write all rows, the old ones and the last 1% as Parquet with the standard names."""
    events = Snapshot.open(sample_workspace()).query(
        "SELECT user_id AS user, time, event, item_id AS item, value, quantity, session_id AS session "
        "FROM events ORDER BY time"
    )
    cut = int(events.num_rows * (1 - SHARE))
    paths = folder / "all.parquet", folder / "old.parquet", folder / "new.parquet"
    for path, table in zip(paths, (events, events[:cut], events[cut:]), strict=True):
        pq.write_table(table, path)
    return paths


def seconds(workspace: Workspace, path: Path) -> tuple[float, float]:
    """Load a file; return (wall, CPU) seconds."""
    wall, cpu = time.perf_counter(), time.process_time()
    import_file(workspace, path)
    return time.perf_counter() - wall, time.process_time() - cpu


def main() -> None:
    """Measure both sides in turn, check that they agree, print medians."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        whole, old, new = split(folder)
        appended = Workspace(folder / "appended")
        import_file(appended, old)
        ours, peer = [], []
        for run in range(RUNS):
            ours.append(seconds(appended, new))
            built = Workspace(folder / f"whole{run}")
            peer.append(seconds(built, whole))
            a, b = (TimelineIndex(workspace.version_dir() / "timeline") for workspace in (appended, built))
            assert a.manifest.fingerprint == b.manifest.fingerprint
            assert all((getattr(a, column).tobytes() == getattr(b, column).tobytes()) for column in COLUMNS)
            undo_last_load(appended)
        (wall, cpu), (full, full_cpu) = (map(statistics.median, zip(*times, strict=True)) for times in (ours, peer))
    print(f"equal bytes; {a.manifest.n_events:,} events, of which {SHARE:.0%} appended; median of {RUNS}")
    print(f"append {wall:.2f} s wall, {cpu:.2f} s CPU; everything anew {full:.2f} s wall, {full_cpu:.2f} s CPU")
    print(f"  append / anew: {wall / full:.1%} wall, {cpu / full_cpu:.1%} CPU")


if __name__ == "__main__":
    main()
