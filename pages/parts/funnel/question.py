"""What the reader asks of the funnel page, read from the address."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import wraps
from typing import Any

from pages.parts import url
from pages.parts.frame import View
from pages.parts.funnel.fields import fields
from pages.parts.i18n import N_
from ulm_core.errors import UlmError
from ulm_core.lifecycle.conditions import EventMatch, parse_match
from ulm_core.lifecycle.filters import UserLabels
from ulm_core.lifecycle.funnel import MAX_STEPS, Exclusion, Funnel, FunnelSpec, FunnelStep, compute_funnel
from ulm_core.lifecycle.funnel_keys import SESSION
from ulm_core.lifecycle.funnel_presets import PRESET_TITLES, PRESETS, Preset
from ulm_core.lifecycle.groups import group_labels, largest_groups
from ulm_core.timeline.index import TimelineIndex
from ulm_core.workspace import WorkspaceConfig

ORDERS = {"ordered": N_("In order"), "strict": N_("Strictly in order"), "any": N_("Any order")}
ENTRIES = {"any": N_("Any first step"), "first": N_("Only the first")}
COUNTINGS = {"users": N_("Users"), "sessions": N_("Sessions"), "totals": N_("Every attempt")}
UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800, "mo": 2_592_000}
UNIT_WORDS = {
    "s": N_("seconds"), "m": N_("minutes"), "h": N_("hours"), "d": N_("days"), "w": N_("weeks"), "mo": N_("months"),
}  # fmt: skip
LONGEST_SECONDS = 366 * 86_400
RULES = ("order", "window", "entry", "count", "grace", "after")  # what a preset sets


def read_span(text: str | None, default: str) -> tuple[int, str]:
    """Return number and unit of a span such as ``14d``; a plain number means days, nonsense the default."""
    text = (text or "").strip().lower()
    number = text.rstrip("abcdefghijklmnopqrstuvwxyz")
    unit = text[len(number) :] or "d"
    is_known = number.isdecimal() and unit in UNITS
    if is_known and 0 < int(number) * UNITS[unit] <= LONGEST_SECONDS:
        return int(number), unit
    return read_span(default, "14d")


def span_seconds(span: tuple[int, str]) -> int:
    """Return a span in seconds."""
    return span[0] * UNITS[span[1]]


def as_span(seconds: float) -> str:
    """Return seconds as the span with the largest unit that fits."""
    unit = max(
        (unit for unit, size in UNITS.items() if seconds % size == 0 and unit not in ("w", "mo")), key=UNITS.__getitem__
    )
    return f"{round(seconds / UNITS[unit])}{unit}"


def default_steps(names: Sequence[str], passive: Sequence[str], conversions: Sequence[str]) -> list[str]:
    """Return the story most logs tell: reached by something, did something on the way, reached the goal.

    Parameters
    ----------
    names
        Event names of the log, most frequent first.
    passive, conversions
        Which of them are done to the user, and which count as conversions.
    """
    reached = [name for name in names if name in passive]
    goals = [name for name in names if name in conversions]
    others = [name for name in names if name not in reached and name not in goals]
    steps = [*reached[:1], *others[:1], *goals[:1]]
    return steps if len(steps) >= 2 else [*(goals or list(names))[:1]] * 2


@dataclass(frozen=True)
class Question:
    """The funnel as asked; steps and exclusions as the texts that stand in the address."""

    steps: tuple[EventMatch, ...]
    optional: frozenset[int]
    windows: dict[int, tuple[int, str]]
    order: str
    window: tuple[int, str]
    entry: str
    counting: str
    grace: int
    after_range: bool
    hold: str
    exclusions: tuple[tuple[EventMatch, int, int], ...]

    def spec(self, view: View, **changes: Any) -> FunnelSpec:
        """Return the question as a spec over the period of the view."""
        low, high = view.range_us
        fields: dict[str, Any] = {
            "steps": tuple(self._step(k, match) for k, match in enumerate(self.steps, start=1)),
            "order": self.order,
            "window_seconds": span_seconds(self.window),
            "entry": self.entry,
            "counting": self.counting,
            "grace_seconds": self.grace,
            "counts_after_range": self.after_range,
            "hold": self.hold or None,
            "exclusions": tuple(Exclusion(event=e, after_step=a, before_step=b) for e, a, b in self.exclusions)
            if self.order != "any"
            else (),
            "from_us": low,
            "to_us": high,
        }
        return FunnelSpec.checked(**fields | changes)

    def _step(self, k: int, match: EventMatch) -> FunnelStep:
        is_optional = k in self.optional and self.order == "ordered" and 1 < k < len(self.steps)
        within = span_seconds(self.windows[k]) if k in self.windows and self.order != "any" and k > 1 else None
        return FunnelStep(event=match.event, where=match.where, is_optional=is_optional, window_seconds=within)

    def put_steps(self, order: Sequence[int | EventMatch]) -> None:
        """Write steps to the address: places (from 0) of present ones, or new ones; their rules move along."""
        url.put("step", [str(self.steps[one] if isinstance(one, int) else one) for one in order])
        place = {old + 1: new for new, old in enumerate(order, start=1) if isinstance(old, int)}
        url.put("optional", [str(place[k]) for k in sorted(self.optional) if k in place])
        url.put("within", [f"{place[k]}:{n}{unit}" for k, (n, unit) in self.windows.items() if k in place])

    def put_step(self, k: int, match: EventMatch) -> None:
        """Replace step k (from 0) in the address."""
        steps = [*self.steps[:k], match, *self.steps[k + 1 :]]
        url.put("step", list(map(str, steps)))


def _matches(names: Sequence[str], texts: Sequence[str]) -> list[EventMatch]:
    found = []
    for text in texts:
        try:
            match = parse_match(text)
        except UlmError:
            continue
        if match.event in names or match.event == "*":
            found.append(match)
    return found


def _numbered(key: str) -> dict[int, str]:
    pairs = (text.partition(":") for text in url.get_all(key))
    return {int(number): rest for number, _colon, rest in pairs if number.isdecimal()}


def _one_of(key: str, options: Sequence[str], default: str) -> str:
    asked = url.get(key, default) or default
    return asked if asked in options else default


def read(view: View) -> Question:
    """Return the question in the address, what it lacks or gets wrong by the defaults of the house."""
    names, config, house = list(view.data.summary.events), view.data.config, PRESETS["house"]
    steps = _matches(names, url.get_all("step"))[:MAX_STEPS]
    if len(steps) < 2:
        steps = [
            EventMatch(event=name) for name in default_steps(names, config.passive_events, config.conversion_events)
        ]
    grace = url.get("grace", "0") or "0"
    return Question(
        steps=tuple(steps),
        optional=frozenset(_numbered("optional")),
        windows={k: read_span(text, "1d") for k, text in _numbered("within").items() if k <= len(steps)},
        order=_one_of("order", list(ORDERS), house["order"]),
        window=read_span(url.get("window"), as_span(house["window_seconds"])),
        entry=_one_of("entry", list(ENTRIES), house["entry"]),
        counting=_one_of("count", list(COUNTINGS), house["counting"]),
        grace=int(grace) if grace in ("0", "1", "2") else 0,
        after_range=url.get("after") == "1",
        hold=_one_of("hold", [SESSION, *fields(view.data)], ""),
        exclusions=_exclusions(names, len(steps)),
    )


def _exclusions(names: Sequence[str], n_steps: int) -> tuple[tuple[EventMatch, int, int], ...]:
    found = []
    for text in url.get_all("exclude"):
        event, _colon, pair = text.rpartition(":")
        first, _dash, last = pair.partition("-")
        is_pair = first.isdecimal() and last.isdecimal() and 0 < int(first) < int(last) <= n_steps
        found += [(match, int(first), int(last)) for match in _matches(names, [event]) if is_pair]
    return tuple(found)


def put_exclusions(exclusions: Sequence[tuple[EventMatch, int, int]]) -> None:
    """Write exclusions to the address."""
    url.put("exclude", [f"{match}:{first}-{last}" for match, first, last in exclusions])


def put_preset(name: Preset) -> None:
    """Write what a preset sets to the address."""
    rules = PRESETS[name]
    url.put("order", rules["order"])
    url.put("window", as_span(rules["window_seconds"]))
    url.put("entry", rules["entry"])
    url.put("count", rules["counting"])
    url.put("grace", str(rules["grace_seconds"]) if rules["grace_seconds"] else None)
    url.put("after", "1" if rules["counts_after_range"] else None)


def preset_of(question: Question) -> str | None:
    """Return the preset whose rules are in force, None where they are the reader's own."""
    own = {
        "order": question.order,
        "window_seconds": span_seconds(question.window),
        "entry": question.entry,
        "counting": question.counting,
        "grace_seconds": question.grace,
        "counts_after_range": question.after_range,
    }
    return next((name for name in PRESET_TITLES if PRESETS[name] == own), None)


def ask(view: View, spec: FunnelSpec) -> Funnel:
    """Return the funnel of the filtered users, conditions read from the snapshot."""

    @wraps(compute_funnel)
    def compute(index: TimelineIndex, config: WorkspaceConfig, masked: FunnelSpec) -> Funnel:
        return compute_funnel(index, config, masked, view.data.snapshot)

    return view.ask(compute, spec, by=spec.model_dump_json(include={"labels"}))


def groups(view: View, by: str) -> UserLabels:
    """Return the largest groups of a breakdown at the end of the period."""
    data, at_us = view.data, view.range_us[1]
    return data.remember(
        "funnel_groups",
        f"{by}@{at_us} {view.people}",
        lambda: largest_groups(group_labels(data.index, data.config, data.snapshot, by, at_us)),
    )


def without(question: Question, k: int) -> Question:
    """Return the question without its exclusion k."""
    return replace(question, exclusions=question.exclusions[:k] + question.exclusions[k + 1 :])
