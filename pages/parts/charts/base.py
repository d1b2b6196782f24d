"""What all charts share: size, fonts, axes, the treatment of periods that are still running."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

from pages.parts.i18n import language
from pages.parts.palette import FAINT, MUTED

HEIGHT = 340
CELL_REACH = 40  # pixels from the middle of a cell at which it still answers
HEADROOM = 62  # above a heat map: labels of its columns stand below the buttons of the chart
# The plotly that ships with Streamlit knows English month names only; elsewhere dates are numbers.
_NUMERIC_DATES = [
    {"dtickrange": [None, 86_400_000 * 27], "value": "%m-%d\n%Y"},
    {"dtickrange": [86_400_000 * 27, None], "value": "%Y-%m"},
]
CONFIG = {
    "displaylogo": False,
    "displayModeBar": True,
    "modeBarButtonsToRemove": [
        "select2d",
        "lasso2d",
        "autoScale2d",
        "zoomIn2d",
        "zoomOut2d",
        "pan2d",
        "zoom2d",
        "resetScale2d",
    ],
}


def image_config(name: str) -> dict[str, object]:
    """Return the configuration of a chart whose camera button saves it as ``<name>.png``."""
    return {**CONFIG, "toImageButtonOptions": {"format": "png", "scale": 2, "filename": name}}


def finish(
    figure: go.Figure,
    *,
    unit: str = "",
    height: int = HEIGHT,
    legend: bool = True,
    hovermode: str | bool = "x unified",
    time_axis: bool = False,
) -> go.Figure:
    """Give `figure` the house layout and return it.

    Parameters
    ----------
    figure
        The chart, changed in place.
    unit
        What the value axis counts; for bars that lie, name it in the title of the card instead.
    height
        Pixels; fixed so that nothing jumps while a page fills.
    legend
        Whether names stand above the plot.
    hovermode
        As in plotly.
    time_axis
        Whether x is time.
    """
    figure.update_layout(
        height=height,
        margin={"l": 8, "r": 8, "t": 64 if legend else 26, "b": 8},
        hovermode=hovermode,
        showlegend=legend,
        legend={
            "orientation": "h",
            "x": 0,
            "xanchor": "left",
            "y": 1.02,
            "yanchor": "bottom",
            "traceorder": "normal",
            "title": None,
            "itemsizing": "constant",
        },
        bargap=0.12,
        separators=".,",
    )
    figure.update_xaxes(showgrid=False, title=None, automargin=True, zeroline=False)
    figure.update_yaxes(title=None, automargin=True, zeroline=False, gridcolor=FAINT)
    if time_axis:
        figure.update_xaxes(type="date", hoverformat="%Y-%m-%d")
        if language() != "en":
            figure.update_xaxes(tickformatstops=_NUMERIC_DATES)
    if unit:
        figure.update_yaxes(title={"text": unit, "font": {"size": 12, "color": MUTED}, "standoff": 8})
    return figure


def opacities(complete: Sequence[bool], full: float = 1.0) -> list[float]:
    """Return one opacity for each period: those still running are faded."""
    return [full if done else full * 0.45 for done in complete]


def hatch(complete: Sequence[bool]) -> list[str]:
    """Return one pattern for each period: those still running are hatched."""
    return ["" if done else "/" for done in complete]


def clickable_cells(
    figure: go.Figure,
    cells: Sequence[tuple[str, str, Sequence[object]]],
    hovertemplate: str,
    shape: tuple[int, int] | None = None,
) -> None:
    """Lay invisible marks over the cells of a heat map, whose own cells report neither clicks nor selections.

    Parameters
    ----------
    figure
        Heat maps that skip hovering; changed in place.
    cells
        Column label, row label and custom data of each cell.
    hovertemplate
        What hovering over a cell says.
    shape
        Rows and columns of the heat map: its axes end with its cells instead of making room for the marks.
    """
    invisible = {"marker": {"opacity": 0}}
    figure.add_scatter(
        x=[column for column, _row, _data in cells],
        y=[row for _column, row, _data in cells],
        customdata=[list(data) for _column, _row, data in cells],
        mode="markers",
        marker={"symbol": "square", "size": 24, "opacity": 0},
        selected=invisible,
        unselected=invisible,
        hovertemplate=hovertemplate + "<extra></extra>",
        showlegend=False,
    )
    figure.update_layout(hoverdistance=CELL_REACH)
    if shape is not None:
        figure.update_yaxes(range=[shape[0] - 0.5, -0.5], autorange=False)
        figure.update_xaxes(range=[-0.5, shape[1] - 0.5])
