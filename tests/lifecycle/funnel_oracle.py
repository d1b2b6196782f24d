"""The naive funnel: it enumerates every way to fill the steps, as docs/funnel.md words it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from ulm_core.lifecycle.funnel import FunnelSpec, FunnelStep
from ulm_core.lifecycle.periods import SECOND_US, Periods

NO_END = 2**62


class Event(NamedTuple):
    t: int
    name: str
    value: float = 0.0
    item: str | None = None
    session: str | None = None


Found = tuple[int, set[int], list[int | None]]  # level, optional steps done, times of the steps


def is_active(event: Event) -> bool:
    return event.name != "mail"


def fills(event: Event, step: FunnelStep) -> bool:
    compare = {">=": float.__ge__, "<": float.__lt__}
    named = is_active(event) if step.event == "*" else event.name == step.event
    return named and all(compare[w.op](event.value, float(w.values[0])) for w in step.where)


class Oracle:
    """One funnel question; `levels` and friends take one timeline."""

    def __init__(self, spec: FunnelSpec) -> None:
        self.spec = spec
        self.window = round(spec.window_seconds * SECOND_US)
        self.required = [k for k, step in enumerate(spec.steps) if not step.is_optional]

    def _is_counted(self, event: Event) -> bool:
        excluded = [FunnelStep(event=x.event.event, where=x.event.where) for x in self.spec.exclusions]
        return is_active(event) or any(fills(event, step) for step in [*self.spec.steps, *excluded])

    def _follows(self, events: Sequence[Event], chain: list[int], i: int, step: FunnelStep) -> bool:
        first, last, event = events[chain[0]].t, events[chain[-1]].t, events[i]
        if i in chain or not last <= event.t <= first + self.window or not fills(event, step):
            return False
        if step.window_seconds is not None and event.t - last > round(step.window_seconds * SECOND_US):
            return False
        between = [e for e in events if last < e.t < event.t and self._is_counted(e)]
        return not (self.spec.order == "strict" and between)

    def _chains(self, events: Sequence[Event], first: int) -> list[list[int]]:
        """Return every way (positions) to fill required steps in a row from the event `first`."""
        grown, found = [[first]], []
        while grown:
            chain = grown.pop()
            found.append(chain)
            if len(chain) < len(self.required):
                step = self.spec.steps[self.required[len(chain)]]
                grown += [[*chain, i] for i in range(len(events)) if self._follows(events, chain, i, step)]
        return found

    def _attempts(
        self, events: Sequence[Event], opens: tuple[int, int], first_only: bool
    ) -> list[tuple[int, list[list[int]]]]:
        starts = sorted({e.t for e in events if fills(e, self.spec.steps[0])})
        starts = [t for t in (starts[:1] if first_only else starts) if opens[0] <= t < opens[1]]
        return [
            (t, [c for i, e in enumerate(events) if e.t == t and fills(e, self.spec.steps[0])
                 for c in self._chains(events, i)])
            for t in starts
        ]  # fmt: skip

    def _is_excluded(self, events: Sequence[Event], attempts: list[tuple[int, list[list[int]]]]) -> bool:
        n = len(self.required)
        completed = min((events[c[-1]].t for _, cs in attempts for c in cs if len(c) == n), default=NO_END)
        for exclusion in self.spec.exclusions:
            banned = FunnelStep(event=exclusion.event.event, where=exclusion.event.where)
            for e in events:
                if not fills(e, banned) or e.t >= completed:
                    continue
                for start, chains in attempts:
                    if start < e.t <= start + self.window and self._hit(events, chains, e.t, exclusion):
                        return True
        return False

    def _hit(self, events, chains, t, exclusion) -> bool:
        if self.spec.order == "strict":  # only what no other event has reset: the last step is the last thing done
            last = max(e.t for e in events if e.t < t and self._is_counted(e))
            had = {len(c) for c in chains if events[c[-1]].t == last}
            has = max((len(c) for c in chains if events[c[-1]].t == t), default=0)
        else:
            had = {max(sum(events[i].t < t for i in c) for c in chains)}
            has = max(sum(events[i].t <= t for i in c) for c in chains)
        after, before = exclusion.after_step, exclusion.before_step
        return bool(had) and all(after <= n < before for n in had) and has < before

    def one(
        self, events: Sequence[Event], opens: tuple[int, int] = (0, NO_END), first_only: bool | None = None
    ) -> Found:
        """Return level (-1: dropped), optional steps and step times of the attempt that counts."""
        first_only = self.spec.entry == "first" if first_only is None else first_only
        if self.spec.order == "any":
            return self._any_order(events, opens, first_only)
        attempts = self._attempts(events, opens, first_only)
        if self._is_excluded(events, attempts):
            return -1, set(), []
        best: list[int] = []
        best_chains: list[list[int]] = []
        for _, chains in attempts:
            longest = max(map(len, chains))
            if longest > len(best):
                times = [[events[i].t for i in c] for c in chains if len(c) == longest]
                best = min(times, key=lambda c: (c[-1], c))
                best_chains = chains
        times_of: list[int | None] = [None] * len(self.spec.steps)
        for k, t in zip(self.required, best, strict=False):
            times_of[k] = t
        optional = self._optional(events, best_chains)
        for k, t in optional.items():
            times_of[k] = t
        level = self.required[len(best) - 1] + 1 if best else 0
        return level, set(optional), times_of

    def _optional(self, events: Sequence[Event], chains: list[list[int]]) -> dict[int, int]:
        found: dict[int, int] = {}
        for k, step in enumerate(self.spec.steps):
            if step.is_optional:
                before = sum(r < k for r in self.required)
                times = [events[i].t for c in chains if len(c) == before for i in range(len(events))
                         if self._follows(events, c, i, step)]  # fmt: skip
                if times:
                    found[k] = min(times)
        return found

    def _filled(self, events: Sequence[Event]) -> int:
        owner: dict[int, int] = {}

        def place(k: int, seen: set[int]) -> bool:
            for i, event in enumerate(events):
                if i not in seen and fills(event, self.spec.steps[k]):
                    seen.add(i)
                    if i not in owner or place(owner[i], seen):
                        owner[i] = k
                        return True
            return False

        return sum(place(k, set()) for k in range(len(self.spec.steps)))

    def _any_order(self, events: Sequence[Event], opens: tuple[int, int], first_only: bool) -> Found:
        best: list[int] = []
        starts = [e.t for e in events if any(fills(e, step) for step in self.spec.steps)]
        for start in starts[:1] if first_only else starts:
            if not opens[0] <= start < opens[1]:
                continue
            inside = [e for e in events if start <= e.t <= start + self.window]
            filled = [(e.t, self._filled([f for f in inside if f.t <= e.t])) for e in inside]
            level = filled[-1][1]
            if level > len(best):
                best = [next(t for t, n in filled if n >= k) for k in range(1, level + 1)]
        return len(best), set(), [*best, *[None] * (len(self.spec.steps) - len(best))]

    def totals(self, events: Sequence[Event], until: int = NO_END) -> list[Found]:
        """Return every attempt, one after the other."""
        found, left = [], list(events)
        while True:
            openers = [e.t for e in left if self._opens(e) and e.t < until]
            if not openers:
                return found
            seen = [e for e in left if openers[0] <= e.t <= openers[0] + self.window]
            level, optional, times = self.one(seen, first_only=True)
            after = openers[0] + (0 if level < 0 else self.window)
            if level == len(self.spec.steps) or (self.spec.order == "strict" and level > 0):
                after = times[level - 1] or 0
            if level > 0:
                found.append((level, optional, times))
            left = [e for e in left if e.t > after]

    def _opens(self, event: Event) -> bool:
        steps = self.spec.steps if self.spec.order == "any" else self.spec.steps[:1]
        return any(fills(event, step) for step in steps)

    def trend(self, events: Sequence[Event], periods: Periods) -> list[int]:
        """Return the level per period of entry."""
        bounds = periods.starts_us.tolist()
        opens = pairwise(bounds)
        return [self.one(events, span)[0] for span in opens]

    def snapped(self, events: Sequence[Event]) -> list[Event]:
        """Return the events with those close together at one instant."""
        grace, anchor, out = round(self.spec.grace_seconds * SECOND_US), -NO_END, []
        for event in events:
            if event.t - anchor > grace and self._is_looked_at(event):
                anchor = event.t
            out.append(event._replace(t=anchor if 0 <= event.t - anchor <= grace else event.t))
        return out

    def _is_looked_at(self, event: Event) -> bool:
        excluded = [FunnelStep(event=x.event.event, where=x.event.where) for x in self.spec.exclusions]
        looked = any(fills(event, step) for step in [*self.spec.steps, *excluded])
        return looked or (self.spec.order == "strict" and is_active(event))
