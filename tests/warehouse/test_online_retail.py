"""The real Online Retail II: both files together, the overlap counted once, the report says so."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ulm_core.cli.data import _load_lines
from ulm_core.warehouse.access import open_warehouse
from ulm_core.warehouse.load_report import report_from_json, to_text
from ulm_core.warehouse.loading import LoadOptions, load_log
from ulm_core.workspace import Workspace

SHARED = Path(os.environ.get("ULM_SHARED_DATA", Path(__file__).resolve().parents[3] / "shared" / "data"))
FOLDER = SHARED / "online_retail_II"
OPTIONS = LoadOptions(preset="online-retail")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not FOLDER.is_dir(), reason="needs online_retail_II; name its parent in ULM_SHARED_DATA"),
]


def test_both_files_together(workspace: Workspace) -> None:
    report = load_log(workspace, FOLDER, options=OPTIONS)
    assert sorted(report.files.values()) == [525_461, 541_909]
    assert report.rows_overlapping == 525_461 + 541_909 - 1_044_847
    assert report.rows_new == 1_044_847
    assert report.reasons["no user"] == 235_287
    assert set(report.reasons) == {"no user", "exact duplicate"}
    assert report.rows_loaded + report.rows_quarantined == 1_044_847
    # 18,744 cancelled rows have a customer; a few are exact duplicates. Most take back a known purchase.
    assert report.events["cancellation"] == report.returns
    assert 18_000 < report.returns < 18_744
    assert report.returns_linked > 0.85 * report.returns
    said = report_from_json(to_text(report)).to_json()  # as the warehouse keeps it, and as --json prints it
    assert (said["rows_new"], said["rows_overlapping"], said["reasons"]["no user"]) == (1_044_847, 22_523, 235_287)
    lines = "\n".join(_load_lines(report))
    for number in ("1,067,370 rows read", "22,523 stood in an earlier file", "1,044,847 are new", "no user: 235,287"):
        assert number in lines
    with open_warehouse(workspace) as database:  # the log's own Description and price describe its items
        described = database.query("SELECT count(*) AS n, count(text) AS texts, count(price) AS prices FROM items")
        heart = database.scalar("SELECT text FROM items WHERE item_id = '85123A'")
    counts = described.to_pylist()[0]
    assert counts["n"] == counts["texts"] == counts["prices"] > 4_000
    assert heart == "WHITE HANGING HEART T-LIGHT HOLDER"


def test_one_file_after_the_other(workspace: Workspace) -> None:
    first, second = (load_log(workspace, path, options=OPTIONS) for path in sorted(FOLDER.glob("online_retail_*.*")))
    assert first.rows_new + second.rows_new == 1_044_847
    assert first.reasons["no user"] + second.reasons["no user"] == 235_287
