"""Who stays, what goes with leaving, who is about to, and what customers are worth: in a real browser."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.e2e.conftest import Studio
from tests.e2e.test_main_story import settle, visit

pytestmark = pytest.mark.e2e


def users_in(page: Any) -> int:
    """Return how many users the open list says it holds."""
    words = page.get_by_role("dialog").get_by_text(re.compile(r"[\d,]+ users")).first.inner_text()
    return int(re.search(r"[\d,]+", words)[0].replace(",", ""))  # type: ignore[index]


def open_and_count(page: Any, button: Any) -> None:
    """Click a number and compare it with the list that opens."""
    shown = int(re.search(r"[\d,]+", button.inner_text())[0].replace(",", ""))  # type: ignore[index]
    button.click()
    settle(page)
    assert users_in(page) == shown
    page.keyboard.press("Escape")


def test_curves_drivers_and_risks(page: Any, studio: Studio) -> None:
    visit(page, studio, "churn?group=none")
    open_and_count(page, page.get_by_role("button", name=re.compile(r"\d+ churned")).first)

    page.get_by_role("radio", name="Drivers").click()
    settle(page)
    assert "tab=drivers" in page.url
    page.get_by_role("heading", name="What goes with churn").wait_for()
    open_and_count(page, page.get_by_role("button", name=re.compile(r"\d+ churned")).first)

    page.get_by_role("radio", name="Risk", exact=True).click()
    page.get_by_role("heading", name="Users by risk").wait_for()
    settle(page)
    open_and_count(page, page.get_by_role("button", name=re.compile(r"\d+ users · 0%")).first)


def test_a_cell_of_the_matrix_opens_its_customers(page: Any, studio: Studio) -> None:
    visit(page, studio, "value")
    page.get_by_role("heading", name="Expected against bought").wait_for()
    open_and_count(page, page.get_by_role("button", name=re.compile(r"^\W*\d+ users")).first)
    plot = page.locator(".st-key-value_matrix .nsewdrag").first
    box = plot.bounding_box()
    plot.click(position={"x": box["width"] * 0.06, "y": box["height"] * 0.05})
    settle(page)
    page.get_by_role("dialog").wait_for()
    assert users_in(page) > 0
