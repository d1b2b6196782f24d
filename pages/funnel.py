"""Funnel: how many users get from step to step within a window, and where they are lost."""

from __future__ import annotations

import math
from functools import partial

import pandas as pd
import streamlit as st

from pages.parts import fmt, url
from pages.parts.cards import Kpi, Table, card, chart, clicked, draw_table, kpi
from pages.parts.charts import funnel as charts
from pages.parts.frame import View, begin_page
from pages.parts.i18n import N_, _, term
from pages.parts.states import TOO_FEW_USERS, draw_nothing, draw_too_few
from pages.parts.users_list import list_button, open_list
from ulm_core.lifecycle.funnel import Funnel, FunnelSpec, compute_funnel

CONTROLS = ("period", "stage", "segment")
ORDERS = {"ordered": N_("In order"), "strict": N_("Strictly in order"), "any": N_("Any order")}
ORDER_HELP = N_(
    "In order: other events may lie between the steps. Strictly: any other event starts the attempt again. "
    "Any order: a bar counts users with that many different steps inside one window."
)
DEFAULT_WINDOW_DAYS = 14
MAX_STEPS = 6
DAY_SECONDS = 86_400


def default_steps(names: list[str], passive: tuple[str, ...], conversions: tuple[str, ...]) -> list[str]:
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
    return steps if len(steps) >= 2 else [*(goals or names)[:1]] * 2


def read_steps(view: View) -> list[str]:
    """Return the steps named in the URL that exist in this log, else the default ones."""
    names = list(view.data.summary.events)
    asked = [name for name in url.get_all("step") if name in names][:MAX_STEPS]
    config = view.data.config
    return asked if len(asked) >= 2 else default_steps(names, config.passive_events, config.conversion_events)


def changed_step(position: int, steps: list[str]) -> None:
    chosen = st.session_state[f"funnel_step_{position}"]
    kept = [*steps[:position], *([chosen] if chosen else []), *steps[position + 1 :]]
    url.put("step", kept)


def draw_steps(view: View, steps: list[str]) -> None:
    names = list(view.data.summary.events)
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        for position, step in enumerate(steps):
            st.session_state[f"funnel_step_{position}"] = step
            st.selectbox(
                _("Step {n}").format(n=position + 1),
                names,
                format_func=term,
                key=f"funnel_step_{position}",
                width=190,
                on_change=changed_step,
                args=(position, steps),
            )
        if len(steps) < MAX_STEPS:
            st.button(
                _("Add a step"),
                icon=":material/add:",
                key="funnel_add",
                on_click=lambda: url.put("step", [*steps, names[0]]),
            )
        if len(steps) > 2:
            st.button(
                _("Remove the last"),
                icon=":material/remove:",
                key="funnel_remove",
                type="tertiary",
                on_click=lambda: url.put("step", steps[:-1]),
            )


def draw_rules() -> tuple[str, int]:
    """Order and window, both visible and in the URL."""
    order = url.get("order", "ordered")
    window = url.get("window", str(DEFAULT_WINDOW_DAYS)) or ""
    days = int(window) if window.isdecimal() and 1 <= int(window) <= 365 else DEFAULT_WINDOW_DAYS
    st.session_state["funnel_order"] = order if order in ORDERS else "ordered"
    st.session_state["funnel_window"] = days
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        st.segmented_control(
            _("Order"),
            list(ORDERS),
            format_func=lambda o: _(ORDERS[o]),
            key="funnel_order",
            required=True,
            help=_(ORDER_HELP),
            on_change=lambda: url.put("order", st.session_state["funnel_order"]),
        )
        st.number_input(
            _("Conversion window (days)"),
            min_value=1,
            max_value=365,
            key="funnel_window",
            width=190,
            help=_("Every step lies within this many days of the first one, the boundary included."),
            on_change=lambda: url.put("window", str(st.session_state["funnel_window"])),
        )
    return str(st.session_state["funnel_order"]), int(st.session_state["funnel_window"])


def draw_kpis(funnel: Funnel) -> None:
    users = funnel.counts.tolist()
    drop = charts.largest_drop(users)
    total = funnel.seconds(1, len(users))
    with st.grid(4, min_column_width=150, gap="small"):
        kpi(Kpi(_("Entered"), fmt.number(users[0]), _("Users who did the first step in the period.")))
        kpi(Kpi(_("Completed"), fmt.number(users[-1]), _("Users whose furthest attempt reached the last step.")))
        rate = funnel.conversions[-1] if users[0] >= TOO_FEW_USERS else None
        kpi(Kpi(_("Conversion"), fmt.percent(rate), _("Completed / entered.")))
        median = float(pd.Series(total).median()) if len(total) else math.nan
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


def table(funnel: Funnel) -> pd.DataFrame:
    frame = funnel.to_pandas()
    return pd.DataFrame(
        {
            _("Step"): frame["step"],
            _("Event"): [term(str(event)) for event in frame["event"]],
            _("Users"): frame["users"],
            _("Lost"): frame["dropped"],
            _("% of first step"): [fmt.percent(value) for value in frame["conversion"]],
            _("% of step before"): [fmt.percent(value) for value in frame["from_previous"]],
            _("Median time from step before"): [fmt.duration(value) for value in frame["median_seconds"]],
        }
    )


def draw_step(view: View, funnel: Funnel, step: int) -> None:
    """Draw who got to a step, and who was lost on the way to it, each a click from the list."""
    users = funnel.counts.tolist()
    name = term(funnel.spec.steps[step - 1].name)
    st.caption(f"{step}. {name}")
    reached = _("Reached step {n}: {event}").format(n=step, event=name)
    list_button(view.data, users[step - 1], reached, f"reached_{step}", partial(funnel.users, (step, "converted")))
    if step == 1:
        return
    lost = users[step - 2] - users[step - 1]
    list_button(
        view.data,
        lost,
        _("Lost before step {n}: {event}").format(n=step, event=name),
        f"lost_{step}",
        partial(funnel.users, (step, "dropped")),
        label=_("{n} lost").format(n=fmt.number(lost)),
        icon=":material/person_off:",
    )
    median = funnel.median_seconds[step - 1]
    if not math.isnan(median):
        st.caption(_("median {time}").format(time=fmt.duration(median)))


def draw_funnel(view: View, funnel: Funnel) -> None:
    with card(
        _("From step to step"),
        how=_(
            "Every step lies within the conversion window of the attempt's first step, boundary included. A new first "
            "step opens a new attempt; the furthest attempt of a user counts. One event fills one step. Events at the "
            "same instant may be taken in the order that favours conversion. A conversion after the end of the period "
            "does not count. Time zone {zone}. Computed in {ms} ms."
        ).format(zone=view.timezone, ms=fmt.number(funnel.elapsed_seconds * 1000)),
    ):
        if not funnel.counts[0]:
            draw_nothing(_("Nobody did the first step in this period. Choose another step or a longer period."))
            return
        frame = funnel.to_pandas().assign(step=lambda f: [term(str(event)) for event in f["event"]])
        alt = _("{n} of {all} users complete the funnel ({share}).").format(
            n=fmt.number(funnel.counts[-1]), all=fmt.number(funnel.counts[0]), share=fmt.percent(funnel.conversions[-1])
        )
        state = chart(charts.funnel_bars(frame), alt=alt, key="funnel", clickable=True, caption=False)
        for step, column in enumerate(st.columns(len(funnel.counts)), start=1):
            with column:
                draw_step(view, funnel, step)
        st.caption(alt)
        draw_table(Table(table(funnel), f"funnel_{view.filters.slug}"), alt=alt, key="funnel")
        point = clicked(state, "funnel")
        if point:
            step = int(str(point[0])) + 1
            codes = funnel.users((step, "converted" if point[1] == "users" else "dropped"))
            open_list(view.data, codes, _("Step {n}").format(n=step), f"{point[1]}_{step}")


with begin_page("funnel", controls=CONTROLS) as view:
    steps = read_steps(view)
    with st.container(border=True, key="funnel_question"):
        draw_steps(view, steps)
        order, window_days = draw_rules()
    low, high = view.range_us
    funnel = view.ask(
        compute_funnel,
        FunnelSpec(steps=tuple(steps), order=order, window_seconds=window_days * DAY_SECONDS, from_us=low, to_us=high),
    )
    draw_kpis(funnel)
    draw_funnel(view, funnel)
