"""Survival curves with their confidence bands."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
import plotly.graph_objects as go

from pages.parts import fmt
from pages.parts.charts.base import finish
from pages.parts.i18n import _, term
from pages.parts.palette import MUTED, faded, series_colors


def survival_curves(
    curves: Mapping[str, pd.DataFrame], *, origin: str, unit: str = "", median_line: bool = True
) -> go.Figure:
    """Kaplan-Meier steps with 95 % bands, one colour a group.

    Parameters
    ----------
    curves
        By group: columns ``days``, ``survival``, ``lower``, ``upper``.
    origin
        From when days are counted; the title of the time axis.
    unit
        What the share is of; by default those not yet churned.
    median_line
        Draw the line at one half, where the median is read.
    """
    colors = series_colors(list(curves))
    figure = go.Figure()
    for group, curve in curves.items():
        band = {"mode": "lines", "line": {"width": 0, "shape": "hv"}, "hoverinfo": "skip", "showlegend": False}
        shared = {"legendgroup": group, "x": curve["days"]}
        figure.add_scatter(**shared, **band, y=curve["upper"])
        figure.add_scatter(**shared, **band, y=curve["lower"], fill="tonexty", fillcolor=faded(colors[group], 0.16))
    for group, curve in curves.items():
        figure.add_scatter(
            x=curve["days"],
            y=curve["survival"],
            name=term(group),
            legendgroup=group,
            mode="lines",
            line={"color": colors[group], "width": 2.4, "shape": "hv"},
            hovertemplate="%{y:.1%}",
        )
    if median_line:
        figure.add_hline(
            y=0.5,
            line={"color": MUTED, "width": 1, "dash": "dot"},
            annotation={"text": fmt.percent(0.5, 0), "font": {"color": MUTED, "size": 12}},
        )
    figure.update_yaxes(tickformat=".0%", range=[0, 1.02])
    figure.update_xaxes(rangemode="tozero")
    figure = finish(figure, unit=unit or _("share not yet churned"), height=400)
    return figure.update_xaxes(title={"text": origin, "font": {"size": 12}})


def at_risk_table(curves: Mapping[str, pd.DataFrame], times: list[int]) -> pd.DataFrame:
    """Return the number at risk by group at `times` (days).

    Parameters
    ----------
    curves
        By group: columns ``days`` and ``at_risk`` (users under observation just before that day).
    """
    rows = {}
    for group, curve in curves.items():
        ordered = curve.sort_values("days")
        position = ordered["days"].searchsorted(times)
        at_risk = ordered["at_risk"].to_list()
        rows[term(group)] = [int(at_risk[p]) if p < len(at_risk) else 0 for p in position]
    return pd.DataFrame(rows, index=[_("day {n}").format(n=time) for time in times]).T
