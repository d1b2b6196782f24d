"""Small random logs, and the same questions answered slowly and plainly."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
from hypothesis import strategies as st

from ulm_core.timeline.index import History, TimelineIndex
from ulm_core.timeline.testing import index_from_events

DAY = 86_400_000_000
EVENTS = ("mail", "purchase", "view")
PURCHASE = np.array([False, True, False])
ACTIVE = np.array([False, True, True])
N_ITEMS = 6
_ROOT = tempfile.TemporaryDirectory(prefix="ulm-model-")


def history(rows: list[tuple[float, str, int | None, float | None, int | None]]) -> History:
    """Return a history of (day, event, item, value, session) rows in time order."""
    return History(
        time=np.array([round(row[0] * DAY) for row in rows], np.int64),
        event=np.array([EVENTS.index(row[1]) for row in rows], np.int16),
        item=np.array([-1 if row[2] is None else row[2] for row in rows], np.int32),
        value=np.array([np.nan if row[3] is None else row[3] for row in rows], np.float64),
        quantity=np.full(len(rows), np.nan),
        session=np.array([-1 if row[4] is None else row[4] for row in rows], np.int32),
    )


@st.composite
def histories(draw: st.DrawFn) -> History:
    """Draw a history of up to 25 events over 60 days, with and without sessions, items and values."""
    n = draw(st.integers(0, 25))
    hours = sorted(draw(st.lists(st.integers(0, 60 * 24), min_size=n, max_size=n)))
    with_sessions = draw(st.booleans())
    rows, session = [], 0
    for hour in hours:
        event = draw(st.sampled_from(EVENTS))
        item = draw(st.one_of(st.none(), st.integers(0, N_ITEMS - 1))) if event != "mail" else None
        value = draw(st.one_of(st.none(), st.floats(-5, 50)))
        session += draw(st.booleans())
        rows.append((hour / 24, event, item, value, session if with_sessions and event != "mail" else None))
    return history(rows)


@st.composite
def logs(draw: st.DrawFn) -> pd.DataFrame:
    """Draw a log of up to 40 events of 5 users over 60 days; every item and event has a row."""
    n = draw(st.integers(1, 40))
    rows = [
        (
            f"u{draw(st.integers(0, 4))}",
            round(draw(st.integers(0, 60 * 24)) * DAY / 24),
            draw(st.sampled_from(EVENTS)),
            draw(st.one_of(st.none(), st.sampled_from([f"i{k}" for k in range(N_ITEMS)]))),
            draw(st.one_of(st.none(), st.sampled_from(["s0", "s1", "s2"]))),
        )
        for _ in range(n)
    ]
    rows += [(f"u{k % 5}", 0, EVENTS[k % 3], f"i{k}", None) for k in range(N_ITEMS)]
    return pd.DataFrame(rows, columns=["user", "time", "event", "item", "session"])


def index_of(frame: pd.DataFrame, n_partitions: int = 1) -> TimelineIndex:
    """Return an index over a frame in a folder that goes away with the process."""
    return index_from_events(frame, Path(tempfile.mkdtemp(dir=_ROOT.name)), n_partitions)


def sessions_of(h: History, used: np.ndarray) -> list[int]:
    """Return the session number (from 1) of each used event, by the rule in words."""
    numbers, last = [], None
    for e in np.flatnonzero(used):
        if last is None:
            fresh = True
        elif h.session[e] < 0 and h.session[last] < 0:
            fresh = h.time[e] - h.time[last] > 30 * 60 * 1_000_000
        else:
            fresh = h.session[e] != h.session[last]
        numbers.append((numbers[-1] if numbers else 0) + fresh)
        last = e
    return numbers
