"""What the kernels write and how: record layouts, codes, and the one function that emits a row.

`person`, `rows[i]` and `world.rates` are records of structured arrays.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit

from ulm_core.events.simulator.config import MAX_ROWS_PER_USER
from ulm_core.events.simulator.streams import NOISE, below, exponential, uniform
from ulm_core.events.simulator.words import AGE_GROUPS, REGIONS
from ulm_core.moments import DAY_US, SECOND_US

EVENTS = (
    "view", "search", "add to cart", "purchase", "rate", "share", "campaign received", "campaign held out",
)  # fmt: skip
# Codes that kernels hand on are numpy numbers: numba compiles a function again for every literal it is called with.
VIEW, SEARCH, CART, PURCHASE, RATE, SHARE, RECEIVED, HELD_OUT = tuple(np.arange(len(EVENTS)))
NOTHING = np.int64(-1)  # no item, no session, no property

FAKE_KINDS = ("", "shilling", "robot")
REAL, SHILLING, ROBOT = tuple(range(len(FAKE_KINDS)))

DIRTY_KINDS = (
    "missing user", "missing time", "missing event", "unreadable time", "implausible time", "unreadable value",
    "duplicate",
)  # fmt: skip
CLEAN = NOTHING
N_DIRTY_KINDS, N_REGIONS, N_AGES = np.array([len(DIRTY_KINDS), len(REGIONS), len(AGE_GROUPS)])

PERSON = np.dtype(
    [("fake", "i1"), ("cluster", "i1"), ("channel", "i1"), ("region", "i1"), ("age", "i1"), ("consent", "i1"),
     ("alive", "i1"), ("churns", "i4"), ("returns", "i4"), ("rows", "i8"), ("arrived", "i8"), ("activated", "i8"),
     ("first_churn", "i8"), ("last_churn", "i8"), ("sessions_per_day", "f8"), ("satisfaction", "f8")]
)  # fmt: skip
ROW = np.dtype(
    [("time", "i8"), ("arrival", "i8"), ("value", "f8"), ("quantity", "f4"), ("user", "i4"), ("item", "i4"),
     ("session", "i4"), ("property", "i2"), ("event", "i1"), ("dirty", "i1")]
)  # fmt: skip
MARK = np.dtype([("bought", "i8"), ("lapsed", "i8")])
STATE = np.dtype([("n", "i8"), ("session", "i8"), ("last_item", "i8"), ("user", "i8"), ("clock", "i8")])

NEVER = -(2**62)
ATTACK_SHARE = 0.6  # how far into the log the shilling attack begins
ATTACK_DAYS = 10
MAX_VIEWS = 50
PRICE_DIGITS = 100.0


class Walk(NamedTuple):
    """One user at a time: where rows go, the streams, the state, and what happened around each campaign."""

    rows: Any  # ROW[capacity]
    state: Any  # STATE record: rows written, running session, last item bought, user in the chunk, clock
    streams: Any  # STREAM[4], by purpose
    marks: Any  # MARK[campaigns]: bought in the window of its own accord; churned when it began


@njit(cache=True, nogil=True)
def _write(walk: Any, row: Any, arrival: int, dirty: int) -> None:
    walk.rows[walk.state.n] = row
    walk.rows[walk.state.n].arrival = arrival
    walk.rows[walk.state.n].dirty = dirty
    walk.state.n += 1


@njit(cache=True, nogil=True)
def emit(
    walk: Any, world: Any, person: Any, event: int, item: int, value: float, quantity: float, session: int, prop: int
) -> None:
    """Write one row at the state's clock, perhaps late, perhaps followed by a broken copy of itself."""
    rates, state = world.rates, walk.state
    if state.clock < rates.start or state.clock >= rates.end or person.rows >= MAX_ROWS_PER_USER:
        return
    noise = walk.streams[NOISE]
    arrival = state.clock
    if rates.late_share > 0 and uniform(noise) < rates.late_share:
        arrival += int(exponential(noise, rates.late_days * DAY_US))
    row = walk.rows[state.n]
    row.time, row.user, row.event, row.item, row.session = state.clock, state.user, event, item, session
    row.value, row.quantity, row.property = value, quantity, prop
    _write(walk, row, arrival, CLEAN)
    person.rows += 1
    if rates.dirty_share > 0 and uniform(noise) < rates.dirty_share:
        _write(walk, row, arrival, below(noise, N_DIRTY_KINDS))


@njit(cache=True, nogil=True)
def pause(walk: Any, stream: Any, seconds: float) -> None:
    """Let at least a second pass, `seconds` more on average; times are whole milliseconds."""
    walk.state.clock += SECOND_US + int(exponential(stream, seconds * 1000.0)) * 1000
