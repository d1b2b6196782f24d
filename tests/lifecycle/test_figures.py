"""The figures of each period are those of the overview for that period."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.lifecycle.logs import CONFIG, NEW_YORK, Row, days, index_of, random_rows
from ulm_core.lifecycle.figures import FiguresSpec, compute_figures
from ulm_core.lifecycle.overview import KPIS, OverviewSpec, compute_overview
from ulm_core.lifecycle.periods import DAY_US
from ulm_core.lifecycle.rules import default_rules

RULES = default_rules(56)


def test_two_weeks_by_hand() -> None:
    # Day 0 is a Thursday: the periods begin on days -3, 4 and 11.
    rows: list[Row] = [*days("u", 0, 1, 5, event="buy"), *days("v", 1, 12), ("u", 6 * DAY_US, "buy", 2.5)]
    figures = compute_figures(index_of(rows), CONFIG, FiguresSpec(horizon_days=3))
    assert {name: values.tolist() for name, values in figures.values.items()} == {
        "active": [2, 1, 1],
        "new": [2, 0, 0],
        "converted": [1, 1, 0],
        "churned": [0, 2, 0],  # v on day 1 + 3, u on day 6 + 3
        "purchases": [2, 2, 0],
        "revenue": [0, 2.5, 0],
    }


@settings(max_examples=30, deadline=None)
@given(random_rows(), st.sampled_from(("day", "week", "month")), st.sampled_from((1, 4)), st.data())
def test_every_period_equals_its_overview(
    rows: list[Row], interval: str, n_partitions: int, data: st.DataObject
) -> None:
    index = index_of(rows, n_partitions)
    users = np.array(data.draw(st.lists(st.booleans(), min_size=index.n_users, max_size=index.n_users)))
    figures = compute_figures(index, NEW_YORK, FiguresSpec(interval=interval, horizon_days=9, users=users))
    starts = figures.periods.starts_us.tolist()
    for place in {0, len(starts) // 2 - 1, len(starts) - 2} - {-1}:
        spec = OverviewSpec(from_us=starts[place], to_us=starts[place + 1], horizon_days=9, users=users, rules=RULES)
        overview = compute_overview(index, NEW_YORK, spec)
        for name in KPIS:
            assert figures.values[name][place] == pytest.approx(overview.kpi(name).value), name


def test_an_overview_against_a_range_of_choice() -> None:
    rows: list[Row] = [*days("u", 1, 40), *days("v", 2, 41), *days("w", 42)]
    index, day = index_of(rows), DAY_US
    spec = OverviewSpec(from_us=40 * day, to_us=45 * day, horizon_days=9, rules=RULES, previous_us=(day, 6 * day))
    kpi = compute_overview(index, CONFIG, spec).kpi("active")
    assert (kpi.value, kpi.previous) == (3, 2)
