"""Lifetime value: the frequency-recency matrix, expected against bought, value by group."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go

from pages.parts import fmt
from pages.parts.charts.base import clickable_cells, finish
from pages.parts.i18n import _, term
from pages.parts.palette import BRAND, BRAND_SOFT, MUTED, SEQUENTIAL_SCALE, TEXT, series_colors


def matrix(frame: pd.DataFrame, value: str, *, unit: str, digits: int = 1) -> go.Figure:
    """Heat map of customers by repeat purchases (rows) and weeks since the last one (columns).

    Parameters
    ----------
    frame
        Columns ``frequency``, ``silence``, ``users`` and `value`, one row per cell with customers.
    value
        What colours a cell: a mean per customer.
    unit
        What that is, for the reader.
    digits
        Decimals in a cell.
    """
    rows, columns = list(dict.fromkeys(frame["frequency"])), list(dict.fromkeys(frame.sort_values("order")["silence"]))
    cells = frame.set_index(["frequency", "silence"])

    def cell(row: str, column: str, name: str) -> float | None:
        return float(cells.at[(row, column), name]) if (row, column) in cells.index else None

    figure = go.Figure(
        go.Heatmap(
            z=[[cell(row, column, value) for column in columns] for row in rows],
            x=columns,
            y=rows,
            colorscale=[list(stop) for stop in SEQUENTIAL_SCALE],
            text=[
                ["" if (found := cell(row, column, value)) is None else fmt.number(found, digits) for column in columns]
                for row in rows
            ],
            texttemplate="%{text}",
            hoverinfo="skip",
            showscale=False,
            xgap=2,
            ygap=2,
        )
    )
    filled = [
        (str(row.silence), str(row.frequency), (row.frequency, row.silence, row.users, fmt.number(shown, digits)))
        for row, shown in zip(frame.itertuples(), frame[value], strict=True)
    ]
    says = _("{x} repeat purchases, last {y} weeks ago: {n} customers")
    clickable_cells(
        figure,
        filled,
        says.format(x="%{y}", y="%{x}", n="%{customdata[2]:,}") + "<br>%{customdata[3]} " + unit,
    )
    figure.update_xaxes(type="category", categoryorder="array", categoryarray=columns)
    figure.update_yaxes(type="category", categoryorder="array", categoryarray=rows)
    figure = finish(figure, unit=_("repeat purchases"), height=430, legend=False, hovermode="closest")
    figure.update_xaxes(title={"text": _("weeks since the last purchase"), "font": {"size": 12}})
    return figure.update_yaxes(showgrid=False)


def holdout(frame: pd.DataFrame) -> go.Figure:
    """Purchases per customer in the holdout, expected and bought, by repeat purchases before it.

    Parameters
    ----------
    frame
        Columns ``frequency``, ``users``, ``expected``, ``actual``.
    """
    figure = go.Figure()
    figure.add_bar(
        x=frame["frequency"],
        y=frame["actual"],
        name=_("bought"),
        marker={"color": BRAND_SOFT, "cornerradius": 4},
        customdata=frame[["frequency", "users"]].to_numpy().tolist(),
        hovertemplate="%{y:.2f}",
    )
    figure.add_scatter(
        x=frame["frequency"],
        y=frame["expected"],
        name=_("expected"),
        mode="lines+markers",
        line={"color": BRAND, "width": 2.4},
        marker={"size": 9},
        customdata=frame[["frequency", "users"]].to_numpy().tolist(),
        hovertemplate="%{y:.2f}",
    )
    figure.update_xaxes(type="category")
    figure = finish(figure, unit=_("purchases per customer"), height=360)
    return figure.update_xaxes(title={"text": _("repeat purchases before"), "font": {"size": 12}})


def by_group(frame: pd.DataFrame) -> go.Figure:
    """Lying bars of total value by group.

    Parameters
    ----------
    frame
        Columns ``group``, ``users``, ``value``, ``label`` (the value in words), largest last.
    """
    colors = series_colors(list(frame["group"]))
    figure = go.Figure(
        go.Bar(
            x=frame["value"],
            y=[term(group) for group in frame["group"]],
            orientation="h",
            marker={"color": [colors.get(group, MUTED) for group in frame["group"]], "cornerradius": 4},
            text=frame["label"],
            textposition="outside",
            textfont={"color": TEXT},
            cliponaxis=False,
            customdata=[[group] for group in frame["group"]],
            hovertemplate="%{y}: %{text}<extra></extra>",
        )
    )
    figure.update_xaxes(range=[0, 1.18 * float(frame["value"].max() or 1)], tickformat=",~s")
    figure = finish(figure, height=max(140, 60 + 36 * len(frame)), legend=False, hovermode="closest")
    return figure.update_yaxes(showgrid=False)
