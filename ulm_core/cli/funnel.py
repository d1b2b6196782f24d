"""The command that walks users through the steps of a funnel."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import typer

from ulm_core.cli.common import JsonOption, WorkspaceOption
from ulm_core.cli.log import (
    ByOption,
    EntityOption,
    FromOption,
    Log,
    TimezoneOption,
    ToOption,
    WeekStartOption,
    answer_with,
    open_log,
)
from ulm_core.errors import InputError
from ulm_core.lifecycle.conditions import parse_match, split_matches
from ulm_core.lifecycle.funnel import Exclusion, Funnel, FunnelSpec, FunnelStep, compute_funnel
from ulm_core.lifecycle.funnel_drivers import compute_drivers
from ulm_core.lifecycle.funnel_presets import PRESETS, Preset
from ulm_core.lifecycle.parsing import parse_duration, parse_range
from ulm_core.lifecycle.proportions import TwoShares
from ulm_core.messages import N_


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command()(funnel)


def funnel(
    steps: Annotated[
        str,
        typer.Option(
            "--steps",
            metavar="A,B,C",
            help="Events in order; * is any event, buy[item.category=X][value>=5] has conditions.",
        ),
    ],
    order: Annotated[
        Literal["ordered", "strict", "any"] | None,
        typer.Option("--order", help="How steps may follow each other.", show_default="ordered"),
    ] = None,
    window: Annotated[
        str | None,
        typer.Option("--window", help="Conversion window from step 1: 30s 15m 12h 14d 8w 3mo.", show_default="14d"),
    ] = None,
    from_: FromOption = None,
    to: ToOption = None,
    exclude: Annotated[
        list[str] | None, typer.Option("--exclude", metavar="X:1-2", help="Event that must not lie between two steps.")
    ] = None,
    entry: Annotated[
        Literal["any", "first"] | None,
        typer.Option("--entry", help="Which step 1 opens an attempt.", show_default="any"),
    ] = None,
    step_window: Annotated[
        list[str] | None,
        typer.Option("--step-window", metavar="K:1h", help="Longest time from the step before to step K."),
    ] = None,
    optional: Annotated[
        list[int] | None, typer.Option("--optional", metavar="K", help="Step K may be left out.")
    ] = None,
    count: Annotated[
        Literal["users", "sessions", "totals"] | None,
        typer.Option("--count", help="What is counted; totals: every attempt.", show_default="users"),
    ] = None,
    hold: Annotated[
        str | None,
        typer.Option("--hold", metavar="FIELD", help="All steps share it: session, item, item.X, property.X."),
    ] = None,
    grace: Annotated[
        str | None, typer.Option("--grace", help="Events this close (up to 2s) may be taken in any order.")
    ] = None,
    after_range: Annotated[
        bool | None, typer.Option("--after-range/--within-range", help="Whether conversions after --to count.")
    ] = None,
    preset: Annotated[
        Literal["house", "posthog", "mixpanel", "amplitude"],
        typer.Option("--preset", help="Count as this product does, where no option says otherwise."),
    ] = "house",
    by: ByOption = None,
    trend: Annotated[
        Literal["day", "week", "month"] | None,
        typer.Option("--trend", help="Add entries by period, and how many converted."),
    ] = None,
    compare_from: Annotated[
        str | None, typer.Option("--compare-from", metavar="T", help="Compare with this range: start.")
    ] = None,
    compare_to: Annotated[str | None, typer.Option("--compare-to", metavar="T", help="Its end.")] = None,
    drivers: Annotated[
        bool, typer.Option("--drivers", help="Add what converters did and were before they entered.")
    ] = False,
    from_step: Annotated[int, typer.Option("--from-step", help="With --times: from this step.")] = 1,
    to_step: Annotated[
        int | None, typer.Option("--to-step", help="With --times: to this step.", show_default="the last")
    ] = None,
    times: Annotated[bool, typer.Option("--times", help="Add the seconds between the two steps.")] = False,
    timezone: TimezoneOption = None,
    week_start: WeekStartOption = None,
    entity: EntityOption = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Count users who get from step to step, and how long it takes them."""
    log = open_log(workspace, timezone, week_start, entity)
    from_us, to_us = parse_range(from_, to, log.zone)
    asked = {
        "order": order,
        "window_seconds": None if window is None else parse_duration(window),
        "entry": entry,
        "counting": count,
        "hold": hold,
        "grace_seconds": None if grace is None else 0.0 if grace.strip() in ("0", "0s") else parse_duration(grace),
        "counts_after_range": after_range,
        "trend": trend,
    }
    spec = FunnelSpec.checked(
        **PRESETS[_preset(preset)] | {name: value for name, value in asked.items() if value is not None},
        from_us=from_us,
        to_us=to_us,
        steps=_steps(steps, optional or [], step_window or []),
        exclusions=tuple(_exclusion(text) for text in exclude or ()),
        labels=log.groups(by, to_us),
    )
    result = compute_funnel(log.index, log.config, spec, log.snapshot)
    extra: dict[str, Any] = {}
    if times:
        extra["times"] = result.times_json(from_step, to_step or len(spec.steps))
    if compare_from or compare_to:
        extra["compare"] = _compared(log, result, compare_from, compare_to)
    if drivers:
        extra["drivers"] = compute_drivers(result, log.snapshot).to_json()["drivers"]
    answer_with(result, as_json, extra)


def _preset(name: str) -> Preset:
    return name  # type: ignore[return-value]


def _steps(text: str, optional: list[int], windows: list[str]) -> tuple[FunnelStep, ...]:
    matches = [parse_match(step) for step in split_matches(text)]
    within: dict[int, float] = {}
    for asked in windows:
        number, _, duration = asked.partition(":")
        if not (number.isdigit() and 2 <= int(number) <= len(matches)):
            raise InputError(N_("“{text}” is not a window of a step. Write the step and a duration: 2:1h."), text=asked)
        within[int(number)] = parse_duration(duration)
    if any(not 1 <= k <= len(matches) for k in optional):
        raise InputError(N_("Steps run from 1 to {n}."), n=len(matches))
    return tuple(
        FunnelStep(event=match.event, where=match.where, is_optional=k in optional, window_seconds=within.get(k))
        for k, match in enumerate(matches, start=1)
    )


def _exclusion(text: str) -> Exclusion:
    event, _, pair = text.rpartition(":")
    first, _, last = pair.partition("-")
    if not (event and first.isdigit() and last.isdigit()):
        raise InputError(N_("“{text}” is not an exclusion. Write the event and two steps: refund:1-2."), text=text)
    return Exclusion.model_construct(event=parse_match(event), after_step=int(first), before_step=int(last))


def _compared(log: Log, result: Funnel, first: str | None, last: str | None) -> list[dict[str, Any]]:
    """Return, per step, the conversion of the range against that of another range."""
    from_us, to_us = parse_range(first, last, log.zone)
    spec = result.spec.model_copy(update={"from_us": from_us, "to_us": to_us, "trend": None, "labels": None})
    other = compute_funnel(log.index, log.config, spec, log.snapshot)
    rows = zip(result.counts.tolist(), other.counts.tolist(), strict=True)
    bases = int(result.counts[0]), int(other.counts[0])
    return [TwoShares(mine, bases[0], theirs, bases[1]).to_json() for mine, theirs in rows]
