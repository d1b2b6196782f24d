"""Weekly retention, lifecycle and stickiness of everybody against ClickHouse: equal numbers first, then the ratio."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from analytics_log import CONFIG, START_US, Log
from common import measure

from ulm_core.lifecycle import presence
from ulm_core.lifecycle.activity import ActivitySpec, compute_activity
from ulm_core.lifecycle.retention import RetentionSpec, compute_retention
from ulm_core.lifecycle.stickiness import StickinessSpec, compute_stickiness

# One pass for all three: the weeks of every user. Weeks are numbered from the Monday the log begins with.
WEEKS = (
    f"SELECT user, groupUniqArray(toUInt16(intDiv(time - {START_US}, 604800000000))) AS weeks FROM log GROUP BY user"
)
RETENTION = f"""
SELECT arrayMin(weeks) AS cohort, week - cohort AS lag, count() AS users
FROM ({WEEKS}) ARRAY JOIN weeks AS week GROUP BY cohort, lag ORDER BY cohort, lag"""
LIFECYCLE = f"""
SELECT week, countIf(week = arrayMin(weeks)) AS new, countIf(week > 0 AND has(weeks, week - 1)) AS returning,
    count() - new - returning AS resurrecting, countIf(NOT has(weeks, week + 1)) AS last
FROM ({WEEKS}) ARRAY JOIN weeks AS week GROUP BY week ORDER BY week"""
STICKINESS = f"SELECT length(weeks) AS k, count() AS users FROM ({WEEKS}) GROUP BY k ORDER BY k"


def check(log: Log) -> int:
    """Compare every number of the three; return how many there are."""
    retention = compute_retention(log.index, CONFIG, RetentionSpec(interval="week"))
    rows = log.ask(RETENTION)
    theirs = np.zeros_like(retention.counts)
    for row in rows:
        theirs[row["cohort"], row["lag"]] = row["users"]
    assert np.array_equal(np.where(retention.counts >= 0, theirs, -1), retention.counts)
    activity = compute_activity(log.index, CONFIG, ActivitySpec(interval="week"))
    weeks = log.ask(LIFECYCLE)
    for number, name in enumerate(("new", "returning", "resurrecting")):
        assert [row[name] for row in weeks] == activity.counts[number].tolist(), name
    assert [row["last"] for row in weeks[:-1]] == activity.counts[3, 1:].tolist()
    sticky = compute_stickiness(log.index, CONFIG, StickinessSpec(interval="week"))
    by_number = {row["k"]: row["users"] for row in log.ask(STICKINESS)}
    assert [by_number.get(k, 0) for k in range(1, len(sticky.counts) + 1)] == sticky.counts.tolist()
    return len(rows) + 4 * len(weeks) + len(by_number)


def run(log: Log, runs: int) -> None:
    """Print CPU and wall seconds of both sides for each of the three, and together."""
    print(f"equal numbers: {check(log):,}")
    index = log.index
    ours = {
        "weekly retention": lambda: compute_retention(index, CONFIG, RetentionSpec(interval="week")),
        "weekly lifecycle": lambda: compute_activity(index, CONFIG, ActivitySpec(interval="week")),
        "weekly stickiness": lambda: compute_stickiness(index, CONFIG, StickinessSpec(interval="week")),
    }
    queries = dict(zip(ours, (RETENTION, LIFECYCLE, STICKINESS), strict=True))
    for title, question in ours.items():
        report(title, measure(_afresh(question), runs), measure(partial(log.ask, queries[title]), runs))
    report(
        "the three together",
        measure(_afresh(*ours.values()), runs),
        measure(lambda: [log.ask(sql) for sql in queries.values()], runs),
    )
    groups = RetentionSpec(interval="week", labels=eight_groups(log))
    wall, cpu = measure(_afresh(lambda: compute_retention(index, CONFIG, groups)), runs)
    print(f"weekly retention in 8 groups: ours {wall:.2f} s wall, {cpu:.2f} CPU s")


def _afresh(*questions: Callable[[], object]) -> Callable[[], None]:
    """Return what asks all questions after forgetting the periods of users that earlier ones made."""

    def ask() -> None:
        presence.forget()
        for question in questions:
            question()

    return ask


def eight_groups(log: Log) -> Any:
    """Return eight groups of users."""
    from ulm_core.lifecycle.filters import UserLabels

    codes = (np.arange(log.index.n_users) % 8).astype(np.int32)
    return UserLabels("eighth", tuple(f"group {k}" for k in range(8)), codes)


def report(title: str, ours: tuple[float, float], theirs: tuple[float, float]) -> None:
    """Print one line: ours, the peer's, the ratio."""
    print(
        f"{title}: ours {ours[0]:.2f} s wall, {ours[1]:.2f} CPU s; ClickHouse {theirs[0]:.2f} s wall, "
        f"{theirs[1]:.2f} CPU s; {theirs[1] / ours[1]:.1f}x less CPU"
    )
