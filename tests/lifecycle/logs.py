"""Tiny logs for tests: hand-written ones, and random ones with ties, passive events and weeks of DST."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pandas as pd
from hypothesis import strategies as st

from ulm_core.lifecycle.periods import DAY_US, HOUR_US, SECOND_US, to_us
from ulm_core.timeline.index import TimelineIndex
from ulm_core.timeline.testing import index_from_events
from ulm_core.workspace import WorkspaceConfig

CONFIG = WorkspaceConfig(conversion_events=("buy",), passive_events=("mail",))
NEW_YORK = CONFIG.model_copy(update={"timezone": "America/New_York"})
EVENTS = ("a", "b", "c", "buy", "mail")
# Property tests need an index an example, which pytest's tmp_path cannot give; removed when the process ends.
_ROOT = tempfile.TemporaryDirectory(prefix="ulm-lifecycle-")
# Twelve days before the clocks go forward in New York (2024-03-10).
RANDOM_START_US = to_us(datetime(2024, 2, 27, tzinfo=ZoneInfo("America/New_York")))

Row = tuple[str, int, str] | tuple[str, int, str, float] | tuple[str, int, str, float, str | None]


def index_of(rows: Iterable[Row], n_partitions: int = 1) -> TimelineIndex:
    """Return an index over (user, time in us, event[, value[, session]]) rows."""
    columns = ["user", "time", "event", "value", "session"]
    frame = pd.DataFrame([(*row, None, None)[:5] for row in rows], columns=columns).astype({"value": float})
    return index_from_events(frame, Path(tempfile.mkdtemp(dir=_ROOT.name)), n_partitions)


def days(user: str, *when: float, event: str = "a") -> list[Row]:
    """Return one event of `user` on each of the given days after 1970-01-01 (fractions allowed)."""
    return [(user, round(day * DAY_US), event) for day in when]


def word(user: str, events: str, step: int = 1_000_000) -> list[Row]:
    """Return single-letter events one `step` apart; letters in brackets tie: ``word("u", "a(bc)d")``."""
    rows: list[Row] = []
    now, is_tie = 0, False
    for letter in events:
        if letter in "()":
            is_tie = letter == "("
            now += 0 if is_tie else step
        elif letter != ".":
            rows.append((user, now, letter))
            now += 0 if is_tie else step
        else:
            now += step
    return rows


@st.composite
def random_rows(draw: st.DrawFn, max_size: int = 50, n_users: int = 6, hours: int = 24 * 70) -> list[Row]:
    """Return random rows of few users; hours are drawn coarsely, so that ties are frequent."""
    hour = st.one_of(st.integers(0, hours), st.integers(0, 8).map(lambda k: k * 24 * 7 + 5))
    row = st.tuples(st.integers(0, n_users - 1), hour, st.sampled_from(EVENTS), st.integers(0, 500))
    rows = draw(st.lists(row, min_size=1, max_size=max_size))
    return [(f"u{user}", RANDOM_START_US + hour * HOUR_US, event, cents / 100) for user, hour, event, cents in rows]


@st.composite
def rows_with_sessions(draw: st.DrawFn) -> list[Row]:
    """Return random rows minutes apart, some of which name a session; values are whole cents, some absent."""
    minute = st.integers(0, 24 * 60 * 12).map(lambda k: k if k % 2 else k - k % 90)
    value = st.one_of(st.just(float("nan")), st.integers(-300, 500).map(lambda cents: cents / 100))
    session = st.sampled_from([None, "s1", "s2"])
    row = st.tuples(st.integers(0, 2), minute, st.sampled_from(EVENTS), value, session)
    rows = draw(st.lists(row, min_size=1, max_size=30))
    return [(f"u{u}", RANDOM_START_US + minute * 60 * SECOND_US, e, v, s) for u, minute, e, v, s in rows]


@st.composite
def dense_rows(draw: st.DrawFn, events: str = "abcx", n_users: int = 5, max_size: int = 9) -> list[Row]:
    """Return random timelines of few events, 0 to 3 seconds apart: ties, repeats and resets abound."""
    step = st.tuples(st.sampled_from([0, 1, 1, 2, 3]), st.sampled_from(events))
    rows: list[Row] = [("zz", 0, event) for event in events]
    for user in range(n_users):
        now = 0
        for gap, event in draw(st.lists(step, max_size=max_size)):
            now += gap * SECOND_US
            rows.append((f"u{user}", now, event))
    return rows


def timelines(rows: Iterable[Row]) -> dict[str, list[tuple[int, str]]]:
    """Return the (time, event) pairs of each user in time order, by user id in code order."""
    found: dict[str, list[tuple[int, str]]] = {}
    for row in sorted(rows, key=lambda row: (row[0], row[1])):
        found.setdefault(row[0], []).append((row[1], row[2]))
    return found


def whole_timelines(rows: Iterable[Row]) -> dict[str, list[tuple[int, str, float, str | None]]]:
    """Return (time, event, value, session) of each user in time order, by user id in code order."""
    found: dict[str, list[tuple[int, str, float, str | None]]] = {}
    for row in sorted(rows, key=lambda row: (row[0], row[1])):
        user, time, event, value, session = (*row, float("nan"), None)[:5] if len(row) < 5 else row
        found.setdefault(user, []).append((time, event, value, session))
    return found
