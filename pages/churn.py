"""Churn: how long users stay, by group, and the list of those who are about to leave."""

from __future__ import annotations

import math
from datetime import date, timedelta
from functools import partial

import pandas as pd
import streamlit as st

from pages.parts import fmt, leaving, url
from pages.parts.cards import Kpi, Table, card, chart, kpi
from pages.parts.charts import survival as charts
from pages.parts.frame import View, begin_page
from pages.parts.i18n import N_, _, term, text
from pages.parts.states import TOO_FEW_USERS, draw_nothing
from pages.parts.users_list import list_button
from ulm_core.lifecycle.filters import attribute_labels
from ulm_core.lifecycle.survival import Survival, SurvivalSpec, compute_survival
from ulm_core.warehouse.reports import attribute_values

CONTROLS = ("stage", "segment")
GROUPS = {"none": N_("Everyone"), "stage": N_("Stage"), "cohort": N_("Cohort"), "labels": N_("Attribute")}
DEFAULT_ORIGIN_DAYS = 182
CURVES_SHOWN = 6
SHOWN = 300


def pick_group(view: View) -> tuple[str, date, str | None]:
    """Draw what to compare, kept in the URL, and return it."""
    attributes = view.data.remember("attribute_values", "", lambda: attribute_values(view.data.snapshot))
    options = [name for name in GROUPS if name != "labels" or attributes]
    asked = url.get("group", "stage")
    st.session_state["churn_group"] = asked if asked in options else "stage"
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        group = st.segmented_control(
            _("Compare by"),
            options,
            format_func=lambda name: _(GROUPS[name]),
            key="churn_group",
            required=True,
            on_change=lambda: url.put("group", st.session_state["churn_group"]),
        )
        first, last = view.data.local_days
        origin = max(first, last - timedelta(days=DEFAULT_ORIGIN_DAYS))
        attribute = None
        if group == "stage":
            origin = st.date_input(
                _("Stage as of"),
                value=origin,
                min_value=first,
                max_value=last,
                format="YYYY-MM-DD",
                width=170,
                key="churn_origin",
                help=_("Time runs from this day; a stage reached later would guarantee survival up to then."),
            )
        if group == "labels":
            attribute = st.selectbox(
                _("Attribute"),
                list(attributes),
                key="churn_attribute",
                width=220,
                format_func=lambda name: name.replace("_", " ").capitalize(),
            )
    return str(group), origin, attribute


def ask(view: View, group: str, origin: date, attribute: str | None) -> Survival:
    data = view.data
    if group == "labels" and attribute:
        labels = data.remember(
            "attribute_labels", attribute, lambda: attribute_labels(data.index, data.snapshot, attribute)
        )
        spec = SurvivalSpec(by="labels", labels=labels, users=view.mask)
        question = f"labels {attribute} {view.people}"
        return data.remember("survival", question, lambda: compute_survival(data.index, data.config, spec))
    origin_us = view.day_us(origin + timedelta(days=1)) if group == "stage" else None
    return view.ask(compute_survival, SurvivalSpec(by=group, origin_us=origin_us))


def draw_kpis(survival: Survival) -> None:
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
                verdict(test.p_value) if test else fmt.MISSING,
                _("Log-rank test of “all groups churn alike”: the smaller p, the less likely by chance."),
                exact=""
                if test is None
                else _("p = {p}, chi² = {chi}, {df} degrees of freedom").format(
                    p=f"{test.p_value:.2g}", chi=f"{test.statistic:.1f}", df=test.degrees_of_freedom
                ),
            )
        )


def verdict(p_value: float) -> str:
    """Return what a p value says, in words."""
    if p_value < 0.001:
        return _("Yes (p < 0.001)")
    return (_("Yes (p = {p})") if p_value < 0.05 else _("Not shown (p = {p})")).format(p=f"{p_value:.3f}")


def median_text(days: float) -> str:
    """Return a median in words."""
    return _("not reached") if math.isinf(days) else _("{n} days").format(n=fmt.number(days))


def summary_frame(survival: Survival) -> pd.DataFrame:
    rows = []
    for curve in survival.curves:
        low, high = median_text(curve.median_lower), median_text(curve.median_upper)
        few = curve.n_users < TOO_FEW_USERS
        half = float(curve.survival_at(182))
        rows.append(
            {
                _("Group"): term(curve.group),
                _("Users"): curve.n_users,
                _("Churned"): curve.n_churned,
                _("Not churned after 182 days"): fmt.MISSING if math.isnan(half) else fmt.percent(half),
                _("Median"): median_text(curve.median_days) if not few else _("too few users"),
                _("95% interval of the median"): fmt.MISSING if few or low == high else f"{low} – {high}",
            }
        )
    return pd.DataFrame(rows)


def shown_curves(survival: Survival) -> dict[str, pd.DataFrame]:
    """Return the curves of the largest groups, in their order."""
    frame = survival.to_pandas()
    sizes = sorted(survival.curves, key=lambda curve: -curve.n_users)[:CURVES_SHOWN]
    kept = {curve.group for curve in sizes if curve.n_users >= TOO_FEW_USERS or len(survival.curves) == 1}
    names = [curve.group for curve in survival.curves if curve.group in kept]
    return {name: frame[frame["group"] == name] for name in names}


def draw_curves(view: View, survival: Survival, origin_text: str) -> None:
    with card(
        _("How long users stay"),
        how=_(
            "{sentence} Curves are Kaplan-Meier estimates with 95% Greenwood intervals. Coming back later does not "
            "undo churn. Groups with fewer than {least} users are not drawn."
        ).format(sentence=text(survival.sentence()), least=TOO_FEW_USERS),
    ):
        curves = shown_curves(survival)
        if not curves:
            draw_nothing(_("No group has enough users. Choose another group or fewer filters."))
            return
        ends = {name: float(curve["survival"].iloc[-1]) for name, curve in curves.items()}
        worst, best = min(ends, key=ends.__getitem__), max(ends, key=ends.__getitem__)
        alt = (
            _("At the end {best} of “{best_name}” are still with us, but {worst} of “{worst_name}”.").format(
                best=fmt.percent(ends[best]),
                best_name=term(best),
                worst=fmt.percent(ends[worst]),
                worst_name=term(worst),
            )
            if worst != best
            else _("At the end {share} are still with us.").format(share=fmt.percent(ends[best]))
        )
        chart(
            charts.survival_curves(curves, origin=origin_text),
            alt=alt,
            key="survival",
            table=Table(pd.concat(curves.values()), "survival"),
        )
        st.markdown(f"**{_('Users at risk')}**")
        last = max(float(curve["days"].iloc[-1]) for curve in curves.values())
        times = [int(last * k / 6) for k in range(6)]
        st.dataframe(charts.at_risk_table(curves, times), alt=_("Users at risk by group and day"))
        left_out = len(survival.curves) - len(curves)
        if left_out:
            st.caption(_("{n} smaller groups are in the table below only.").format(n=left_out))
        st.dataframe(summary_frame(survival), hide_index=True, alt=_("Median time to churn by group"))
        with st.container(horizontal=True):
            for name in curves:
                n = int(survival.curve(name).n_churned)
                list_button(
                    view.data,
                    n,
                    _("Churned: {group}").format(group=term(name)),
                    f"churned_{name}",
                    partial(survival.users, (name, "churned", math.inf)),
                    label=_("{n} churned · {group}").format(n=fmt.number(n), group=term(name)),
                )


with begin_page("churn", controls=CONTROLS) as view:
    group, origin, attribute = pick_group(view)
    survival = ask(view, group, origin, attribute)
    draw_kpis(survival)
    since = _("days since {day}").format(day=fmt.day(origin)) if group == "stage" else _("days since first seen")
    draw_curves(view, survival, since)
    leaving.draw(view)
