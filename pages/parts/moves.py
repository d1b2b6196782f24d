"""Moves between stages: who was where then, and is where now, as a flow or as a matrix."""

from __future__ import annotations

from datetime import date, timedelta

import pandas as pd
import streamlit as st

from pages.parts import fmt
from pages.parts.cards import Table, card, chart, clicked
from pages.parts.charts import stages as charts
from pages.parts.frame import View
from pages.parts.i18n import _, term
from pages.parts.users_list import open_list
from ulm_core.lifecycle.transitions import TransitionMatrix, TransitionSpec, compute_transitions

DAYS = 56


def matrix_frame(matrix: TransitionMatrix) -> pd.DataFrame:
    """Return users by stage before (rows) and after (columns), empty rows and columns left out."""
    frame = pd.DataFrame(matrix.counts, index=list(matrix.sources), columns=list(matrix.stages))
    return frame.loc[frame.sum(axis=1) > 0, frame.sum(axis=0) > 0]


def bound_frames(matrix: TransitionMatrix) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return lower and upper end of the interval of every rate."""
    rows, columns = list(matrix.sources), list(matrix.stages)
    low, high = (pd.DataFrame(bound, index=rows, columns=columns) for bound in matrix.intervals)
    return low, high


def biggest_move(frame: pd.DataFrame) -> str:
    """Return the takeaway: the largest move between two different stages."""
    moves = [
        (int(users), str(before), str(after))
        for before, line in zip(frame.index, frame.to_numpy().tolist(), strict=True)
        for after, users in zip(frame.columns, line, strict=True)
        if before != after and users
    ]
    if not moves:
        return _("Nobody changed stage between these two days.")
    users, before, after = max(moves)
    return _("The largest move: {n} users went from “{before}” to “{after}”.").format(
        n=fmt.number(users), before=term(before), after=term(after)
    )


def _day_input(view: View, label: str, value: date, key: str) -> date:
    low, high = view.filters.start, view.filters.end
    return st.date_input(label, value=value, min_value=low, max_value=high, format="YYYY-MM-DD", width=160, key=key)


def _controls(view: View) -> tuple[date, date, str]:
    """Draw which two days are compared, and how."""
    filters = view.filters
    start = max(filters.start, filters.end - timedelta(days=DAYS))
    with st.container(horizontal=True, vertical_alignment="bottom"):
        before = _day_input(view, _("From"), start, "moves_from")
        after = _day_input(view, _("To"), filters.end, "moves_to")
        shape = st.segmented_control(
            _("Shown as"),
            ["flow", "matrix"],
            default="flow",
            required=True,
            format_func=lambda shape: _("Flow") if shape == "flow" else _("Matrix"),
            key="moves_shape",
        )
    return before, after, str(shape)


def _draw_matrix(view: View, matrix: TransitionMatrix, frame: pd.DataFrame, table: Table) -> None:
    figure = charts.matrix_heatmap(frame, bounds=bound_frames(matrix))
    state = chart(figure, alt=biggest_move(frame), key="moves_matrix", table=table, clickable=True)
    point = clicked(state, "moves_matrix")
    if point:
        before, after = str(point[1]), str(point[2])
        title = f"{term(before)} → {term(after)}"
        open_list(view.data, matrix.users((before, after)), title, f"{before}-{after}")


def draw(view: View) -> None:
    """Draw the card."""
    with card(
        _("Moves between stages"),
        how=_(
            "The stage of every user at the end of the two days chosen; a ribbon or cell counts the users who were in "
            "the first stage then and are in the second one now. “Not yet seen” are users whose first activity came in "
            "between. Shares are of the row; hovering adds Wilson's 95% interval of each share."
        ),
    ):
        before, after, shape = _controls(view)
        spec = TransitionSpec(from_us=view.day_us(before), to_us=view.day_us(after + timedelta(days=1)))
        matrix = view.ask(compute_transitions, spec)
        frame = matrix_frame(matrix)
        spelled = frame.rename(index=term, columns=term).rename_axis(_("before \\ after")).reset_index()
        table = Table(spelled, f"stage-moves_{before}_{after}")
        if shape == "matrix":
            _draw_matrix(view, matrix, frame, table)
        else:
            figure = charts.stage_flow(frame, fmt.day(before), fmt.day(after))
            chart(figure, alt=biggest_move(frame), key="moves_flow", table=table)
