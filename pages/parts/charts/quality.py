"""Charts of the quality report."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta

import pandas as pd
import plotly.graph_objects as go

from pages.parts import fmt
from pages.parts.charts.base import finish
from pages.parts.i18n import _
from pages.parts.palette import BRAND, BRAND_SOFT, FAINT, MUTED, NEGATIVE, SEQUENTIAL_SCALE, TEXT, faded
from ulm_core.warehouse.quality import Bin, Gap, Match

LATE = NEGATIVE


def events_per_day(frame: pd.DataFrame, gaps: Sequence[Gap]) -> go.Figure:
    """Events a day, the late ones on top, days without any shaded.

    Parameters
    ----------
    frame
        Columns ``day``, ``events``, ``late``.
    gaps
        Spans on which no user did anything.
    """
    figure = go.Figure()
    days = pd.to_datetime(frame["day"])
    figure.add_bar(
        x=days, y=frame["events"] - frame["late"], name=_("on time"), marker={"color": BRAND},
        hovertemplate="%{y:,}",
    )  # fmt: skip
    if int(frame["late"].sum()):
        figure.add_bar(x=days, y=frame["late"], name=_("late"), marker={"color": LATE}, hovertemplate="%{y:,}")
    # Bars of full height, one trace however many gaps there are (every Saturday, say); shapes would be slow.
    missing = [gap.first + timedelta(days=day) for gap in gaps for day in range(gap.days)]
    if missing:
        figure.add_bar(
            x=pd.to_datetime(missing), y=[int(frame["events"].max())] * len(missing), name=_("gap: no events"),
            marker={"color": faded(NEGATIVE, 0.25)}, hoverinfo="skip",
        )  # fmt: skip
    figure.update_layout(barmode="stack")
    return finish(figure, unit=_("events"), time_axis=True, height=320).update_layout(bargap=0)


def longest_gap(gaps: Sequence[Gap]) -> tuple[date, date] | None:
    """Return first and last day of the longest gap."""
    longest = max(gaps, key=lambda gap: gap.days, default=None)
    return None if longest is None else (longest.first, longest.last)


def bin_label(bin_: Bin) -> str:
    """Return the events of a bin in words."""
    return fmt.number(bin_.least) if bin_.least == bin_.most else f"{fmt.number(bin_.least)}–{fmt.number(bin_.most)}"


def activity(bins: Sequence[Bin]) -> go.Figure:
    """Users by their number of events, in bins that double."""
    figure = go.Figure(
        go.Bar(
            x=[fmt.compact(bin_.least, 0) for bin_ in bins],
            customdata=[bin_label(bin_) for bin_ in bins],
            y=[bin_.users for bin_ in bins],
            marker={"color": BRAND, "cornerradius": 4},
            hovertemplate=_("%{customdata} events: %{y:,} users") + "<extra></extra>",
        )
    )
    figure = finish(figure, unit=_("users"), legend=False, height=280, hovermode="closest")
    title = {"text": _("events, from … on"), "font": {"size": 12, "color": MUTED}}
    return figure.update_xaxes(type="category", title=title)


def id_overlap(matches: dict[str, Match]) -> go.Figure:
    """Ids of the log and of the tables: in both, only in the log, only in the table, as shares of all ids.

    Parameters
    ----------
    matches
        By the word on the axis.
    """
    figure = go.Figure()
    parts = (
        (_("in both"), BRAND, [match.both for match in matches.values()]),
        (_("only in the log"), LATE, [match.in_log - match.both for match in matches.values()]),
        (_("only in the table"), MUTED, [match.described - match.both for match in matches.values()]),
    )
    for name, color, counts in parts:
        totals = [max(match.in_log + match.described - match.both, 1) for match in matches.values()]
        figure.add_bar(
            y=list(matches), x=[n / total for n, total in zip(counts, totals, strict=True)], orientation="h", name=name,
            marker={"color": color, "cornerradius": 3}, customdata=counts,
            text=[fmt.compact(n) if n else "" for n in counts],
            textposition="inside", insidetextanchor="middle", hovertemplate="%{customdata:,}",
        )  # fmt: skip
    figure.update_layout(barmode="stack")
    figure = finish(figure, height=210, hovermode="y unified")
    figure.update_xaxes(tickformat=".0%", range=[0, 1])
    return figure.update_yaxes(autorange="reversed", showgrid=False)


def fill_map(frame: pd.DataFrame) -> go.Figure:
    """Share of rows that hold something, by table and column.

    Parameters
    ----------
    frame
        Index: tables; columns: columns; values 0..1, NaN where a table has no such column.
    """
    words = [[fmt.percent(value, 0) if pd.notna(value) else "" for value in row] for row in frame.to_numpy()]
    figure = go.Figure(
        go.Heatmap(
            z=frame.to_numpy(), x=list(frame.columns), y=list(frame.index), zmin=0, zmax=1, text=words,
            texttemplate="%{text}", colorscale=[list(step) for step in SEQUENTIAL_SCALE], showscale=False, xgap=3,
            ygap=3, hovertemplate="%{y} · %{x}: %{text}<extra></extra>", hoverongaps=False,
        )
    )  # fmt: skip
    height = 90 + 38 * max(len(frame), 1)
    figure = finish(figure, legend=False, height=height, hovermode="closest")
    figure.update_layout(margin={"t": 60})  # room for slanted names on a narrow screen
    figure.update_xaxes(side="top", type="category")
    return figure.update_yaxes(autorange="reversed", showgrid=False)


def reason_bars(frame: pd.DataFrame) -> go.Figure:
    """Rows set aside by reason.

    Parameters
    ----------
    frame
        Columns ``reason`` and ``rows``, largest first.
    """
    figure = go.Figure(
        go.Bar(
            x=frame["rows"], y=frame["reason"], orientation="h", marker={"color": LATE, "cornerradius": 5},
            text=[fmt.number(value) for value in frame["rows"]], textposition="outside", textfont={"color": TEXT},
            cliponaxis=False, hovertemplate="%{y}: %{x:,}<extra></extra>",
        )
    )  # fmt: skip
    figure = finish(figure, height=60 + 36 * max(len(frame), 1), legend=False, hovermode="closest")
    figure.update_xaxes(visible=False, range=[0, float(frame["rows"].max()) * 1.2])
    return figure.update_yaxes(autorange="reversed", showgrid=False)


def sum_bar(loaded: int, aside: int, seen: int) -> go.Figure:
    """Where every row read went, as one bar."""
    parts = ((_("loaded"), loaded, BRAND), (_("set aside"), aside, LATE), (_("seen before"), seen, BRAND_SOFT))
    figure = go.Figure()
    for name, n, color in parts:
        figure.add_bar(
            x=[n], y=[""], orientation="h", name=name, marker={"color": color, "line": {"width": 1, "color": FAINT}},
            hovertemplate="%{x:,}",
        )  # fmt: skip
    figure.update_layout(barmode="stack")
    figure = finish(figure, height=110, hovermode="closest")
    figure.update_xaxes(visible=False, range=[0, max(loaded + aside + seen, 1)])
    return figure.update_yaxes(showgrid=False, visible=False)
