"""Analytics against ClickHouse in the same process: ``python bench/bench_analytics.py [--events 10000000]``.

Warm, two threads, the same numbers on both sides (asserted before anything is measured).
"""

from __future__ import annotations

import argparse
import resource

import analytics_engagement
from analytics_log import THREADS, synthetic


def main() -> None:
    """Measure every part on one log."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--events", type=int, default=10_000_000)
    parser.add_argument("--runs", type=int, default=3)
    asked = parser.parse_args()
    log = synthetic(asked.events)
    print(f"{log.index.manifest.n_events:,} events, {log.index.n_users:,} users, {THREADS} threads")
    for part in (analytics_engagement,):
        part.run(log, asked.runs)
    print(
        f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.2f} GB, both sides and files mapped"
    )


if __name__ == "__main__":
    main()
