"""Two shares compared: published intervals, and what happens at the edges."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ulm_core.lifecycle.proportions import TwoShares


def test_newcombes_own_example() -> None:
    # Newcombe (1998), table II, method 10: 56/70 - 48/80 = 0.2, 95% interval 0.0524 to 0.3339
    shares = TwoShares(56, 70, 48, 80)
    assert shares.difference == pytest.approx(0.2)
    assert shares.difference_interval == pytest.approx((0.0524, 0.3339), abs=5e-5)
    # z = 0.2 / sqrt(104/150 * 46/150 * (1/70 + 1/80)) = 2.651
    assert shares.p_value == pytest.approx(0.00803, abs=5e-5)


def test_lift_and_its_log_interval() -> None:
    # 30/100 against 10/100: 3; error of the log: sqrt(1/30 - 1/100 + 1/10 - 1/100) = 0.33665
    shares = TwoShares(30, 100, 10, 100)
    assert shares.lift == pytest.approx(3)
    assert shares.lift_interval == pytest.approx(
        (3 * math.exp(-1.95996 * 0.33665), 3 * math.exp(1.95996 * 0.33665)), rel=1e-4
    )


def test_nobody_is_no_share() -> None:
    shares = TwoShares(0, 0, 1, 2)
    assert math.isnan(shares.difference)
    assert math.isnan(shares.p_value)
    assert shares.to_json()["difference"] is None
    assert all(map(math.isnan, shares.lift_interval))


@given(st.integers(1, 50), st.integers(1, 50), st.data())
def test_the_interval_holds_the_difference_and_turns_with_it(n1: int, n2: int, data: st.DataObject) -> None:
    x1, x2 = data.draw(st.integers(0, n1)), data.draw(st.integers(0, n2))
    one, other = TwoShares(x1, n1, x2, n2), TwoShares(x2, n2, x1, n1)
    low, high = one.difference_interval
    assert -1 - 1e-12 <= low <= one.difference + 1e-12
    assert one.difference - 1e-12 <= high <= 1 + 1e-12
    assert other.difference_interval == pytest.approx((-high, -low))
    low, high = one.lift_interval
    assert low <= high
