"""The funnel: one bar a step, the largest drop named."""

from __future__ import annotations

from itertools import pairwise

import pandas as pd
import plotly.graph_objects as go

from pages.parts import fmt
from pages.parts.charts.base import finish
from pages.parts.i18n import _
from pages.parts.palette import BRAND, FAINT, MUTED, TEXT, series_colors


def largest_drop(users: list[int]) -> int | None:
    """Return the position of the step that loses most users, or None when none does."""
    losses = [before - after for before, after in pairwise(users)]
    return losses.index(max(losses)) + 1 if losses and max(losses) > 0 else None


def funnel_bars(frame: pd.DataFrame) -> go.Figure:
    """Bars from left to right; the pale part is who was lost since the first step.

    Parameters
    ----------
    frame
        Columns ``step`` (label) and ``users``, in step order.
    """
    users = [int(value) for value in frame["users"]]
    first = max(users[0] if users else 0, 1)
    labels = [f"{position + 1}. {label}" for position, label in enumerate(frame["step"])]
    drop = largest_drop(users)
    lost = [0, *(before - after for before, after in pairwise(users))]
    figure = go.Figure()
    figure.add_bar(
        x=labels,
        y=[first] * len(users),
        marker={"color": FAINT, "cornerradius": 6},
        customdata=[[position, "lost", count] for position, count in enumerate(lost)],
        hovertemplate=_("lost since the step before") + ": %{customdata[2]:,}<extra></extra>",
        width=0.6,
    )
    figure.add_bar(
        x=labels,
        y=users,
        marker={"color": BRAND, "cornerradius": 6},
        text=[f"<b>{fmt.number(value)}</b>  {fmt.percent(value / first)}" for value in users],
        textposition="outside",
        textfont={"color": TEXT, "size": 14},
        cliponaxis=False,
        customdata=[[position, "users"] for position in range(len(users))],
        hovertemplate="%{x}: %{y:,}<extra></extra>",
        width=0.6,
    )
    figure.update_layout(barmode="overlay")
    if drop is not None:
        figure.add_annotation(
            x=drop - 0.5,
            y=first * 1.1,
            text=_("largest drop: −{share} ({n} users)").format(
                share=fmt.percent(lost[drop] / max(users[drop - 1], 1)), n=fmt.number(lost[drop])
            ),
            showarrow=False,
            yanchor="bottom",
            font={"color": MUTED, "size": 13},
        )
    figure.update_yaxes(visible=False, range=[0, first * 1.22])
    return finish(figure, height=360, legend=False, hovermode="closest")


def funnel_by_group(frame: pd.DataFrame) -> go.Figure:
    """Conversion to each step by group, as grouped bars.

    Parameters
    ----------
    frame
        Columns ``step`` (label), ``number``, ``group`` (name), ``label``, ``code``, ``share`` (of the group's first
        step) and ``users``.
    """
    figure = go.Figure()
    colors = series_colors(list(frame["group"].unique()))
    for group, part in frame.groupby("group", sort=False):
        figure.add_bar(
            x=part["step"],
            y=part["share"],
            name=str(part["label"].iloc[0]),
            marker={"color": colors[str(group)], "cornerradius": 4},
            customdata=part[["users", "number", "code", "label"]].to_numpy(),
            hovertemplate="%{customdata[3]}: %{customdata[0]:,} (%{y:.1%})<extra></extra>",
        )
    figure.update_layout(barmode="group")
    figure.update_yaxes(tickformat=".0%", rangemode="tozero")
    return finish(figure, unit=_("share of first step"), hovermode="closest")


def time_bars(frame: pd.DataFrame, median: float) -> go.Figure:
    """How many converted within each span of time, and a line at the median.

    Parameters
    ----------
    frame
        Columns ``bin`` (number), ``label``, ``start``, ``end`` (seconds) and ``users``.
    median
        Seconds.
    """
    figure = go.Figure(
        go.Bar(
            x=(frame["start"] + frame["end"]) / 2,
            y=frame["users"],
            width=(frame["end"] - frame["start"]) * 0.94,
            marker={"color": BRAND, "cornerradius": 4},
            customdata=frame[["bin", "label"]].to_numpy(),
            hovertemplate="%{customdata[1]}: %{y:,}<extra></extra>",
        )
    )
    figure.add_vline(x=median, line={"color": MUTED, "dash": "dot"})
    figure.add_annotation(
        x=median,
        y=1,
        yref="paper",
        yanchor="bottom",
        showarrow=False,
        text=_("median {time}").format(time=fmt.duration(median)),
        font={"color": MUTED, "size": 13},
    )
    finish(figure, legend=False, hovermode="closest")
    ticks = frame.iloc[:: max(len(frame) // 8, 1)]
    return figure.update_xaxes(tickvals=ticks["start"], ticktext=[fmt.duration(value) for value in ticks["start"]])


def trend_lines(frame: pd.DataFrame) -> go.Figure:
    """Conversion by period of entry; periods whose attempts may still be completed are hollow and dashed.

    Parameters
    ----------
    frame
        Columns ``period`` (ISO date), ``entered``, ``converted``, ``share`` and ``is_complete``.
    """
    figure = go.Figure()
    open_ones = ~frame["is_complete"].astype(bool)
    touching = open_ones | open_ones.shift(-1, fill_value=False)
    for part, dash, color in (
        (frame[~open_ones], "solid", BRAND),
        (frame[touching], "dot", BRAND),
    ):
        figure.add_scatter(
            x=part["period"],
            y=part["share"],
            mode="lines+markers",
            line={"color": color, "dash": dash, "width": 2.5},
            marker={"size": 9, "symbol": ["circle" if done else "circle-open" for done in part["is_complete"]]},
            customdata=part[["period", "entered", "converted"]].to_numpy(),
            hovertemplate="%{customdata[0]}: %{y:.1%} (%{customdata[2]:,} / %{customdata[1]:,})<extra></extra>",
        )
    figure.update_yaxes(tickformat=".0%", rangemode="tozero")
    return finish(figure, unit=_("converted / entered"), legend=False, hovermode="closest", time_axis=True)


def lift_dots(frame: pd.DataFrame) -> go.Figure:
    """Lift of each driver with its interval; 1 is no difference.

    Parameters
    ----------
    frame
        Columns ``label``, ``lift``, ``lift_lower``, ``lift_upper`` and ``is_sure``, the first row on top.
    """
    figure = go.Figure()
    for is_sure, color in ((True, BRAND), (False, MUTED)):
        part = frame[frame["is_sure"] == is_sure]
        figure.add_scatter(
            x=part["lift"],
            y=part["label"],
            mode="markers",
            marker={"size": 11, "color": color, "symbol": "circle" if is_sure else "circle-open"},
            error_x={
                "type": "data",
                "symmetric": False,
                "array": part["lift_upper"] - part["lift"],
                "arrayminus": part["lift"] - part["lift_lower"],
                "color": color,
            },
            customdata=[[int(place)] for place in part.index],
            hovertemplate="%{y}: ×%{x:.2f}<extra></extra>",
        )
    figure.add_vline(x=1, line={"color": MUTED, "width": 1})
    finish(figure, height=70 + 34 * max(len(frame), 1), legend=False, hovermode="closest")
    figure.update_xaxes(type="log", showgrid=True, gridcolor=FAINT, tickvals=[0.25, 0.5, 1, 2, 4, 8, 16])
    return figure.update_yaxes(categoryorder="array", categoryarray=list(frame["label"])[::-1], showgrid=False)
