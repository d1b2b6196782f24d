"""The other range that the reader compares with: as a dashed line and as a column of the table."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go

from pages.parts import fmt
from pages.parts.frame import View
from pages.parts.i18n import _
from pages.parts.palette import TEXT
from ulm_core.lifecycle.activity import ActivitySpec, compute_activity


def active_before(view: View, n: int) -> pd.Series | None:
    """Return active users of the first `n` periods of the other range; None where nothing is compared or known."""
    low, high = view.previous_us
    first = view.day_us(view.data.local_days[0])
    if not view.filters.compare or low < first:
        return None
    spec = ActivitySpec(from_us=low, to_us=high, interval=view.filters.interval)
    return view.ask(compute_activity, spec).to_pandas()["active"].head(n)


def draw_before(figure: go.Figure, periods: pd.Series, before: pd.Series, view: View) -> go.Figure:
    """Add the other range to a chart as a dashed line at the same places; returns the figure."""
    name = _("active users {period}").format(period=fmt.day_range(*view.previous_days))
    return figure.add_scatter(
        x=periods.head(len(before)),
        y=before,
        name=name,
        mode="lines",
        line={"color": TEXT, "width": 1.8, "dash": "dash"},
        hovertemplate="%{y:,}",
    )
