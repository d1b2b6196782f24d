"""Charts of how stages flow on: Sankey over several periods, forecast, the curve a churn horizon is learnt from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
import plotly.graph_objects as go

from pages.parts.charts.base import finish
from pages.parts.charts.stages import stage_label
from pages.parts.i18n import _
from pages.parts.palette import BRAND, BRAND_SOFT, MUTED, NEGATIVE, POSITIVE, TEXT, faded, stage_color

GAP = 0.02  # share of the height left free between two nodes
LEAST_LABELLED = 0.02  # lower blocks stand too close for a name each; hovering has it
EDGE = 0.001  # plotly places nodes strictly inside 0..1


@dataclass(frozen=True)
class _Node:
    column: int
    stage: str
    users: int
    x: float
    y: float
    is_tall: bool


def _column(frames: Sequence[pd.DataFrame], k: int) -> dict[str, int]:
    """Return users by stage of one column: who leaves towards the right, or who arrives in the last one."""
    sums = frames[k].sum(axis=1) if k < len(frames) else frames[-1].sum(axis=0)
    return {str(stage): int(users) for stage, users in sums.items() if users}


def _nodes(frames: Sequence[pd.DataFrame]) -> list[_Node]:
    """Return the nodes of all columns, each column from top to bottom in the order of the stages."""
    columns = [_column(frames, k) for k in range(len(frames) + 1)]
    largest = max((sum(column.values()) for column in columns), default=1) or 1
    room = 1 - GAP * max((len(column) for column in columns), default=1)
    nodes = []
    for k, column in enumerate(columns):
        top = 0.0
        for stage, users in column.items():
            height = room * users / largest
            x = min(max(k / len(frames), EDGE), 1 - EDGE)
            y = min(max(top + height / 2, EDGE), 1 - EDGE)
            nodes.append(_Node(k, stage, users, x, y, height >= LEAST_LABELLED))
            top += height + GAP
    return nodes


def _links(frames: Sequence[pd.DataFrame], nodes: Sequence[_Node]) -> dict[str, Any]:
    place = {(node.column, node.stage): i for i, node in enumerate(nodes)}
    moves = [
        (k, str(source), str(target), int(users))
        for k, frame in enumerate(frames)
        for source, row in zip(frame.index, frame.to_numpy().tolist(), strict=True)
        for target, users in zip(frame.columns, row, strict=True)
        if users
    ]
    return {
        "source": [place[k, source] for k, source, _target, _users in moves],
        "target": [place[k + 1, target] for k, _source, target, _users in moves],
        "value": [users for *_rest, users in moves],
        "color": [faded(stage_color(source), 0.36) for _k, source, _target, _users in moves],
        "customdata": [[stage_label(source), stage_label(target)] for _k, source, target, _users in moves],
        "hovertemplate": "%{customdata[0]} → %{customdata[1]}: %{value:,}<extra></extra>",
    }


def flow_over_periods(frames: Sequence[pd.DataFrame], titles: Sequence[str]) -> go.Figure:
    """Sankey of users between stages over consecutive moments.

    Parameters
    ----------
    frames
        One a step: users by stage before (rows) and after (columns), in the order they are shown.
    titles
        Names of the moments; one more than steps.
    """
    nodes = _nodes(frames)
    # Names only at both ends: the colours carry them through the middle, and hovering spells every node.
    ends = (0, len(frames))
    figure = go.Figure(
        go.Sankey(
            arrangement="fixed",
            node={
                "label": [stage_label(node.stage) if node.column in ends and node.is_tall else "" for node in nodes],
                "x": [node.x for node in nodes],
                "y": [node.y for node in nodes],
                "color": [stage_color(node.stage) for node in nodes],
                "customdata": [[stage_label(node.stage), titles[node.column]] for node in nodes],
                "pad": 6,
                "thickness": 14,
                "line": {"width": 0},
                "hovertemplate": "%{customdata[0]}, %{customdata[1]}: %{value:,}<extra></extra>",
            },
            link=_links(frames, nodes),
            textfont={"color": TEXT, "size": 12},
        )
    )
    for k, title in enumerate(titles):
        figure.add_annotation(
            x=k / len(frames),
            y=1.02,
            xref="paper",
            yref="paper",
            yanchor="bottom",
            xanchor="left" if k == 0 else "right" if k == len(frames) else "center",
            text=f"<b>{title}</b>" if k in ends else title,
            showarrow=False,
            font={"size": 12},
        )
    return finish(figure, height=480, legend=False, hovermode="closest").update_layout(margin={"t": 72})


def active_forecast(past: pd.DataFrame, ahead: pd.DataFrame) -> go.Figure:
    """Draw active users: what was, what is forecast with its interval, and a what-if.

    Parameters
    ----------
    past
        Columns ``period``, ``users``.
    ahead
        Columns ``period``, ``users``, ``lower``, ``upper`` (nan without an interval), ``what_if`` (nan without).
    """
    joined = pd.concat([past.tail(1), ahead], ignore_index=True)  # the lines begin where the past ends
    figure = go.Figure()
    band = ahead.dropna(subset=["lower", "upper"])
    if not band.empty:
        known = past.tail(1).assign(lower=past["users"].iloc[-1:], upper=past["users"].iloc[-1:])
        band = pd.concat([known, band], ignore_index=True)
        shared = {"x": band["period"], "mode": "lines", "line": {"width": 0}, "hoverinfo": "skip"}
        figure.add_scatter(**shared, y=band["upper"], showlegend=False)
        figure.add_scatter(
            **shared, y=band["lower"], fill="tonexty", fillcolor=faded(BRAND_SOFT, 0.45), name=_("80% of past errors")
        )
    line = {"mode": "lines", "hovertemplate": "%{y:,.0f}"}
    figure.add_scatter(x=past["period"], y=past["users"], name=_("so far"), line={"color": TEXT, "width": 2.2}, **line)
    figure.add_scatter(
        x=joined["period"],
        y=joined["users"],
        name=_("forecast"),
        line={"color": BRAND, "width": 2.4, "dash": "dash"},
        **line,
    )
    if ahead["what_if"].notna().any():
        changed = pd.concat([past.tail(1).assign(what_if=past["users"].iloc[-1]), ahead], ignore_index=True)
        better = ahead["what_if"].iloc[-1] >= ahead["users"].iloc[-1]
        color = POSITIVE if better else NEGATIVE
        figure.add_scatter(
            x=changed["period"], y=changed["what_if"], name=_("what if"), line={"color": color, "width": 2.6}, **line
        )
    figure.update_yaxes(tickformat=",d")
    return finish(figure, unit=_("active users"), height=360, time_axis=True)


def error_by_distance(frame: pd.DataFrame, *, unit: str) -> go.Figure:
    """Draw the back-tested error of the forecast and of "no change" by periods ahead.

    Parameters
    ----------
    frame
        Columns ``ahead``, ``forecast``, ``no_change``.
    unit
        What the error is.
    """
    figure = go.Figure()
    for column, name, color, dash in (
        ("forecast", _("forecast"), BRAND, "solid"),
        ("no_change", _("no change"), MUTED, "dash"),
    ):
        figure.add_scatter(
            x=frame["ahead"],
            y=frame[column],
            name=name,
            mode="lines+markers",
            line={"color": color, "width": 2.2, "dash": dash},
            hovertemplate="%{y:.2%}",
        )
    figure.update_yaxes(tickformat=".1%", rangemode="tozero")
    figure.update_xaxes(dtick=1, title={"text": _("periods ahead"), "font": {"size": 12}})
    return finish(figure, unit=unit, height=260)


def horizon_curve(frame: pd.DataFrame, *, days: int, share: float) -> go.Figure:
    """Draw the share of users who ever came back after a silence, and where the churn horizon was read.

    Parameters
    ----------
    frame
        Columns ``silence_days``, ``returned_share``.
    days, share
        The horizon, and the largest share it was allowed to leave.
    """
    figure = go.Figure(
        go.Scatter(
            x=frame["silence_days"],
            y=frame["returned_share"],
            mode="lines+markers",
            line={"color": BRAND, "width": 2.2},
            marker={"size": 5},
            hovertemplate="%{y:.1%}<extra></extra>",
        )
    )
    figure.add_hline(y=share, line={"color": MUTED, "width": 1, "dash": "dot"})
    figure.add_vline(
        x=days,
        line={"color": TEXT, "width": 1.4, "dash": "dash"},
        annotation={"text": _("horizon: {n} days").format(n=days), "font": {"color": TEXT, "size": 12}},
    )
    figure.update_yaxes(tickformat=".0%", rangemode="tozero")
    figure.update_xaxes(rangemode="tozero", title={"text": _("longest silence, in days"), "font": {"size": 12}})
    return finish(figure, unit=_("share of users who came back"), legend=False, height=280)


def mix_change(frame: pd.DataFrame) -> go.Figure:
    """Two lying bars of users by stage: under the rules in force, and under the draft.

    Parameters
    ----------
    frame
        Columns ``stage``, ``before``, ``after``.
    """
    figure = go.Figure()
    for stage, before, after in frame[["stage", "before", "after"]].itertuples(index=False):
        figure.add_bar(
            x=[before, after],
            y=[_("in force"), _("draft")],
            orientation="h",
            name=stage_label(stage),
            marker={"color": stage_color(stage), "line": {"width": 0}},
            hovertemplate=stage_label(stage) + ": %{x:,}<extra></extra>",
        )
    figure.update_layout(barmode="stack")
    figure.update_yaxes(autorange="reversed", showgrid=False)
    figure.update_xaxes(showticklabels=False)
    return finish(figure, height=190, hovermode="closest")
