"""Churn curves of groups: survival, hazards, how long they stay on average, and whether they differ."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import partial

import pandas as pd
import streamlit as st

from pages.parts import fmt, url
from pages.parts.cards import Kpi, Table, card, chart, clicked, draw_table, kpi
from pages.parts.charts import survival as charts
from pages.parts.controls import choose, choose_day, choose_one, choose_some
from pages.parts.frame import View
from pages.parts.i18n import N_, _, term, text
from pages.parts.rows import pick_row
from pages.parts.states import TOO_FEW_USERS, draw_nothing
from pages.parts.users_list import list_button, open_list
from ulm_core.lifecycle.churn_times import default_origin
from ulm_core.lifecycle.cohorts.store import SEPARATOR, Cohorts
from ulm_core.lifecycle.filters import NOT_KNOWN
from ulm_core.lifecycle.groups import BY_COHORT, group_labels
from ulm_core.lifecycle.periods import local_datetime
from ulm_core.lifecycle.restricted_mean import Pair, default_limit, restricted_mean
from ulm_core.lifecycle.survival import HAZARD_WIDTH_DAYS, Survival, SurvivalSpec, compute_survival
from ulm_core.warehouse.reports import attribute_values

GROUPS = {
    "none": N_("Everyone"),
    "stage": N_("Stage"),
    "cohort": N_("Cohort"),
    "labels": N_("Attribute"),
    "saved": N_("Saved cohort"),
}
SHAPES = {
    "survival": N_("Survival"),
    "hazard": N_("Hazard"),
    "cumulative": N_("Cumulative hazard"),
    "loglog": N_("Log-log"),
}
SHAPE_HELP = N_(
    "Survival: share not yet churned. Hazard: churn per user and 30 days among those still there. Cumulative hazard: "
    "the hazard summed up (Nelson-Aalen). Log-log: groups whose hazards are proportional run parallel."
)
ORIGIN_HELP = N_("Time runs from this day; a stage reached later would guarantee survival up to then.")
CURVES_SHOWN = 6
SIGNIFICANT = 0.05


@dataclass(frozen=True)
class Question:
    """What is compared: the kind of group, the names it needs, and the day time runs from (None: first seen).

    `stamp` changes when a saved cohort does.
    """

    group: str
    names: tuple[str, ...] = ()
    origin: date | None = None
    stamp: str = ""


def attributes_of(view: View) -> list[str]:
    """Return the names of the user attributes."""
    return list(view.data.remember("attribute_values", "", lambda: attribute_values(view.data.snapshot)))


def pick_origin(view: View) -> date:
    """Draw the day time runs from and return it; its end is time 0."""
    data = view.data
    first, last = data.local_days
    # The origin is a midnight, which is the end of the day before.
    middle = local_datetime(default_origin(data.index, data.config) - 1, data.config.timezone).date()
    default = min(max(middle, first), last)
    return choose_day("at", _("As of"), default, first, last, help_text=_(ORIGIN_HELP))


def origin_us(view: View, origin: date) -> int:
    """Return the end of a day, as UTC microseconds."""
    return min(view.day_us(origin + timedelta(days=1)), view.data.index.manifest.last_us)


def ask_what(view: View) -> tuple[Question, str]:
    """Draw what to compare and how to draw it, and return both."""
    attributes, cohorts = attributes_of(view), Cohorts(view.data.workspace).names()
    usable = {"labels": bool(attributes), "saved": bool(cohorts)}
    options = {name: label for name, label in GROUPS.items() if usable.get(name, True)}
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        group = choose("group", _("Compare by"), options, "stage")
        question = Question(group)
        if group == "labels":
            question = Question(group, (choose_one("attribute", _("Attribute"), attributes),))
        elif group == "saved":
            origin = pick_origin(view)
            names = choose_some("saved", _("Cohorts"), cohorts, most=5)
            question = Question(group, names, origin, Cohorts(view.data.workspace).stamp())
        elif group == "stage":
            question = Question(group, origin=pick_origin(view))
        shape = choose("shape", _("Shown as"), SHAPES, "survival", help_text=_(SHAPE_HELP))
    return question, shape


def answer(view: View, question: Question) -> Survival:
    """Return the curves that were asked for, computed once."""
    data = view.data
    at_us = None if question.origin is None else origin_us(view, question.origin)
    if question.group in ("none", "cohort", "stage"):
        return view.ask(compute_survival, SurvivalSpec(by=question.group, origin_us=at_us))
    by = question.names[0] if question.group == "labels" else BY_COHORT + SEPARATOR.join(question.names)
    moment = data.index.manifest.last_us + 1 if at_us is None else at_us
    labels = data.remember(
        "group_labels",
        f"{by}@{moment} {question.stamp}",
        lambda: group_labels(data.index, data.config, data.snapshot, by, moment, data.rules),
    )
    spec = SurvivalSpec(by="labels", labels=labels, origin_us=at_us, users=view.mask)
    return data.remember(
        "survival",
        f"{by}@{moment} {question.stamp} {view.people}",
        lambda: compute_survival(data.index, data.config, spec),
    )


def verdict(p_value: float) -> str:
    """Return what a p value says, in words."""
    if math.isnan(p_value):
        return fmt.MISSING
    if p_value < 0.001:
        return _("Yes (p < 0.001)")
    return (_("Yes (p = {p})") if p_value < SIGNIFICANT else _("Not shown (p = {p})")).format(p=f"{p_value:.3f}")


def headline(p_value: float) -> str:
    """Return what a p value says, short enough for a headline figure."""
    return _("Not shown") if p_value >= SIGNIFICANT else verdict(p_value)


def draw_kpis(survival: Survival) -> None:
    """Draw the headline figures."""
    n_users = sum(curve.n_users for curve in survival.curves)
    n_churned = sum(curve.n_churned for curve in survival.curves)
    test = survival.test
    with st.grid(4, min_column_width=150, gap="small"):
        kpi(Kpi(_("Users observed"), fmt.number(n_users), _("Users at risk of churning at time 0.")))
        kpi(Kpi(_("Churned"), fmt.number(n_churned), text(survival.sentence())))
        kpi(
            Kpi(
                _("Still with us"),
                fmt.percent(1 - n_churned / n_users if n_users else None),
                _("Not churned by the end of the log (censored)."),
            )
        )
        kpi(
            Kpi(
                _("Do the groups differ?"),
                headline(test.p_value) if test else fmt.MISSING,
                _("Log-rank test of “all groups churn alike”: the smaller p, the less likely by chance."),
                exact=""
                if test is None
                else _("p = {p}, chi² = {chi}, {df} degrees of freedom").format(
                    p=f"{test.p_value:.2g}", chi=f"{test.statistic:.1f}", df=test.degrees_of_freedom
                ),
            )
        )


def shown_groups(survival: Survival) -> list[str]:
    """Return the largest groups with enough users, in the order of all groups."""
    sizes = sorted(survival.curves, key=lambda curve: -curve.n_users)[:CURVES_SHOWN]
    kept = {curve.group for curve in sizes if curve.n_users >= TOO_FEW_USERS or len(survival.curves) == 1}
    return [curve.group for curve in survival.curves if curve.group in kept]


def curve_frames(survival: Survival, names: Sequence[str]) -> dict[str, pd.DataFrame]:
    """Return each group's curve as a table."""
    frame = survival.to_pandas()
    return {name: frame[frame["group"] == name] for name in names}


def takeaway(survival: Survival, names: Sequence[str]) -> str:
    """Return in a sentence how many are left at the end."""
    # Users of whom nothing is known were chosen differently; comparing with them would mislead.
    compared = [name for name in names if name != NOT_KNOWN] or names
    ends = {name: float(survival.curve(name).survival[-1]) for name in compared}
    worst, best = min(ends, key=ends.__getitem__), max(ends, key=ends.__getitem__)
    if worst == best:
        return _("At the end {share} are still with us.").format(share=fmt.percent(ends[best]))
    return _("At the end {best} of “{best_name}” are still with us, but {worst} of “{worst_name}”.").format(
        best=fmt.percent(ends[best]), best_name=term(best), worst=fmt.percent(ends[worst]), worst_name=term(worst)
    )


def draw_curves(view: View, survival: Survival, shape: str, origin_text: str) -> None:
    """Draw the chart and the number at risk below it."""
    with card(
        _("How long users stay"),
        how=_(
            "{sentence} Curves are Kaplan-Meier estimates with 95% Greenwood intervals. Coming back later does not "
            "undo churn. Groups with fewer than {least} users are not drawn."
        ).format(sentence=text(survival.sentence()), least=TOO_FEW_USERS),
    ):
        names = shown_groups(survival)
        if not names:
            draw_nothing(_("No group has enough users. Choose another group or fewer filters."))
            return
        alt = takeaway(survival, names)
        if shape == "hazard":
            draw_hazards(view, survival, names, origin_text, alt)
        else:
            curves = curve_frames(survival, names)
            draw = {
                "survival": charts.survival_curves,
                "cumulative": charts.cumulative_hazard,
                "loglog": charts.log_log,
            }
            table = Table(pd.concat(curves.values()), "survival")
            chart(draw[shape](curves, origin=origin_text), alt=alt, key=f"curves_{shape}", table=table)
            if shape == "loglog":
                st.caption(
                    _("Parallel lines: the hazards of these groups are proportional. Crossing lines: they are not.")
                )
            st.markdown(f"**{_('Users at risk')}**")
            last = max(float(curve["days"].iloc[-1]) for curve in curves.values())
            times = [int(last * k / 6) for k in range(6)]
            st.dataframe(charts.at_risk_table(curves, times), alt=_("Users at risk by group and day"))
        left_out = len(survival.curves) - len(names)
        if left_out:
            st.caption(_("{n} smaller groups are in the table below only.").format(n=left_out))
        draw_lists(view, survival, names)


def draw_hazards(view: View, survival: Survival, names: Sequence[str], origin_text: str, alt: str) -> None:
    """Draw the hazard by interval; a mark opens who churned in it."""
    hazards = {name: [vars(rate) for rate in rates] for name, rates in survival.hazards().items() if name in names}
    frames = {name: pd.DataFrame(rates) for name, rates in hazards.items()}
    table = Table(pd.concat([frame.assign(group=name) for name, frame in frames.items()]), "hazards")
    figure = charts.hazard_rates(frames, origin=origin_text)
    point = clicked(chart(figure, alt=alt, key="curves_hazard", table=table, clickable=True), "curves_hazard")
    st.caption(_("Intervals of {n} days; a mark opens the users who churned in it.").format(n=HAZARD_WIDTH_DAYS))
    if point:
        group, start, stop = str(point[0]), float(str(point[1])), float(str(point[2]))
        codes = survival.users((group, "churned", stop, start or -math.inf))
        title = _("Churned on days {a} to {b}: {group}").format(a=f"{start:g}", b=f"{stop:g}", group=term(group))
        open_list(view.data, codes, title, f"hazard_{group}_{stop:g}")


def draw_lists(view: View, survival: Survival, names: Sequence[str]) -> None:
    """Draw a button for the churned users of each group."""
    with st.container(horizontal=True):
        for name in names:
            n = int(survival.curve(name).n_churned)
            list_button(
                view.data,
                n,
                _("Churned: {group}").format(group=term(name)),
                f"churned_{name}",
                partial(survival.users, (name, "churned", math.inf)),
                label=_("{n} churned · {group}").format(n=fmt.number(n), group=term(name)),
            )


def days_text(days: float, digits: int = 0) -> str:
    """Return a number of days in words."""
    if math.isnan(days):
        return fmt.MISSING
    return _("not reached") if math.isinf(days) else _("{n} days").format(n=fmt.number(days, digits))


def summary_frame(survival: Survival, until: float) -> pd.DataFrame:
    """Return one row per group: medians and restricted means with their intervals."""
    rows = []
    for curve in survival.curves:
        low, high = days_text(curve.median_lower), days_text(curve.median_upper)
        few = curve.n_users < TOO_FEW_USERS
        mean = restricted_mean(curve, until)
        short = _("followed for {n} days only").format(n=fmt.number(mean.followed_days))
        rows.append(
            {
                _("Group"): term(curve.group),
                _("Users"): curve.n_users,
                _("Churned"): curve.n_churned,
                _("Median"): days_text(curve.median_days) if not few else _("too few users"),
                _("95% interval of the median"): fmt.MISSING if few or low == high else f"{low} – {high}",
                _("Mean stay"): short if math.isnan(mean.days) else days_text(mean.days, 1),
                _("95% interval of the mean"): fmt.MISSING
                if math.isnan(mean.days)
                else f"{fmt.number(mean.lower, 1)} – {fmt.number(mean.upper, 1)}",
            }
        )
    return pd.DataFrame(rows)


def pairs_frame(pairs: Sequence[Pair]) -> pd.DataFrame:
    """Return one row per pair of groups."""
    return pd.DataFrame(
        {
            _("Groups"): [f"{term(pair.first)} – {term(pair.second)}" for pair in pairs],
            _("Difference in days"): [
                fmt.MISSING
                if math.isnan(pair.difference)
                else f"{fmt.signed(pair.difference, 1)} [{fmt.signed(pair.lower, 1)}, {fmt.signed(pair.upper, 1)}]"
                for pair in pairs
            ],
            _("Does the mean differ?"): [verdict(pair.p_holm) for pair in pairs],
            _("Do the curves differ?"): [verdict(pair.log_rank_holm) for pair in pairs],
        }
    )


def draw_means(view: View, survival: Survival, question: Question) -> None:
    """Draw the table of medians and means, and the pairs of groups."""
    longest = max((int(curve.days[-1]) for curve in survival.curves), default=0)
    if longest < 1:
        return
    with card(
        _("Mean stay by group"),
        how=_(
            "Of the first so many days, how many a user stays on average: the area under the survival curve "
            "(restricted mean). Unlike the median it always exists, up to the time a group was followed. Differences "
            "and tests of every two groups (the 8 largest) are corrected for their number (Holm). Users of whom the "
            "attribute is not known are not compared: whether it is known tells how users were chosen."
        ),
    ):
        until = _pick_until(survival, longest)
        frame = summary_frame(survival, until)
        row = pick_row(frame, "churn_groups", alt=_("Mean and median time to churn by group"))
        st.caption(_("Select a row to see its users."))
        if any(curve.group == NOT_KNOWN for curve in survival.curves):
            st.caption(
                ":material/info: "
                + _("“(not known)” is no value of the attribute and is compared with nothing; see the definition.")
            )
        key = f"{question} {until} {view.people}"
        pairs = view.data.remember("survival_pairs", key, lambda: survival.pairs(until))
        if pairs:
            alt = _("Every two groups compared")
            draw_table(Table(pairs_frame(pairs), "pairs"), alt=alt, key="churn_pairs", label=alt)
        if row is not None:
            group = survival.curves[row].group
            codes = survival.users((group, "all", 0))
            open_list(view.data, codes, _("Users: {group}").format(group=term(group)), f"group_{group}")


def _pick_until(survival: Survival, longest: int) -> int:
    default = max(round(default_limit(survival.curves)), 1)
    asked = url.get("until", "") or ""
    st.session_state["churn_until"] = min(int(asked), longest) if asked.isdecimal() and int(asked) else default
    st.number_input(
        _("Out of the first … days"),
        min_value=1,
        max_value=longest,
        key="churn_until",
        width=200,
        on_change=lambda: url.put("until", str(st.session_state["churn_until"])),
    )
    return int(st.session_state["churn_until"])


def draw(view: View) -> None:
    """Draw the tab."""
    question, shape = ask_what(view)
    if question.group == "saved" and not question.names:
        draw_nothing(_("Choose the cohorts to compare."))
        return
    survival = answer(view, question)
    draw_kpis(survival)
    origin = question.origin
    since = _("days since first seen") if origin is None else _("days since {day}").format(day=fmt.day(origin))
    draw_curves(view, survival, shape, since)
    draw_means(view, survival, question)
