"""Overview: the headline figures against the period before, the stage mix, and what changed most."""

from __future__ import annotations

import math
from functools import partial

import pandas as pd
import streamlit as st

from pages.parts import asked, cards, fmt, navigation, saved_views
from pages.parts.cards import Kpi, Table, card, chart, explain
from pages.parts.charts import stages as charts
from pages.parts.frame import ALL_CONTROLS, View, begin_page
from pages.parts.i18n import N_, _, text
from pages.parts.palette import BRAND
from pages.parts.users_list import list_button
from ulm_core.lifecycle.activity import ActivitySpec, compute_activity
from ulm_core.lifecycle.figures import Figures, FiguresSpec, compute_figures
from ulm_core.lifecycle.overview import Overview, OverviewSpec, compute_overview
from ulm_core.lifecycle.periods import Interval
from ulm_core.lifecycle.stages import StageMixSpec, compute_stage_mix

LABELS = {
    "active": N_("Active users"),
    "new": N_("New users"),
    "converted": N_("Converted users"),
    "churned": N_("Churned users"),
    "purchases": N_("Purchases"),
    "revenue": N_("Revenue"),
}
DEFINITIONS = {
    "active": N_("Users with at least one activity in the period."),
    "new": N_("Users whose first activity ever lies in the period."),
    "converted": N_("Users with at least one conversion ({events}) in the period."),
    "churned": N_("Users whose silence became longer than the churn horizon within the period."),
    "purchases": N_("Conversions in the period ({events}), one per row of the log."),
    "revenue": N_("Sum of the values of the conversions in the period."),
}


def value_text(view: View, name: str, value: float, *, short: bool) -> str:
    if name == "revenue":
        return fmt.money(value, view.data.config.currency, short=short)
    return fmt.compact(value) if short else fmt.number(value)


def spark_interval(days: int) -> Interval:
    """Return the interval that gives a small curve enough points and not too many."""
    return "day" if days <= 14 else "week" if days <= 120 else "month" if days <= 1_000 else "quarter"


def draw_kpis(view: View, overview: Overview) -> None:
    low, high = view.range_us
    figures = view.ask(
        compute_figures, FiguresSpec(from_us=low, to_us=high, interval=spark_interval(view.filters.days))
    )
    asked_here = asked.take()
    events = ", ".join(name for name in view.data.summary.events if name in view.data.config.conversion_events)
    with st.grid(6, min_column_width=150, gap="small") as grid:
        for figure in overview.kpis:
            exact = _("{now} now, {before} in the period before.").format(
                now=value_text(view, figure.name, figure.value, short=False),
                before=value_text(view, figure.name, figure.previous, short=False),
            )
            with grid.cell():
                cards.kpi(
                    Kpi(
                        _(LABELS[figure.name]),
                        value_text(view, figure.name, figure.value, short=True),
                        _(DEFINITIONS[figure.name]).format(events=events),
                        delta=None if math.isnan(figure.change) else figure.change,
                        delta_good="normal" if figure.higher_is_better else "inverse",
                        against=_("no period before"),
                        exact=exact,
                        trend=trend_of(figures, figure.name),
                    )
                )
                list_button(
                    view.data,
                    figure.n_users,
                    _(LABELS[figure.name]),
                    f"kpi_{figure.name}",
                    partial(overview.users, figure.name),
                    label=_("See who") if figure.n_users == figure.value else "",
                )
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        if not math.isnan(overview.kpis[0].previous):
            st.caption(
                _("Changes are against {period} ({n} days).").format(
                    n=view.filters.days, period=fmt.day_range(*view.previous_days)
                ),
                width="content",
            )
        with st.popover(_("Definition"), icon=":material/help:", key="kpis_definition"):
            lines = [f"- **{_(LABELS[name])}**: {_(DEFINITIONS[name])}" for name in LABELS]
            explain("\n".join(lines).format(events=events), asked_here)


def trend_of(figures: Figures, name: str) -> list[float] | None:
    """Return a figure's value in each complete period, None where there are too few to draw."""
    values = figures.values[name][figures.periods.is_complete].tolist()
    return values if len(values) > 2 else None


def draw_headline(overview: Overview) -> None:
    others = [text(change) for change in overview.changes[1:]]
    body = text(overview.headline)
    st.info(
        "  \n".join([body[:1].upper() + body[1:], *(other[:1].upper() + other[1:] for other in others)]),
        icon=":material/insights:",
        title=_("What changed most"),
    )


def draw_mix(view: View) -> None:
    low, high = view.range_us
    mix = view.ask(compute_stage_mix, StageMixSpec(from_us=low, to_us=high, interval=view.filters.interval))
    frame = mix.to_pandas()
    last = frame[frame["period"] == frame["period"].max()].set_index("stage")["share"]
    with card(
        _("Stage mix"),
        how=_("Every user has exactly one stage at the end of each period; the rules are on the page Lifecycle."),
    ):
        chart(
            charts.stage_mix(frame, order=mix.stages, share=True),
            alt=_("At the end {risk} of users are at risk and {gone} have churned.").format(
                risk=fmt.percent(last.get("at risk")), gone=fmt.percent(last.get("churned"))
            ),
            key="overview_mix",
            table=Table(
                frame.pivot(index="period", columns="stage", values="users").reset_index(),
                f"stage-mix_{view.filters.slug}",
            ),
        )
        navigation.link("lifecycle", _("Open Lifecycle"), icon=":material/arrow_forward:")


def active_frame(view: View, *, has_base: bool) -> pd.DataFrame:
    """Active users by period; with "compare", those of the period before at the same place."""
    interval = view.filters.interval
    low, high = view.range_us
    frame = view.ask(compute_activity, ActivitySpec(from_us=low, to_us=high, interval=interval)).to_pandas()
    now = pd.DataFrame({"period": frame["period"], "value": frame["active"], "is_complete": frame["is_complete"]})
    parts = [now.assign(group=_("active users"), dashed=False)]
    if view.filters.compare and has_base:
        low, high = view.previous_us
        before = view.ask(compute_activity, ActivitySpec(from_us=low, to_us=high, interval=interval)).to_pandas()
        n = min(len(before), len(now))
        parts.append(
            pd.DataFrame({"period": now["period"][:n], "value": before["active"][:n], "is_complete": True}).assign(
                group=_("compared with"), dashed=True
            )
        )
    return pd.concat(parts, ignore_index=True)


def draw_active(view: View, *, has_base: bool) -> None:
    frame = active_frame(view, has_base=has_base)
    now = frame[~frame["dashed"] & frame["is_complete"]]["value"]
    alt = (
        _("Between {low} and {high} users are active per {interval}.").format(
            low=fmt.number(now.min()), high=fmt.number(now.max()), interval=_(view.filters.interval)
        )
        if len(now)
        else _("No period is complete yet.")
    )
    with card(
        _("Active users"),
        how=_(
            "Users with at least one activity in each period (time zone {zone}). A running period is not drawn."
        ).format(zone=view.timezone),
    ):
        shown = frame[frame["is_complete"]]
        chart(
            charts.trend(shown, unit=_("users"), colors={_("active users"): BRAND}, height=380),
            alt=alt,
            key="overview_active",
            table=Table(
                shown.pivot(index="period", columns="group", values="value").reset_index(),
                f"active-users_{view.filters.slug}",
            ),
        )
        navigation.link("churn", _("Who is about to leave?"), icon=":material/arrow_forward:")


with begin_page("overview", controls=ALL_CONTROLS) as view:
    low, high = view.range_us
    overview = view.ask(compute_overview, OverviewSpec(from_us=low, to_us=high, previous_us=view.previous_us))
    has_base = not math.isnan(overview.kpis[0].previous)
    draw_kpis(view, overview)
    if has_base:
        draw_headline(overview)
    else:
        st.info(
            _("The log does not reach back before this period. Choose 30 or 90 days to see what changed."),
            icon=":material/insights:",
            title=_("Nothing to compare with"),
        )
    left, right = st.columns([3, 2], gap="medium")
    with left:
        draw_mix(view)
    with right:
        draw_active(view, has_base=has_base)
    saved_views.draw_list()
