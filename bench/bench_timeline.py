"""Timeline kernels against DuckDB SQL on The Complete Journey: equal answers first, then the ratio.

The SQL reads the same events from a DuckDB table in memory (not from Parquet), sorted by user and time,
and both sides use the threads of the setting `threads`.
"""

from __future__ import annotations

from common import compare, sample_workspace

from ulm_core.lifecycle.activity import ActivitySpec, compute_activity
from ulm_core.lifecycle.funnel import FunnelSpec, compute_funnel
from ulm_core.timeline.index import TimelineIndex
from ulm_core.warehouse.database import Database
from ulm_core.warehouse.snapshot import files_of

WINDOW_DAYS = 14

# Users with a purchase at most 14 days after a campaign; ties count, as in the kernel.
FUNNEL = f"""
SELECT count(DISTINCT a.user_id) AS entered,
    count(DISTINCT CASE WHEN EXISTS (
        SELECT 1 FROM log b WHERE b.user_id = a.user_id AND b.event = 'purchase'
        AND b.time BETWEEN a.time AND a.time + INTERVAL {WINDOW_DAYS} DAY) THEN a.user_id END) AS converted
FROM log a WHERE a.event = 'campaign received'
"""

ACTIVITY = """
WITH active AS (
    SELECT DISTINCT user_id, date_trunc('week', timezone('America/New_York', timezone('UTC', time))) AS week
    FROM log WHERE event <> 'campaign received'),
marked AS (
    SELECT *, lag(week) OVER (PARTITION BY user_id ORDER BY week) AS before FROM active)
SELECT week, count(*) FILTER (before IS NULL) AS new,
    count(*) FILTER (before = week - INTERVAL 7 DAY) AS returning,
    count(*) FILTER (before < week - INTERVAL 7 DAY) AS resurrecting
FROM marked GROUP BY week ORDER BY week
"""


def main() -> None:
    """Check that both sides agree, then measure."""
    workspace = sample_workspace()
    index, config = TimelineIndex.open(workspace), workspace.config
    database = Database.in_memory()
    database.execute(
        "CREATE TABLE log AS SELECT user_id, time, event FROM read_parquet(?) ORDER BY user_id, time",
        [str(files_of(workspace.version_dir(), "events"))],
    )
    funnel = FunnelSpec(steps=("campaign received", "purchase"), window_seconds=WINDOW_DAYS * 86_400)
    activity = ActivitySpec(interval="week")

    ours = [len(compute_funnel(index, config, funnel).users((step, "converted"))) for step in (1, 2)]
    theirs = [column[0].as_py() for column in database.query(FUNNEL).columns]
    assert ours == theirs, (ours, theirs)
    counted = compute_activity(index, config, activity)
    rows = database.query(ACTIVITY).to_pydict()
    assert counted.to_json()["returning"][-len(rows["week"]) :] == rows["returning"]
    print(f"equal answers: funnel {ours}, weekly activity over {len(rows['week'])} weeks")

    compare(
        "funnel, 2 steps, 14 days",
        lambda: compute_funnel(index, config, funnel),
        lambda: database.query(FUNNEL),
        "DuckDB",
    )
    compare(
        "weekly lifecycle",
        lambda: compute_activity(index, config, activity),
        lambda: database.query(ACTIVITY),
        "DuckDB",
    )


if __name__ == "__main__":
    main()
