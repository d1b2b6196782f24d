"""Charts of retention: the triangle as a heat map, and curves with their bands."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd
import plotly.graph_objects as go

from pages.parts.charts.base import HEADROOM, clickable_cells, finish
from pages.parts.i18n import _
from pages.parts.palette import BRAND, BRAND_SOFT, MUTED, SEQUENTIAL_SCALE, TEXT, faded, series_colors

ROW_PIXELS = 25
MOST_PIXELS = 980
LABELLED_COLUMNS = 18  # with more, the numbers would not fit; hovering has them
MOST_TICKS = 27
RUNNING = 0.5


def triangle(
    frame: pd.DataFrame, *, cohorts: dict[str, str], columns: list[str], spell: Callable[[float], str]
) -> go.Figure:
    """Heat map of cohorts (rows) by columns; cells that are not complete are pale and carry a star.

    Parameters
    ----------
    frame
        One row a cell: ``cohort``, ``column`` (its number), ``value`` (nan: none), ``users``, ``size``, ``note`` (for
        hovering) and ``is_complete``.
    cohorts
        Label of each cohort, in order.
    columns
        Labels of the columns, in order.
    spell
        Writes a value.
    """
    later = frame[frame["column"] > 0]
    top = float(later["value"].max()) if later["value"].notna().any() else 1.0
    figure = go.Figure()
    for is_complete in (True, False):
        part = frame[frame["is_complete"] == is_complete]
        grid = part.pivot(index="cohort", columns="column", values="value").reindex(
            index=list(cohorts), columns=range(len(columns))
        )
        cells = {(row.cohort, row.column): row for row in part.itertuples()}
        keys = [[cells.get((cohort, column)) for column in range(len(columns))] for cohort in cohorts]
        star = "" if is_complete else "*"
        figure.add_heatmap(
            z=grid.to_numpy(),
            x=columns,
            y=list(cohorts.values()),
            zmin=0,
            zmax=top or 1.0,
            colorscale=[list(stop) for stop in SEQUENTIAL_SCALE],
            opacity=1.0 if is_complete else RUNNING,
            showscale=False,
            xgap=1.5,
            ygap=1.5,
            text=[["" if cell is None else spell(cell.value) + star for cell in row] for row in keys],
            # Pale cells are light in a light theme and dark in a dark one: the text follows the theme, not the cell.
            textfont={} if is_complete else {"color": TEXT},
            texttemplate="%{text}" if len(columns) <= LABELLED_COLUMNS else "",
            hoverinfo="skip",
            hoverongaps=False,
        )
    known = frame[frame["value"].notna()]
    clickable_cells(
        figure,
        [(columns[row.column], cohorts[row.cohort], (row.cohort, row.column, row.note)) for row in known.itertuples()],
        "%{customdata[2]}",
        (len(cohorts), len(columns)),
    )
    figure.update_yaxes(type="category", showgrid=False)
    # With many columns every label would touch the next one.
    figure.update_xaxes(side="top", type="category", dtick=1 + len(columns) // MOST_TICKS)
    height = min(MOST_PIXELS, 90 + ROW_PIXELS * max(len(cohorts), 4))
    finished = finish(figure, height=height, legend=False, hovermode="closest")
    return finished.update_yaxes(showgrid=False).update_layout(margin={"t": HEADROOM})


def curves(frame: pd.DataFrame, *, unit: str, is_share: bool, title: str) -> go.Figure:
    """Curves over columns, one a group; a single one carries its band.

    Parameters
    ----------
    frame
        ``group``, ``column`` (label), ``value``; optional ``low`` and ``high``.
    unit
        What is drawn.
    is_share
        Whether values are shares.
    title
        What the columns count.
    """
    names = list(dict.fromkeys(frame["group"]))
    colors = {names[0]: BRAND} if len(names) == 1 else series_colors(names)
    figure = go.Figure()
    if len(names) == 1 and "low" in frame:
        edge = {"x": frame["column"], "mode": "lines", "line": {"width": 0}, "hoverinfo": "skip", "showlegend": False}
        figure.add_scatter(**edge, y=frame["high"])
        figure.add_scatter(**edge, y=frame["low"], fill="tonexty", fillcolor=faded(BRAND_SOFT, 0.35))
    for name in names:
        part = frame[frame["group"] == name]
        figure.add_scatter(
            x=part["column"],
            y=part["value"],
            name=name,
            mode="lines+markers",
            marker={"size": 5},
            line={"color": colors.get(name, MUTED), "width": 2.4},
            customdata=[[name, column] for column in part["column"]],
            hovertemplate="%{y:.1%}" if is_share else "%{y:,.2f}",
        )
    figure.update_yaxes(rangemode="tozero", tickformat=".0%" if is_share else ",~s")
    n_columns = frame["column"].nunique()
    figure.update_xaxes(type="category", dtick=1 + n_columns // MOST_TICKS)
    finished = finish(figure, unit=unit, legend=len(names) > 1, height=320)
    return finished.update_xaxes(title={"text": title, "font": {"size": 12}})


def columns_title(interval: str) -> str:
    """Return what lags count."""
    titles = {
        "day": _("days after the start"),
        "week": _("weeks after the start"),
        "month": _("months after the start"),
        "hour": _("hours after the start"),
        "quarter": _("quarters after the start"),
    }
    return titles[interval]
