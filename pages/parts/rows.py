"""A table whose rows open something."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd
import streamlit as st

MANY_ROWS = 10


def pick_row(
    frame: pd.DataFrame, key: str, *, alt: str, column_config: Mapping[str, Any] | None = None, height: int = 420
) -> int | None:
    """Draw a table and return the row the reader has just selected, once.

    A selection stays on the table until the next click; without the memory in the session every later rerun
    would open the same thing again.
    """
    state = st.dataframe(
        frame,
        hide_index=True,
        on_select="rerun",
        selection_mode="single-row",
        key=key,
        alt=alt,
        height=height if len(frame) > MANY_ROWS else "auto",
        column_config=column_config,
    )
    row = int(state.selection.rows[0]) if state.selection.rows else None
    memory = f"_picked_{key}"
    is_fresh = row is not None and st.session_state.get(memory) != row
    st.session_state[memory] = row
    return row if is_fresh else None


def pick_cell(frame: pd.DataFrame, key: str, *, alt: str) -> tuple[int, int] | None:
    """Draw a table and return row and column (from 0) of the number the reader has just selected, once."""
    state = st.dataframe(
        frame, hide_index=True, on_select="rerun", selection_mode="single-cell", key=key, alt=alt, height="auto"
    )
    cells = state.selection.cells
    cell = (int(cells[0][0]), frame.columns.get_loc(cells[0][1])) if cells else None
    memory = f"_picked_{key}"
    is_fresh = cell is not None and st.session_state.get(memory) != cell
    st.session_state[memory] = cell
    return cell if is_fresh else None
