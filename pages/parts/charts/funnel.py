"""The funnel: one bar a step, the largest drop named."""

from __future__ import annotations

from itertools import pairwise

import pandas as pd
import plotly.graph_objects as go

from pages.parts import fmt
from pages.parts.charts.base import finish
from pages.parts.i18n import _
from pages.parts.palette import BRAND, FAINT, MUTED, SERIES, TEXT


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
        Columns ``step``, ``group``, ``share`` (of the group's first step) and ``users``.
    """
    figure = go.Figure()
    for position, (group, part) in enumerate(frame.groupby("group", sort=False)):
        figure.add_bar(
            x=part["step"],
            y=part["share"],
            name=str(group),
            marker={"color": SERIES[position % len(SERIES)], "cornerradius": 4},
            customdata=part[["users"]].to_numpy(),
            hovertemplate="%{customdata[0]:,} (%{y:.1%})",
        )
    figure.update_layout(barmode="group")
    figure.update_yaxes(tickformat=".0%", rangemode="tozero")
    return finish(figure, unit=_("share of first step"))
