"""The command that walks users through the steps of a funnel."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from ulm_core.cli.common import JsonOption, WorkspaceOption
from ulm_core.cli.log import EntityOption, FromOption, TimezoneOption, ToOption, answer_with, open_log
from ulm_core.errors import InputError
from ulm_core.lifecycle.funnel import Exclusion, FunnelSpec, compute_funnel
from ulm_core.lifecycle.parsing import parse_duration, parse_range
from ulm_core.messages import N_


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command()(funnel)


def funnel(
    steps: Annotated[str, typer.Option("--steps", metavar="A,B,C", help="Event names in order; * is any event.")],
    order: Annotated[
        Literal["ordered", "strict", "any"], typer.Option("--order", help="How steps may follow each other.")
    ] = "ordered",
    window: Annotated[str, typer.Option("--window", help="Conversion window from step 1: 30s 15m 12h 14d 8w.")] = "14d",
    from_: FromOption = None,
    to: ToOption = None,
    exclude: Annotated[
        list[str] | None, typer.Option("--exclude", metavar="X:1-2", help="Event that must not lie between two steps.")
    ] = None,
    entry: Annotated[Literal["any", "first"], typer.Option("--entry", help="Which step 1 opens an attempt.")] = "any",
    from_step: Annotated[int, typer.Option("--from-step", help="With --times: from this step.")] = 1,
    to_step: Annotated[
        int | None, typer.Option("--to-step", help="With --times: to this step.", show_default="the last")
    ] = None,
    times: Annotated[bool, typer.Option("--times", help="Add the seconds between the two steps.")] = False,
    timezone: TimezoneOption = None,
    entity: EntityOption = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Count users who get from step to step, and how long it takes them."""
    log = open_log(workspace, timezone, entity=entity)
    from_us, to_us = parse_range(from_, to, log.zone)
    names = tuple(step.strip() for step in steps.split(","))
    spec = FunnelSpec.checked(
        from_us=from_us,
        to_us=to_us,
        steps=names,
        order=order,
        window_seconds=parse_duration(window),
        entry=entry,
        exclusions=tuple(_exclusion(text) for text in exclude or ()),
    )
    result = compute_funnel(log.index, log.config, spec)
    extra = {"times": result.times_json(from_step, to_step or len(names))} if times else {}
    answer_with(result, as_json, extra)


def _exclusion(text: str) -> Exclusion:
    event, _, pair = text.rpartition(":")
    first, _, last = pair.partition("-")
    if not (event and first.isdigit() and last.isdigit()):
        raise InputError(N_("“{text}” is not an exclusion. Write the event and two steps: refund:1-2."), text=text)
    return Exclusion.model_construct(event=event, after_step=int(first), before_step=int(last))
