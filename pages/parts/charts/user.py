"""Charts of one user: the timeline of events, and what made a score."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import pandas as pd
import plotly.graph_objects as go

from pages.parts.charts.base import finish
from pages.parts.charts.stages import stage_label
from pages.parts.i18n import _, term
from pages.parts.palette import BACKGROUND, BRAND, MUTED, NEGATIVE, POSITIVE, SERIES, TEXT, stage_color

SHOWN_BARS = 8
LABEL_LENGTH = 46
ROW_HEIGHT = 42
NEGLIGIBLE = 0.002  # of the largest part; smaller ones are no bar, only part of "others"


def timeline(events: pd.DataFrame, spans: pd.DataFrame) -> go.Figure:
    """Draw a user's events by day, one row a kind of event, over the band of stages.

    Parameters
    ----------
    events
        Columns ``day`` (date), ``event``, ``n`` (events that day), ``text`` (what hovering shows).
    spans
        Columns ``start``, ``end``, ``stage``: the stage history without gaps.
    """
    kinds = list(events["event"].value_counts().index)
    rows = {kind: len(kinds) - position for position, kind in enumerate(kinds)}
    figure = go.Figure()
    for stage, part in spans.groupby("stage", sort=False):
        figure.add_bar(
            base=part["start"],
            x=(part["end"] - part["start"]).dt.total_seconds() * 1000,
            y=[0] * len(part),
            orientation="h",
            width=0.5,
            marker={"color": stage_color(str(stage)), "line": {"width": 0}},
            name=stage_label(str(stage)),
            legendgroup="stage",
            customdata=[[f"{s:%Y-%m-%d} – {e:%Y-%m-%d}"] for s, e in zip(part["start"], part["end"], strict=True)],
            hovertemplate=stage_label(str(stage)) + "<br>%{customdata[0]}<extra></extra>",
        )
    for position, kind in enumerate(kinds):
        part = events[events["event"] == kind]
        figure.add_scatter(
            x=part["day"],
            y=[rows[kind]] * len(part),
            mode="markers",
            name=term(kind),
            showlegend=False,
            marker={
                "size": part["n"].clip(upper=40).pow(0.5) * 3 + 4,
                "color": SERIES[position % len(SERIES)],
                "opacity": 0.75,
            },
            customdata=part[["text"]].to_numpy(),
            hovertemplate="%{x|%Y-%m-%d}<br>%{customdata[0]}<extra></extra>",
        )
    ticks = {0: _("stage"), **{row: term(kind) for kind, row in rows.items()}}
    figure.update_yaxes(
        tickvals=list(ticks), ticktext=list(ticks.values()), range=[-0.6, len(kinds) + 0.6], showgrid=False
    )
    figure.update_layout(barmode="overlay")
    figure = finish(figure, height=150 + 52 * (len(kinds) + 1), hovermode="closest", time_axis=True)
    return figure.update_yaxes(showgrid=False)


@dataclass(frozen=True)
class Contribution:
    """One part of a score, in words."""

    label: str
    value: float
    detail: str = ""


def group_small(parts: Sequence[Contribution], shown: int = SHOWN_BARS) -> list[Contribution]:
    """Return the largest parts by size and the sum of the rest as one."""
    ordered = sorted(parts, key=lambda part: abs(part.value), reverse=True)
    least = NEGLIGIBLE * abs(ordered[0].value) if ordered else 0.0
    kept = [part for part in ordered[:shown] if abs(part.value) > least]
    rest = ordered[len(kept) :]
    if not rest:
        return kept
    if len(rest) == 1 and abs(rest[0].value) > least:
        return [*kept, rest[0]]
    return [*kept, Contribution(_("{n} others").format(n=len(rest)), sum(part.value for part in rest))]


def shorten(label: str, length: int = LABEL_LENGTH) -> str:
    """Return a label that leaves room for the bars."""
    return label if len(label) <= length else label[: length - 1].rstrip(" ,") + "…"


def waterfall(base: float, parts: Sequence[Contribution], *, unit: str = "") -> go.Figure:
    """From the base value through every contribution to the score; positive right, negative left.

    Parameters
    ----------
    base
        What the model says without knowing this user.
    parts
        Contributions; their sum plus `base` is the score that stands at the end.
    unit
        What the score is measured in.
    """
    figure = go.Figure()
    labels = [_("base value")]
    figure.add_trace(_bar(labels[0], base, color=MUTED, text=f"{base:.3f}", opacity=0.55))
    position = base
    for number, part in enumerate(group_small(parts)):
        short = shorten(part.label)
        labels.append(short if short not in labels else f"{short} ({number})")
        color = POSITIVE if part.value >= 0 else NEGATIVE
        hover = f"{part.label}: {part.value:+.4f}" + (f"<br>{part.detail}" if part.detail else "")
        figure.add_trace(
            _bar(labels[-1], part.value, base=position, color=color, text=f"{part.value:+.3f}", hover=hover)
        )
        position += part.value
    labels.append(_("score"))
    figure.add_trace(_bar(labels[-1], position, color=BRAND, text=f"<b>{position:.3f}</b>"))
    figure.add_vline(x=base, line={"color": MUTED, "width": 1, "dash": "dot"})
    for label in labels:
        # Above its bar, not beside it: on a phone, labels at the side would leave no room for the bars.
        figure.add_annotation(
            x=0,
            y=label,
            xref="paper",
            xanchor="left",
            yshift=ROW_HEIGHT * 0.4,
            text=label,
            showarrow=False,
            borderpad=1,
            bgcolor=BACKGROUND,
            font={"color": TEXT, "size": 12},
        )
    low, high = _extent(base, group_small(parts))
    figure = finish(figure, height=70 + ROW_HEIGHT * len(labels), legend=False, hovermode="closest")
    figure.update_layout(barmode="overlay", bargap=0.6)
    figure.update_xaxes(range=[low, high], title={"text": unit, "font": {"size": 12}})
    return figure.update_yaxes(
        autorange="reversed", categoryorder="array", categoryarray=labels, showticklabels=False, showgrid=False
    )


def _extent(base: float, parts: Sequence[Contribution]) -> tuple[float, float]:
    """Return the range of a waterfall with room for the numbers at the ends of the bars."""
    stops = [0.0, base]
    for part in parts:
        stops.append(stops[-1] + part.value)
    low, high = min(stops), max(stops)
    room = 0.14 * ((high - low) or 1.0)
    return (low - room if low < 0 else low), high + room


def _bar(
    label: str, value: float, *, color: str, text: str, base: float = 0.0, opacity: float = 1.0, hover: str = ""
) -> go.Bar:
    """Return one lying bar of a waterfall, from `base` to ``base + value``."""
    return go.Bar(
        y=[label],
        x=[value],
        base=[base],
        orientation="h",
        marker={"color": color, "opacity": opacity, "cornerradius": 3},
        text=[text],
        textposition="outside",
        cliponaxis=False,
        customdata=[[hover or f"{label}: {value:.4f}"]],
        hovertemplate="%{customdata[0]}<extra></extra>",
    )


def stage_spans(changes: Sequence[tuple[datetime, str]], end: datetime) -> pd.DataFrame:
    """Return the spans between stage changes.

    Parameters
    ----------
    changes
        When each stage began, in time order.
    end
        Where the last one is cut.
    """
    rows = [
        {"start": start, "end": (changes[i + 1][0] if i + 1 < len(changes) else end), "stage": stage}
        for i, (start, stage) in enumerate(changes)
    ]
    return pd.DataFrame(rows, columns=["start", "end", "stage"])
