"""Analyses against ClickHouse in this process (package chdb): equal answers first, then CPU seconds of both.

``python bench/bench_analytics.py [EVENTS]``, 10 million events by default, 27 a user, 40 kinds of events. ClickHouse
reads a MergeTree table ordered by user and time (as unsigned microseconds, what `windowFunnel` takes without a
conversion), warm, with as many threads as we use.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator

import chdb.session
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from analytics_engagement import bench_engagement
from common import ROOT, measure

from ulm_core.lifecycle.filters import UserLabels
from ulm_core.lifecycle.funnel import Funnel, FunnelSpec, compute_funnel
from ulm_core.settings import get_settings
from ulm_core.timeline.build import write_columns
from ulm_core.timeline.index import TimelineIndex
from ulm_core.workspace import WorkspaceConfig

N_KINDS, DAYS, PER_USER, CHUNK = 40, 90, 27, 200_000
WINDOW_SECONDS = 7 * 86_400
NAMES = tuple(f"e{kind:02d}" for kind in range(N_KINDS))
SHARES = np.array([30.0, 12, 6, 3] + [1.5] * (N_KINDS - 4))
CONFIG = WorkspaceConfig()


def batches(n_users: int) -> Iterator[dict[str, np.ndarray]]:
    """Yield random timelines, sorted by user and time; no two events of a user at one instant."""
    rng = np.random.default_rng(1)
    for first in range(0, n_users, CHUNK):
        counts = rng.geometric(1 / PER_USER, min(CHUNK, n_users - first))
        user = np.repeat(np.arange(first, first + len(counts)), counts)
        # Whole seconds and the place in the chunk as microseconds: ties would mean other things to both engines.
        times = rng.integers(0, DAYS * 86_400, len(user)) * 1_000_000
        times = times[np.lexsort((times, user))] + np.arange(len(user)) % 1_000_000
        keep = np.append(True, (np.diff(times) > 0) | (np.diff(user) > 0))
        event = rng.choice(N_KINDS, len(user), p=SHARES / SHARES.sum())
        blank = np.full(keep.sum(), np.nan)
        columns = {"user": user[keep].astype(np.int32), "time": times[keep], "event": event[keep].astype(np.int16)}
        none = np.full(keep.sum(), -1, np.int32)
        yield {**columns, "item": none, "value": blank, "quantity": blank, "session": none}


def build(n_events: int) -> TimelineIndex:
    """Return an index over synthetic events, kept below bench/results for the next run."""
    directory = ROOT / "bench" / "results" / f"index-{n_events}"
    if not (directory / "manifest.json").exists():
        directory.mkdir(parents=True, exist_ok=True)
        n_users = n_events // PER_USER
        for name, count in (("users", n_users), ("items", 1)):
            pq.write_table(
                pa.table({"id": pa.array([f"{k:09d}" for k in range(count)])}), directory / f"{name}.parquet"
            )
        write_columns(
            batches(n_users),
            directory,
            version="bench",
            sizes=(n_users, 1),
            event_names=NAMES,
            partition_events=2_000_000,
        )
    return TimelineIndex(directory)


def load(index: TimelineIndex) -> chdb.session.Session:
    """Return a session with the same events in a MergeTree table, kept for the next run."""
    folder = index.directory / "clickhouse"
    session = chdb.session.Session(str(folder))
    session.query("CREATE DATABASE IF NOT EXISTS bench")
    if session.query("EXISTS TABLE bench.log").bytes().strip() != b"1":
        session.query(
            "CREATE TABLE bench.log (user UInt32, time UInt64, event UInt16) ENGINE MergeTree ORDER BY (user, time)"
        )
        for part in index.partitions():
            users = np.repeat(np.arange(part.first_user, part.first_user + part.n_users), np.diff(part.offsets))
            path = index.directory / "part.parquet"
            table = {
                "user": users.astype(np.uint32),
                "time": part.time.astype(np.uint64),
                "event": part.event,
            }
            pq.write_table(pa.table(table), path)
            session.query(f"INSERT INTO bench.log SELECT user, time, event FROM file('{path}', Parquet)")
            path.unlink()
        session.query("OPTIMIZE TABLE bench.log FINAL")
    return session


def window_funnel(session: chdb.session.Session, n_steps: int, by: str = "0") -> list[list[int]]:
    """Return users per step (and group) from ClickHouse.

    Plain `windowFunnel` lets one event fill two equal steps; `strict_increase` on distinct times does not.
    """
    conditions = ", ".join(f"event = {k}" for k in range(n_steps))
    rows = session.query(
        f"""SELECT {by} AS g, level, count() FROM (
            SELECT user, windowFunnel({WINDOW_SECONDS * 1_000_000}, 'strict_increase')(time, {conditions}) AS level
            FROM bench.log GROUP BY user
        ) GROUP BY g, level SETTINGS max_threads = {get_settings().threads}""",
        "TabSeparated",
    ).bytes()
    counts: dict[int, np.ndarray] = {}
    for line in rows.decode().split("\n")[:-1]:
        g, level, n = map(int, line.split("\t"))
        counts.setdefault(g, np.zeros(n_steps + 1, np.int64))[level] = n
    return [np.cumsum(counts[g][::-1])[::-1][1:].tolist() for g in sorted(counts)]


def ours(index: TimelineIndex, n_steps: int, labels: UserLabels | None = None) -> Funnel:
    """Return our funnel over the first `n_steps` kinds of events."""
    return compute_funnel(
        index, CONFIG, FunnelSpec(steps=NAMES[:n_steps], window_seconds=WINDOW_SECONDS, labels=labels)
    )


def cpu(title: str, work: Callable[[], object], runs: int = 5) -> float:
    """Measure and print; return median CPU seconds."""
    wall, used = measure(work, runs)
    print(f"  {title}: {used:.3f} CPU s, {wall:.3f} s")
    return used


def bench_funnel(index: TimelineIndex, session: chdb.session.Session) -> None:
    """Compare funnels of 4, 5 and 30 steps, with and without a breakdown."""
    for n_steps in (4, 5):
        assert ours(index, n_steps).counts.tolist() == window_funnel(session, n_steps)[0]
    labels = UserLabels("eighth", tuple("abcdefgh"), (np.arange(index.n_users) % 8).astype(np.int32))
    assert ours(index, 4, labels).group_counts.tolist() == window_funnel(session, 4, "user % 8")
    print(f"funnel, {index.manifest.n_events:,} events, equal answers {ours(index, 4).counts.tolist()}")
    four = cpu("4 steps, ours", lambda: ours(index, 4).counts)
    peer = cpu("4 steps, windowFunnel", lambda: window_funnel(session, 4))
    five = cpu("5 steps, ours", lambda: ours(index, 5).counts)
    thirty = cpu("30 steps, ours", lambda: ours(index, 30).counts)
    eight = cpu("4 steps by 8 groups, ours", lambda: ours(index, 4, labels).group_counts)
    full = cpu("4 steps with mean and median times, ours", lambda: ours(index, 4).to_json())
    print(
        f"  windowFunnel / ours {peer / four:.1f}x (with times {peer / full:.1f}x), 30 / 5 steps {thirty / five:.2f}x, "
        f"8 groups / none {eight / four:.2f}x"
    )


def main() -> None:
    """Build or open the events, then compare."""
    n_events = int(float(sys.argv[1])) if len(sys.argv) > 1 else 10_000_000
    started = time.perf_counter()
    index = build(n_events)
    session = load(index)
    print(
        f"{index.manifest.n_events:,} events of {index.n_users:,} users ready "
        f"after {time.perf_counter() - started:.0f} s"
    )
    bench_funnel(index, session)
    bench_engagement(index, session)


if __name__ == "__main__":
    main()
