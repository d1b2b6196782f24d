"""Retention: who comes back, how long after the start; cohorts as a triangle, and curves."""

from __future__ import annotations

import math
from datetime import date, datetime

import pandas as pd
import streamlit as st

from pages.parts import fmt
from pages.parts.breakdown import group_name
from pages.parts.cards import Kpi, Table, card, chart, clicked, kpi
from pages.parts.charts import retention as charts
from pages.parts.frame import View, begin_page
from pages.parts.i18n import _
from pages.parts.retention_asked import MODE_HELP, PERIOD_WORDS, Asked, draw_question
from pages.parts.states import TOO_FEW_USERS, draw_nothing
from pages.parts.users_list import open_list
from ulm_core.lifecycle.retention import Retention, compute_retention

CONTROLS = ("period", "stage", "segment")


def cohort_label(label: str) -> str:
    """Return the start of a cohort as the reader writes it."""
    return fmt.moment(datetime.fromisoformat(label)) if "T" in label else fmt.day(date.fromisoformat(label))


def cell_note(label: str, column: str, users: int, size: int, rate: float, low: float, high: float) -> str:
    """Return what hovering over a cell says: users of the cohort, rate and its interval."""
    return _("{cohort}, column {column}: {users} of {size} users, {rate} ({low} – {high})").format(
        cohort=label,
        column=column,
        users=fmt.number(users),
        size=fmt.number(size),
        rate=fmt.percent(rate),
        low=fmt.percent(low),
        high=fmt.percent(high),
    )


def cell_frame(retention: Retention, measure: str) -> pd.DataFrame:
    """Return one row per cell of the triangle, as the heat map wants it."""
    frame = retention.to_pandas()
    columns = {column.label: number for number, column in enumerate(retention.columns)}
    frame["column"] = [columns[str(lag)] for lag in frame["lag"]]
    value = {"users": "rate", "sum": "value", "average": "value_per_user"}[measure]
    frame["value"] = frame[value]
    frame["note"] = [
        cell_note(cohort_label(row.cohort), str(row.lag), row.users, row.size_, row.rate, row.rate_low, row.rate_high)
        for row in frame.rename(columns={"size": "size_"}).itertuples()
    ]
    return frame


def spell(view: View, measure: str, value: float) -> str:
    """Return a value as it stands in a cell."""
    if math.isnan(value):
        return ""
    return fmt.percent(value, 0) if measure == "users" else fmt.money(value, view.data.config.currency, short=True)


def takeaway(retention: Retention) -> str:
    """Return what the mean row says about the first column, and about the last one that is known."""
    mean = retention.mean_complete
    known = [k for k in range(1, len(mean)) if not math.isnan(mean[k])]
    if not known:
        return _("No cohort has been followed for a whole period yet.")
    first, last = known[0], known[-1]
    return _("{first} are back in column {a}, {last} in column {b} (weighted by cohort size, complete cells).").format(
        first=fmt.percent(mean[first]),
        a=retention.columns[first].label,
        last=fmt.percent(mean[last]),
        b=retention.columns[last].label,
    )


def draw_kpis(retention: Retention) -> None:
    sizes = retention.sizes
    mean, (low, high) = retention.mean_complete, retention.mean_interval
    total = int(sizes.sum())
    with st.grid(4, min_column_width=150, gap="small"):
        kpi(Kpi(_("In a cohort"), fmt.number(total), _("Sum of the cohorts' sizes.")))
        kpi(Kpi(_("Periods with a start"), fmt.number(int((sizes > 0).sum())), _("Periods in which somebody started.")))
        for k in dict.fromkeys((1, min(4, len(mean) - 1))):
            if not 1 <= k < len(mean):
                continue
            enough = total >= TOO_FEW_USERS and not math.isnan(mean[k])
            exact = "" if not enough else f"{fmt.percent(low[k])} – {fmt.percent(high[k])}"
            kpi(
                Kpi(
                    _("Back in {unit} {k}").format(
                        unit=_(PERIOD_WORDS[retention.spec.interval]).lower(), k=retention.columns[k].label
                    ),
                    fmt.percent(mean[k]) if enough else fmt.MISSING,
                    _("Mean of all complete cells, weighted by cohort size, with Wilson's 95% interval."),
                    exact=exact,
                )
            )


def draw_triangle(view: View, retention: Retention, asked: Asked) -> None:
    with card(
        _("Cohorts by start"),
        how=_(
            "Rows are cohorts by the period of the start event; column 0 is the whole cohort. Rate = users back / "
            "users in the cohort; hovering adds Wilson's 95% interval. Pale cells with a star are not complete yet. "
            "{modes} Time zone {zone}. Computed in {ms} ms."
        ).format(modes=_(MODE_HELP), zone=view.timezone, ms=fmt.number(retention.elapsed_seconds * 1000)),
    ):
        if not retention.sizes.any():
            draw_nothing(_("Nobody did the start event in this period. Choose another event or a longer period."))
            return
        labels = retention.periods.iso_labels()
        cohorts = {
            label: f"{cohort_label(label)} · {fmt.compact(size)}"
            for label, size in zip(labels, retention.sizes.tolist(), strict=True)
        }
        frame = cell_frame(retention, asked.measure)
        figure = charts.triangle(
            frame,
            cohorts=cohorts,
            columns=[column.label for column in retention.columns],
            spell=lambda value: spell(view, asked.measure, value),
        )
        state = chart(
            figure,
            alt=takeaway(retention),
            key="triangle",
            clickable=True,
            table=Table(retention.to_pandas(), f"retention_{view.filters.slug}"),
        )
        point = clicked(state, "triangle")
        if point:
            cohort, column = str(point[0]), int(str(point[1]))
            title = f"{cohort_label(cohort)} · {retention.columns[column].label}"
            open_list(view.data, retention.users((cohort, column)), title, f"retention-{cohort}-{column}")


def curve_frame(retention: Retention) -> pd.DataFrame:
    """Return the mean row as a curve, or one curve a group."""
    labels = [column.label for column in retention.columns]
    if retention.groups:
        parts = [
            pd.DataFrame({"group": group_name(name), "column": labels, "value": retention.group_mean(name)})
            for name in retention.groups
        ]
        return pd.concat(parts).dropna(subset=["value"])
    low, high = retention.mean_interval
    frame = pd.DataFrame(
        {"group": _("Everyone"), "column": labels, "value": retention.mean_complete, "low": low, "high": high}
    )
    return frame.dropna(subset=["value"])


def draw_curves(view: View, retention: Retention) -> None:
    with card(
        _("Retention curve"),
        how=_(
            "Users back / users in the cohorts, per column, over complete cells only: the mean row, weighted by cohort "
            "size. The band is Wilson's 95% interval; with recurring cohorts one user counts several times, which "
            "makes it too narrow."
        ),
    ):
        frame = curve_frame(retention)
        if frame.empty:
            draw_nothing(_("No cohort has been followed for a whole period yet."))
            return
        figure = charts.curves(
            frame,
            unit=_("share of the cohort"),
            is_share=True,
            title=charts.columns_title(retention.spec.interval),
        )
        chart(
            figure,
            alt=takeaway(retention),
            key="curves",
            table=Table(frame, f"retention-curve_{view.filters.slug}"),
        )


def draw_value(view: View, retention: Retention) -> None:
    """Draw the value per user of a cohort, column by column added up: what a user was worth by then."""
    if retention.sums is None:
        return
    with card(
        _("Value per user of the cohort, added up"),
        how=_(
            "Per column: value of the return events / users of the cohorts followed so far, complete cells only; added "
            "up from column to column."
        ),
    ):
        frame = pd.DataFrame(
            {
                "group": _("Everyone"),
                "column": [column.label for column in retention.columns],
                "value": retention.cumulative_value,
            }
        ).dropna(subset=["value"])
        if frame.empty:
            draw_nothing(_("No cohort has been followed for a whole period yet."))
            return
        last = frame.iloc[-1]
        alt = _("By column {column} a user has brought {value}.").format(
            column=last["column"], value=fmt.money(float(last["value"]), view.data.config.currency)
        )
        figure = charts.curves(
            frame,
            unit=view.data.config.currency or _("value"),
            is_share=False,
            title=charts.columns_title(retention.spec.interval),
        )
        chart(figure, alt=alt, key="value_curve", table=Table(frame, f"retention-value_{view.filters.slug}"))


with begin_page("retention", controls=CONTROLS) as view:
    asked = draw_question(view)
    retention = view.ask(compute_retention, asked.spec, asked.by)
    draw_kpis(retention)
    draw_triangle(view, retention, asked)
    draw_curves(view, retention)
    draw_value(view, retention)
