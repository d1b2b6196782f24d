"""Charts of fine-tuning: losses while it runs, metrics beside the baselines after."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go

from pages.parts.charts.base import finish
from pages.parts.i18n import _
from pages.parts.palette import BRAND, MUTED, POSITIVE, SERIES


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
            textposition="inside",
            insidetextanchor="start",
            textfont={"color": "white"},
            hovertemplate="%{y}: %{x:.4f}<extra></extra>",
        )
    )
    figure.update_xaxes(rangemode="tozero")
    return finish(figure, unit=unit, legend=False, height=80 + 38 * len(ordered), hovermode="closest")


def validation_curve(frame: pd.DataFrame, *, unit: str, best: int | None = None) -> go.Figure:
    """Draw a validation metric by epoch, with the epoch that was kept.

    Parameters
    ----------
    frame
        Columns ``epoch`` and ``value``.
    unit
        The metric.
    best
        Epoch whose weights were kept.
    """
    figure = go.Figure(
        go.Scatter(
            x=frame["epoch"],
            y=frame["value"],
            mode="lines+markers",
            line={"color": BRAND, "width": 2.4},
            marker={"size": 7},
            hovertemplate="%{y:.4f}<extra></extra>",
        )
    )
    if best is not None:
        figure.add_vline(x=best, line={"color": MUTED, "dash": "dot", "width": 1}, annotation={"text": _("kept")})
    return finish(figure, unit=unit, legend=False, height=300)
