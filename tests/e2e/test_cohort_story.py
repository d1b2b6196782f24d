"""From a click to a cohort to a saved view, in a real browser."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.e2e.conftest import Studio
from tests.e2e.test_main_story import settle, visit

pytestmark = pytest.mark.e2e


def users_in(text: str) -> int:
    found = re.search(r"([\d,]+) of [\d,]+ users", text)
    assert found is not None, text
    return int(found[1].replace(",", ""))


def click_a_bar(page: Any) -> None:
    bar = page.locator(".barlayer .trace").nth(4).locator("path").nth(2)
    box = bar.bounding_box()
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    settle(page)


def test_a_click_becomes_a_cohort_a_filter_and_a_saved_view(page: Any, studio: Studio) -> None:
    visit(page, studio, "lifecycle?interval=month")
    click_a_bar(page)
    dialog = page.get_by_role("dialog")
    n = int(re.search(r"([\d,]+) users", dialog.inner_text())[1].replace(",", ""))
    assert n > 0
    dialog.get_by_role("button", name="Save as cohort").click()
    page.get_by_label("Name of the cohort").fill("From a click")
    page.get_by_label("Name of the cohort").press("Tab")
    settle(page)
    page.get_by_role("button", name="Save", exact=True).click()
    page.get_by_text("Saved. It is a filter").wait_for()

    # Exactly as many users as the number that was clicked, on another page.
    visit(page, studio, "cohorts?show=From a click")
    page.get_by_role("button", name=f"{n:,} users").first.wait_for()
    page.get_by_role("button", name="Filter all pages to it").click()
    settle(page)
    page.get_by_role("link", name="Funnel").first.click()
    settle(page)
    assert users_in(page.get_by_text(re.compile(r"Filters: 1")).first.inner_text()) == n

    page.get_by_role("button", name="Share view").click()
    page.get_by_label("Name of the view").fill("Funnel of the clicked")
    page.get_by_label("Your name").last.fill("Eve")
    page.get_by_label("Your name").last.press("Tab")
    settle(page)
    page.get_by_role("button", name="Save view").click()
    page.get_by_text("Saved. It is listed on the Overview.").wait_for()

    visit(page, studio)
    page.get_by_role("link", name="Funnel of the clicked").click()
    settle(page)
    assert page.get_by_role("heading", name="Funnel").first.is_visible()
    assert users_in(page.get_by_text(re.compile(r"Filters: 1")).first.inner_text()) == n


def test_browser_back_undoes_the_last_filter(page: Any, studio: Studio) -> None:
    visit(page, studio, "lifecycle?interval=month")
    click_a_bar(page)
    page.get_by_role("dialog").get_by_role("button", name="Filter to these users").click()
    chips = page.get_by_text(re.compile(r"Filters: 1"))
    chips.wait_for()  # the dialog closes and the page runs again: two runs, of which `settle` may see the first
    page.go_back()
    chips.wait_for(state="detached")
    assert "interval=month" in page.url
