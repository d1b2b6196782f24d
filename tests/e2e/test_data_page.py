"""Data page in a real browser: upload, mapping, report, undo; on the product as `make run` starts it."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.e2e.conftest import Studio
from tests.e2e.test_main_story import settle, visit
from ulm_core.warehouse.reports import dataset_summary

pytestmark = pytest.mark.e2e

LOAD_MS = 120_000
# Odd headers, day-first times, a row without a user, an exact duplicate.
TILL = """Kunde;Zeitpunkt;Aktion;sku;paid
K1;31.12.2024 10:00;schauen;a;
K1;31.12.2024 10:05;kaufen;a;3.50
K1;31.12.2024 10:05;kaufen;a;3.50
;31.12.2024 11:00;kaufen;b;1.00
K2;30.12.2024 09:00;kaufen;b;2.00
"""


def pick(page: Any, label: str, option: str) -> None:
    page.get_by_role("combobox", name=label).first.click()
    page.get_by_role("option", name=option, exact=True).click()
    settle(page)


def test_upload_map_load_read_the_report_and_undo(page: Any, studio: Studio) -> None:
    before = dataset_summary(studio.workspace)
    visit(page, studio, "data?section=add&source=upload")
    page.locator('input[type="file"]').first.set_input_files(
        [{"name": "till export.csv", "mimeType": "text/csv", "buffer": TILL.encode()}]
    )
    page.get_by_text("Which column is what").wait_for()
    settle(page)

    # The time is recognised by content alone, the item by name; user and event are left to the reader.
    page.get_by_text("likely · 70%").first.wait_for()
    assert page.get_by_role("button", name="Load", exact=True).is_disabled()
    pick(page, "User *", "Kunde")
    pick(page, "Event *", "Aktion")
    pick(page, "Value", "paid")
    page.get_by_text("4 of 5 rows looked at become events; set aside: no user (1).").wait_for()

    page.get_by_role("button", name="Load", exact=True).click()
    done = "“till_export.csv”: 5 rows read = 3 loaded + 2 set aside + 0 seen before."
    page.get_by_text(done).wait_for(timeout=LOAD_MS)
    after = dataset_summary(studio.workspace)
    assert (after.rows, after.rows_read) == (before.rows + 3, before.rows_read + 5)

    # The report says the same on the page, each rejected row with its reason and original text.
    page.get_by_role("radio", name=re.compile("Quality")).or_(page.get_by_text("Quality", exact=True)).first.click()
    settle(page)
    page.get_by_text("2 rows were set aside; the most frequent reason").wait_for()
    page.get_by_text(re.compile(r"with “keep” there would be 1 events more")).first.wait_for()
    page.get_by_role("radio", name=re.compile("Loads")).or_(page.get_by_text("Loads", exact=True)).first.click()
    settle(page)
    page.get_by_text("5 rows read = 3 loaded + 2 set aside + 0 seen before", exact=True).wait_for()

    page.get_by_role("button", name="Undo the last load").click()
    page.get_by_text("“till_export.csv” goes, with its 3 events").wait_for()
    page.get_by_role("button", name="Undo it").click()
    page.get_by_text("Taken back: the data is as it was before.").wait_for(timeout=LOAD_MS)
    assert dataset_summary(studio.workspace).rows == before.rows
