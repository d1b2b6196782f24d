"""Charts of paths: Sankey of the steps around an event, and the step matrix."""

from __future__ import annotations

from typing import Any

import pandas as pd
import plotly.graph_objects as go

from pages.parts.charts.base import HEADROOM, clickable_cells, finish
from pages.parts.i18n import _, term
from pages.parts.palette import MUTED, SEQUENTIAL_SCALE, TEXT, faded, series_colors

EDGE = 0.001  # plotly places nodes strictly inside 0..1
LEAST_LABELLED = 0.03
GAP = 0.02


def step_label(offset: int) -> str:
    """Return the name of a step: before the event, the event, after it."""
    if offset == 0:
        return _("the event")
    return _("{n} before").format(n=-offset) if offset < 0 else _("{n} after").format(n=offset)


def _nodes(links: pd.DataFrame) -> pd.DataFrame:
    """Return nodes (offset, event, users) with their place, each column from the largest down."""
    names = ["offset", "event"]
    out = links.groupby(["offset", "source"])["users"].sum().rename_axis(names)
    into = links.assign(offset=links["offset"] + 1).groupby(["offset", "target"])["users"].sum().rename_axis(names)
    # With every occurrence a user may come from two events and go to one: the larger side gives the height.
    nodes = pd.concat([out, into]).groupby(names).max().rename("users").reset_index()
    nodes = nodes.sort_values(["offset", "users"], ascending=[True, False], ignore_index=True)
    whole = nodes.groupby("offset")["users"].sum().max()
    room = 1 - GAP * nodes.groupby("offset").size().max()
    nodes["height"] = room * nodes["users"] / whole
    above = nodes.groupby("offset")["height"].cumsum() - nodes["height"] + GAP * nodes.groupby("offset").cumcount()
    nodes["y"] = (above + nodes["height"] / 2).clip(EDGE, 1 - EDGE)
    first, steps = nodes["offset"].min(), nodes["offset"].max() - nodes["offset"].min()
    nodes["x"] = ((nodes["offset"] - first) / steps).clip(EDGE, 1 - EDGE)
    return nodes


def flow(links: pd.DataFrame, nothing: str) -> go.Figure:
    """Sankey of users from step to step.

    Parameters
    ----------
    links
        ``offset`` (of the first step), ``source``, ``target``, ``users``; at least one row.
    nothing
        The event that stands for none.
    """
    nodes = _nodes(links)
    colors = {**series_colors(sorted(set(nodes["event"]) - {nothing})), nothing: MUTED}
    place = {(row.offset, row.event): row.Index for row in nodes.itertuples()}
    figure = go.Figure(
        go.Sankey(
            arrangement="fixed",
            node={
                "label": [
                    term(event) if tall >= LEAST_LABELLED else ""
                    for event, tall in zip(nodes["event"], nodes["height"], strict=True)
                ],
                "x": nodes["x"].tolist(),
                "y": nodes["y"].tolist(),
                "color": [colors[event] for event in nodes["event"]],
                "customdata": [
                    [term(event), step_label(offset)]
                    for event, offset in zip(nodes["event"], nodes["offset"], strict=True)
                ],
                "pad": 6,
                "thickness": 14,
                "line": {"width": 0},
                "hovertemplate": "%{customdata[0]}, %{customdata[1]}: %{value:,}<extra></extra>",
            },
            link=_ribbons(links, place, colors),
            textfont={"color": TEXT, "size": 12},
        )
    )
    offsets = sorted(set(nodes["offset"]))
    for k, offset in enumerate(offsets):
        figure.add_annotation(
            x=k / (len(offsets) - 1),
            y=1.02,
            xref="paper",
            yref="paper",
            yanchor="bottom",
            xanchor="left" if k == 0 else "right" if k == len(offsets) - 1 else "center",
            text=f"<b>{step_label(offset)}</b>" if offset == 0 else step_label(offset),
            showarrow=False,
        )
    return finish(figure, height=440, legend=False, hovermode="closest").update_layout(margin={"t": HEADROOM})


def _ribbons(links: pd.DataFrame, place: dict[tuple[int, str], int], colors: dict[str, str]) -> dict[str, Any]:
    rows = list(links.itertuples())
    return {
        "source": [place[row.offset, row.source] for row in rows],
        "target": [place[row.offset + 1, row.target] for row in rows],
        "value": [row.users for row in rows],
        "color": [faded(colors[row.source], 0.36) for row in rows],
        "customdata": [[term(row.source), term(row.target)] for row in rows],
        "hovertemplate": "%{customdata[0]} → %{customdata[1]}: %{value:,}<extra></extra>",
    }


def step_matrix(frame: pd.DataFrame) -> go.Figure:
    """Heat map: share of the users with each event (rows) at each step (columns).

    Parameters
    ----------
    frame
        ``offset``, ``event``, ``users``, ``share``.
    """
    order = frame.groupby("event")["users"].sum().sort_values(ascending=False).index.tolist()
    offsets = sorted(set(frame["offset"]))
    share = frame.pivot(index="event", columns="offset", values="share").reindex(index=order, columns=offsets)
    figure = go.Figure(
        go.Heatmap(
            z=share.to_numpy(),
            x=[step_label(offset) for offset in offsets],
            y=[term(event) for event in order],
            zmin=0,
            zmax=1,
            colorscale=[list(stop) for stop in SEQUENTIAL_SCALE],
            showscale=False,
            text=[["" if value != value else f"{value:.0%}" for value in row] for row in share.to_numpy()],
            texttemplate="%{text}",
            hoverinfo="skip",
            hoverongaps=False,
            xgap=2,
            ygap=2,
        )
    )
    cells = [
        (step_label(row.offset), term(row.event), (row.offset, row.event, row.users, f"{row.share:.0%}"))
        for row in frame.itertuples()
    ]
    clickable_cells(figure, cells, "%{y}, %{x}: %{customdata[2]:,} (%{customdata[3]})", share.shape)
    figure.update_yaxes(type="category")
    figure.update_xaxes(side="top", type="category")
    height = 100 + 34 * max(len(order), 3)
    finished = finish(figure, height=height, legend=False, hovermode="closest")
    return finished.update_yaxes(showgrid=False).update_layout(margin={"t": HEADROOM})
