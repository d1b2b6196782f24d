"""Heat maps whose cells can be clicked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import plotly.graph_objects as go

_NOWHERE = "rgba(0,0,0,0)"
_REACH = 60  # pixels from the middle of a cell within which a click is still one on it


def make_clickable(figure: go.Figure) -> go.Figure:
    """Lay an invisible mark over every cell of the figure's heat map and return the figure.

    A heat map reports no selection to Streamlit, a mark does. It takes over the custom data and the hover text.
    Empty cells get none.
    """
    heat = figure.data[0]
    columns, rows = list(heat.x), list(heat.y)
    cells = [
        (column, row, _cell(heat.customdata, r, c), str(_cell(heat.text, r, c) or ""))
        for r, row in enumerate(rows)
        for c, column in enumerate(columns)
        if _cell(heat.z, r, c) is not None
    ]
    figure.add_scatter(
        x=[cell[0] for cell in cells],
        y=[cell[1] for cell in cells],
        customdata=[list(cell[2]) for cell in cells],
        text=[cell[3] for cell in cells],
        mode="markers",
        marker={"size": 30, "symbol": "square", "color": _NOWHERE, "line": {"width": 0}},
        selected={"marker": {"opacity": 1}},
        unselected={"marker": {"opacity": 1}},
        hovertemplate=heat.hovertemplate,
        showlegend=False,
    )
    figure.update_traces(hoverinfo="skip", hovertemplate=None, selector={"type": "heatmap"})
    return figure.update_layout(hoverdistance=_REACH)


def _cell(values: Sequence[Sequence[Any]] | None, row: int, column: int) -> Any:
    return None if values is None else values[row][column]
