"""Exports: no cell of a stranger's text becomes a formula, numbers stay numbers."""

from __future__ import annotations

import io
import zipfile

import pandas as pd
import pytest

from pages.parts.files import safe_text, to_csv, to_excel

HOSTILE = ["=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\t=1", "\r=1"]


@pytest.mark.parametrize("text", HOSTILE)
def test_text_that_a_spreadsheet_would_run_is_quoted(text: str) -> None:
    assert safe_text(text) == "'" + text


@pytest.mark.parametrize("value", ["-3.5", "+12", "-7%", "plain", "a=b", "", 5, -5.0, None])
def test_everything_else_stays(value: object) -> None:
    assert safe_text(value) == value


def test_csv_and_excel_hold_the_same_cells_and_no_formula() -> None:
    frame = pd.DataFrame({"user": [*HOSTILE, "bob"], "n": [-1.5, 2, 3, 4, 5, 6, float("nan")]})
    lines = to_csv(frame).decode("utf-8-sig").splitlines()
    assert lines[0] == "user,n"
    assert lines[1] == "'=1+1,-1.5"
    with zipfile.ZipFile(io.BytesIO(to_excel(frame, "users_2024"))) as book:
        sheet = book.read("xl/worksheets/sheet1.xml").decode()
        strings = book.read("xl/sharedStrings.xml").decode()
        about = book.read("xl/worksheets/sheet2.xml").decode()
    assert "<f>" not in sheet
    assert "<v>-1.5</v>" in sheet
    assert "=1+1" in strings
    assert "users_2024" in strings
    assert "<f>" not in about
