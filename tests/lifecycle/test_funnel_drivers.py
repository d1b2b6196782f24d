"""Drivers and times: planted differences are found, and nothing inside the funnel is looked at."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.lifecycle.logs import CONFIG, index_of
from ulm_core.errors import InputError
from ulm_core.lifecycle.funnel import FunnelSpec, compute_funnel
from ulm_core.lifecycle.funnel_drivers import compute_drivers
from ulm_core.lifecycle.funnel_times import time_to_convert
from ulm_core.lifecycle.periods import DAY_US, HOUR_US, SECOND_US
from ulm_core.timeline.index import TimelineIndex
from ulm_core.timeline.publish import import_file, import_tables
from ulm_core.warehouse.snapshot import Snapshot
from ulm_core.workspace import Workspace, WorkspaceConfig

STEPS = FunnelSpec(steps=("start", "buy"))


@pytest.fixture
def planted(workspace: Workspace, tmp_path: Path) -> Workspace:
    """120 users start; of the 60 who read the guide before, 45 buy, of the others 15; half of all live in Oslo."""
    lines, users = ["user,time,event"], ["user_id,city"]
    for k in range(120):
        did_read, number = k < 60, k % 60
        lines += [f"u{k:03d},2024-01-02,start"]
        if did_read:
            lines.append(f"u{k:03d},2024-01-01,guide")
        if number < (45 if did_read else 15):
            lines += [f"u{k:03d},2024-01-03,help", f"u{k:03d},2024-01-04,buy"]
        users.append(f"u{k:03d},{'Oslo' if k % 2 else 'Rome'}")
    for name, rows in (("log", lines), ("users", users)):
        (tmp_path / f"{name}.csv").write_text("\n".join(rows) + "\n")
    import_file(workspace, tmp_path / "log.csv")
    import_tables(workspace, users=str(tmp_path / "users.csv"))
    workspace.save_config(WorkspaceConfig())
    return workspace


def test_what_was_planted_is_found_and_what_came_later_is_not(planted: Workspace) -> None:
    index, snapshot = TimelineIndex.open(planted), Snapshot.open(planted)
    drivers = compute_drivers(compute_funnel(index, CONFIG, STEPS), snapshot)
    first = drivers.drivers[0]
    # 45 of 60 against 15 of 60: lift 3
    assert (first.kind, first.name, first.shares.x1, first.shares.n1) == ("event", "guide", 45, 60)
    assert first.shares.lift == pytest.approx(3)
    assert first.p_holm < 0.001
    # "help" separates perfectly, but lies inside the funnel; the step itself is no driver either
    assert {driver.name for driver in drivers.drivers} == {"guide", "city"}
    assert all(driver.p_holm > 0.5 for driver in drivers.drivers[1:])
    assert len(drivers.users((0, True, False))) == 60
    assert len(drivers.users((0, True, True))) == 45
    assert len(drivers.users((0, False, True))) == 15


def test_only_the_days_before_the_entry_count(planted: Workspace) -> None:
    index, snapshot = TimelineIndex.open(planted), Snapshot.open(planted)
    funnel = compute_funnel(index, CONFIG, STEPS)
    short = compute_drivers(funnel, snapshot, lookback_days=0.5)
    assert {driver.name for driver in short.drivers} == {"city"}
    assert short.to_json()["drivers"] == short.to_arrow().to_pylist()


def test_they_need_users(planted: Workspace) -> None:
    spec = FunnelSpec(steps=("start", "buy"), counting="totals")
    funnel = compute_funnel(TimelineIndex.open(planted), CONFIG, spec)
    with pytest.raises(InputError, match="counts users"):
        compute_drivers(funnel, Snapshot.open(planted))


def test_bins_of_a_round_width_hold_everybody_once() -> None:
    rows = [row for k, hours in enumerate([1, 1, 5, 23.5]) for row in (
        (f"u{k}", 0, "a"), (f"u{k}", round(hours * HOUR_US), "b"))]  # fmt: skip
    times = time_to_convert(compute_funnel(index_of(rows), CONFIG, FunnelSpec(steps=("a", "b"))), 1, 2)
    assert np.diff(times.edges).tolist() == [3600.0] * 24  # 24 bins of an hour hold 23.5 hours
    assert times.counts[[1, 5, 23]].tolist() == [2, 1, 1]
    assert times.users(1).tolist() == [0, 1]
    assert (times.mean, times.quantile(0.5)) == ((1 + 1 + 5 + 23.5) / 4 * 3600, 3 * 3600)


def test_without_a_conversion_there_is_no_time() -> None:
    index = index_of([("u", 0, "a"), ("v", 5 * DAY_US, "b"), ("v", 5 * DAY_US + SECOND_US, "a")])
    times = time_to_convert(compute_funnel(index, CONFIG, FunnelSpec(steps=("a", "b"))), 1, 2)
    assert times.counts.sum() == 0
    assert np.isnan(times.mean)
