"""Tables as files: CSV and Excel, in which no cell of a stranger's text can become a formula."""

from __future__ import annotations

import io
import re
from typing import Any

import pandas as pd
import streamlit as st
import xlsxwriter

from pages.parts.i18n import _

EXCEL = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
MAX_EXCEL_ROWS = 1_048_575
_FORMULA = re.compile(r"[=+\-@\t\r]")
_NUMBER = re.compile(r"[+-]?[\d.,]+%?")


def safe_text(value: Any) -> Any:
    """Return a cell with an apostrophe before text that a spreadsheet would run as a formula; numbers stay.

    Examples
    --------
    >>> safe_text("=1+1"), safe_text("-3.5"), safe_text("plain")
    ("'=1+1", '-3.5', 'plain')
    """
    if isinstance(value, str) and _FORMULA.match(value) and not _NUMBER.fullmatch(value):
        return f"'{value}"
    return value


def to_csv(frame: pd.DataFrame) -> bytes:
    """Return a table as CSV, UTF-8 with a mark so that Excel reads it."""
    texts = [column for column in frame if frame[column].dtype == object or str(frame[column].dtype).startswith("str")]
    safe = frame.assign(**{str(column): frame[column].map(safe_text) for column in texts})
    return bytes(safe.to_csv(index=False).encode("utf-8-sig"))


def to_excel(frame: pd.DataFrame, title: str) -> bytes:
    """Return a table as an Excel file; text is written as text, whatever it begins with.

    Parameters
    ----------
    title
        What the table is and which filters it was made with: a second sheet says it.
    """
    buffer = io.BytesIO()
    options = {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False, "nan_inf_to_errors": True}
    with xlsxwriter.Workbook(buffer, options) as book:
        bold = book.add_format({"bold": True})
        sheet = book.add_worksheet("data")
        for place, name in enumerate(frame.columns):
            sheet.write_string(0, place, str(name), bold)
            for row, value in enumerate(frame[name].tolist()[:MAX_EXCEL_ROWS], start=1):
                _write(sheet, row, place, value)
        sheet.freeze_panes(1, 0)
        about = book.add_worksheet("about")
        about.write_string(0, 0, title)
    return buffer.getvalue()


def _write(sheet: Any, row: int, place: int, value: Any) -> None:
    if value is None or value is pd.NaT or (isinstance(value, float) and value != value):
        return
    if isinstance(value, bool | int | float):
        sheet.write(row, place, value)
    else:
        sheet.write_string(row, place, str(value))


def download(frame: pd.DataFrame, name: str, *, key: str, label: str | None = None) -> None:
    """Offer `frame` as CSV and as Excel; a download does not rerun the page."""
    with st.container(horizontal=True, gap="small"):
        st.download_button(
            label or _("Download CSV"),
            data=lambda: to_csv(frame),
            file_name=f"{name}.csv",
            mime="text/csv",
            icon=":material/download:",
            on_click="ignore",
            key=key,
        )
        st.download_button(
            _("Excel"),
            data=lambda: to_excel(frame, name),
            file_name=f"{name}.xlsx",
            mime=EXCEL,
            icon=":material/table:",
            on_click="ignore",
            key=f"{key}_xlsx",
        )
