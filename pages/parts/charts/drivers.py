"""Hazard ratios: the forest plot, and how a ratio goes over time."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go

from pages.parts import fmt
from pages.parts.charts.base import finish
from pages.parts.i18n import _
from pages.parts.palette import BRAND, MUTED, NEGATIVE, POSITIVE, faded

ROW_HEIGHT = 38
_TICKS = (0.25, 0.5, 0.6, 0.7, 0.8, 0.9, 1, 1.1, 1.25, 1.5, 2, 3, 4, 6)
_WIDE_TICKS = (0.01, 0.05, 0.1, 0.25, 0.5, 1, 2, 4, 8, 16, 32, 64)
_WIDE = 12  # largest ratio shown over the smallest, from which on fewer marks are enough
_WIDEST = 8.0  # ratios beyond are cut off by the axis, not by the reader's patience


def forest(frame: pd.DataFrame) -> go.Figure:
    """Draw one line per covariate: ratio and interval on a logarithmic axis, 1 marked.

    Parameters
    ----------
    frame
        Columns ``name`` (word of the data), ``label``, ``ratio``, ``lower``, ``upper``, ``is_shown`` (differs from 1
        after correction), in the order from top to bottom.
    """
    figure = go.Figure()
    for row in frame.itertuples():
        color = MUTED if not row.is_shown else NEGATIVE if row.ratio > 1 else POSITIVE
        figure.add_scatter(
            x=[row.ratio],
            y=[row.label],
            mode="markers+text",
            marker={"color": color, "size": 12, "symbol": "square"},
            text=[f"{row.ratio:.2f}"],
            textposition="top center",
            textfont={"color": MUTED, "size": 12},
            cliponaxis=False,
            error_x={
                "type": "data",
                "symmetric": False,
                "array": [row.upper - row.ratio],
                "arrayminus": [row.ratio - row.lower],
                "color": color,
                "thickness": 2,
                "width": 5,
            },
            customdata=[[row.name, row.lower, row.upper]],
            hovertemplate="%{y}: %{x:.3f} [%{customdata[1]:.3f}, %{customdata[2]:.3f}]<extra></extra>",
        )
    low, high = max(float(frame["lower"].min()), 1 / _WIDEST), min(float(frame["upper"].max()), _WIDEST)
    figure.add_vline(x=1, line={"color": MUTED, "width": 1, "dash": "dot"})
    figure.update_xaxes(type="log", **_ticks(low, high))
    figure.update_yaxes(autorange="reversed", showgrid=False)
    height = 90 + ROW_HEIGHT * len(frame)
    figure = finish(figure, height=height, legend=False, hovermode="closest")
    title = _("hazard ratio: left of 1 churns later, right of 1 sooner")
    return figure.update_xaxes(title={"text": title, "font": {"size": 12}}).update_yaxes(showgrid=False)


def _ticks(low: float, high: float) -> dict[str, list[float] | list[str]]:
    """Return readable marks for a logarithmic axis of ratios; 1 is always one."""
    every = _WIDE_TICKS if high > _WIDE * low else _TICKS
    marks = sorted({1.0, *(tick for tick in every if low <= tick <= high)})
    return {"tickvals": marks, "ticktext": [f"{mark:g}" for mark in marks]}


def effect_over_time(frame: pd.DataFrame, ratio: float, *, origin: str) -> go.Figure:
    """Draw the ratio over time in bins of churns; a level line speaks for proportional hazards.

    Parameters
    ----------
    frame
        Columns ``days``, ``ratio``, ``lower``, ``upper``.
    ratio
        The average, drawn as a line.
    origin
        From when days are counted.
    """
    figure = go.Figure()
    band = {"mode": "lines", "line": {"width": 0}, "hoverinfo": "skip", "showlegend": False}
    figure.add_scatter(x=frame["days"], y=frame["upper"], **band)
    figure.add_scatter(x=frame["days"], y=frame["lower"], fill="tonexty", fillcolor=faded(BRAND, 0.16), **band)
    figure.add_scatter(
        x=frame["days"],
        y=frame["ratio"],
        mode="lines+markers",
        line={"color": BRAND, "width": 2.4},
        marker={"size": 8},
        name=_("ratio at that time"),
        hovertemplate="%{y:.2f}",
    )
    figure.add_scatter(
        x=[frame["days"].min(), frame["days"].max()],
        y=[ratio, ratio],
        mode="lines",
        line={"color": MUTED, "width": 1.5, "dash": "dot"},
        name=_("average {ratio}").format(ratio=fmt.number(ratio, 2)),
        hoverinfo="skip",
    )
    figure.update_yaxes(type="log", **_ticks(float(frame["lower"].min()), float(frame["upper"].max())))
    figure = finish(figure, unit=_("hazard ratio"))
    return figure.update_xaxes(title={"text": origin, "font": {"size": 12}}, rangemode="tozero")
