"""Charts of the log itself."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go

from pages.parts import fmt
from pages.parts.charts.base import finish
from pages.parts.palette import BRAND, TEXT


def event_bars(frame: pd.DataFrame) -> go.Figure:
    """Rows by event name, longest bar on top.

    Parameters
    ----------
    frame
        Columns ``event`` and ``rows``, largest first.
    """
    figure = go.Figure(
        go.Bar(
            x=frame["rows"],
            y=frame["event"],
            orientation="h",
            marker={"color": BRAND, "cornerradius": 5},
            text=[fmt.number(value) for value in frame["rows"]],
            textposition="outside",
            textfont={"color": TEXT},
            cliponaxis=False,
            hovertemplate="%{y}: %{x:,}<extra></extra>",
        )
    )
    top = float(frame["rows"].max()) if len(frame) else 1.0
    figure.update_xaxes(visible=False, range=[0, top * 1.18])
    figure.update_yaxes(autorange="reversed")
    figure = finish(figure, height=70 + 44 * max(len(frame), 1), legend=False, hovermode="closest")
    return figure.update_xaxes(visible=False).update_yaxes(showgrid=False)
