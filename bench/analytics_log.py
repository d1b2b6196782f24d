"""A synthetic log, twice: as a timeline index and as a ClickHouse table ordered by user and time.

Users arrive over a year, stay for a while and act in bursts; one column less is read by nobody here. The peer
runs in this process (package chdb), so that CPU seconds are counted the same way for both.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from common import ROOT

from ulm_core.timeline.build import write_columns
from ulm_core.timeline.ids import write_ids
from ulm_core.timeline.index import TimelineIndex
from ulm_core.workspace import WorkspaceConfig

NAMES = ("add", "buy", "click", "open", "rate", "search", "share", "view")
SHARES = (0.08, 0.05, 0.2, 0.17, 0.02, 0.1, 0.03, 0.35)
START_US = 1_704_067_200_000_000  # 2024-01-01, a Monday, UTC
DAY_US = 86_400_000_000
DAYS = 365
EVENTS_PER_USER = 27
CHUNK_USERS = 50_000
THREADS = 2
CONFIG = WorkspaceConfig(timezone="UTC", conversion_events=("buy",))


@dataclass(frozen=True)
class Log:
    """Both forms of one log."""

    index: TimelineIndex
    peer: Any

    def ask(self, sql: str) -> list[dict[str, Any]]:
        """Return the rows of a ClickHouse query on ``log(user, time, event)``."""
        settings = f" SETTINGS max_threads = {THREADS}, optimize_aggregation_in_order = 1"
        answer = self.peer.query(sql + settings, "JSONCompact")
        parsed = json.loads(answer.bytes())
        names = [column["name"] for column in parsed["meta"]]
        return [dict(zip(names, map(int, row), strict=True)) for row in parsed["data"]]


def synthetic(n_events: int) -> Log:
    """Return a log of about `n_events`, kept below bench/results for the next run."""
    directory = ROOT / "bench" / "results" / f"synthetic-{n_events}"
    parts = directory / "parts"
    if not (directory / "index" / "manifest.json").exists():
        parts.mkdir(parents=True, exist_ok=True)
        (directory / "index").mkdir(exist_ok=True)
        _write_index(n_events, directory / "index", parts)
    return Log(TimelineIndex(directory / "index"), _peer(directory, parts))


def _write_index(n_events: int, target: Path, parts: Path) -> None:
    n_users = n_events // EVENTS_PER_USER
    ids = pa.array([f"{user:08d}" for user in range(n_users)], pa.large_string())
    write_ids(target / "users.parquet", ids, None)
    for name in ("items", "sessions"):
        write_ids(target / f"{name}.parquet", pa.array([], pa.large_string()), None)

    def batches() -> Iterator[pa.RecordBatch]:
        for number, first in enumerate(range(0, n_users, CHUNK_USERS)):
            table = _chunk(first, min(CHUNK_USERS, n_users - first))
            pq.write_table(table.select(["user", "time", "event"]), parts / f"{number:04d}.parquet")
            yield from table.to_batches()

    write_columns(
        batches(), target, version="synthetic", sizes=(n_users, 0), event_names=NAMES, partition_events=2_000_000
    )


def _chunk(first_user: int, n_users: int) -> pa.Table:
    rng = np.random.default_rng(first_user)
    sizes = rng.geometric(1 / EVENTS_PER_USER, n_users)
    user = np.repeat(np.arange(n_users), sizes)
    arrival = rng.random(n_users) * DAYS
    stay = np.minimum(rng.exponential(60, n_users), DAYS - arrival)
    day = arrival[user] + stay[user] * rng.random(len(user))
    time = START_US + (day * DAY_US).astype(np.int64)
    order = np.lexsort((time, user))
    n = len(user)
    return pa.table(
        {
            "user": (first_user + user[order]).astype(np.int32),
            "time": time[order],
            "event": rng.choice(len(NAMES), n, p=SHARES).astype(np.int16),
            "item": np.full(n, -1, np.int32),
            "value": np.round(rng.lognormal(2, 1, n), 2),
            "quantity": np.full(n, np.nan),
            "session": np.full(n, -1, np.int32),
        }
    )


def _peer(directory: Path, parts: Path) -> Any:
    from chdb.session import Session

    session = Session(str(directory / "clickhouse"))
    session.query("CREATE DATABASE IF NOT EXISTS bench ENGINE = Atomic")
    session.query("USE bench")
    session.query(
        "CREATE TABLE IF NOT EXISTS log (user UInt32, time Int64, event Int16) ENGINE = MergeTree ORDER BY (user, time)"
    )
    if session.query("SELECT count() FROM log", "CSV").bytes().strip() == b"0":
        session.query(f"INSERT INTO log SELECT user, time, event FROM file('{parts}/*.parquet', Parquet)")
        session.query("OPTIMIZE TABLE log FINAL")
    return session
