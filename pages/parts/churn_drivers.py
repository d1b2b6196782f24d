"""What goes with churn: hazard ratios of what was known at a day, and whether their assumption holds."""

from __future__ import annotations

from datetime import date
from functools import partial

import pandas as pd
import streamlit as st

from pages.parts import fmt, url
from pages.parts.cards import Kpi, Table, card, chart, clicked, kpi
from pages.parts.charts import drivers as charts
from pages.parts.churn_curves import attributes_of, origin_us, pick_origin
from pages.parts.controls import choose_some, spelled
from pages.parts.frame import View
from pages.parts.i18n import N_, _, term, text
from pages.parts.rows import pick_row
from pages.parts.users_list import list_button, open_list
from ulm_core.lifecycle.cox import SIGNIFICANT, Cox, CoxSpec, Driver, compute_cox
from ulm_core.lifecycle.groups import group_labels

LABELS = {
    "silence": N_("Silence"),
    "tenure": N_("Tenure"),
    "active_days": N_("Active days"),
    "trend": N_("Trend"),
    "value": N_("Value"),
    "items": N_("Different items"),
}
MOST_ATTRIBUTES = 3


def driver_label(driver: Driver) -> str:
    """Return a covariate in words."""
    if driver.is_behaviour:
        return _(LABELS[driver.name])
    attribute, _equals, value = driver.name.partition("=")
    return f"{spelled(attribute)}: {term(value)}"


def badge(driver: Driver) -> str:
    """Return whether the assumption holds, as a mark."""
    return "✓" if driver.holds else "⚠"


def answer(view: View, origin: date, attributes: tuple[str, ...]) -> Cox:
    """Return the regression, computed once."""
    data, at_us = view.data, origin_us(view, origin)

    def compute() -> Cox:
        labels = tuple(
            group_labels(data.index, data.config, data.snapshot, name, at_us, data.rules) for name in attributes
        )
        spec = CoxSpec(origin_us=at_us, attributes=labels, users=view.mask)
        return compute_cox(data.index, data.config, spec)

    return data.remember("cox", f"{at_us} {attributes} {view.people}", compute)


def draw_kpis(view: View, cox: Cox) -> None:
    """Draw the headline figures, and the lists behind them."""
    n_changing = sum(not driver.holds for driver in cox.drivers)
    with st.grid(4, min_column_width=150, gap="small"):
        kpi(Kpi(_("Users observed"), fmt.number(cox.n_users), _("Users at risk of churning at time 0.")))
        kpi(Kpi(_("Churned"), fmt.number(cox.n_churned), _("Churned between that day and the end of the log.")))
        kpi(
            Kpi(
                _("Concordance"),
                fmt.number(cox.concordance, 2),
                _("Of two users, how often the one with the higher hazard churned first. 0.5 is chance."),
            )
        )
        kpi(
            Kpi(
                _("Assumption holds"),
                _("{n} of {all}").format(n=len(cox.drivers) - n_changing, all=len(cox.drivers)),
                _("Covariates whose ratio shows no change over time (Schoenfeld residuals, Holm)."),
            )
        )
    with st.container(horizontal=True):
        everyone = partial(cox.users, ("", "all"))
        list_button(view.data, cox.n_users, _("Users observed"), "cox_all", everyone)
        churned = partial(cox.users, ("", "churned"))
        label = _("{n} churned").format(n=fmt.number(cox.n_churned))
        list_button(view.data, cox.n_churned, _("Churned"), "cox_churned", churned, label=label)


def strongest(cox: Cox) -> str:
    """Return the takeaway: the covariate that tells most."""
    shown = [driver for driver in cox.drivers if driver.p_holm < SIGNIFICANT]
    if not shown:
        return _("No covariate can be told from chance.")
    driver = min(shown, key=lambda driver: driver.p_value)
    words = {"name": driver_label(driver), "unit": text(driver.unit), "ratio": fmt.number(driver.ratio, 2)}
    return _("{name} tells most: {unit}: the hazard of churn times {ratio}, all else equal.").format(**words)


def frame_of(cox: Cox) -> pd.DataFrame:
    """Return one row per covariate, for the forest plot."""
    return pd.DataFrame(
        {
            "name": [driver.name for driver in cox.drivers],
            "label": [f"{driver_label(driver)} {badge(driver)}" for driver in cox.drivers],
            "ratio": [driver.ratio for driver in cox.drivers],
            "lower": [driver.lower for driver in cox.drivers],
            "upper": [driver.upper for driver in cox.drivers],
            "is_shown": [driver.p_holm < SIGNIFICANT for driver in cox.drivers],
        }
    )


def table_of(cox: Cox) -> pd.DataFrame:
    """Return one row per covariate, in words."""
    return pd.DataFrame(
        {
            _("Covariate"): [driver_label(driver) for driver in cox.drivers],
            _("Per"): [text(driver.unit) for driver in cox.drivers],
            _("Hazard ratio"): [
                f"{fmt.number(d.ratio, 2)} [{fmt.number(d.lower, 2)}, {fmt.number(d.upper, 2)}]" for d in cox.drivers
            ],
            _("p, corrected"): ["< 0.001" if d.p_holm < 0.001 else f"{d.p_holm:.3f}" for d in cox.drivers],
            _("Users"): [len(cox.users((driver.name, "high"))) for driver in cox.drivers],
            _("Ratio over time"): [
                f"{badge(driver)} {_('holds') if driver.holds else _('changes')}" for driver in cox.drivers
            ],
        }
    )


def open_driver(view: View, cox: Cox, name: str) -> None:
    """Open the list of the users a covariate concerns most."""
    driver = next(driver for driver in cox.drivers if driver.name == name)
    words = _("Highest quarter: {name}") if driver.is_behaviour else _("Users: {group}")
    title = words.format(name=driver_label(driver), group=driver_label(driver))
    open_list(view.data, cox.users((name, "high")), title, f"driver_{name}")


def draw_ratios(view: View, cox: Cox) -> None:
    """Draw the forest plot and its table."""
    with card(
        _("What goes with churn"),
        how=_(
            "Cox regression: how the hazard of churn goes with what was known at the chosen day, all else equal. "
            "Behaviour is measured over one churn horizon ({days} days) before that day; nothing later is looked at. "
            "Intervals are 95%, p is corrected for the number of covariates (Holm). ✓: no sign that the ratio changes "
            "over time; ⚠: it does, and the ratio is an average. Silence predicts by definition at first. Attributes "
            "are taken as they are; **not known is no value**: these users are compared among themselves only, because "
            "whether something is known tells how users were chosen. Ratios say what goes with churn, not what causes "
            "it."
        ).format(days=fmt.number(cox.horizon_days)),
    ):
        for sentence in cox.sentences():
            st.caption(":material/info: " + text(sentence))
        alt = strongest(cox)
        figure = charts.forest(frame_of(cox))
        point = clicked(chart(figure, alt=alt, key="forest", clickable=True), "forest")
        table = table_of(cox)
        row = pick_row(table, "drivers", alt=alt)
        st.caption(
            _("Users: those with the value, or in the highest quarter of the behaviour. Select a row to see them.")
        )
        if cox.left_out:
            st.caption(_("The same for everyone, so left out: {names}").format(names=", ".join(cox.left_out)))
        if point:
            open_driver(view, cox, str(point[0]))
        elif row is not None:
            open_driver(view, cox, cox.drivers[row].name)


def draw_assumption(cox: Cox, origin: date) -> None:
    """Draw how one ratio goes over time."""
    with card(
        _("Does the ratio stay the same?"),
        how=_(
            "Scaled Schoenfeld residuals plus the coefficient: what each churn says about the ratio at its time, "
            "averaged in bins of equally many churns, with a 95% interval. The test correlates the residuals with the "
            "rank of time."
        ),
    ):
        names = [driver.name for driver in cox.drivers]
        labels = {driver.name: driver_label(driver) for driver in cox.drivers}
        asked = url.get("effect")
        changing = [driver.name for driver in cox.drivers if not driver.holds]
        default = (changing or names)[0]
        st.session_state["churn_effect"] = asked if asked in names else default
        name = st.selectbox(
            _("Covariate"),
            names,
            format_func=labels.__getitem__,
            key="churn_effect",
            width=260,
            on_change=lambda: url.put("effect", st.session_state["churn_effect"]),
        )
        driver = cox.drivers[names.index(str(name))]
        frame = cox.effect_over_time(driver.name).to_pandas()
        figure = charts.effect_over_time(frame, driver.ratio, origin=_("days since {day}").format(day=fmt.day(origin)))
        p_value = _("p = {p}, corrected").format(p=f"{driver.changes_holm:.2g}")
        alt = f"{badge(driver)} {text(driver.assumption())} ({p_value})"
        chart(figure, alt=alt, key="effect", table=Table(frame, f"effect-{driver.name}"))


def draw(view: View) -> None:
    """Draw the tab."""
    attributes = attributes_of(view)
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        origin = pick_origin(view)
        chosen: tuple[str, ...] = ()
        if attributes:
            chosen = choose_some("driver", _("Attributes"), attributes, most=MOST_ATTRIBUTES)
    cox = answer(view, origin, chosen)
    draw_kpis(view, cox)
    draw_ratios(view, cox)
    draw_assumption(cox, origin)
