"""Stages of one's own, in a real browser: edit a threshold, see who would move, save, see the mix follow, restore."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.e2e.conftest import Studio
from tests.e2e.test_main_story import settle, visit
from ulm_core.lifecycle.rules import rules_in_force

pytestmark = pytest.mark.e2e


def at_risk_now(page: Any, studio: Studio) -> str:
    """Return how many users are at risk, as the page Lifecycle says under the stage's definition."""
    visit(page, studio, "lifecycle")
    row = page.locator("div[data-testid='stHorizontalBlock']").filter(has_text="at risk").last
    return str(row.get_by_role("button", name=re.compile(r"\d+ users")).inner_text())


def test_edit_preview_save_and_restore(page: Any, studio: Studio) -> None:
    before = at_risk_now(page, studio)

    visit(page, studio, "stages?section=rules")
    assert page.get_by_text(re.compile(r"^0 of \d+ users would change stage$")).first.is_visible()
    page.get_by_role("button", name="Edit").nth(2).click()
    settle(page)
    threshold = page.get_by_role("spinbutton", name="Threshold")
    threshold.fill("0.25")
    threshold.press("Enter")
    settle(page)
    page.get_by_text("days since the last activity > 14", exact=True).wait_for()
    moved = page.get_by_role("button", name=re.compile(r"^[1-9]\d* of \d+ users would change stage$"))
    n_moved = re.match(r"\D*(\d+)", moved.inner_text()).group(1)  # type: ignore[union-attr]
    moved.click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_text(re.compile(rf"^{n_moved} users")).wait_for()
    page.keyboard.press("Escape")
    settle(page)

    page.get_by_role("textbox", name="Your name").fill("Ann")
    page.get_by_role("textbox", name="Your name").press("Enter")
    settle(page)
    page.get_by_role("button", name="Put in force").click()
    page.get_by_text(re.compile(r"^Version 2, in force since")).wait_for()
    settle(page)
    assert rules_in_force(studio.workspace.config).rules[2].conditions[0].value == "horizon/4"
    assert at_risk_now(page, studio) != before

    visit(page, studio, "stages?section=rules")
    page.get_by_role("button", name="Restore").last.click()
    page.get_by_text(re.compile(r"^Version 3, in force since")).wait_for()
    settle(page)
    assert at_risk_now(page, studio) == before
