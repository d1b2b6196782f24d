"""The compiled life of one user: sign-up, sessions, churn, return, campaigns. Formulas: `docs/simulator.md`."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit

from ulm_core.events.simulator.config import MAX_ROWS_PER_USER
from ulm_core.events.simulator.records import (
    ATTACK_DAYS,
    ATTACK_SHARE,
    CART,
    HELD_OUT,
    N_AGES,
    N_REGIONS,
    NEVER,
    NOTHING,
    REAL,
    RECEIVED,
    ROBOT,
    SHILLING,
    VIEW,
    emit,
    pause,
)
from ulm_core.events.simulator.sessions import buy, live_session, pick_category, pick_item
from ulm_core.events.simulator.streams import BEHAVIOUR, CAMPAIGN, below, exponential, normal, pick, uniform
from ulm_core.moments import DAY_US, HOUR_US, SECOND_US


@njit(cache=True, nogil=True)
def next_session(world: Any, stream: Any, after: int, per_day: float) -> int:
    """Return the next moment of a Poisson process whose rate follows the seasons (thinning), or past the end."""
    rates = world.rates
    mean = DAY_US / (per_day * rates.season_max)
    t = float(after)
    while t < rates.end:
        t += exponential(stream, mean)
        hour = int((t - rates.season_start) // HOUR_US)
        if hour >= len(world.season) or uniform(stream) * rates.season_max < world.season[hour]:
            break
    return int(t // 1000) * 1000


@njit(cache=True, nogil=True)
def churn_hazard(world: Any, person: Any) -> float:
    """Return the churn hazard a day of a user as it stands now."""
    rates = world.rates
    hazard = rates.churn_hazard * world.channels[person.channel].hazard
    hazard *= math.exp(-rates.satisfaction_effect * (person.satisfaction - 0.5))
    return float(hazard * rates.inactivated_ratio if person.activated == NEVER else hazard)


@njit(cache=True, nogil=True)
def _note_lapse(walk: Any, world: Any, died: int, returned: int) -> None:
    for c in range(len(world.campaigns)):
        if died <= world.campaigns[c].at < returned:
            walk.marks[c].lapsed = 1


@njit(cache=True, nogil=True)
def _return_after(walk: Any, world: Any, person: Any, died: int) -> int:
    """Record a churn and return the moment the user comes back, past the end when never."""
    rates, stream = world.rates, walk.streams[BEHAVIOUR]
    person.churns += 1
    person.last_churn = died
    if person.churns == 1:
        person.first_churn = died
    back = rates.end
    if uniform(stream) < rates.resurrection_share:
        back = min(rates.end, died + int(exponential(stream, rates.resurrection_days * DAY_US) // 1000) * 1000)
    _note_lapse(walk, world, died, back)
    person.alive = back < rates.end
    return int(back)


@njit(cache=True, nogil=True)
def live(walk: Any, world: Any, person: Any) -> None:
    """Write a user's own life: after each session, what comes first, the next session or churn."""
    rates, stream = world.rates, walk.streams[BEHAVIOUR]
    t = person.arrived
    while t < rates.end and person.rows < MAX_ROWS_PER_USER:
        live_session(walk, world, person, t)
        ended = walk.state.clock
        hazard = churn_hazard(world, person)
        died = ended + int(exponential(stream, DAY_US / hazard)) if hazard > 0 else rates.end
        t = next_session(world, stream, ended, person.sessions_per_day)
        if died < t and died < rates.end:
            t = _return_after(walk, world, person, died)
            if t < rates.end:
                person.returns += 1
                person.satisfaction = 0.5


@njit(cache=True, nogil=True)
def _respond(walk: Any, world: Any, person: Any, c: int, stream: Any) -> None:
    """Write the purchase a campaign caused: one view, one cart, one purchase inside the window."""
    state = walk.state
    state.clock = (
        world.campaigns[c].at + int(uniform(stream) * (world.rates.campaign_window_days - 0.5) * 86_400) * SECOND_US
    )
    state.session += 1
    cluster = np.int64(person.cluster)
    item = pick_item(world, stream, cluster, pick_category(world, stream, cluster), state.clock)
    emit(walk, world, person, VIEW, item, np.nan, np.nan, state.session, NOTHING)
    pause(walk, stream, 30.0)
    emit(walk, world, person, CART, item, np.nan, 1.0, state.session, NOTHING)
    pause(walk, stream, 60.0)
    buy(walk, world, person, stream, item)


@njit(cache=True, nogil=True)
def receive_campaigns(walk: Any, world: Any, person: Any, outcome: Any) -> None:
    """Draw arm and response of every campaign; `outcome[c, lapsed]` sums users, treated, y0, y1, propensity.

    Arm and response are drawn for everybody, so both potential outcomes are known: y0 = bought in the window
    anyway, y1 = y0 or responds.
    """
    stream = walk.streams[CAMPAIGN]
    for c in range(len(world.campaigns)):
        is_treated = uniform(stream) >= world.rates.holdout_share
        chance = world.campaigns[c].lift * world.channels[person.channel].response
        responds = uniform(stream) < chance
        if person.arrived >= world.campaigns[c].at or not person.consent:
            continue
        walk.state.clock = world.campaigns[c].at
        emit(walk, world, person, RECEIVED if is_treated else HELD_OUT, NOTHING, np.nan, np.nan, NOTHING, c)
        total = outcome[c, walk.marks[c].lapsed]
        total[0] += 1
        total[1] += is_treated
        total[2] += walk.marks[c].bought
        total[3] += walk.marks[c].bought or responds
        total[4] += chance
        if is_treated and responds:
            _respond(walk, world, person, c, stream)


@njit(cache=True, nogil=True)
def draw_person(world: Any, person: Any, stream: Any) -> None:
    """Draw who a user is: real or fake, taste, attributes, rate, sign-up time."""
    rates = world.rates
    kind = uniform(stream)
    person.fake = REAL
    if kind < rates.shilling_share:
        person.fake = SHILLING
    elif kind < rates.shilling_share + rates.robot_share:
        person.fake = ROBOT
    person.cluster = below(stream, rates.clusters)
    person.channel = pick(stream, world.channels.cumulative, np.int64(0), len(world.channels))
    person.region = person.cluster % N_REGIONS if uniform(stream) < 0.4 else below(stream, N_REGIONS)
    person.age = below(stream, N_AGES)
    person.consent = uniform(stream) < 0.8
    spread = rates.session_spread
    person.sessions_per_day = rates.sessions_per_week / 7.0 * math.exp(spread * normal(stream) - spread * spread / 2.0)
    person.satisfaction = 0.5
    person.alive = 1
    person.churns = person.returns = 0
    person.rows = 0
    person.activated = person.first_churn = person.last_churn = NEVER
    is_early = uniform(stream) < rates.early_share
    person.arrived = _arrival(world, stream, rates.season_start if is_early else rates.start, is_early)
    if person.fake == SHILLING:
        days = min(ATTACK_DAYS, (rates.end - attack_start(world)) // DAY_US)
        person.arrived = attack_start(world) + int(uniform(stream) * max(days - 1, 1) * 86_400) * SECOND_US


@njit(cache=True, nogil=True)
def attack_start(world: Any) -> int:
    """Return the moment the shilling attack begins."""
    days = (world.rates.end - world.rates.start) // DAY_US
    return int(world.rates.start + int(days * ATTACK_SHARE) * DAY_US)


@njit(cache=True, nogil=True)
def _arrival(world: Any, stream: Any, first: int, is_early: bool) -> int:
    """Return a sign-up moment that follows the seasons."""
    rates = world.rates
    length = (rates.start if is_early else rates.end) - first
    for _ in range(64):
        t = first + int(uniform(stream) * (length // 1000)) * 1000
        if uniform(stream) * rates.season_max < world.season[(t - rates.season_start) // HOUR_US]:
            break
    return int(t)
