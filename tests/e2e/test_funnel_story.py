"""The funnel's story in a real browser: build the steps, choose rules, find the users behind a number."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.e2e.conftest import Studio
from tests.e2e.test_main_story import settle, visit

pytestmark = pytest.mark.e2e


def test_build_a_funnel_and_open_its_users(page: Any, studio: Studio) -> None:
    visit(page, studio, "funnel?lang=en&period=all&step=campaign%20received&step=purchase")
    page.get_by_role("button", name="Add a step").click()
    settle(page)
    assert len(re.findall("step=", page.url)) == 3

    page.get_by_role("radio", name="Strictly in order").or_(page.get_by_text("Strictly in order")).first.click()
    settle(page)
    assert "order=strict" in page.url
    page.get_by_text("Mixpanel", exact=True).click()
    settle(page)
    assert "entry=first" in page.url
    assert "grace=2" in page.url

    for detail in ("Time to convert", "Over time", "Compared", "Drivers", "By group"):
        page.get_by_text(detail, exact=True).first.click()
        settle(page)
        assert page.locator('[data-testid="stException"]').count() == 0

    button = page.get_by_role("button", name=re.compile(r"^\D*[\d,]+ users$")).first
    shown = re.search(r"[\d,]+", button.inner_text())
    assert shown is not None
    button.click()
    page.get_by_role("dialog").get_by_text(re.compile(rf"^{shown[0]} users")).first.wait_for()
