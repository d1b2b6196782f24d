from __future__ import annotations

from datetime import UTC, datetime

import pytest

from pages.parts.loadprogress import outcome, pace, reading_left
from ulm_core.jobs.records import ProgressReport

READING = 2


def report(step: int, **metrics: float) -> ProgressReport:
    return ProgressReport(at=datetime(2026, 1, 1, tzinfo=UTC), step=step, total=6, metrics=metrics)


def test_pace_is_rows_over_the_last_five_seconds_of_reading() -> None:
    reports = [report(READING, rows=rows, seconds=second) for second, rows in ((0, 0), (4, 100), (8, 500), (9, 600))]
    assert pace(reports) == pytest.approx((600 - 100) / (9 - 4))


def test_there_is_no_pace_without_two_looks_or_without_rows() -> None:
    assert pace([report(READING, rows=5, seconds=1)]) is None
    assert pace([report(READING, seconds=1), report(READING, seconds=2)]) is None
    assert pace([report(3, rows=5, seconds=1), report(3, rows=9, seconds=2)]) is None


def test_time_left_follows_the_share_of_bytes_else_the_rows_else_is_unknown() -> None:
    assert reading_left([report(READING, share=0.25, seconds=10)]) == pytest.approx(30)  # 10 s for a quarter
    assert reading_left([report(READING, rows=50, rows_expected=200, seconds=10)]) == pytest.approx(30)
    assert reading_left([report(READING, rows=50, seconds=10)]) is None
    assert reading_left([report(READING, share=0.25, seconds=0.2)]) is None  # too early to judge


def test_the_outcome_is_a_sum() -> None:
    result = {"source": "a.csv", "rows_read": 6, "rows_loaded": 3, "rows_quarantined": 2, "rows_overlapping": 1}
    assert outcome(result) == "“a.csv”: 6 rows read = 3 loaded + 2 set aside + 1 seen before."
    assert outcome({**result, "is_new": False}) == "“a.csv” was loaded before; nothing changed."
