"""Which range a period is compared with."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from pages.parts.filters import Filters, read_compare


def start(**fields: Any) -> date:
    asked = {"period": "custom", "start": date(2024, 3, 1), "end": date(2024, 3, 30), "interval": "day", **fields}
    return Filters(**asked).compared_start


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, date(2024, 1, 31)),  # 30 days before 1 March
        ({"compare": "previous"}, date(2024, 1, 26)),  # 35 days: five whole weeks, a Friday like 1 March
        ({"compare": "previous", "match_weekday": False}, date(2024, 1, 31)),
        ({"compare": "year"}, date(2023, 3, 3)),  # 364 days: a Friday again
        ({"compare": "year", "match_weekday": False}, date(2023, 3, 1)),
        ({"compare": "year", "match_weekday": False, "start": date(2024, 2, 29)}, date(2023, 2, 28)),
        ({"compare": "custom", "compare_from": date(2023, 12, 25)}, date(2023, 12, 25)),
    ],
)
def test_the_range_to_compare_with(fields: dict[str, Any], expected: date) -> None:
    assert start(**fields) == expected


def test_older_links_mean_the_period_before() -> None:
    assert [read_compare(word) for word in ("1", "year", "previous", "nonsense", None)] == [
        "previous", "year", "previous", "", "",
    ]  # fmt: skip
