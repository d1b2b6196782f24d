from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tests.explain.fakes import CATALOGUE, recommender
from ulm_core.explain.players import Names, group_players
from ulm_core.timeline.index import History

NAMES = Names(("buy", "coupon"), CATALOGUE.text, CATALOGUE.category)


def history_of(items: list[int]) -> History:
    n = len(items)
    return History(
        time=np.arange(n, dtype=np.int64),
        event=np.array([1 if item < 0 else 0 for item in items], np.int16),
        item=np.array(items, np.int32),
        value=np.full(n, np.nan),
        quantity=np.full(n, np.nan),
        session=np.full(n, -1, np.int32),
    )


@given(st.lists(st.integers(-1, 2), max_size=30), st.lists(st.integers(0, 2), max_size=3, unique=True))
def test_every_event_belongs_to_exactly_one_player(items: list[int], explained: list[int]) -> None:
    players = group_players(history_of(items), explained, "loyal", NAMES)
    positions = np.concatenate([player.positions for player in players])
    assert sorted(positions.tolist()) == list(range(len(items)))
    assert players[-1].kind == "stage"


def test_players_are_named_in_words(tmp_path: Path) -> None:
    shop = recommender(tmp_path)
    players = group_players(shop.index.history(0), [2], "loyal", NAMES)
    assert [str(player.label) for player in players] == [
        "2 × tea, drinks", "1 × dairy", "1 × coupon", "stage: loyal",
    ]  # fmt: skip


def test_a_user_without_history_has_only_the_stage() -> None:
    assert [player.kind for player in group_players(history_of([]), [0], "new", NAMES)] == ["stage"]
