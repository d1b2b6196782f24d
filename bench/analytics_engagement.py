"""Weekly retention, lifecycle and stickiness of everybody against ClickHouse: equal numbers first, then CPU seconds.

Ours forgets the periods of users before each measurement, so that it begins with the events, as the peer does. The
three together share them, as the pages of one reader do.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial

import chdb.session
import numpy as np
from common import measure

from ulm_core.lifecycle import presence
from ulm_core.lifecycle.activity import ActivitySpec, compute_activity
from ulm_core.lifecycle.filters import UserLabels
from ulm_core.lifecycle.retention import RetentionSpec, compute_retention
from ulm_core.lifecycle.stickiness import StickinessSpec, compute_stickiness
from ulm_core.settings import get_settings
from ulm_core.timeline.index import TimelineIndex
from ulm_core.workspace import WorkspaceConfig

CONFIG = WorkspaceConfig()
WEEK_US = 7 * 86_400_000_000
# The log begins with 1970, a Thursday; weeks begin on Monday.
WEEK = f"toUInt16(intDiv(toUnixTimestamp64Micro(time) + {3 * 86_400_000_000}, {WEEK_US}))"
# One pass for each question: the weeks of every user.
WEEKS = f"SELECT user, groupUniqArray({WEEK}) AS weeks FROM bench.log GROUP BY user"
RETENTION = f"""
SELECT arrayMin(weeks) AS cohort, week - cohort AS lag, count() AS users
FROM ({WEEKS}) ARRAY JOIN weeks AS week GROUP BY cohort, lag ORDER BY cohort, lag"""
LIFECYCLE = f"""
SELECT week, countIf(week = arrayMin(weeks)) AS new, countIf(week > 0 AND has(weeks, week - 1)) AS returning,
    count() - new - returning AS resurrecting, countIf(NOT has(weeks, week + 1)) AS last
FROM ({WEEKS}) ARRAY JOIN weeks AS week GROUP BY week ORDER BY week"""
STICKINESS = f"SELECT length(weeks) AS k, count() AS users FROM ({WEEKS}) GROUP BY k ORDER BY k"
SETTINGS = "optimize_aggregation_in_order = 1"


def ask(session: chdb.session.Session, sql: str) -> list[dict[str, int]]:
    """Return the rows of a query, with as many threads as we use."""
    answer = session.query(f"{sql} SETTINGS max_threads = {get_settings().threads}, {SETTINGS}", "JSONCompact")
    parsed = json.loads(answer.bytes())
    names = [column["name"] for column in parsed["meta"]]
    return [dict(zip(names, map(int, row), strict=True)) for row in parsed["data"]]


def check(index: TimelineIndex, session: chdb.session.Session) -> int:
    """Compare every number of the three; return how many there are."""
    retention = compute_retention(index, CONFIG, RetentionSpec(interval="week"))
    rows = ask(session, RETENTION)
    theirs = np.zeros_like(retention.counts)
    for row in rows:
        theirs[row["cohort"], row["lag"]] = row["users"]
    assert np.array_equal(np.where(retention.counts >= 0, theirs, -1), retention.counts)
    activity = compute_activity(index, CONFIG, ActivitySpec(interval="week"))
    weeks = ask(session, LIFECYCLE)
    for number, name in enumerate(("new", "returning", "resurrecting")):
        assert [row[name] for row in weeks] == activity.counts[number].tolist(), name
    assert [row["last"] for row in weeks[:-1]] == activity.counts[3, 1:].tolist()
    sticky = compute_stickiness(index, CONFIG, StickinessSpec(interval="week"))
    by_number = {row["k"]: row["users"] for row in ask(session, STICKINESS)}
    assert [by_number.get(k, 0) for k in range(1, len(sticky.counts) + 1)] == sticky.counts.tolist()
    return len(rows) + 4 * len(weeks) + len(by_number)


def afresh(*questions: Callable[[], object]) -> Callable[[], None]:
    """Return what asks all questions after forgetting the periods of users that earlier ones made."""

    def ask_all() -> None:
        presence.forget()
        for question in questions:
            question()

    return ask_all


def bench_engagement(index: TimelineIndex, session: chdb.session.Session, runs: int = 5) -> None:
    """Compare the three alone and together, and retention with and without a breakdown."""
    print(f"retention, lifecycle, stickiness by week: {check(index, session):,} equal numbers")
    ours = {
        "retention": lambda: compute_retention(index, CONFIG, RetentionSpec(interval="week")),
        "lifecycle": lambda: compute_activity(index, CONFIG, ActivitySpec(interval="week")),
        "stickiness": lambda: compute_stickiness(index, CONFIG, StickinessSpec(interval="week")),
    }
    queries = dict(zip(ours, (RETENTION, LIFECYCLE, STICKINESS), strict=True))
    for title, question in ours.items():
        report(title, measure(afresh(question), runs), measure(partial(ask, session, queries[title]), runs))
    peer = measure(lambda: [ask(session, sql) for sql in queries.values()], runs)
    report("the three together", measure(afresh(*ours.values()), runs), peer)
    labels = UserLabels("eighth", tuple("abcdefgh"), (np.arange(index.n_users) % 8).astype(np.int32))
    grouped = RetentionSpec(interval="week", labels=labels)
    (_, none), (_, eight) = (
        measure(afresh(question), runs)
        for question in (ours["retention"], lambda: compute_retention(index, CONFIG, grouped))
    )
    print(f"  retention in 8 groups / without: {eight / none:.2f}x")


def report(title: str, ours: tuple[float, float], theirs: tuple[float, float]) -> None:
    """Print one line: ours, the peer's, the ratio."""
    print(
        f"  {title}: ours {ours[1]:.3f} CPU s, {ours[0]:.3f} s; ClickHouse {theirs[1]:.3f} CPU s, {theirs[0]:.3f} s; "
        f"{theirs[1] / ours[1]:.1f}x"
    )
