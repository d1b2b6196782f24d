"""Dated notes on a chart over time."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import plotly.graph_objects as go

from pages.parts import fmt
from pages.parts.i18n import term
from pages.parts.palette import MUTED, TEXT
from ulm_core.annotations import Annotation

# A shape a kind, as everywhere: never colour alone.
SHAPES = {"release": "◆", "campaign": "●", "incident": "▲", "note": "■"}


def _span(figure: go.Figure) -> tuple[pd.Timestamp, pd.Timestamp] | None:
    days: list[pd.Timestamp] = []
    for trace in figure.data:
        found = pd.to_datetime(pd.Series(list(trace.x if trace.x is not None else ())), errors="coerce", utc=True)
        days += [day for day in (found.min(), found.max()) if not pd.isna(day)]
    return (min(days), max(days)) if days else None


def with_annotations(figure: go.Figure, annotations: Sequence[Annotation]) -> go.Figure:
    """Draw a thin line and a mark for every note that falls into the time shown; returns the figure.

    Notes outside leave the axis as it is; a figure whose x axis is not time stays as it is.
    """
    span = _span(figure) if figure.layout.xaxis.type == "date" else None
    if span is None:
        return figure
    for note in annotations:
        moment = pd.Timestamp(note.day, tz="UTC")
        if not span[0] <= moment <= span[1] + (span[1] - span[0]) / 20:
            continue
        day = note.day.isoformat()
        figure.add_shape(
            type="line", x0=day, x1=day, y0=0, y1=1, yref="paper", line={"color": MUTED, "width": 1, "dash": "dot"}
        )
        figure.add_annotation(
            x=day,
            y=1,
            yref="paper",
            yanchor="middle",
            text=SHAPES[note.kind],
            hovertext=f"{term(note.kind)} · {fmt.day(note.day)}<br>{_plain(note.text)}",
            showarrow=False,
            font={"color": TEXT, "size": 12},
        )
    return figure


def _plain(text: str) -> str:
    """Return text that plotly shows as it is, tags and all."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
