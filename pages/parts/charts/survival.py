"""Survival curves with their confidence bands."""

from __future__ import annotations

import math
from collections.abc import Mapping

import pandas as pd
import plotly.graph_objects as go

from pages.parts import fmt
from pages.parts.charts.base import finish
from pages.parts.i18n import _, term
from pages.parts.palette import MUTED, faded, series_colors
from ulm_core.lifecycle.filters import NOT_KNOWN

AXIS_FONT = 12
_DAYS_MARKED = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000)


def group_colors(names: list[str]) -> dict[str, str]:
    """Return one colour a group; users of whom nothing is known are no group like the others, and grey."""
    return series_colors([name for name in names if name != NOT_KNOWN]) | dict.fromkeys(
        [name for name in names if name == NOT_KNOWN], MUTED
    )


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
    colors = group_colors(list(curves))
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
    return _with_origin(finish(figure, unit=unit or _("share not yet churned"), height=400), origin)


def cumulative_hazard(curves: Mapping[str, pd.DataFrame], *, origin: str) -> go.Figure:
    """Nelson-Aalen steps with 95 % bands.

    Parameters
    ----------
    curves
        By group: columns ``days``, ``hazard``, ``hazard_lower``, ``hazard_upper``.
    origin
        From when days are counted.
    """
    colors = group_colors(list(curves))
    figure = go.Figure()
    for group, curve in curves.items():
        band = {"mode": "lines", "line": {"width": 0, "shape": "hv"}, "hoverinfo": "skip", "showlegend": False}
        figure.add_scatter(x=curve["days"], y=curve["hazard_upper"], legendgroup=group, **band)
        figure.add_scatter(
            x=curve["days"],
            y=curve["hazard_lower"],
            legendgroup=group,
            fill="tonexty",
            fillcolor=faded(colors[group], 0.16),
            **band,
        )
        figure.add_scatter(
            x=curve["days"],
            y=curve["hazard"],
            name=term(group),
            legendgroup=group,
            mode="lines",
            line={"color": colors[group], "width": 2.4, "shape": "hv"},
            hovertemplate="%{y:.3f}",
        )
    figure.update_xaxes(rangemode="tozero")
    figure.update_yaxes(rangemode="tozero")
    return _with_origin(finish(figure, unit=_("cumulative hazard"), height=400), origin)


def log_log(curves: Mapping[str, pd.DataFrame], *, origin: str) -> go.Figure:
    """Draw ``log(-log S)`` over time on a logarithmic axis: parallel where hazards are proportional."""
    colors = group_colors(list(curves))
    figure = go.Figure()
    for group, curve in curves.items():
        inside = curve[(curve["survival"] > 0) & (curve["survival"] < 1) & (curve["days"] > 0)]
        figure.add_scatter(
            x=inside["days"],
            y=[math.log(-math.log(share)) for share in inside["survival"]],
            name=term(group),
            mode="lines",
            line={"color": colors[group], "width": 2.4, "shape": "hv"},
            hovertemplate="%{y:.2f}",
        )
    figure = _with_origin(finish(figure, unit="log(−log S)", height=400), origin)
    marks = list(_DAYS_MARKED)
    return figure.update_xaxes(type="log", tickvals=marks, ticktext=[str(mark) for mark in marks])


def hazard_rates(frames: Mapping[str, pd.DataFrame], *, origin: str) -> go.Figure:
    """Churn per user and 30 days by interval, with its 95 % interval.

    Parameters
    ----------
    frames
        By group: columns ``from_days``, ``to_days``, ``rate``, ``lower``, ``upper``.
    origin
        From when days are counted.
    """
    colors = group_colors(list(frames))
    figure = go.Figure()
    for position, (group, frame) in enumerate(frames.items()):
        shift = (position - (len(frames) - 1) / 2) * 1.5  # days, so that intervals do not hide each other
        figure.add_scatter(
            x=(frame["from_days"] + frame["to_days"]) / 2 + shift,
            y=frame["rate"],
            name=term(group),
            mode="lines+markers",
            line={"color": colors[group], "width": 2},
            marker={"size": 8},
            cliponaxis=False,
            error_y={
                "type": "data",
                "symmetric": False,
                "array": frame["upper"] - frame["rate"],
                "arrayminus": frame["rate"] - frame["lower"],
                "color": faded(colors[group], 0.45),
                "width": 0,
            },
            customdata=[[group, start, stop] for start, stop in zip(frame["from_days"], frame["to_days"], strict=True)],
            hovertemplate="%{y:.1%}",
        )
    # The last intervals hold few users; their bounds must not squeeze the rest.
    top = max((float(frame["rate"].max()) for frame in frames.values()), default=0)
    figure.update_yaxes(tickformat=".0%", range=[0, 1.25 * top or 1])
    figure.update_xaxes(rangemode="tozero")
    figure = finish(figure, unit=_("churned per user and 30 days"), height=400, hovermode="closest")
    return _with_origin(figure, origin)


def _with_origin(figure: go.Figure, origin: str) -> go.Figure:
    return figure.update_xaxes(title={"text": origin, "font": {"size": AXIS_FONT}})


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
