"""Dated notes on charts: inside the time shown, as plain text, and only where x is time."""

from __future__ import annotations

from datetime import date

import plotly.graph_objects as go

from pages.parts.charts.annotations import with_annotations
from pages.parts.charts.base import finish
from ulm_core.annotations import Annotation

NOTES = [
    Annotation(day=date(2023, 1, 1), text="long before"),
    Annotation(day=date(2024, 1, 15), kind="release", text="<b>2.3</b>"),
    Annotation(day=date(2025, 1, 1), text="long after"),
]


def figure(*, time_axis: bool) -> go.Figure:
    return finish(go.Figure(go.Scatter(x=["2024-01-01", "2024-02-01"], y=[1, 2])), time_axis=time_axis)


def test_a_note_inside_the_time_shown_is_drawn() -> None:
    drawn = with_annotations(figure(time_axis=True), NOTES)
    assert [shape.x0 for shape in drawn.layout.shapes] == ["2024-01-15"]
    (mark,) = drawn.layout.annotations
    assert "&lt;b&gt;2.3&lt;/b&gt;" in mark.hovertext


def test_other_charts_stay_as_they_are() -> None:
    assert with_annotations(figure(time_axis=False), NOTES).layout.shapes == ()
    assert with_annotations(finish(go.Figure(), time_axis=True), NOTES).layout.shapes == ()
