"""Breakdown groups: the largest ones by name, the rest together, nobody twice."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ulm_core.lifecycle.filters import UserLabels
from ulm_core.lifecycle.groups import OTHER, largest_groups


def labels(codes: list[int], n: int = 4) -> UserLabels:
    return UserLabels("colour", tuple("abcdefgh"[:n]), np.array(codes, np.int32))


def test_the_largest_come_first_and_the_rest_is_other() -> None:
    # sizes: a 1, b 3, c 2, d 1; one user has no group
    found = largest_groups(labels([1, 1, 2, 0, 1, 3, 2, -1]), top=2)
    assert found.names == ("b", "c", OTHER)
    assert found.codes.tolist() == [0, 0, 1, 2, 0, 2, 1, -1]


def test_there_is_no_other_when_every_group_is_shown() -> None:
    assert largest_groups(labels([0, 1, 1]), top=5).names == ("b", "a")


@given(st.lists(st.integers(-1, 7), max_size=40), st.integers(1, 8))
def test_nobody_is_lost_or_counted_twice(codes: list[int], top: int) -> None:
    before = labels(codes, 8)
    after = largest_groups(before, top)
    assert ((before.codes < 0) == (after.codes < 0)).all()
    for place, name in enumerate(after.names):
        if name != OTHER:
            assert ((after.codes == place) == (before.codes == before.names.index(name))).all()
