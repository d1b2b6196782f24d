"""Compiled fake users, and the loop over users that both real and fake ones stand in."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit

from ulm_core.events.simulator.config import MAX_ROWS_PER_USER
from ulm_core.events.simulator.lives import draw_person, live, receive_campaigns
from ulm_core.events.simulator.records import NOTHING, RATE, ROBOT, SHILLING, VIEW, emit, pause
from ulm_core.events.simulator.sessions import pick_category, pick_item
from ulm_core.events.simulator.streams import BEHAVIOUR, PROFILE, begin, below, normal
from ulm_core.moments import DAY_US, SECOND_US

STORMS = 4
ROBOT_PERIOD = 2 * SECOND_US

# Rows beyond `chunk_rows` that one user may still write, every one of them followed by a broken copy.
SLACK = 2 * MAX_ROWS_PER_USER + 16


@njit(cache=True, nogil=True)
def shill(walk: Any, world: Any, person: Any) -> None:
    """Write an average attack: target items get five stars, fillers the average of the shop."""
    stream, state = walk.streams[BEHAVIOUR], walk.state
    state.clock = person.arrived
    state.session += 1
    n_targets = len(world.targets)
    for i in range(n_targets + world.rates.shilling_fillers):
        stars = 5.0
        if i < n_targets:
            item = world.targets[i]
        else:
            cluster = below(stream, world.rates.clusters)
            item = pick_item(world, stream, cluster, pick_category(world, stream, cluster), state.clock)
            stars = min(5.0, max(1.0, math.floor(4.0 + 1.1 * normal(stream))))
        emit(walk, world, person, VIEW, item, np.nan, np.nan, state.session, NOTHING)
        pause(walk, stream, 10.0)
        emit(walk, world, person, RATE, item, stars, np.nan, state.session, NOTHING)
        pause(walk, stream, 20.0)


@njit(cache=True, nogil=True)
def storm(walk: Any, world: Any, person: Any) -> None:
    """Write a robot: on some days at one hour it reads the catalogue in order, a page every two seconds."""
    stream, state = walk.streams[BEHAVIOUR], walk.state
    n_items = len(world.items)
    item = below(stream, n_items)
    start = max(person.arrived, world.rates.start)
    for _ in range(STORMS):
        state.clock = start
        state.session += 1
        for _ in range(world.rates.robot_requests):
            emit(walk, world, person, VIEW, item, np.nan, np.nan, state.session, NOTHING)
            item = (item + 1) % n_items
            state.clock += ROBOT_PERIOD
        start += DAY_US * (1 + below(stream, np.int64(7)))


@njit(cache=True, nogil=True)
def _begin_user(walk: Any, user: int, first: int, seed: Any) -> None:
    for purpose in range(len(walk.streams)):
        begin(walk.streams[purpose], seed, user, purpose)
    for c in range(len(walk.marks)):
        walk.marks[c].bought = 0
        walk.marks[c].lapsed = 0
    walk.state.session = 0
    walk.state.last_item = -1
    walk.state.user = user - first


@njit(cache=True, nogil=True)
def simulate_users(
    walk: Any, world: Any, people: Any, outcome: Any, first: int, last: int, seed: Any, max_rows: int
) -> int:
    """Write the lives of users `first`, `first + 1`, ... until `last` or `max_rows` rows; return who is next."""
    walk.state.n = 0
    user = first
    while user < last and walk.state.n < max_rows:
        person = people[user - first]
        _begin_user(walk, user, first, seed)
        draw_person(world, person, walk.streams[PROFILE])
        if person.fake == SHILLING:
            shill(walk, world, person)
        elif person.fake == ROBOT:
            storm(walk, world, person)
        else:
            live(walk, world, person)
            receive_campaigns(walk, world, person, outcome)
        user += 1
    return user


@njit(cache=True, nogil=True)
def draw_people(world: Any, people: Any, stream: Any, first: int, seed: Any) -> None:
    """Draw who users `first`, `first + 1`, ... are, without their lives."""
    for i in range(len(people)):
        begin(stream[0], seed, first + i, PROFILE)
        draw_person(world, people[i], stream[0])
