"""What else a funnel tells: by group, how long it takes, over time, against another, and what drives it."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd
import streamlit as st

from pages.parts import fmt
from pages.parts.cards import Table, card, chart, clicked
from pages.parts.charts import funnel as charts
from pages.parts.controls import choose, choose_one
from pages.parts.frame import View
from pages.parts.funnel.question import Question, ask, groups
from pages.parts.funnel.steps import step_labels
from pages.parts.i18n import N_, _, term
from pages.parts.rows import pick_cell, pick_row
from pages.parts.states import draw_nothing
from pages.parts.users_list import open_list
from ulm_core.lifecycle.cohorts.store import Cohorts
from ulm_core.lifecycle.funnel import Funnel
from ulm_core.lifecycle.funnel_drivers import LOOKBACK_DAYS, MIN_USERS, Driver, Drivers, compute_drivers
from ulm_core.lifecycle.funnel_times import time_to_convert
from ulm_core.lifecycle.proportions import TwoShares
from ulm_core.warehouse.reports import attribute_values

TREND_PERIODS = {"day": N_("Day"), "week": N_("Week"), "month": N_("Month")}
SURE = 0.05
SHOWN_DRIVERS = 15


def breakdowns(view: View) -> list[str]:
    """Return what the funnel can be broken down by."""
    data = view.data
    attributes = data.remember("attribute_values", "", lambda: attribute_values(data.snapshot))
    return ["stage", *attributes, *(f"cohort:{name}" for name in Cohorts(data.workspace).names())]


def draw_breakdown(view: View, question: Question) -> None:
    """Draw conversion by group: grouped bars and a table, every number of which opens its users."""
    with card(
        _("By group"),
        how=_(
            "The same funnel for the five largest groups and all others together. A group is that of the user at the "
            "end of the period; its share is of its own first step."
        ),
    ):
        by = choose_one("by", _("Break down by"), breakdowns(view))
        funnel = ask(view, question.spec(view, labels=groups(view, by)))
        labels = step_labels(funnel)
        rows = [
            {"step": f"{k + 1}. {labels[k]}", "number": k + 1, "group": name, "label": term(name), "code": g,
             "users": int(n), "share": n / counts[0] if counts[0] else 0.0}
            for g, (name, counts) in enumerate(zip(funnel.groups, funnel.group_counts.tolist(), strict=True))
            for k, n in enumerate(counts)
        ]  # fmt: skip
        frame = pd.DataFrame(rows)
        best = max(funnel.groups, key=lambda name: _rate(funnel, name), default="")
        alt = _("Highest conversion: {group} ({share}).").format(
            group=term(best), share=fmt.percent(_rate(funnel, best) if best else None)
        )
        state = chart(charts.funnel_by_group(frame), alt=alt, key="funnel_by", clickable=True)
        point = clicked(state, "funnel_by")
        cell = pick_cell(_group_table(funnel, labels), "funnel_by_cells", alt=alt)
        if point:
            _open_group(view, funnel, labels, int(str(point[1])), int(str(point[2])))
        elif cell is not None:
            _open_group(view, funnel, labels, min(max(cell[1], 1), len(labels)), cell[0])


def _group_table(funnel: Funnel, labels: list[str]) -> pd.DataFrame:
    counts = funnel.group_counts
    columns = {f"{k + 1}. {label}": counts[:, k] for k, label in enumerate(labels)}
    rates = [fmt.percent(_rate(funnel, name)) if counts[g, 0] else fmt.MISSING for g, name in enumerate(funnel.groups)]
    return pd.DataFrame({_("Group"): [term(name) for name in funnel.groups], **columns, _("Conversion"): rates})


def _open_group(view: View, funnel: Funnel, labels: list[str], step: int, group: int) -> None:
    name = funnel.groups[group]
    codes = funnel.users((step, "converted", name))
    open_list(view.data, codes, f"{term(name)} · {labels[step - 1]}", f"group_{step}")


def _rate(funnel: Funnel, group: str) -> float:
    counts = funnel.group_counts[funnel.groups.index(group)]
    return float(counts[-1] / counts[0]) if counts[0] else 0.0


def draw_times(view: View, question: Question) -> None:
    """Draw how long it takes from one step to another."""
    with card(
        _("Time to convert"),
        how=_(
            "Seconds between two steps of the attempt that counts, of everyone who did both. Zero-second gaps are "
            "left out: events written at the same instant say nothing about time."
        ),
    ):
        funnel = ask(view, question.spec(view))
        labels = {str(k): f"{k}. {label}" for k, label in enumerate(step_labels(funnel), start=1)}
        with st.container(horizontal=True, gap="small"):
            first = _choose_step("from_step", _("From"), dict(list(labels.items())[:-1]), "1")
            later = {k: label for k, label in labels.items() if int(k) > first}
            second = _choose_step("to_step", _("To"), later, list(later)[-1])
        times = time_to_convert(funnel, first, second)
        if not len(times.seconds):
            draw_nothing(_("Nobody took any time between these steps."))
            return
        frame = pd.DataFrame({"start": times.edges[:-1], "end": times.edges[1:], "users": times.counts})
        frame["bin"] = range(len(frame))
        spans = zip(frame["start"], frame["end"], strict=True)
        frame["label"] = [f"{fmt.duration(start)} – {fmt.duration(end)}" for start, end in spans]
        alt = _(
            "Half convert within {median}, nine of ten within {most}; the mean is {mean} ({n} conversions)."
        ).format(
            median=fmt.duration(times.quantile(0.5)),
            most=fmt.duration(times.quantile(0.9)),
            mean=fmt.duration(times.mean),
            n=fmt.number(len(times.seconds)),
        )
        table = Table(frame[["label", "users"]], f"funnel-times_{view.filters.slug}")
        figure = charts.time_bars(frame, times.quantile(0.5))
        point = clicked(chart(figure, alt=alt, key="funnel_times", clickable=True, table=table), "funnel_times")
        if point:
            open_list(view.data, times.users(int(str(point[0]))), str(point[1]), "time_bin")


def _choose_step(name: str, label: str, options: dict[str, str], default: str) -> int:
    return int(choose(name, label, options, default))


def draw_trend(view: View, question: Question) -> None:
    """Draw conversion by period of entry."""
    with card(
        _("Conversion over time"),
        how=_(
            "Entered: did the first step in that period. Converted: of these, who reached the last step from an "
            "attempt opened in that period, whenever that was. A user who enters in several periods counts in each. A "
            "period whose window still runs at the end of the data is hollow: its share can only rise."
        ),
    ):
        period = choose("trend", _("Interval"), TREND_PERIODS, "week")
        funnel = ask(view, question.spec(view, trend=period))
        trend = funnel.trend
        if trend is None or not trend.entered.sum():
            draw_nothing(_("Nobody did the first step in this period. Choose another step or a longer period."))
            return
        window_us, last_us = funnel.walk.plan.window_us, view.data.index.manifest.last_us
        frame = pd.DataFrame(trend.to_json())
        frame["is_complete"] = trend.periods.starts_us[1:] + window_us <= last_us + 1
        frame["share"] = frame["converted"] / frame["entered"].where(frame["entered"] > 0)
        done = frame[frame["is_complete"] & (frame["entered"] > 0)]
        alt = _("No period is over yet.")
        if len(done):
            last = done.iloc[-1]
            alt = _("Of {n} who entered in the period of {period}, {share} converted.").format(
                n=fmt.number(last["entered"]), period=last["period"], share=fmt.percent(last["share"])
            )
        table = Table(frame[["period", "entered", "converted", "share"]], f"funnel-trend_{view.filters.slug}")
        state = chart(
            charts.trend_lines(frame[frame["entered"] > 0]), alt=alt, key="funnel_trend", clickable=True, table=table
        )
        point = clicked(state, "funnel_trend")
        if point:
            place = trend.periods.position(str(point[0]))
            title = _("Converted of those who entered in the period of {period}").format(period=point[0])
            open_list(view.data, trend.users(place, converted=True), title, "trend")


def draw_compare(view: View, question: Question) -> None:
    """Draw this period or group against another, with an interval and a test a step."""
    with card(
        _("Compared"),
        how=_(
            "Share of those who entered, first minus second; the interval is Newcombe's hybrid score interval (95%), "
            "the p value that of the two-proportion z test. Two periods share users, so the test between periods is "
            "approximate; two groups share none."
        ),
    ):
        against = choose(
            "against", _("Against"), {"period": N_("the period before"), "group": N_("another group")}, "period"
        )
        pairs = _periods(view, question) if against == "period" else _groups(view, question)
        if pairs is None:
            draw_nothing(_("There is only one group."))
            return
        labels, names, shares = pairs
        rows = [
            {
                _("Step"): label,
                names[0]: _share(one.x1, one.n1),
                names[1]: _share(one.x2, one.n2),
                _("Difference"): _points(one.difference),
                _("95% interval"): "" if k == 0 else " … ".join(map(_points, one.difference_interval)),
                _("p value"): "" if k == 0 else _p_value(one.p_value),
            }
            for k, (label, one) in enumerate(zip(labels, shares, strict=True))
        ]
        low, high = shares[-1].difference_interval
        is_clear = low > 0 or high < 0
        st.markdown(
            (_("{first} converts differently from {second}: {difference} points, 95% interval {interval}.") if is_clear
             else _("No clear difference between {first} and {second}: {difference} points, 95% interval {interval}.")
             ).format(first=names[0], second=names[1], difference=_points(shares[-1].difference),
                      interval=f"{_points(low)} … {_points(high)}")
        )  # fmt: skip
        st.dataframe(pd.DataFrame(rows), hide_index=True, alt=_("Conversion compared step by step"))


Compared = tuple[list[str], tuple[str, str], list[TwoShares]]


def _periods(view: View, question: Question) -> Compared:
    low, high = view.previous_us
    now, before = ask(view, question.spec(view)), ask(view, question.spec(view, from_us=low, to_us=high))
    names = fmt.day_range(view.filters.start, view.filters.end), fmt.day_range(*view.previous_days)
    return step_labels(now), names, _pairs(now.counts.tolist(), before.counts.tolist())


def _groups(view: View, question: Question) -> Compared | None:
    with st.container(horizontal=True, gap="small"):
        by = choose_one("by", _("Break down by"), breakdowns(view))
        funnel = ask(view, question.spec(view, labels=groups(view, by)))
        if len(funnel.groups) < 2:
            return None
        first = choose_one("first", _("First"), list(funnel.groups))
        second = choose_one("second", _("Second"), [name for name in funnel.groups if name != first])
    counts = dict(zip(funnel.groups, funnel.group_counts.tolist(), strict=True))
    return step_labels(funnel), (term(first), term(second)), _pairs(counts[first], counts[second])


def _pairs(first: list[int], second: list[int]) -> list[TwoShares]:
    return [TwoShares(x, first[0], y, second[0]) for x, y in zip(first, second, strict=True)]


def _share(x: int, n: int) -> str:
    return f"{fmt.number(x)} ({fmt.percent(x / n if n else None)})"


def _points(share: float) -> str:
    return fmt.MISSING if share != share else f"{fmt.number(share * 100, 1)}".replace("-", "−")


def _p_value(p: float) -> str:
    return fmt.MISSING if p != p else "< 0.001" if p < 0.001 else fmt.number(p, 3)


def driver_label(driver: Driver) -> str:
    """Return a driver in words."""
    if driver.kind == "event":
        return _("did: {event}").format(event=term(driver.name))
    if driver.kind == "category":
        return _("item of {category}").format(category=driver.value)
    return f"{driver.name.replace('_', ' ')}: {driver.value}"


def draw_drivers(view: View, question: Question) -> None:
    """Draw what separates those who converted from those who dropped."""
    with card(
        _("What converters did and were before"),
        how=_(
            "For everyone who entered: what they did in the {days} days **before** their first step, and their "
            "attributes. Lift = share that converts with it / share that converts without it, with Katz' 95% interval. "
            "p values are corrected for all drivers looked at (Holm). Only those with at least {least} users on both "
            "sides. Events inside the funnel are left out: whoever gets further has more time to do things. "
            "A lift is no cause."
        ).format(days=LOOKBACK_DAYS, least=MIN_USERS),
    ):
        funnel = ask(view, replace(question, counting="users").spec(view))
        key = f"{funnel.spec.model_dump_json(exclude={'users'})} {view.people}"
        drivers: Drivers = view.data.remember("drivers", key, lambda: compute_drivers(funnel, view.data.snapshot))
        frame = drivers.to_pandas()
        if frame.empty:
            draw_nothing(_("Too few users on either side to tell anything apart."))
            return
        frame["label"] = [driver_label(driver) for driver in drivers.drivers]
        frame["is_sure"] = frame["p_holm"] < SURE
        sure = int(frame["is_sure"].sum())
        alt = _("{n} of {all} things looked at separate converters from droppers (corrected p below 5%).").format(
            n=fmt.number(sure), all=fmt.number(len(frame))
        )
        state = chart(charts.lift_dots(frame.head(SHOWN_DRIVERS)), alt=alt, key="funnel_drivers", clickable=True)
        point = clicked(state, "funnel_drivers")
        row = pick_row(_driver_table(frame), "funnel_driver_rows", alt=alt)
        number = int(str(point[0])) if point else row
        if number is not None:
            title = _("Before entering · {driver}").format(driver=frame["label"][number])
            open_list(view.data, drivers.users((number, True, False)), title, "driver")


def _driver_table(frame: pd.DataFrame) -> pd.DataFrame:
    rows = frame.itertuples()
    return pd.DataFrame(
        [
            {
                _("Driver"): row.label,
                _("Users with it"): row.users_with,
                _("convert"): fmt.percent(row.converted_with / row.users_with),
                _("Users without"): row.users_without,
                _("convert without"): fmt.percent(row.converted_without / row.users_without),
                _("Lift"): f"×{fmt.number(row.lift, 2)}",
                _("95% interval"): f"{fmt.number(row.lift_lower, 2)} … {fmt.number(row.lift_upper, 2)}",
                _("p (Holm)"): _p_value(row.p_holm),
            }
            for row in rows
        ]
    )
