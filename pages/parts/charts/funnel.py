"""The funnel: one bar a step, the largest drop named."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go

from pages.parts import fmt
from pages.parts.charts.base import finish
from pages.parts.i18n import _
from pages.parts.palette import BRAND, FAINT, MUTED, SERIES, TEXT


def largest_drop(users: list[int]) -> int | None:
    """Return the position of the step that loses most users, or None when none does."""
    losses = [before - after for before, after in zip(users, users[1:], strict=False)]
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
    figure = go.Figure()
    figure.add_bar(
        x=labels,
        y=users,
        name=_("users"),
        marker={"color": BRAND, "cornerradius": 6},
        text=[f"<b>{fmt.number(value)}</b><br>{fmt.percent(value / first)}" for value in users],
        textposition="outside",
        textfont={"color": TEXT, "size": 13},
        cliponaxis=False,
        customdata=[[position] for position in range(len(users))],
        hovertemplate="%{x}: %{y:,}<extra></extra>",
        width=0.55,
    )
    figure.add_bar(
        x=labels,
        y=[first - value for value in users],
        name=_("lost before"),
        marker={"color": FAINT},
        customdata=[[position] for position in range(len(users))],
        hovertemplate=_("lost before this step") + ": %{y:,}<extra></extra>",
        width=0.55,
    )
    figure.update_layout(barmode="stack")
    if drop is not None:
        lost = users[drop - 1] - users[drop]
        figure.add_annotation(
            x=drop - 0.5,
            y=first * 1.02,
            text=_("largest drop: −{share} ({n} users)").format(
                share=fmt.percent(lost / max(users[drop - 1], 1)), n=fmt.number(lost)
            ),
            showarrow=False,
            yanchor="bottom",
            font={"color": MUTED, "size": 13},
        )
    figure.update_yaxes(visible=False, range=[0, first * 1.18])
    return finish(figure, height=380, legend=False, hovermode="closest")


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
