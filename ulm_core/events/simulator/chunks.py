"""From users to Arrow tables, chunk by chunk: what is held in memory is one chunk, however long the log."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ulm_core.events.columns import Columns
from ulm_core.events.simulator.config import SimulatorConfig
from ulm_core.events.simulator.fakes import SLACK, draw_people, simulate_users
from ulm_core.events.simulator.records import (
    CLEAN,
    DIRTY_KINDS,
    EVENTS,
    FAKE_KINDS,
    MARK,
    NEVER,
    PERSON,
    ROW,
    STATE,
    Walk,
)
from ulm_core.events.simulator.shop import Shop
from ulm_core.events.simulator.streams import PURPOSES, STREAM
from ulm_core.events.simulator.words import AGE_GROUPS, CHANNELS, REGIONS
from ulm_core.moments import DAY_US

USERS_AT_ONCE = 32_768
UNREADABLE_TIME = "yesterday noon"
UNREADABLE_VALUE = "n/a"
_IMPLAUSIBLE_SHIFT = 200 * 365 * DAY_US  # two centuries late
_KIND = {name: code for code, name in enumerate(DIRTY_KINDS)}
OUTCOMES = ("users", "treated", "y0", "y1", "propensity")


@dataclass(frozen=True)
class Chunk:
    """Rows of users `first` to `last` - 1 in order of arrival, and the truth about these users.

    Attributes
    ----------
    rows
        Structured array `ROW`, sorted by arrival.
    people
        Structured array `PERSON`, one record a user.
    outcome
        float64[campaigns, 2 (living, lapsed), 5], sums over these users: see `OUTCOMES`.
    """

    first: int
    last: int
    rows: np.ndarray
    people: np.ndarray
    outcome: np.ndarray


def _walk(config: SimulatorConfig) -> Walk:
    return Walk(
        np.empty(config.chunk_rows + SLACK, ROW),
        np.zeros(1, STATE)[0],
        np.zeros(len(PURPOSES), STREAM),
        np.zeros(config.campaigns, MARK),
    )


def _next_chunk(config: SimulatorConfig, shop: Shop, walk: Walk, first: int) -> Chunk:
    """Run the kernel from user `first`; the returned rows are a copy, so `walk` can be used again."""
    last = min(config.users, first + USERS_AT_ONCE)
    people = np.zeros(last - first, PERSON)
    outcome = np.zeros((config.campaigns, 2, len(OUTCOMES)))
    after = simulate_users(
        walk, shop.world, people, outcome, first, last, np.uint64(config.seed), config.chunk_rows
    )  # fmt: skip
    rows = walk.rows[: walk.state["n"]]
    order = np.argsort(rows["arrival"], kind="stable")
    return Chunk(first, after, rows[order], people[: after - first].copy(), outcome)


def chunks(config: SimulatorConfig, shop: Shop) -> Iterator[Chunk]:
    """Yield the log chunk by chunk; the next is computed in a thread while the reader works on this one."""
    walk = _walk(config)
    with ThreadPoolExecutor(1) as pool:
        pending: Future[Chunk] | None = pool.submit(_next_chunk, config, shop, walk, 0)
        while pending is not None:
            chunk = pending.result()
            more = chunk.last < config.users
            pending = pool.submit(_next_chunk, config, shop, walk, chunk.last) if more else None
            yield chunk


def people_chunks(config: SimulatorConfig, shop: Shop) -> Iterator[Chunk]:
    """Yield the users without their lives: chunks without rows, for what a shop knows of its users."""
    for first in range(0, config.users, USERS_AT_ONCE):
        people = np.zeros(min(USERS_AT_ONCE, config.users - first), PERSON)
        draw_people(shop.world, people, np.zeros(1, STREAM), first, np.uint64(config.seed))
        yield Chunk(
            first, first + len(people), np.empty(0, ROW), people, np.zeros((config.campaigns, 2, len(OUTCOMES)))
        )


def user_ids(config: SimulatorConfig, first: int, last: int) -> pa.Array:
    """Return the ids of users `first` to `last` - 1, all of one width."""
    width = len(str(config.users))
    return pa.array([f"u{user:0{width}d}" for user in range(first + 1, last + 1)])


def event_table(config: SimulatorConfig, shop: Shop, chunk: Chunk) -> pa.Table:
    """Return a chunk's rows in the standard columns.

    Times and values are text where broken rows are asked for (a typed column could not hold them), else typed.
    """
    rows = chunk.rows
    dirty = rows["dirty"]
    users = user_ids(config, chunk.first, chunk.last)
    properties = [f'{{"campaign": "{name}"}}' for name in shop.campaign_names]
    properties += [f'{{"query": "{query}"}}' for query in shop.queries]
    return pa.table(
        {
            Columns.USER: _coded(rows["user"], users, dirty == _KIND["missing user"]),
            Columns.TIME: _times(config, rows),
            Columns.EVENT: _coded(rows["event"], pa.array(EVENTS), dirty == _KIND["missing event"]),
            Columns.ITEM: _coded(rows["item"], pa.array(shop.item_ids), rows["item"] < 0),
            Columns.VALUE: _values(config, rows),
            Columns.QUANTITY: _numbers(rows["quantity"].astype(np.float64)),
            Columns.SESSION: _sessions(rows, users),
            Columns.PROPERTIES: _coded(rows["property"], pa.array(properties, pa.string()), rows["property"] < 0),
        }
    )


def _coded(codes: np.ndarray, words: pa.Array, absent: np.ndarray) -> pa.DictionaryArray:
    return pa.DictionaryArray.from_arrays(pa.array(codes.astype(np.int32), mask=absent), words)


def _numbers(values: np.ndarray) -> pa.Array:
    return pa.array(values, mask=np.isnan(values))


def _times(config: SimulatorConfig, rows: np.ndarray) -> pa.Array:
    dirty = rows["dirty"]
    time = np.where(dirty == _KIND["implausible time"], rows["time"] + _IMPLAUSIBLE_SHIFT, rows["time"])
    missing = dirty == _KIND["missing time"]
    typed = pa.array(time // 1000, pa.timestamp("ms"), mask=missing)
    if config.dirty_share == 0:
        return typed
    return pc.if_else(pa.array(dirty == _KIND["unreadable time"]), UNREADABLE_TIME, typed.cast(pa.string()))


def _values(config: SimulatorConfig, rows: np.ndarray) -> pa.Array:
    typed = _numbers(rows["value"])
    if config.dirty_share == 0:
        return typed
    return pc.if_else(pa.array(rows["dirty"] == _KIND["unreadable value"]), UNREADABLE_VALUE, typed.cast(pa.string()))


def _sessions(rows: np.ndarray, users: pa.Array) -> pa.DictionaryArray:
    """Return session ids "<user>-<number>", each text made once."""
    key = (rows["user"].astype(np.int64) << 32) | np.maximum(rows["session"], 0)
    inside = rows["session"] >= 0
    known, codes = np.unique(key, return_inverse=True)
    names = pc.binary_join_element_wise(
        users.take(pa.array(known >> 32)), pa.array(known & 0xFFFFFFFF).cast(pa.string()), "-"
    )
    return _coded(codes, names, ~inside)


def user_table(config: SimulatorConfig, chunk: Chunk) -> pa.Table:
    """Return what the shop knows of its users: user_id, signed_up_at, consent and attributes."""
    people = chunk.people
    return pa.table(
        {
            "user_id": user_ids(config, chunk.first, chunk.last),
            "signed_up_at": pa.array(people["arrived"], pa.timestamp("us")),
            "consent": pa.array(people["consent"].astype(bool)),
            "channel": _words(people["channel"], CHANNELS),
            "region": _words(people["region"], REGIONS),
            "age_group": _words(people["age"], AGE_GROUPS),
        }
    )


def user_truth(config: SimulatorConfig, shop: Shop, chunk: Chunk) -> pa.Table:
    """Return what only the simulator knows of its users; times are UTC, absent where it never happened."""
    people = chunk.people
    kind = pa.array(people["fake"].astype(np.int32), mask=people["fake"] == 0)
    return pa.table(
        {
            "user_id": user_ids(config, chunk.first, chunk.last),
            "is_fake": pa.array(people["fake"] > 0),
            "fake_kind": pa.DictionaryArray.from_arrays(kind, pa.array(FAKE_KINDS)).cast(pa.string()),
            "cluster": pa.array(people["cluster"]),
            "sessions_per_day": pa.array(people["sessions_per_day"]),
            "hazard_ratio": pa.array(shop.world.channels["hazard"][people["channel"]]),
            "response_multiplier": pa.array(shop.world.channels["response"][people["channel"]]),
            "activated_at": _moments(people["activated"]),
            "first_churn_at": _moments(people["first_churn"]),
            "last_churn_at": _moments(people["last_churn"]),
            "churns": pa.array(people["churns"]),
            "returns": pa.array(people["returns"]),
            "is_alive_at_end": pa.array(people["alive"].astype(bool)),
            "satisfaction_at_end": pa.array(people["satisfaction"]),
            "rows": pa.array(people["rows"]),
        }
    )


def _words(codes: np.ndarray, words: tuple[str, ...]) -> pa.Array:
    return pa.DictionaryArray.from_arrays(pa.array(codes.astype(np.int32)), pa.array(words)).cast(pa.string())


def _moments(times: np.ndarray) -> pa.Array:
    return pa.array(times, pa.timestamp("us"), mask=times == NEVER)


def delivery_of(config: SimulatorConfig, moments: np.ndarray) -> Any:
    """Return the number of the delivery in which rows of these moments arrive; the last takes what comes after."""
    length = config.delivery_days * DAY_US
    return np.clip((moments - config.start_us) // length, 0, config.deliveries - 1)


def dirty_counts(rows: np.ndarray) -> dict[str, int]:
    """Return the number of broken rows by kind."""
    counts = np.bincount(rows["dirty"][rows["dirty"] != CLEAN], minlength=len(DIRTY_KINDS))
    return dict(zip(DIRTY_KINDS, counts.tolist(), strict=True))
