"""Alerts in words."""

from __future__ import annotations

from typing import Any

from ulm_core.alerts.model import Alert
from ulm_core.lifecycle.events import ANY_EVENT
from ulm_core.lifecycle.overview import KPI_TITLES, KPIS
from ulm_core.messages import N_, Message, message

_INTERVALS = {"day": N_("day"), "week": N_("week"), "month": N_("month")}
_CHANGES = {
    "rise": N_("{number} up by at least {percent:g}% from one {interval} to the next"),
    "fall": N_("{number} down by at least {percent:g}% from one {interval} to the next"),
    "any": N_("{number} up or down by at least {percent:g}% from one {interval} to the next"),
}


def describe_number(number: Any) -> Message:
    """Return a number in words."""
    if number.kind == "kpi":
        return message(KPI_TITLES[KPIS.index(number.name)])
    if number.kind == "cohort":
        return message(N_("size of the cohort “{name}”"), name=number.name)
    if number.kind == "stage":
        return message(N_("share of users in stage “{stage}”"), stage=message(number.stage))
    if number.kind == "funnel":
        return message(N_("conversion of the funnel {steps}"), steps=" → ".join(number.steps))
    names = [message(N_("any event")) if name == ANY_EVENT else name for name in (number.start, number.back)]
    return message(N_("retention from {start} to {back} after {lag} periods"), start=names[0], back=names[1],
                   lag=number.lag)  # fmt: skip


def describe_when(alert: Alert) -> Message:
    """Return the condition of an alert in words."""
    fields = {"number": describe_number(alert.number), "interval": message(_INTERVALS[alert.interval])}
    when = alert.when
    if when.kind == "threshold":
        template = N_("{number} above {limit:g} in a {interval}") if when.side == "above" else N_(
            "{number} below {limit:g} in a {interval}"
        )  # fmt: skip
        return message(template, **fields, limit=when.limit)
    if when.kind == "change":
        return message(_CHANGES[when.direction], **fields, percent=100 * when.share)
    return message(
        N_("{number} of a {interval} unusual against the {n} before (robust z of {z:g} or more)"),
        **fields, n=when.past, z=when.z,
    )  # fmt: skip
