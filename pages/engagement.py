"""Engagement: on how many days people come, how daily, weekly and monthly users relate, and their sessions."""

from __future__ import annotations

from datetime import date

import pandas as pd
import streamlit as st

from pages.parts import fmt
from pages.parts.breakdown import group_name, pick_breakdown
from pages.parts.cards import Kpi, Table, card, chart, clicked, kpi
from pages.parts.charts import engagement as charts
from pages.parts.controls import choose, choose_number
from pages.parts.events import pick_event
from pages.parts.frame import View, begin_page
from pages.parts.i18n import N_, _, text
from pages.parts.states import draw_nothing
from pages.parts.users_list import open_list
from ulm_core.lifecycle.active_users import WINDOWS, ActiveUsers, ActiveUsersSpec, compute_active_users
from ulm_core.lifecycle.sessions import Sessions, SessionsSpec, compute_sessions, learn_session_gap
from ulm_core.lifecycle.stickiness import Stickiness, StickinessSpec, compute_stickiness

CONTROLS = ("period", "interval", "stage", "segment")
CRITERIA = {"gte": N_("At least"), "lte": N_("At most"), "eq": N_("Exactly")}
COUNTED = {"exact": N_("In exactly so many"), "cumulative": N_("In so many or more")}
ACTIVE_SHOWN = {"ratios": N_("Ratios"), "users": N_("Users")}
RATIOS = (("day", "month", "DAU / MAU"), ("week", "month", "WAU / MAU"), ("day", "week", "DAU / WAU"))
WINDOW_NAMES = {"day": N_("Daily (DAU)"), "week": N_("Weekly (WAU)"), "month": N_("Monthly (MAU)")}
MOST_MINUTES = 24 * 60


def ask_stickiness(view: View) -> Stickiness:
    """Draw the question of the stickiness card and return its answer."""
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        event = pick_event(view, "event", _("Event"))
        operator = choose("criterion", _("Times per period"), CRITERIA, "gte")
        value = choose_number("times", _("Times"), 1, 1, 1000)
        counted = choose("counted", _("Active"), COUNTED, "exact")
        by, labels = pick_breakdown(view)
    low, high = view.range_us
    spec = StickinessSpec.checked(
        event=event,
        interval=view.filters.interval,
        operator=operator,
        value=value,
        cumulative=counted == "cumulative",
        labels=labels,
        from_us=low,
        to_us=high,
    )
    return view.ask(compute_stickiness, spec, by)


def stickiness_frame(sticky: Stickiness) -> pd.DataFrame:
    """Return users by number of active periods (and group) with their share of the group."""
    frame = sticky.to_pandas()
    frame["key"] = frame.get("group", "")
    frame["group"] = [group_name(name) if name else _("Everyone") for name in frame["key"]]
    whole = frame.groupby("key")["users"].transform("max" if sticky.spec.cumulative else "sum")
    return frame.assign(share=(frame["users"] / whole.where(whole > 0)).fillna(0.0))


def active_periods(interval: str) -> str:
    """Return what stickiness counts."""
    names = {"day": _("active days"), "week": _("active weeks"), "month": _("active months")}
    return names[interval]


def draw_stickiness(view: View) -> None:
    with card(
        _("Stickiness"),
        how=_(
            "Users by the number of periods of the range in which they did the event often enough. A period counts "
            "only where the event happened at all. Running periods are in. Time zone {zone}."
        ).format(zone=view.timezone),
    ):
        sticky = ask_stickiness(view)
        if not sticky.n_users:
            draw_nothing(_("Nobody did this event in this period. Choose another event or a longer period."))
            return
        frame = stickiness_frame(sticky)
        once = int(sticky.counts[1:2].sum()) if sticky.spec.cumulative else int(sticky.counts[1:].sum())
        alt = _("{share} of {n} active users came in more than one period.").format(
            share=fmt.percent(once / sticky.n_users), n=fmt.number(sticky.n_users)
        )
        figure = charts.stickiness(frame, title=active_periods(sticky.spec.interval))
        table = Table(frame.drop(columns="key"), f"stickiness_{view.filters.slug}")
        point = clicked(chart(figure, alt=alt, key="stickiness", clickable=True, table=table), "stickiness")
        if point:
            number, group = int(str(point[0])), str(point[1])
            codes = sticky.users((number, group) if group else number)
            title = _("Active in {k} periods").format(k=number)
            open_list(view.data, codes, title, f"stickiness-{number}-{group}")


def active_frame(active: ActiveUsers, shown: str) -> pd.DataFrame:
    """Return one row per day and line."""
    periods = active.periods.iso_labels()
    parts = []
    if shown == "users":
        for number, window in enumerate(WINDOWS):
            columns = {"value": active.counts[number], "is_complete": active.is_whole[number]}
            parts.append(pd.DataFrame({"period": periods, "group": _(WINDOW_NAMES[window]), "key": window, **columns}))
    else:
        for part, whole, name in RATIOS:
            columns = {"value": active.ratio(part, whole), "is_complete": active.is_whole[WINDOWS.index(whole)]}
            parts.append(pd.DataFrame({"period": periods, "group": name, "key": "", **columns}))
    return pd.concat(parts)


def draw_active(view: View, active: ActiveUsers) -> None:
    with card(
        _("Daily, weekly and monthly users"),
        how=_(
            "DAU, WAU, MAU: users active on the day, in the 7 and in the 30 calendar days up to and with it. Ratios "
            "divide them day by day. Dotted: the window reaches back before the log begins, or the day still runs."
        ),
    ):
        shown = choose("active", _("Shown"), ACTIVE_SHOWN, "ratios")
        frame = active_frame(active, shown)
        state = chart(
            charts.active_user_lines(frame, is_share=shown == "ratios"),
            alt=active_sentence(active),
            key="active_users",
            clickable=shown == "users",
            table=Table(active.to_pandas(), f"active-users_{view.filters.slug}"),
        )
        point = clicked(state, "active_users")
        if point:
            day, window = str(point[0]), str(point[1])
            title = _(WINDOW_NAMES[window]) + " · " + fmt.day(date.fromisoformat(day))
            open_list(view.data, active.users((day, window)), title, f"{window}-{day}")


def last_whole(active: ActiveUsers) -> int | None:
    """Return the last day whose month is whole."""
    whole = active.is_whole[-1].nonzero()[0]
    return int(whole[-1]) if len(whole) else None


def active_sentence(active: ActiveUsers) -> str:
    """Return what the last whole day says."""
    day = last_whole(active)
    if day is None:
        return _("The log is too short for a whole month.")
    return _("On {day}, {dau} of {mau} monthly users came ({share}).").format(
        day=fmt.day(active.periods.labels[day]),
        dau=fmt.number(active.counts[0, day]),
        mau=fmt.number(active.counts[2, day]),
        share=fmt.percent(active.ratio("day", "month")[day]),
    )


def ask_sessions(view: View) -> Sessions:
    """Draw the pause that ends a session, learnt or set, and return the sessions."""
    data = view.data
    gap = data.remember("learn_session_gap", "", lambda: learn_session_gap(data.index, data.config))
    minutes = choose_number("gap", _("Pause (minutes)"), max(1, round(gap.seconds / 60)), 1, MOST_MINUTES)
    with st.expander(_("Where this pause comes from"), icon=":material/school:"):
        st.caption(text(gap.sentence()))
        frame = pd.DataFrame({"minutes": gap.pauses / 60, "pauses": gap.counts})
        figure = charts.pause_histogram(frame, gap_seconds=minutes * 60)
        chart(figure, alt=text(gap.sentence()), key="pauses", caption=False)
    low, high = view.range_us
    spec = SessionsSpec(interval=view.filters.interval, gap_seconds=minutes * 60, from_us=low, to_us=high)
    return view.ask(compute_sessions, spec)


def session_kpis(sessions: Sessions) -> None:
    total, users = int(sessions.sessions.sum()), sessions.n_users
    with st.grid(4, min_column_width=150, gap="small"):
        kpi(Kpi(_("Sessions"), fmt.compact(total), _("Sessions that begin in the period."), exact=fmt.number(total)))
        each = total / users if users else float("nan")
        kpi(Kpi(_("Sessions per user"), fmt.number(each, 1), _("Sessions / users with a session.")))
        events = float(sessions.events.sum()) / total if total else float("nan")
        kpi(Kpi(_("Events per session"), fmt.number(events, 1), _("Active events / sessions.")))
        median = _("From the first to the last event, over sessions of more than one event.")
        kpi(Kpi(_("Median length"), fmt.duration(sessions.median_length), median))


def draw_sessions(view: View) -> None:
    with card(
        _("Sessions"),
        how=_(
            "A pause longer than the one set ends a session. A session belongs to the period it begins in. Its length "
            "runs from its first to its last event; sessions of one event have none and stay out of the median."
        ),
    ):
        sessions = ask_sessions(view)
        session_kpis(sessions)
        frame = sessions.to_pandas()
        if not sessions.sessions.any():
            draw_nothing(_("No session begins in this period."))
            return
        alt = _("{n} sessions of {users} users; {share} consist of a single event.").format(
            n=fmt.number(int(sessions.sessions.sum())),
            users=fmt.number(sessions.n_users),
            share=fmt.percent(float(sessions.single.sum()) / float(sessions.sessions.sum())),
        )
        figure = charts.session_bars(frame.assign(median_minutes=frame["median_seconds"] / 60))
        table = Table(frame, f"sessions_{view.filters.slug}")
        point = clicked(chart(figure, alt=alt, key="sessions", clickable=True, table=table), "sessions")
        if point:
            period = str(point[0])
            title = _("Users with a session") + " · " + fmt.day(date.fromisoformat(period[:10]))
            open_list(view.data, sessions.users(period), title, f"sessions-{period}")


with begin_page("engagement", controls=CONTROLS) as view:
    low, high = view.range_us
    active = view.ask(compute_active_users, ActiveUsersSpec(from_us=low, to_us=high))
    draw_stickiness(view)
    draw_active(view, active)
    draw_sessions(view)
