"""Compiled sessions: search, view, cart, purchase, rate, share. Formulas: `docs/simulator.md`."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit

from ulm_core.events.simulator.records import (
    CART,
    MAX_VIEWS,
    NEVER,
    NOTHING,
    PRICE_DIGITS,
    PURCHASE,
    RATE,
    SEARCH,
    SHARE,
    VIEW,
    emit,
    pause,
)
from ulm_core.events.simulator.streams import BEHAVIOUR, below, exponential, normal, pick, uniform
from ulm_core.moments import DAY_US


@njit(cache=True, nogil=True)
def pick_item(world: Any, stream: Any, cluster: int, category: int, at: int) -> int:
    """Return an item of a cell by popularity, one that was in the shop at that time."""
    cell = cluster * world.rates.categories + category
    first, last = world.cell_start[cell], world.cell_start[cell + 1]
    for _ in range(5):
        item = pick(stream, world.cell_cumulative, first, last)
        if world.items[item].launched <= at:
            return int(item)
    return int(first)


@njit(cache=True, nogil=True)
def pick_category(world: Any, stream: Any, cluster: int) -> int:
    """Return a category as the taste prefers."""
    return int(pick(stream, world.category_cumulative[cluster], np.int64(0), world.rates.categories))


@njit(cache=True, nogil=True)
def _viewed_item(walk: Any, world: Any, person: Any, category: int) -> int:
    rates, stream, state = world.rates, walk.streams[BEHAVIOUR], walk.state
    if state.last_item >= 0 and uniform(stream) < rates.repeat_share:
        return int(state.last_item)
    cluster = np.int64(person.cluster)
    if uniform(stream) >= rates.taste_strength:
        cluster = below(stream, rates.clusters)
    return int(pick_item(world, stream, cluster, category, state.clock))


@njit(cache=True, nogil=True)
def buy(walk: Any, world: Any, person: Any, stream: Any, item: int) -> None:
    """Write a purchase of one or more pieces."""
    quantity = 1.0 + (uniform(stream) < 0.15) + (uniform(stream) < 0.05)
    value = math.floor(world.items[item].price * quantity * PRICE_DIGITS + 0.5) / PRICE_DIGITS
    emit(walk, world, person, PURCHASE, item, value, quantity, walk.state.session, NOTHING)


@njit(cache=True, nogil=True)
def _learn(walk: Any, world: Any, person: Any, experience: float) -> None:
    """Let a purchase change the user: activated, more or less satisfied, counted for running campaigns."""
    clock = walk.state.clock
    if person.activated == NEVER:
        person.activated = clock
    person.satisfaction += (1.0 - world.rates.satisfaction_memory) * (experience - person.satisfaction)
    for c in range(len(world.campaigns)):
        since = clock - world.campaigns[c].at
        if 0 <= since < world.rates.campaign_window_days * DAY_US and clock < world.rates.end:
            walk.marks[c].bought = 1


@njit(cache=True, nogil=True)
def _rate_later(walk: Any, world: Any, person: Any, item: int, experience: float) -> None:
    """Write a rating some days after the purchase; it belongs to no session."""
    stream, now = walk.streams[BEHAVIOUR], walk.state.clock
    stars = min(5.0, max(1.0, math.floor(1.5 + 4.0 * experience + 0.7 * normal(stream))))
    walk.state.clock = now + DAY_US + int(exponential(stream, 3.0 * DAY_US) // 1000) * 1000
    emit(walk, world, person, RATE, item, stars, np.nan, NOTHING, NOTHING)
    walk.state.clock = now


@njit(cache=True, nogil=True)
def _consider(walk: Any, world: Any, person: Any, item: int) -> None:
    """From view to cart, purchase, rating, or a share."""
    rates, stream, session = world.rates, walk.streams[BEHAVIOUR], walk.state.session
    own = world.items[item].cluster == person.cluster
    taste = rates.taste_lift if own else 1.0 / rates.taste_lift
    if uniform(stream) < rates.cart_rate * taste * (0.5 + world.items[item].quality):
        pause(walk, stream, 20.0)
        emit(walk, world, person, CART, item, np.nan, 1.0, session, NOTHING)
        if uniform(stream) < rates.purchase_rate:
            pause(walk, stream, 60.0)
            buy(walk, world, person, stream, item)
            experience = world.items[item].quality * (1.0 if own else 0.6)
            _learn(walk, world, person, experience)
            walk.state.last_item = item
            if uniform(stream) < rates.rate_rate:
                _rate_later(walk, world, person, item, experience)
    elif uniform(stream) < rates.share_rate:
        pause(walk, stream, 15.0)
        emit(walk, world, person, SHARE, item, np.nan, np.nan, session, NOTHING)


@njit(cache=True, nogil=True)
def live_session(walk: Any, world: Any, person: Any, at: int) -> None:
    """Write one session that begins at `at`; the clock stands at its end afterwards."""
    rates, stream, state = world.rates, walk.streams[BEHAVIOUR], walk.state
    state.clock = at
    state.session += 1
    category = pick_category(world, stream, np.int64(person.cluster))
    if uniform(stream) < rates.search_rate:
        query = len(world.campaigns) + person.cluster * rates.categories + category
        emit(walk, world, person, SEARCH, NOTHING, np.nan, np.nan, state.session, query)
        pause(walk, stream, 10.0)
    for view in range(MAX_VIEWS):
        if view > 0 and uniform(stream) < 1.0 / rates.views_per_session:
            break
        if view > 0 and uniform(stream) < 0.3:
            category = pick_category(world, stream, np.int64(person.cluster))
        item = _viewed_item(walk, world, person, category)
        emit(walk, world, person, VIEW, item, np.nan, np.nan, state.session, NOTHING)
        _consider(walk, world, person, item)
        pause(walk, stream, 40.0)
