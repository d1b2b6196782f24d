"""Churn risks: said against seen."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go

from pages.parts.charts.base import finish
from pages.parts.i18n import _
from pages.parts.palette import BRAND, MUTED, faded


def reliability(frame: pd.DataFrame) -> go.Figure:
    """Draw the share that churned over the risk that was said, one point per tenth of users.

    Parameters
    ----------
    frame
        Columns ``bin``, ``users``, ``said``, ``churned``, ``lower``, ``upper``.
    """
    top = min(1.0, 1.1 * float(max(frame["said"].max(), frame["upper"].max())))
    figure = go.Figure()
    figure.add_scatter(
        x=[0, top],
        y=[0, top],
        mode="lines",
        line={"color": MUTED, "width": 1, "dash": "dot"},
        name=_("said = seen"),
        hoverinfo="skip",
    )
    figure.add_scatter(
        x=frame["said"],
        y=frame["churned"],
        mode="lines+markers",
        name=_("a tenth of the users"),
        line={"color": faded(BRAND, 0.5), "width": 1.5},
        marker={"color": BRAND, "size": 10},
        error_y={
            "type": "data",
            "symmetric": False,
            "array": frame["upper"] - frame["churned"],
            "arrayminus": frame["churned"] - frame["lower"],
            "color": faded(BRAND, 0.5),
            "width": 3,
        },
        customdata=frame[["bin", "users"]].to_numpy().tolist(),
        hovertemplate=_("said {x}, churned {y}, {n} users").format(x="%{x:.1%}", y="%{y:.1%}", n="%{customdata[1]:,}")
        + "<extra></extra>",
    )
    figure.update_xaxes(range=[0, top], tickformat=".0%")
    figure.update_yaxes(range=[0, top], tickformat=".0%")
    figure = finish(figure, unit=_("share that churned"), height=380, hovermode="closest")
    return figure.update_xaxes(title={"text": _("risk said before"), "font": {"size": 12}})
