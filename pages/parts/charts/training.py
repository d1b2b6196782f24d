"""Charts of fine-tuning: losses while it runs, metrics beside the baselines after."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go

from pages.parts.charts.base import finish
from pages.parts.i18n import _
from pages.parts.palette import MUTED, POSITIVE, SERIES, TEXT


def smooth(values: pd.Series, weight: float) -> pd.Series:
    """Return the exponential moving average with `weight` in 0..1 on the past (0 leaves values as they are)."""
    return values.ewm(alpha=1 - weight, adjust=True).mean() if weight > 0 else values


def loss_curves(frame: pd.DataFrame, *, smoothing: float = 0.0, log_scale: bool = False) -> go.Figure:
    """Losses by step; with smoothing, the raw curve stays faint behind.

    Parameters
    ----------
    frame
        Columns ``step``, ``series`` (label) and ``value``.
    smoothing
        0 (raw) to 0.99.
    log_scale
        Logarithmic loss axis.
    """
    figure = go.Figure()
    for position, (series, part) in enumerate(frame.groupby("series", sort=False)):
        color = SERIES[position % len(SERIES)]
        ordered = part.sort_values("step")
        if smoothing > 0 and len(ordered) > 2:
            figure.add_scatter(
                x=ordered["step"],
                y=ordered["value"],
                mode="lines",
                line={"color": color, "width": 1},
                opacity=0.25,
                hoverinfo="skip",
                showlegend=False,
            )
        sparse = len(ordered) < 40
        figure.add_scatter(
            x=ordered["step"],
            y=smooth(ordered["value"], smoothing),
            name=str(series),
            mode="lines+markers" if sparse else "lines",
            line={"color": color, "width": 2.4},
            marker={"size": 6},
            hovertemplate="%{y:.4f}",
        )
    figure.update_yaxes(type="log" if log_scale else "linear")
    figure = finish(figure, unit=_("loss"), height=320)
    return figure.update_xaxes(title={"text": _("step"), "font": {"size": 12}})


def metric_bars(frame: pd.DataFrame, *, model: str, unit: str) -> go.Figure:
    """One metric of the model beside its baselines, best first; the model in brand colour.

    Parameters
    ----------
    frame
        Columns ``name`` and ``value``; optional ``low``, ``high`` (bounds of a confidence interval).
    model
        The name that is ours.
    unit
        The metric.
    """
    ordered = frame.sort_values("value")
    error = None
    if {"low", "high"} <= set(ordered.columns):
        error = {
            "type": "data",
            "symmetric": False,
            "array": ordered["high"] - ordered["value"],
            "arrayminus": ordered["value"] - ordered["low"],
            "color": MUTED,
            "thickness": 1.2,
        }
    figure = go.Figure(
        go.Bar(
            x=ordered["value"],
            y=ordered["name"],
            orientation="h",
            marker={
                "color": [POSITIVE if name == model else MUTED for name in ordered["name"]],
                "opacity": [1.0 if name == model else 0.45 for name in ordered["name"]],
                "cornerradius": 5,
            },
            error_x=error,
            text=[f"{value:.4f}" for value in ordered["value"]],
            textposition="outside",
            textfont={"color": TEXT},
            cliponaxis=False,
            hovertemplate="%{y}: %{x:.4f}<extra></extra>",
        )
    )
    top = float(ordered["value"].max()) if len(ordered) else 1.0
    figure.update_xaxes(range=[0, top * 1.12])
    figure = finish(figure, legend=False, height=90 + 38 * len(ordered), hovermode="closest")
    return figure.update_xaxes(title={"text": unit, "font": {"size": 12}}).update_yaxes(showgrid=False)


def validation_curves(frame: pd.DataFrame) -> go.Figure:
    """Draw what was validated by step, one line a metric.

    Parameters
    ----------
    frame
        Columns ``step``, ``series`` and ``value``.
    """
    figure = go.Figure()
    for position, (series, part) in enumerate(frame.groupby("series", sort=False)):
        figure.add_scatter(
            x=part["step"],
            y=part["value"],
            name=str(series),
            mode="lines+markers",
            line={"color": SERIES[position % len(SERIES)], "width": 2.4},
            marker={"size": 7},
            hovertemplate="%{y:.4f}",
        )
    figure = finish(figure, height=320)
    return figure.update_xaxes(title={"text": _("step"), "font": {"size": 12}})
