"""Charts of lifecycle stages: mix over time, lifecycle columns, moves between stages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd
import plotly.graph_objects as go

from pages.parts.charts.base import HEIGHT, clickable_cells, finish, hatch, opacities
from pages.parts.i18n import _, term
from pages.parts.palette import (
    BACKGROUND,
    BRAND,
    LIFECYCLE_ORDER,
    MUTED,
    OWN_SHAPE,
    SEQUENTIAL_SCALE,
    STAGE_SHAPES,
    TEXT,
    faded,
    series_colors,
    stage_color,
)


def stage_label(name: str) -> str:
    """Return shape and word of a stage, so that colour is never alone."""
    return f"{STAGE_SHAPES.get(name, OWN_SHAPE)} {term(name)}"


def stage_mix(frame: pd.DataFrame, *, order: Sequence[str], share: bool = False) -> go.Figure:
    """Stacked columns of users by stage and period.

    Parameters
    ----------
    frame
        Columns ``period`` (date), ``stage``, ``users`` and ``is_complete`` (whether the period is over).
    order
        Stages from bottom to top; always the same, whichever are present.
    share
        Draw shares of each period's users instead of counts.
    """
    totals = frame.groupby("period")["users"].transform("sum")
    values = frame.assign(value=(frame["users"] / totals) if share else frame["users"])
    figure = go.Figure()
    for stage in order:
        part = values[values["stage"] == stage]
        if part.empty or not part["users"].any():
            continue
        figure.add_bar(
            x=part["period"],
            y=part["value"],
            name=stage_label(stage),
            customdata=[
                [stage, users, str(period)] for users, period in zip(part["users"], part["period"], strict=True)
            ],
            marker={
                "color": stage_color(stage),
                "opacity": opacities(list(part["is_complete"])),
                "line": {"color": BACKGROUND, "width": 0.6},
            },
            hovertemplate="%{customdata[1]:,}" + (" (%{y:.1%})" if share else ""),
        )
    figure.update_layout(barmode="stack")
    figure.update_yaxes(tickformat=".0%" if share else ",d")
    if share:
        figure.update_yaxes(range=[0, 1])
    return finish(figure, unit=_("share of users") if share else _("users"), height=380, time_axis=True)


def lifecycle_columns(frame: pd.DataFrame) -> go.Figure:
    """Draw new, returning and resurrecting users above zero, dormant ones below, by period.

    Parameters
    ----------
    frame
        Columns ``period``, ``status``, ``users`` (dormant as a positive count) and ``is_complete``.
    """
    figure = go.Figure()
    for status in LIFECYCLE_ORDER:
        part = frame[frame["status"] == status]
        sign = -1 if status == "dormant" else 1
        figure.add_bar(
            x=part["period"],
            y=part["users"] * sign,
            name=stage_label(status),
            customdata=[
                [status, users, str(period)] for users, period in zip(part["users"], part["period"], strict=True)
            ],
            marker={
                "color": stage_color(status),
                "opacity": opacities(list(part["is_complete"])),
                "pattern": {"shape": hatch(list(part["is_complete"])), "fillmode": "overlay"},
                "line": {"color": BACKGROUND, "width": 0.6},
            },
            hovertemplate="%{customdata[1]:,}",
        )
    figure.update_layout(barmode="relative")
    figure.update_yaxes(tickformat=",d", zeroline=True, zerolinecolor=MUTED)
    figure = finish(figure, unit=_("users"), height=360, time_axis=True)
    return figure.update_yaxes(zeroline=True, zerolinecolor=MUTED, zerolinewidth=1)


def pulse(frame: pd.DataFrame) -> go.Figure:
    """Draw the pulse by period with its balance line at 1.

    Parameters
    ----------
    frame
        Columns ``period`` and ``pulse`` (nan where nobody went dormant), ``is_complete``.
    """
    part = frame[frame["is_complete"]]
    figure = go.Figure(
        go.Scatter(
            x=part["period"],
            y=part["pulse"],
            mode="lines",
            line={"color": BRAND, "width": 2.2},
            hovertemplate="%{y:.2f}<extra></extra>",
        )
    )
    figure.add_hline(y=1, line={"color": MUTED, "width": 1, "dash": "dash"})
    high = float(part["pulse"].quantile(0.95)) if part["pulse"].notna().any() else 2.0
    figure.update_yaxes(range=[0, max(2.0, high * 1.15)])
    return finish(figure, unit=_("gained / lost"), legend=False, height=220, time_axis=True)


def _ribbons(matrix: pd.DataFrame, rows: list[str], columns: list[str]) -> dict[str, Any]:
    """Return the links of a Sankey: one ribbon per move that somebody made, in the colour of where it starts."""
    counts = matrix.loc[rows, columns].to_numpy().tolist()
    moves = [
        (i, j, int(users), before, after)
        for i, (before, line) in enumerate(zip(rows, counts, strict=True))
        for j, (after, users) in enumerate(zip(columns, line, strict=True))
        if users
    ]
    return {
        "source": [move[0] for move in moves],
        "target": [len(rows) + move[1] for move in moves],
        "value": [move[2] for move in moves],
        "color": [faded(stage_color(move[3]), 0.42) for move in moves],
        "customdata": [[stage_label(move[3]), stage_label(move[4])] for move in moves],
        "hovertemplate": "%{customdata[0]} → %{customdata[1]}: %{value:,}<extra></extra>",
    }


def stage_flow(matrix: pd.DataFrame, left: str, right: str) -> go.Figure:
    """Sankey of users between the stages of two periods.

    Parameters
    ----------
    matrix
        Users by stage before (rows) and after (columns).
    left, right
        Names of the two periods.
    """
    rows = [str(stage) for stage in matrix.index if matrix.loc[stage].sum()]
    columns = [str(stage) for stage in matrix.columns if matrix[stage].sum()]
    figure = go.Figure(
        go.Sankey(
            arrangement="snap",
            node={
                "label": [stage_label(stage) for stage in (*rows, *columns)],
                "color": [stage_color(stage) for stage in (*rows, *columns)],
                "pad": 14,
                "thickness": 16,
                "line": {"width": 0},
                "hovertemplate": "%{label}: %{value:,}<extra></extra>",
            },
            link=_ribbons(matrix, rows, columns),
            textfont={"color": TEXT, "size": 13},
        )
    )
    for x, name in ((0, left), (1, right)):
        figure.add_annotation(
            x=x,
            y=1.02,
            xref="paper",
            yref="paper",
            yanchor="bottom",
            xanchor="left" if x == 0 else "right",
            text=f"<b>{name}</b>",
            showarrow=False,
        )
    return finish(figure, height=430, legend=False, hovermode="closest").update_layout(margin={"t": 40})


def matrix_heatmap(
    matrix: pd.DataFrame, *, share: bool = True, bounds: tuple[pd.DataFrame, pd.DataFrame] | None = None
) -> go.Figure:
    """Heat map of a stage matrix; rows sum to 100 % when `share`.

    Parameters
    ----------
    matrix
        Users by stage before (rows) and after (columns).
    bounds
        Lower and upper end of the interval of each share, spelled out on hovering.
    """
    spans = [
        ["" if bounds is None else f" [{bounds[0].at[r, c]:.0%} – {bounds[1].at[r, c]:.0%}]" for c in matrix.columns]
        for r in matrix.index
    ]
    sums = matrix.sum(axis=1).replace(0, 1)
    shares = matrix.div(sums, axis=0)
    shown = shares if share else matrix
    figure = go.Figure(
        go.Heatmap(
            z=shown.to_numpy(),
            x=[term(name) for name in matrix.columns],
            y=[term(name) for name in matrix.index],
            colorscale=[list(stop) for stop in SEQUENTIAL_SCALE],
            text=[
                [f"{shares.at[r, c]:.0%}" if share else f"{matrix.at[r, c]:,}" for c in matrix.columns]
                for r in matrix.index
            ],
            texttemplate="%{text}",
            hoverinfo="skip",
            showscale=False,
            xgap=2,
            ygap=2,
        )
    )
    cells = [
        (term(column), term(row), (int(n), row, column, span, f"{shares.at[row, column]:.0%}"))
        for row, line, ends in zip(matrix.index, matrix.to_numpy().tolist(), spans, strict=True)
        for column, n, span in zip(matrix.columns, line, ends, strict=True)
    ]
    clickable_cells(figure, cells, "%{y} → %{x}: %{customdata[0]:,} (%{customdata[4]}%{customdata[3]})", matrix.shape)
    figure.update_xaxes(side="top")
    figure = finish(figure, height=460, legend=False, hovermode="closest").update_yaxes(showgrid=False)
    return figure.update_layout(margin={"t": 80})  # the buttons of the chart stand above the names of the columns


def trend(frame: pd.DataFrame, *, unit: str, colors: dict[str, str] | None = None, height: int = HEIGHT) -> go.Figure:
    """Lines over periods, one per group; a group's earlier period is dashed, running periods dotted.

    Parameters
    ----------
    frame
        Columns ``period``, ``group``, ``value``, ``is_complete``; optional ``dashed`` (bool).
    unit
        What is counted.
    colors
        Colour by group, where the group is not a stage.
    height
        Pixels.
    """
    names = list(dict.fromkeys(frame["group"]))
    palette = colors or series_colors(names)
    figure = go.Figure()
    for name in names:
        part = frame[frame["group"] == name]
        dashed = bool(part["dashed"].any()) if "dashed" in part else False
        figure.add_scatter(
            x=part["period"],
            y=part["value"],
            name=name,
            mode="lines",
            line={
                "color": MUTED if dashed else palette.get(name, MUTED),
                "width": 1.8 if dashed else 2.4,
                "dash": "dash" if dashed else "solid",
            },
            hovertemplate="%{y:,.4~g}",
        )
    figure.update_yaxes(rangemode="tozero", tickformat=",~s")
    return finish(figure, unit=unit, height=height, time_axis=True)
