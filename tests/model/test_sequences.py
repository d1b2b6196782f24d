from __future__ import annotations

import numpy as np

from tests.model.logs import DAY, history
from ulm_core.model.histories import Histories
from ulm_core.model.sequences import padding_mask, tokens

POSITION = np.array([0, -1, 1, -1, -1, -1], np.int32)  # items 0 and 2 are in the catalogue


def test_tokens_are_the_last_ones_in_time_order_padded_at_the_end() -> None:
    long = history([(day, "purchase", 0 if day % 2 else 2, 1.0, day) for day in range(1, 6)])
    short = history([(2, "mail", None, None, None)])
    read = tokens(Histories.from_list([long, short], 10 * DAY), POSITION, 3)
    assert read.item.tolist() == [[1, 2, 1], [0, 0, 0]]
    assert read.event.tolist() == [[2, 2, 2], [1, 0, 0]]
    assert read.lengths.tolist() == [3, 1]
    np.testing.assert_allclose(read.numbers[0, :, 0], np.log1p([7, 6, 5]), rtol=1e-6)
    np.testing.assert_allclose(read.numbers[0, :, 1], np.log1p([1, 1, 1]), rtol=1e-6)
    np.testing.assert_allclose(read.numbers[0, :, 2], np.log1p([1, 1, 1]), rtol=1e-6)
    assert padding_mask(read.lengths, 3).tolist() == [[True, True, True], [True, False, False]]


def test_items_outside_the_catalogue_and_future_events_are_left_out() -> None:
    h = history([(1, "purchase", 1, 1.0, 1), (2, "purchase", 0, 1.0, 2), (9, "purchase", 2, 1.0, 3)])
    read = tokens(Histories.from_list([h], 9 * DAY), POSITION, 8)
    assert read.item.tolist() == [[1]]


def test_an_empty_history_has_one_column_of_padding() -> None:
    read = tokens(Histories.from_list([history([])], DAY), POSITION, 8)
    assert read.item.shape == (1, 1)
    assert read.lengths.tolist() == [0]
