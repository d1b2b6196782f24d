"""Value: what customers will buy and be worth, how wrong that was before, and who they are."""

from __future__ import annotations

from functools import partial

import pandas as pd
import streamlit as st

from pages.parts import fmt, navigation
from pages.parts.cards import Kpi, Table, card, chart, clicked, download, draw_table, kpi
from pages.parts.charts import value as charts
from pages.parts.churn_curves import attributes_of
from pages.parts.controls import choose, choose_number, choose_one
from pages.parts.frame import View, begin_page
from pages.parts.i18n import N_, _, term
from pages.parts.rows import pick_row
from pages.parts.states import draw_nothing
from pages.parts.users_list import list_button, open_list
from ulm_core.errors import InputError
from ulm_core.lifecycle.filters import UserLabels
from ulm_core.lifecycle.groups import group_labels
from ulm_core.lifecycle.periods import local_datetime
from ulm_core.lifecycle.value.holdout import Holdout
from ulm_core.lifecycle.value.lifetime import CustomerValue, ValueSpec, compute_value

CONTROLS = ("stage", "segment")
HORIZONS = {"13": N_("3 months"), "26": N_("6 months"), "52": N_("1 year"), "104": N_("2 years")}
MODELS = {"mbg": "MBG/NBD", "bg": "BG/NBD"}
BREAKDOWNS = {"stage": N_("Stage"), "labels": N_("Attribute")}
CELLS = {"expected": N_("Purchases"), "buys_again": N_("Buys again"), "value": N_("Value")}
NOT_CHURN = N_(
    "The chance of “still being there” that such models give is **no churn score** and is not shown: the BG/NBD gives "
    "exactly 100% to everyone who bought once, however long ago. For the risk of leaving see the page Churn."
)
SHOWN = 300
CORRELATED = 0.3  # from here on the assumption of the model of spend is doubtful
DEFAULT_DISCOUNT, MOST_DISCOUNT = 10, 50


def pick_discount() -> int:
    """Draw the yearly discount rate in percent, and return it."""
    return choose_number(
        "discount",
        _("Discount (% a year)"),
        DEFAULT_DISCOUNT,
        0,
        MOST_DISCOUNT,
        width=170,
        help_text=_("A purchase in a year is worth that much less than one today."),
    )


def ask(view: View) -> CustomerValue:
    """Draw how far to look ahead and by which model, and return the answer."""
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        weeks = choose("horizon", _("Look ahead"), HORIZONS, "52")
        discount = pick_discount()
        model = choose(
            "model",
            _("Model"),
            MODELS,
            "mbg",
            help_text=_("MBG/NBD: customers may leave after the first purchase too. BG/NBD: after a repeat only."),
        )
    return view.ask(compute_value, ValueSpec(model=model, horizon_weeks=int(weeks), yearly_discount=discount / 100))


def money(view: View, amount: float, *, short: bool = True) -> str:
    return fmt.money(amount, view.data.config.currency, short=short)


def draw_kpis(view: View, value: CustomerValue) -> None:
    held = value.holdout
    with st.grid(4, min_column_width=150, gap="small"):
        kpi(Kpi(_("Customers"), fmt.number(len(value.purchases)), _("Users with at least one purchase.")))
        kpi(
            Kpi(
                _("Purchases to expect"),
                fmt.compact(float(value.expected.sum())),
                _("In the time looked ahead. A purchase is a day with a conversion."),
                exact=_("{n} per customer").format(n=fmt.number(float(value.expected.mean()), 2)),
            )
        )
        kpi(
            Kpi(
                _("Lifetime value"),
                money(view, float(value.value.sum())),
                _("Value of the purchases to expect, each discounted to today; revenue, not profit."),
                exact=_("{n} per customer").format(n=money(view, float(value.value.mean()), short=False)),
            )
        )
        kpi(
            Kpi(
                _("Off on the holdout"),
                fmt.signed_percent(held.aggregate_error) if held else fmt.MISSING,
                _("Expected / bought − 1 over the second half of the log, learnt from the first."),
                exact=_(
                    "{error} purchases off per customer on average; the same number for everyone is {constant} off."
                ).format(error=fmt.number(held.mean_absolute_error, 2), constant=fmt.number(held.constant_error, 2))
                if held
                else "",
            )
        )
    everyone = partial(value.users, ("all", None))
    list_button(view.data, len(value.purchases), _("Customers"), "value_all", everyone)


def draw_matrix(view: View, value: CustomerValue) -> None:
    with card(
        _("How often, how recently"),
        how=_(
            "Customers by repeat purchases and weeks since the last one; a cell shows the mean per customer of what "
            "is to be expected in the time looked ahead. **Frequent and recent** customers stand at the top left; who "
            "bought often and then fell silent has left. A cell opens its customers. {note}"
        ).format(note=_(NOT_CHURN)),
    ):
        options = CELLS if value.spending else {name: CELLS[name] for name in ("expected", "buys_again")}
        shown = choose("cell", _("Shown"), options, "expected")
        frame = value.matrix().to_pandas()
        order = {name: k for k, name in enumerate(dict.fromkeys(frame["silence"].sort_values(key=_first_number)))}
        frame["order"] = frame["silence"].map(order)
        if shown == "buys_again":
            frame["buys_again"] *= 100
        units = {"expected": _("purchases"), "buys_again": "%", "value": _("value per customer")}
        digits = 1 if shown == "expected" else 0
        best = frame.loc[frame["expected"].idxmax()]
        alt = _(
            "Most is to be expected of the {n} customers with {f} repeat purchases and the last {s} weeks ago."
        ).format(n=fmt.number(best["users"]), f=best["frequency"], s=best["silence"])
        figure = charts.matrix(frame, shown, unit=units[shown], digits=digits)
        table = Table(value.matrix().to_pandas(), "frequency-recency")
        point = clicked(chart(figure, alt=alt, key="value_matrix", table=table, clickable=True), "value_matrix")
        if point:
            cell = str(point[0]), str(point[1])
            title = _("{f} repeat purchases, last {s} weeks ago").format(f=cell[0], s=cell[1])
            open_list(view.data, value.users(("cell", cell)), title, f"cell_{cell[0]}_{cell[1]}")


def _first_number(names: pd.Series) -> pd.Series:
    return names.str.extract(r"(\d+)")[0].astype(int)


def draw_holdout(view: View, held: Holdout | None) -> None:
    with card(
        _("Expected against bought"),
        how=_(
            "The model is fitted again on the first part of the log and says what each customer will buy in the "
            "second; then that is counted. Total error: expected / bought − 1. Mean absolute error: per customer, "
            "beside that of the same number for everyone. A seasonal peak in the holdout is nothing such "
            "a model can know."
        ),
    ):
        if held is None:
            draw_nothing(_("The log is too short to test on a holdout."))
            return
        frame = held.by_frequency().to_pandas()
        alt = _("From {day}, {weeks} weeks: {expected} purchases expected, {actual} bought ({error}).").format(
            day=fmt.day(local_datetime(held.cut_us, view.timezone)),
            weeks=fmt.number(held.weeks),
            expected=fmt.number(float(held.expected.sum())),
            actual=fmt.number(float(held.actual.sum())),
            error=fmt.signed_percent(held.aggregate_error),
        )
        table = Table(frame, "holdout")
        point = clicked(chart(charts.holdout(frame), alt=alt, key="holdout", table=table, clickable=True), "holdout")
        st.caption(
            _("Mean absolute error {ours} purchases per customer; the same number for everyone {constant}.").format(
                ours=fmt.number(held.mean_absolute_error, 3), constant=fmt.number(held.constant_error, 3)
            )
        )
        if point:
            title = _("{f} repeat purchases before the holdout").format(f=point[0])
            open_list(view.data, held.users(str(point[0])), title, f"holdout_{point[0]}")


def read_labels(view: View) -> UserLabels:
    """Draw by what value is broken down, and return everybody's group."""
    attributes = attributes_of(view)
    options = BREAKDOWNS if attributes else {"stage": BREAKDOWNS["stage"]}
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        by = choose("by", _("Break down by"), options, "stage")
        if by == "labels":
            by = choose_one("attribute", _("Attribute"), attributes)
    data = view.data
    at_us = data.index.manifest.last_us + 1
    return data.remember(
        "group_labels",
        f"{by}@{at_us} ",
        lambda: group_labels(data.index, data.config, data.snapshot, by, at_us, data.rules),
    )


def draw_groups(view: View, value: CustomerValue) -> None:
    with card(
        _("Value by group"),
        how=_("Sum of the lifetime values of the customers of a group; stages as of the end of the log."),
    ):
        labels = read_labels(view)
        frame = value.by(labels).to_pandas().sort_values("value", kind="stable")
        if frame.empty:
            draw_nothing(_("Nobody is in a group."))
            return
        frame["label"] = [
            f"{money(view, total)} · {money(view, each)}"
            for total, each in zip(frame["value"], frame["value_each"], strict=True)
        ]
        best = frame.iloc[-1]
        alt = _("“{group}” is worth most: {value} over {n} customers.").format(
            group=term(best["group"]), value=money(view, best["value"]), n=fmt.number(best["users"])
        )
        state = chart(charts.by_group(frame), alt=alt, key="value_groups", clickable=True)
        st.caption(_("In total · per customer."))
        draw_table(Table(frame.drop(columns="label"), "value-by-group"), alt=alt, key="value_groups")
        point = clicked(state, "value_groups")
        if point:
            group = str(point[0])
            codes = value.users(("group", (labels, group)))
            open_list(view.data, codes, _("Customers: {group}").format(group=term(group)), f"value_{group}")


def draw_customers(view: View, value: CustomerValue) -> None:
    with card(_("Customers by value"), how=_("Spend per purchase comes from the Gamma-Gamma model.")):
        frame = value.to_pandas()
        alt = _("{n} customers, the most valuable first.").format(n=fmt.number(len(frame)))
        st.caption(alt + " " + _("Select a row to open the user."))
        shown = frame.head(SHOWN).drop(columns=[] if value.spending else ["expected_spend", "value", "value_so_far"])
        row = pick_row(
            shown,
            "value_customers",
            alt=alt,
            column_config={
                "user_id": st.column_config.TextColumn(_("User")),
                "repeat_purchases": st.column_config.NumberColumn(_("Repeat purchases"), format="localized"),
                "weeks_since_last": st.column_config.NumberColumn(_("Weeks since the last"), format="%.1f"),
                "value_so_far": st.column_config.NumberColumn(_("Value so far"), format="localized"),
                "expected_purchases": st.column_config.NumberColumn(_("Purchases to expect"), format="%.1f"),
                "buys_again": st.column_config.ProgressColumn(
                    _("Buys again"), format="percent", min_value=0, max_value=1
                ),
                "expected_spend": st.column_config.NumberColumn(_("Spend per purchase"), format="%.2f"),
                "value": st.column_config.NumberColumn(_("Lifetime value"), format="%.2f"),
            },
        )
        download(frame, "customers-by-value", key="csv_value")
        if row is not None:
            navigation.go("user", user=str(frame.iloc[row]["user_id"]))


def draw(view: View) -> None:
    try:
        value = ask(view)
    except InputError as error:  # a log without enough purchases is no mistake of the reader's
        draw_nothing(error.message.render(_))
        return
    if value.spending is None:
        st.caption(":material/info: " + _("Purchases of this log have no values: how often is known, how much is not."))
    elif abs(value.spending.correlation) > CORRELATED:
        st.caption(
            ":material/info: "
            + _(
                "How often and how much are related here (correlation {r}); the model of spend assumes they are not."
            ).format(r=fmt.number(value.spending.correlation, 2))
        )
    draw_kpis(view, value)
    draw_matrix(view, value)
    draw_holdout(view, value.holdout)
    if value.spending is not None:
        draw_groups(view, value)
    draw_customers(view, value)


with begin_page("value", controls=CONTROLS) as view:
    draw(view)
