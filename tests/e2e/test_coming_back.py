"""Retention, engagement and paths in a real browser: a number opens exactly its users."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.e2e.conftest import READY, Studio

pytestmark = pytest.mark.e2e


def open_list(page: Any, chart: str, across: float, down: float) -> int:
    """Click a place of a chart and return how many users the list that opens speaks of."""
    plot = page.locator(f".st-key-{chart} .js-plotly-plot").first
    plot.scroll_into_view_if_needed()
    page.wait_for_timeout(1500)
    box = plot.bounding_box()
    page.mouse.click(box["x"] + across * box["width"], box["y"] + down * box["height"])
    dialog = page.get_by_role("dialog")
    dialog.wait_for()
    found = re.search(r"([\d,]+) users", dialog.inner_text())
    assert found, dialog.inner_text()
    return int(found.group(1).replace(",", ""))


def visit(page: Any, studio: Studio, address: str) -> None:
    page.goto(f"{studio.url.rstrip('/')}/{address}")
    page.wait_for_selector(READY)


def test_a_cell_of_the_triangle_opens_its_users(page: Any, studio: Studio) -> None:
    visit(page, studio, "retention?period=all&unit=month")
    assert open_list(page, "triangle", 0.2, 0.28) > 0


def test_a_bar_of_the_stickiness_opens_its_users(page: Any, studio: Studio) -> None:
    visit(page, studio, "engagement?period=all&interval=month")
    assert open_list(page, "stickiness", 0.93, 0.7) > 0


def test_a_step_of_a_path_opens_its_users(page: Any, studio: Studio) -> None:
    visit(page, studio, "paths?period=all")
    assert open_list(page, "step_matrix", 0.53, 0.62) > 0
