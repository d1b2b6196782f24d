"""From a partition of users to attempts: which kernel walks which runs of events, and what counts once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from ulm_core.lifecycle.funnel_fast import fast_levels, fast_times
from ulm_core.lifecycle.funnel_kernels import ANY_ORDER, DROPPED, NEVER, ORDERED, STEPWISE, STRICT, walk_units
from ulm_core.lifecycle.funnel_plan import FOREVER, FunnelPlan
from ulm_core.lifecycle.funnel_units import (
    Lanes,
    Units,
    first_after,
    keyed_lanes,
    lane_units,
    next_opener,
    period_units,
    snapped,
    tie_begin,
    user_lanes,
)
from ulm_core.lifecycle.matching import Matcher
from ulm_core.timeline.index import Partition

Counting = Literal["users", "sessions", "totals"]
Order = Literal["ordered", "strict", "any"]

Ints = npt.NDArray[np.int64]
# Of a partition: one code an event, -1 where it has none.
Key = Callable[[Partition], npt.NDArray[np.integer[Any]]]


class Attempts(NamedTuple):
    """One row per counted attempt (for users and sessions: per user or session, its furthest attempt).

    Attributes
    ----------
    owner
        int64[n]; the user, counted in the partition.
    levels
        int8[n]; steps reached; 0 = not entered, -1 = dropped by an exclusion.
    extras
        int64[n]; steps done as bit sets, only with optional steps or windows of their own; else empty.
    period
        int64[n]; period in which the attempt opened, only in a trend.
    rows, flat
        Step times (us) of attempt n: ``flat[rows[n]:rows[n + 1]]``; only where asked for.
    """

    owner: Ints
    levels: npt.NDArray[np.int8]
    extras: Ints
    period: Ints
    rows: Ints
    flat: Ints

    def take(self, kept: npt.NDArray[Any]) -> Attempts:
        """Return the attempts at some places (int64), with their times."""
        rows, flat = self.rows, self.flat
        if len(rows):
            lengths = np.diff(rows)[kept]
            starts = np.cumsum(np.append(0, lengths))
            flat = flat[np.repeat(rows[kept] - starts[:-1], lengths) + np.arange(starts[-1])]
            rows = starts
        extras, period = (column[kept] if len(column) else column for column in (self.extras, self.period))
        return Attempts(self.owner[kept], self.levels[kept], extras, period, rows, flat)


_NONE = np.empty(0, np.int64)


@dataclass(frozen=True, eq=False)
class Walk:
    """A funnel made ready for partitions.

    Attributes
    ----------
    plan, matcher
        What fills the steps.
    order
        ordered, strict or any.
    counting
        users, sessions, or totals (every attempt, one after the other).
    keys
        What an attempt's events share beside the user: a session, an item, a property.
    included
        bool[n_users] of the index.
    from_us, to_us
        The range in which attempts open, half-open.
    end_us
        Where events end that may complete an attempt.
    grace_us
        Events this close count as simultaneous.
    """

    plan: FunnelPlan
    matcher: Matcher
    order: Order
    counting: Counting
    keys: tuple[Key, ...]
    included: npt.NDArray[np.bool_]
    from_us: int
    to_us: int
    end_us: int
    grace_us: int

    @property
    def _how(self) -> int:
        if self.order == "any":
            return ANY_ORDER
        if self.order == "strict":
            return STRICT
        return STEPWISE if self.plan.is_stepwise else ORDERED

    def attempts(self, part: Partition, *, with_times: bool = False, starts_us: Ints | None = None) -> Attempts:
        """Walk a partition.

        Parameters
        ----------
        with_times
            Keep step times; only attempts that reached a step are returned then.
        starts_us
            Boundaries of the periods of a trend: one row per user (session) and period in which it entered.
        """
        lanes = self._lanes(part)
        included = self.included[part.first_user : part.first_user + part.n_users]
        begin, end = lane_units(lanes.offsets, lanes.time, lanes.owner, included, self.from_us, self.end_us)
        units = Units(begin, end, np.full(len(begin), self.to_us), lanes.owner, _NONE)
        if self.counting == "totals":
            return self._totals(lanes, units, starts_us)
        if starts_us is not None:
            units = period_units(lanes, units, starts_us, self.plan)
        must_choose = self.counting == "users" and len(self.keys) > 0
        found = self._walk(lanes, units, self.plan, with_times or must_choose)
        if must_choose:
            found = _furthest(found)
        return found.take(np.flatnonzero(found.levels > 0)) if with_times else found

    def _lanes(self, part: Partition) -> Lanes:
        lanes = user_lanes(part, self.matcher.events(part))
        if self.keys:
            lanes = keyed_lanes(lanes, _combined([key(part) for key in self.keys]), self.plan.kind_of >= 0)
        if self.grace_us:
            time = snapped(*lanes[:3], self.plan.kind_of, self.grace_us, self.from_us, self.end_us)
            lanes = lanes._replace(time=time)
        for column in lanes[:3]:
            column.flags.writeable = False  # as the mapped columns are: to numba another type, compiled apart
        return lanes

    def _walk(self, lanes: Lanes, units: Units, plan: FunnelPlan, with_times: bool) -> Attempts:
        arguments = (units.begin, units.end, units.opens_until, lanes.time, lanes.event, plan)
        if plan.has_fast_walk:
            levels = fast_levels(*arguments)
            return self._fast_times(lanes, units, plan, levels) if with_times else _bare(units, levels)
        lengths = np.full(len(units.begin), len(plan.fills))
        rows = np.append(0, np.cumsum(lengths)) if with_times else _NONE
        flat = np.full(rows[-1] if with_times else 0, NEVER, np.int64)
        levels, extras = walk_units(*arguments, self._how, rows, flat)
        return Attempts(units.owner, levels, extras, units.period, rows, flat)

    def _fast_times(self, lanes: Lanes, units: Units, plan: FunnelPlan, levels: npt.NDArray[np.int8]) -> Attempts:
        """Walk those who entered again; return only them, with the times of the steps they reached."""
        entered = np.flatnonzero(levels > 0)
        units = Units(*(column[entered] if len(column) else column for column in units))
        rows = np.append(0, np.cumsum(levels[entered], dtype=np.int64))
        flat = np.full(rows[-1], NEVER, np.int64)
        fast_times(units.begin, units.end, units.opens_until, lanes.time, lanes.event, plan, rows, flat)
        return _bare(units, levels[entered])._replace(rows=rows, flat=flat)

    def _totals(self, lanes: Lanes, units: Units, starts_us: Ints | None) -> Attempts:
        """Return every attempt, one after the other: the next opens when one is complete, lost or out of time.

        Attempts of different lanes are walked side by side, round by round, each round only over what one attempt
        can see.
        """
        plan = self.plan._replace(is_first_only=True)
        rounds: list[Attempts] = []
        while len(units.begin):
            at = next_opener(units.begin, units.end, lanes.time, lanes.event, plan)
            opens = (at < units.end) & (lanes.time[np.minimum(at, len(lanes.time) - 1)] < units.opens_until)
            units = Units(*(column[opens] if len(column) else column for column in units))
            at = at[opens]
            begin = tie_begin(at, units.begin, lanes.time)
            closes = first_after(begin, units.end, lanes.time, lanes.time[at] + plan.window_us)
            found = self._walk(lanes, units._replace(begin=begin, end=closes), plan, True)
            rounds.append(found.take(np.flatnonzero(found.levels > 0)))
            units = units._replace(begin=self._resume(lanes, units, at, closes, found))
        joined = _joined(rounds)
        joined = joined.take(np.argsort(joined.owner, kind="stable"))
        if starts_us is None:
            return joined
        period = np.searchsorted(starts_us, joined.flat[joined.rows[:-1]], side="right") - 1
        return joined._replace(period=period)

    def _resume(self, lanes: Lanes, units: Units, at: Ints, closes: Ints, found: Attempts) -> Ints:
        """Return where each unit goes on after an attempt."""
        opened = lanes.time[at]
        if not len(at):
            return at
        length = np.maximum(found.levels.astype(np.int64), 1)
        reached = found.flat[found.rows[:-1] + length - 1]  # of the last step done
        is_over = found.levels == len(self.plan.fills)
        if self.order == "strict":
            is_over |= found.levels > 0
        after = np.where(found.levels == DROPPED, opened, np.where(is_over, reached, opened + self.plan.window_us))
        resumed: Ints = first_after(units.begin, units.end, lanes.time, after)
        return resumed


def _bare(units: Units, levels: npt.NDArray[np.int8]) -> Attempts:
    return Attempts(units.owner, levels, _NONE, units.period, _NONE, _NONE)


def _joined(parts: list[Attempts]) -> Attempts:
    if not parts:
        return Attempts(_NONE, np.empty(0, np.int8), _NONE, _NONE, np.zeros(1, np.int64), _NONE)
    starts = np.cumsum([0] + [len(part.flat) for part in parts])
    rows = [part.rows[:-1] + start for part, start in zip(parts, starts, strict=False)]
    owner, levels, extras, period, _, flat = (np.concatenate(column) for column in zip(*parts, strict=True))
    return Attempts(owner, levels, extras, period, np.append(np.concatenate(rows), len(flat)), flat)


def _furthest(found: Attempts) -> Attempts:
    """Return one row a user (and period): the furthest of its lanes, and among these the one that entered first."""
    levels = found.levels.astype(np.int64)
    rank = np.where(levels == 0, DROPPED - 1, levels)  # a lane that never entered says least
    has_start = np.diff(found.rows) > 0
    opened = np.full(len(levels), FOREVER)
    opened[has_start] = found.flat[found.rows[:-1][has_start]]
    period = found.period if len(found.period) else np.zeros(len(levels), np.int64)
    order = np.lexsort((opened, -rank, period, found.owner))
    owner, period = found.owner[order], period[order]
    is_first = np.append(True, (owner[1:] != owner[:-1]) | (period[1:] != period[:-1]))[: len(order)]
    return found.take(order[is_first])


def _combined(keys: list[npt.NDArray[np.integer[Any]]]) -> Ints:
    """Return one code for each combination of keys, -1 where any is missing."""
    combined: Ints = keys[0].astype(np.int64)
    for key in keys[1:]:
        is_known = (combined >= 0) & (key >= 0)
        combined = np.where(is_known, combined * (int(key.max(initial=0)) + 1) + key, -1)
    return combined
