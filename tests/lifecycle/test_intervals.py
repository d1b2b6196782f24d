import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ulm_core.lifecycle.intervals import wilson


def test_by_hand():
    # 8 of 10, z = 1.959964: (8 + 1.920729) / 13.841459 -+ 1.959964 * sqrt(1.6 + 0.960365) / 13.841459
    lower, upper = wilson(8, 10)
    assert (float(lower), float(upper)) == pytest.approx((0.490162, 0.943318), abs=1e-6)


def test_shares_of_zero_and_one_have_an_interval_too_and_no_base_has_none():
    lower, upper = wilson([0, 5, 0], [5, 5, 0])
    assert lower[:2].tolist() == [0.0, pytest.approx(0.565518, abs=1e-6)]
    assert upper[:2].tolist() == [pytest.approx(0.434482, abs=1e-6), 1.0]
    assert np.isnan(lower[2])
    assert np.isnan(upper[2])


@given(st.integers(1, 10_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_the_share_lies_inside_and_the_bounds_mirror(counts: tuple[int, int]):
    part, whole = counts
    lower, upper = wilson(part, whole)
    assert 0 <= lower <= part / whole <= upper <= 1
    mirrored = wilson(whole - part, whole)
    assert float(lower) == pytest.approx(1 - float(mirrored[1]), abs=1e-12)
