"""Lifecycle: the stage of every user over time, the moves between stages, and what each stage means."""

from __future__ import annotations

from datetime import date
from functools import partial

import streamlit as st

from pages.parts import fmt, moves, navigation
from pages.parts.cards import Table, card, chart, clicked
from pages.parts.charts import stages as charts
from pages.parts.compare import active_before, draw_before
from pages.parts.frame import View, begin_page
from pages.parts.i18n import _, term, text
from pages.parts.users_list import list_button, open_list, stage_rule, stage_title
from ulm_core.lifecycle.activity import Activity, ActivitySpec, compute_activity
from ulm_core.lifecycle.horizon import learn_churn_horizon
from ulm_core.lifecycle.stages import StageMix, StageMixSpec, compute_stage_mix

CONTROLS = ("period", "interval", "stage", "segment", "compare")
MATRIX_DAYS = 56


def mix_sentence(mix: StageMix) -> str:
    """Return the takeaway: the largest stages at the end of the period."""
    frame = mix.to_pandas()
    last = frame[frame["period"] == frame["period"].max()].sort_values("users", ascending=False)
    parts = [
        _("{share} {stage}").format(share=fmt.percent(row.share), stage=term(str(row.stage)))
        for row in last.itertuples()
        if row.users
    ]
    if not parts:
        return _("No user is seen in this period yet.")
    return _("At the end of the period: {parts}.").format(parts=_(", ").join(parts))


def draw_mix(view: View) -> StageMix:
    low, high = view.range_us
    mix = view.ask(compute_stage_mix, StageMixSpec(from_us=low, to_us=high, interval=view.filters.interval))
    with card(
        _("Stage mix"),
        how=_(
            "Every user has exactly one stage at any time, from the rules at the foot of this page. Each column is "
            "the end of one period in time zone {zone}; a running period is looked at as of the last event and drawn "
            "pale. Users not yet seen are left out."
        ).format(zone=view.timezone),
    ):
        share = (
            st.segmented_control(
                _("Unit"),
                ["users", "share"],
                default="users",
                required=True,
                key="mix_unit",
                format_func=lambda unit: _("Users") if unit == "users" else _("Share"),
                label_visibility="collapsed",
            )
            == "share"
        )
        frame = mix.to_pandas()
        state = chart(
            charts.stage_mix(frame, order=mix.stages, share=share),
            alt=mix_sentence(mix),
            key="stage_mix",
            clickable=True,
            table=Table(
                frame.pivot(index="period", columns="stage", values="users").reset_index(),
                f"stage-mix_{view.filters.slug}",
            ),
        )
        point = clicked(state, "stage_mix")
        if point:
            period, stage = str(point[2]), str(point[0])
            title = stage_title(stage) + " · " + fmt.day(date.fromisoformat(period))
            rule = stage_rule(mix.periods, period, stage, view.timezone)
            open_list(view.data, mix.users((period, stage)), title, f"{stage}-{period}", rule)
    return mix


def pulse_sentence(activity: Activity) -> str:
    """Return what the last complete period says."""
    frame = activity.to_pandas()
    complete = frame[frame["is_complete"]]
    if complete.empty:
        return _("No period is complete yet.")
    last = complete.iloc[-1]
    words = {
        "period": fmt.day(date.fromisoformat(str(last["period"])[:10])),
        "active": fmt.number(last["active"]),
        "gained": fmt.number(last["new"] + last["resurrecting"]),
        "lost": fmt.number(-last["dormant"]),
    }
    return _("Period of {period}: {active} active users; {gained} came or came back, {lost} went quiet.").format(
        **words
    )


def draw_activity(view: View) -> None:
    low, high = view.range_us
    activity = view.ask(compute_activity, ActivitySpec(from_us=low, to_us=high, interval=view.filters.interval))
    with card(
        _("Who comes, stays, comes back, goes quiet"),
        how=_(
            "- **new**: first active period ever\n"
            "- **returning**: active in this period and the one before\n"
            "- **resurrecting**: active now, not in the period before, active earlier\n"
            "- **dormant**: active in the period before, not now; counted once, below zero\n\n"
            "Active = new + returning + resurrecting. The pulse is (new + resurrecting) / dormant; above 1 the active "
            "base grows. Events done *to* a user (a campaign received) do not count."
        ),
    ):
        frame = activity.to_pandas()
        long = frame.melt(
            id_vars=["period", "is_complete"],
            value_vars=["new", "returning", "resurrecting", "dormant"],
            var_name="status",
            value_name="users",
        )
        long["users"] = long["users"].abs()
        figure = charts.lifecycle_columns(long)
        before = active_before(view, len(frame))
        if before is not None:
            figure = draw_before(figure, frame["period"], before, view)
            frame = frame.assign(active_compared=before)
        left, right = st.columns([3, 1], gap="medium")
        with left:
            state = chart(
                figure,
                alt=pulse_sentence(activity),
                key="lifecycle_columns",
                clickable=True,
                table=Table(frame, f"lifecycle_{view.filters.slug}"),
            )
        with right:
            st.markdown(f"**{_('Pulse')}**")
            st.plotly_chart(charts.pulse(frame), key="pulse", alt=_("Pulse by period; the line at 1 is balance."))
            st.caption(
                _(
                    "Above 1 the active base grows, below 1 it shrinks. A large purple share means that the "
                    "interval is shorter than people's natural rhythm: choose a longer one."
                )
            )
        point = clicked(state, "lifecycle_columns")
        if point:
            status, period = str(point[0]), str(point[2])
            title = term(status) + " · " + fmt.day(date.fromisoformat(period[:10]))
            open_list(view.data, activity.users((period, status)), title, f"{status}-{period}")


def draw_definitions(view: View, mix: StageMix) -> None:
    horizon = view.data.remember(
        "learn_churn_horizon", "", lambda: learn_churn_horizon(view.data.index, view.data.config)
    )
    with card(
        _("What each stage means"),
        how=_("Rules are read from top to bottom; the first one that holds gives the stage. Only activity counts."),
    ):
        st.info(text(horizon.sentence()), icon=":material/school:", title=_("Learnt from this data"))
        navigation.link("stages", _("Edit the rules"), icon=":material/edit:", section="rules")
        last = mix.to_pandas()
        last = last[last["period"] == last["period"].max()].set_index("stage")
        for rule in mix.rules.rules:
            users = int(last.at[rule.name, "users"])
            name, definition, count = st.columns([1.2, 4, 1.2], vertical_alignment="center")
            name.markdown(f"**{charts.stage_label(rule.name)}**")
            parts = [text(condition.sentence()) for condition in rule.conditions]
            definition.markdown(_(" **and** ").join(parts) if parts else _("everyone else"))
            with count:
                list_button(
                    view.data,
                    users,
                    stage_title(rule.name),
                    f"stage_{rule.name}",
                    partial(mix.users, (len(mix.periods) - 1, rule.name)),
                )


with begin_page("lifecycle", controls=CONTROLS) as view:
    mix = draw_mix(view)
    draw_activity(view)
    moves.draw(view)
    draw_definitions(view, mix)
