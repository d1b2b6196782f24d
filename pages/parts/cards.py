"""A card: title, "how is this computed", chart, takeaway, and the same numbers as a table with CSV and Excel."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pandas as pd
import plotly.graph_objects as go
import streamlit as st
from streamlit.typing import PlotlyState

from pages.parts import asked, fmt
from pages.parts.charts.annotations import with_annotations
from pages.parts.charts.base import image_config
from pages.parts.files import download
from pages.parts.guard import guarded
from pages.parts.i18n import _
from pages.parts.notes import notes

__all__ = ["Kpi", "Table", "card", "chart", "clicked", "download", "draw_table", "explain", "kpi"]


@contextmanager
def card(title: str, *, how: str | None = None, key: str | None = None, sql: str | None = None) -> Iterator[None]:
    """Draw a bordered card with its title and its definition; an error inside stays inside.

    Parameters
    ----------
    title
        What is shown, in sentence case.
    how
        Markdown: definition, window and time zone of the numbers.
    key
        Unique name on the page.
    sql
        The query behind the numbers, where there is one; what was asked of the analyses is added by itself.
    """
    with st.container(border=True, key=key):
        definition = None
        with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
            st.subheader(title, anchor=False)
            if how:
                definition = st.popover(_("Definition"), icon=":material/help:")
        with guarded():
            yield
        questions = asked.take()
        if definition is not None:
            with definition:
                explain(how or "", questions, sql)


def explain(how: str, questions: list[asked.Question], sql: str | None = None) -> None:
    """Answer "how is this computed": the definition, the questions with their specs and row counts, the SQL."""
    st.markdown(f"**{_('How is this computed?')}**\n\n{how}")
    asked.draw(questions)
    if sql:
        st.code(sql, language="sql")


@dataclass(frozen=True)
class Table:
    """The numbers behind a chart."""

    frame: pd.DataFrame
    name: str
    column_config: Mapping[str, Any] | None = None


def draw_table(table: Table, *, alt: str, key: str, label: str = "") -> None:
    """Draw the table twin of a chart with its CSV, folded away."""
    with st.expander(label or _("Show as table"), icon=":material/table_rows:"):
        st.dataframe(table.frame, hide_index=True, alt=alt, column_config=table.column_config)
        download(table.frame, table.name, key=f"csv_{key}")


def chart(
    figure: go.Figure,
    *,
    alt: str,
    key: str,
    table: Table | None = None,
    clickable: bool = False,
    caption: bool = True,
) -> PlotlyState | None:
    """Draw a figure with its takeaway as text, and the table twin below.

    Parameters
    ----------
    figure
        From `pages.parts.charts`.
    alt
        The takeaway in one sentence; also what a screen reader says.
    key
        Unique name on the page.
    table
        The same numbers.
    clickable
        Whether a click on a mark is reported.
    caption
        Whether to write the takeaway under the chart.

    Returns
    -------
    PlotlyState | None
        The selection when `clickable`.
    """
    state: PlotlyState | None = None
    config = image_config(table.name if table else key)
    with_annotations(figure, notes())
    if clickable:
        state = st.plotly_chart(figure, key=key, alt=alt, config=config, on_select="rerun", selection_mode="points")
    else:
        st.plotly_chart(figure, key=key, alt=alt, config=config)
    if caption:
        st.caption(alt)
    if table is not None:
        draw_table(table, alt=alt, key=key)
    return state


def clicked(state: PlotlyState | None, key: str) -> list[object] | None:
    """Return the custom data of a mark the reader has just clicked, once.

    A selection stays on the chart until the next click; without the memory in the session every later
    rerun would open the same list again.
    """
    points = state.selection.points if state is not None else []
    data = list(points[0].get("customdata") or []) if points else None
    memory = f"_clicked_{key}"
    is_fresh = data is not None and st.session_state.get(memory) != data
    st.session_state[memory] = data
    return data if is_fresh else None


@dataclass(frozen=True)
class Kpi:
    """One headline number."""

    label: str
    value: str
    help: str
    delta: float | None = None
    delta_good: str = "normal"
    against: str = ""  # what to say where there is nothing to compare with
    trend: Sequence[float] | None = None
    exact: str = ""


def kpi(item: Kpi) -> None:
    """Draw a headline number; a change says against what, and none is grey rather than green."""
    delta: str | int | None = None
    if item.delta is not None:
        delta = 0 if abs(item.delta) < 0.0005 else fmt.percent(item.delta)
    has_delta = delta is not None
    st.metric(
        item.label,
        item.value,
        delta if has_delta else None,
        delta_color=item.delta_good if has_delta else "off",  # type: ignore[arg-type]
        delta_description=None if has_delta else (item.against or None),
        help="\n\n".join(part for part in (item.help, item.exact) if part),
        border=True,
        height="stretch",
        chart_data=list(item.trend) if item.trend is not None else None,
        chart_type="area",
    )
