"""Commands about activity: lifecycle per period, stickiness, active users, sessions."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from ulm_core.cli.common import JsonOption, WorkspaceOption, note
from ulm_core.cli.log import (
    ByOption,
    EntityOption,
    FromOption,
    Period,
    TimezoneOption,
    ToOption,
    WeekStartOption,
    answer_with,
    open_log,
)
from ulm_core.errors import InputError
from ulm_core.lifecycle.active_users import ActiveUsersSpec, compute_active_users
from ulm_core.lifecycle.activity import ActivitySpec, compute_activity, sign_up_times
from ulm_core.lifecycle.conditions import parse_match
from ulm_core.lifecycle.parsing import parse_duration, parse_range
from ulm_core.lifecycle.presence import OPERATORS
from ulm_core.lifecycle.sessions import SessionsSpec, compute_sessions, learn_session_gap
from ulm_core.lifecycle.stickiness import StickinessSpec, compute_stickiness
from ulm_core.messages import N_

EventOption = Annotated[str, typer.Option("--event", help="Event, with conditions where wanted; * is any.")]


def register(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    for command in (lifecycle, stickiness, sessions):
        app.command()(command)
    app.command("active-users")(active_users)


def lifecycle(
    period: Annotated[Period, typer.Option("--period", help="Length of a period.")] = "week",
    event: EventOption = "*",
    new_by: Annotated[
        Literal["first-event", "signup"],
        typer.Option("--new-by", help="New in the period of the first event, or of the sign-up where it is known."),
    ] = "first-event",
    by: ByOption = None,
    from_: FromOption = None,
    to: ToOption = None,
    timezone: TimezoneOption = None,
    week_start: WeekStartOption = None,
    entity: EntityOption = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Count new, returning, resurrecting and dormant users per period."""
    log = open_log(workspace, timezone, week_start, entity)
    from_us, to_us = parse_range(from_, to, log.zone)
    spec = ActivitySpec.checked(
        from_us=from_us,
        to_us=to_us,
        interval=period,
        events=(parse_match(event),),
        sign_ups=sign_up_times(log.index, log.snapshot) if new_by == "signup" else None,
        labels=log.groups(by, to_us),
    )
    answer_with(compute_activity(log.index, log.config, spec, log.snapshot), as_json)


def stickiness(
    event: EventOption = "*",
    period: Annotated[Period, typer.Option("--period", help="Length of a period.")] = "day",
    every: Annotated[int, typer.Option("--every", min=1, help="So many of them are one period.")] = 1,
    criteria: Annotated[
        str, typer.Option("--criteria", metavar="gte:2|lte:1|eq:2", help="Times per period that make it count.")
    ] = "gte:1",
    cumulative: Annotated[bool, typer.Option("--cumulative", help="In so many periods or more.")] = False,
    by: ByOption = None,
    from_: FromOption = None,
    to: ToOption = None,
    timezone: TimezoneOption = None,
    week_start: WeekStartOption = None,
    entity: EntityOption = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Count users by the number of periods they were active in."""
    log = open_log(workspace, timezone, week_start, entity)
    from_us, to_us = parse_range(from_, to, log.zone)
    operator, value = _criteria(criteria)
    spec = StickinessSpec.checked(
        from_us=from_us,
        to_us=to_us,
        event=parse_match(event),
        interval=period,
        every=every,
        operator=operator,
        value=value,
        cumulative=cumulative,
        labels=log.groups(by, to_us),
    )
    answer_with(compute_stickiness(log.index, log.config, spec, log.snapshot), as_json)


def _criteria(text: str) -> tuple[str, int]:
    operator, _, value = text.strip().lower().partition(":")
    if operator not in OPERATORS or not value.isdecimal() or int(value) < 1:
        raise InputError(N_("“{text}” is no criterion. Write gte:2, lte:1 or eq:2."), text=text)
    return operator, int(value)


def active_users(
    event: EventOption = "*",
    from_: FromOption = None,
    to: ToOption = None,
    timezone: TimezoneOption = None,
    entity: EntityOption = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Count active users of every day, of the 7 and of the 30 days up to it, with their ratios."""
    log = open_log(workspace, timezone, entity=entity)
    from_us, to_us = parse_range(from_, to, log.zone)
    spec = ActiveUsersSpec.checked(from_us=from_us, to_us=to_us, event=parse_match(event))
    answer_with(compute_active_users(log.index, log.config, spec, log.snapshot), as_json)


def sessions(
    period: Annotated[Period, typer.Option("--period", help="Length of a period.")] = "week",
    gap: Annotated[
        str | None, typer.Option("--gap", help="Longest pause within a session: 30m.", show_default="learnt")
    ] = None,
    from_: FromOption = None,
    to: ToOption = None,
    timezone: TimezoneOption = None,
    week_start: WeekStartOption = None,
    entity: EntityOption = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Count sessions and how long they last; a pause longer than the gap ends one."""
    log = open_log(workspace, timezone, week_start, entity)
    from_us, to_us = parse_range(from_, to, log.zone)
    if gap is None:
        learnt = learn_session_gap(log.index, log.config)
        note(learnt.sentence())
    seconds = learnt.seconds if gap is None else parse_duration(gap)
    spec = SessionsSpec.checked(from_us=from_us, to_us=to_us, interval=period, gap_seconds=seconds)
    answer_with(compute_sessions(log.index, log.config, spec), as_json)
