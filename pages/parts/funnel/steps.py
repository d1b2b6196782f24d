"""The funnel itself: headline numbers, a bar a step, and who stands behind each."""

from __future__ import annotations

import math
from functools import partial

import pandas as pd
import streamlit as st

from pages.parts import fmt
from pages.parts.cards import Kpi, Table, card, chart, clicked, draw_table, kpi
from pages.parts.charts import funnel as charts
from pages.parts.frame import View
from pages.parts.funnel.builder import match_label
from pages.parts.i18n import N_, _
from pages.parts.states import TOO_FEW_USERS, draw_nothing, draw_too_few
from pages.parts.users_list import list_button, open_list
from ulm_core.lifecycle.funnel import Funnel
from ulm_core.lifecycle.funnel_times import time_to_convert

COUNTED = {"users": N_("users"), "sessions": N_("sessions"), "totals": N_("attempts")}
MOST_COLUMNS = 8


def step_labels(funnel: Funnel) -> list[str]:
    """Return the steps in words."""
    labels = [match_label(step.match) for step in funnel.spec.steps]
    return [
        label + (f" · {_('optional')}" if step.is_optional else "")
        for label, step in zip(labels, funnel.spec.steps, strict=True)
    ]


def draw_kpis(funnel: Funnel) -> None:
    """Draw entered, completed, conversion and the median time."""
    users = funnel.counts.tolist()
    drop = charts.largest_drop(users)
    what = _(COUNTED[funnel.spec.counting])
    with st.grid(4, min_column_width=150, gap="small"):
        kpi(
            Kpi(
                _("Entered"),
                fmt.number(users[0]),
                _("Did the first step in the period. Counted: {what}.").format(what=what),
            )
        )
        kpi(Kpi(_("Completed"), fmt.number(users[-1]), _("Reached the last step. Counted: {what}.").format(what=what)))
        rate = funnel.conversions[-1] if users[0] >= TOO_FEW_USERS else None
        kpi(Kpi(_("Conversion"), fmt.percent(rate), _("Completed / entered.")))
        median = time_to_convert(funnel, 1, len(users)).quantile(0.5)
        kpi(Kpi(_("Median time to complete"), fmt.duration(median), _("From the first to the last step.")))
    if users[0] < TOO_FEW_USERS:
        draw_too_few(users[0])
    elif drop is not None:
        st.caption(
            ":material/south_east: "
            + _("Most are lost on the way to step {n}: {lost} of {before} users.").format(
                n=drop + 1, lost=fmt.number(users[drop - 1] - users[drop]), before=fmt.number(users[drop - 1])
            )
        )


def _table(funnel: Funnel) -> pd.DataFrame:
    frame = funnel.to_pandas()
    return pd.DataFrame(
        {
            _("Step"): frame["step"],
            _("Event"): step_labels(funnel),
            _("Users"): frame["users"],
            _("Lost"): frame["dropped"],
            _("% of first step"): [fmt.percent(value) for value in frame["conversion"]],
            _("% of step before"): [fmt.percent(value) for value in frame["from_previous"]],
            _("Mean time from step before"): [fmt.duration(value) for value in frame["mean_seconds"]],
            _("Median time from step before"): [fmt.duration(value) for value in frame["median_seconds"]],
        }
    )


def _draw_step(view: View, funnel: Funnel, step: int, name: str) -> None:
    """Draw who got to a step, and who was lost on the way to it, each a click from the list."""
    st.caption(f"{step}. {name}")
    codes = funnel.users((step, "converted"))
    reached = _("Reached step {n}: {event}").format(n=step, event=name)
    list_button(view.data, len(codes), reached, f"reached_{step}", lambda: codes)
    if step == 1:
        return
    lost = funnel.users((step, "dropped"))
    list_button(
        view.data,
        len(lost),
        _("Lost before step {n}: {event}").format(n=step, event=name),
        f"lost_{step}",
        partial(funnel.users, (step, "dropped")),
        label=_("{n} lost").format(n=fmt.number(len(lost))),
        icon=":material/person_off:",
    )
    median = funnel.median_seconds[step - 1]
    if not math.isnan(median):
        st.caption(_("median {time}").format(time=fmt.duration(median)))


def draw_funnel(view: View, funnel: Funnel) -> None:
    """Draw the card with the bars."""
    with card(
        _("From step to step"),
        how=_(
            "Every step lies within the conversion window of the attempt's first step, boundary included. A new first "
            "step opens a new attempt; the furthest attempt of a user counts. One event fills one step. Events at the "
            "same instant may be taken in the order that favours conversion. A conversion after the end of the period "
            "does not count, unless the rules say so. An optional step counts who did it after the required step "
            "before it. Time zone {zone}. Computed in {ms} ms."
        ).format(zone=view.timezone, ms=fmt.number(funnel.elapsed_seconds * 1000)),
    ):
        if not funnel.counts[0]:
            draw_nothing(_("Nobody did the first step in this period. Choose another step or a longer period."))
            return
        labels = step_labels(funnel)
        alt = _("{n} of {all} complete the funnel ({share}). Counted: {what}.").format(
            n=fmt.number(funnel.counts[-1]),
            all=fmt.number(funnel.counts[0]),
            share=fmt.percent(funnel.conversions[-1]),
            what=_(COUNTED[funnel.spec.counting]),
        )
        frame = funnel.to_pandas().assign(step=labels)
        state = chart(charts.funnel_bars(frame), alt=alt, key="funnel", clickable=True, caption=False)
        for begin in range(0, len(labels), MOST_COLUMNS):
            row = labels[begin : begin + MOST_COLUMNS]
            for step, column in enumerate(st.columns(len(row)), start=begin + 1):
                with column:
                    _draw_step(view, funnel, step, labels[step - 1])
        st.caption(alt)
        draw_table(Table(_table(funnel), f"funnel_{view.filters.slug}"), alt=alt, key="funnel")
        point = clicked(state, "funnel")
        if point:
            step = int(str(point[0])) + 1
            codes = funnel.users((step, "converted" if point[1] == "users" else "dropped"))
            open_list(view.data, codes, _("Step {n}").format(n=step), f"{point[1]}_{step}")
