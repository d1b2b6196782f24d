"""Charts of engagement: stickiness, ratios of active users, sessions."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go

from pages.parts.charts.base import finish, hatch, opacities
from pages.parts.i18n import _
from pages.parts.palette import BACKGROUND, BRAND, MUTED, SERIES, series_colors


def stickiness(frame: pd.DataFrame, *, title: str) -> go.Figure:
    """Users by number of active periods: bars, or with groups a line of shares each.

    Parameters
    ----------
    frame
        ``active_periods``, ``users``, ``share`` (of the group's active users), ``group`` (shown) and ``key``.
    title
        What the numbers count.
    """
    names = list(dict.fromkeys(frame["group"]))
    colors = series_colors(names)
    figure = go.Figure()
    for name in names:
        part = frame[frame["group"] == name]
        shared = {
            "x": part["active_periods"],
            "name": name,
            "customdata": part[["active_periods", "key", "users", "share"]].to_numpy().tolist(),
            "hovertemplate": "%{customdata[2]:,} (%{customdata[3]:.1%})",
        }
        if len(names) == 1:
            figure.add_bar(
                **shared, y=part["users"], marker={"color": BRAND, "line": {"color": BACKGROUND, "width": 0.6}}
            )
        else:
            line = {"color": colors.get(name, MUTED), "width": 2}
            figure.add_scatter(**shared, y=part["share"], mode="lines+markers", marker={"size": 5}, line=line)
    unit = _("users") if len(names) == 1 else _("share of the group's users")
    figure.update_yaxes(tickformat=",d" if len(names) == 1 else ".0%", rangemode="tozero")
    finished = finish(figure, unit=unit, legend=len(names) > 1)
    return finished.update_xaxes(title={"text": title, "font": {"size": 12}}, tickformat="d")


def active_user_lines(frame: pd.DataFrame, *, is_share: bool) -> go.Figure:
    """Lines over days; days whose window reaches back before the log are dotted.

    Parameters
    ----------
    frame
        ``period``, ``group`` (shown), ``key``, ``value``, ``is_complete``.
    is_share
        Whether values are ratios.
    """
    figure = go.Figure()
    for number, name in enumerate(dict.fromkeys(frame["group"])):
        part = frame[frame["group"] == name].sort_values("period")
        color = SERIES[number % len(SERIES)]
        for is_complete, dash in ((False, "dot"), (True, "solid")):
            shown = part["value"].where(part["is_complete"] == is_complete)
            figure.add_scatter(
                x=part["period"],
                y=shown,
                name=name,
                legendgroup=name,
                showlegend=is_complete,
                mode="lines+markers" if not is_share else "lines",
                marker={"size": 3},
                line={"color": color, "width": 2, "dash": dash},
                customdata=part[["period", "key"]].to_numpy().tolist(),
                hovertemplate="%{y:.1%}" if is_share else "%{y:,}",
            )
    figure.update_yaxes(rangemode="tozero", tickformat=".0%" if is_share else ",~s")
    return finish(figure, unit=_("ratio") if is_share else _("users"), time_axis=True)


def session_bars(frame: pd.DataFrame) -> go.Figure:
    """Sessions by period as bars, their median length as a line on the right axis.

    Parameters
    ----------
    frame
        ``period``, ``sessions``, ``median_minutes``, ``is_complete``.
    """
    figure = go.Figure(
        go.Bar(
            x=frame["period"],
            y=frame["sessions"],
            name=_("sessions"),
            marker={
                "color": BRAND,
                "opacity": opacities(list(frame["is_complete"])),
                "pattern": {"shape": hatch(list(frame["is_complete"])), "fillmode": "overlay"},
            },
            customdata=[[period] for period in frame["period"]],
            hovertemplate="%{y:,}",
        )
    )
    figure.update_yaxes(rangemode="tozero", tickformat=",~s")
    figure = finish(figure, unit=_("sessions"), time_axis=True, legend=bool(frame["median_minutes"].max() > 0))
    if not frame["median_minutes"].max() > 0:  # all events of a visit bear one time: nothing to draw
        return figure
    figure.add_scatter(
        x=frame["period"],
        y=frame["median_minutes"],
        name=_("median length (minutes, right)"),
        mode="lines+markers",
        yaxis="y2",
        line={"color": SERIES[3], "width": 2.2},
        customdata=[[period] for period in frame["period"]],
        hovertemplate="%{y:,.1f}",
    )
    right = {"overlaying": "y", "side": "right", "rangemode": "tozero", "showgrid": False, "automargin": True}
    return figure.update_layout(yaxis2={**right, "tickformat": ",.3~f"})


def pause_histogram(frame: pd.DataFrame, *, gap_seconds: float) -> go.Figure:
    """Histogram of pauses on a logarithmic scale, with the pause that ends a session.

    Parameters
    ----------
    frame
        ``minutes`` (lower end of the bin) and ``pauses``.
    """
    figure = go.Figure(
        go.Bar(x=frame["minutes"], y=frame["pauses"], marker={"color": BRAND}, hovertemplate="%{y:,}<extra></extra>")
    )
    figure.add_vline(x=gap_seconds / 60, line={"color": MUTED, "width": 1.5, "dash": "dash"})
    finished = finish(figure, unit=_("pauses"), legend=False, height=220)
    title = {"text": _("pause in minutes (logarithmic)"), "font": {"size": 12}}
    return finished.update_xaxes(type="log", title=title)
