"""Event storms against a plain count, and what the totals of a version say against a look at its events."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ulm_core.events.cleaning import CleaningRules
from ulm_core.timeline.publish import import_file
from ulm_core.warehouse import reports, storms
from ulm_core.warehouse.database import Database
from ulm_core.warehouse.reports import dataset_summary
from ulm_core.workspace import Workspace

RULES = CleaningRules(robot_moments_per_hour=60, robot_min_moments=20, robot_regular_share=0.8)
START = datetime(2024, 1, 1)


def plain(rows: list[tuple[str, int]]) -> set[tuple[str, str, int]]:
    """Return (user, flag, rows) by the definition, one user after the other."""
    found = set()
    for user in {user for user, _ in rows}:
        own = [second for name, second in rows if name == user]
        moments = sorted(set(own))
        hours = Counter(moment // 3600 for moment in moments)
        if max(hours.values()) >= RULES.robot_moments_per_hour:
            found.add((user, "rate", len(own)))
        gaps = [b - a for a, b in pairwise(moments) if b - a < 3600]
        most = max(Counter(gaps).values(), default=0)
        enough = len(moments) >= RULES.robot_min_moments and len(gaps) >= RULES.robot_min_moments - 1
        if enough and most >= RULES.robot_regular_share * (len(moments) - 1):
            found.add((user, "regularity", len(own)))
    return found


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 90), st.integers(0, 4000), st.integers(0, 9)), min_size=1, max_size=5))
def test_storms_are_what_the_definition_says(people: list[tuple[int, int, int]]) -> None:
    rng = np.random.default_rng(0)
    rows = []
    for number, (count, gap, noise) in enumerate(people):
        rows += [(f"u{number}", k * gap + int(rng.integers(noise + 1))) for k in range(count)]
    with Database.private() as database:
        times = [START + timedelta(seconds=second) for _, second in rows]
        staged = {"user_id": [user for user, _ in rows], "time": times, "reason": pa.nulls(len(rows), pa.string())}
        database.keep("staging", pa.table(staged))
        storms.find_storms(database, RULES)
        found = database.query("SELECT user_id, flag, rows FROM storms").to_pylist()
    assert {tuple(row.values()) for row in found} == plain(rows)


ROW = st.tuples(
    st.sampled_from("ab"), st.integers(1, 9), st.sampled_from(["view", "mail"]), st.sampled_from(["", "x", "y"])
)


@settings(max_examples=6, deadline=None)
@given(st.lists(st.lists(ROW, min_size=1, max_size=6), min_size=1, max_size=3))
def test_totals_added_up_are_totals_counted(days: list[list[tuple[str, int, str, str]]]) -> None:
    with TemporaryDirectory() as name, pytest.MonkeyPatch.context() as patch:
        workspace = Workspace(Path(name) / "ws")
        for number, rows in enumerate(days):
            path = Path(name) / f"{number}.csv"
            lines = [f"{user},2024-01-0{day}T0{number}:00,{event},{item}" for user, day, event, item in rows]
            path.write_text("user,time,event,item\n" + "\n".join(lines) + "\n")
            import_file(workspace, path)
        kept = dataset_summary(workspace)
        patch.setattr(reports, "read_totals", lambda *_: None)
        assert dataset_summary(workspace) == kept
