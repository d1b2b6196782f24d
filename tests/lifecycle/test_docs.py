"""The page that says what numbers mean knows every name the product shows."""

from pathlib import Path

import pytest

from ulm_core.lifecycle.activity import ACTIVITIES
from ulm_core.lifecycle.overview import KPI_TITLES
from ulm_core.lifecycle.rules import NOT_YET_SEEN, STAGES, default_rules

PAGE = (Path(__file__).parents[2] / "docs" / "metrics.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", [*STAGES, NOT_YET_SEEN, *ACTIVITIES, *KPI_TITLES])
def test_every_name_is_defined(name: str):
    assert name in PAGE


def test_stages_stand_in_the_order_they_are_read():
    rows = [line.split("|")[2].strip() for line in PAGE.splitlines() if line[:3] in {f"| {k}" for k in range(1, 9)}]
    assert rows == [rule.name for rule in default_rules(56).rules]
