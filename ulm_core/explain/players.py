"""Who plays in an explanation: groups of the user's events, and the stage.

Events are grouped so that a reader can name each player: the events with each recommended item, the
other events by category (the largest few), events without an item by their name, and the rest. Together
with the stage they are everything the model sees, so removing all of them leaves the base value.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from ulm_core.messages import N_, Message, message
from ulm_core.timeline.index import History

Kind = Literal["item", "category", "event", "other", "stage"]
MAX_CATEGORIES = 5


@dataclass(frozen=True, eq=False)
class Player:
    """One player.

    Attributes
    ----------
    kind
        What the events have in common.
    label
        Its name in words.
    positions
        int64[n] places of its events in the history; empty for the stage.
    item
        Item code where `kind` is "item".
    """

    kind: Kind
    label: Message
    positions: npt.NDArray[np.int64]
    item: int | None = None

    @property
    def n_events(self) -> int:
        """Number of events of the player."""
        return len(self.positions)


@dataclass(frozen=True, eq=False)
class Names:
    """How codes are spelled: event names by event code, text and category by item code."""

    events: Sequence[str]
    text: npt.NDArray[np.object_]
    category: npt.NDArray[np.object_]


def group_players(history: History, items: Sequence[int], stage_name: str, names: Names) -> tuple[Player, ...]:
    """Return the players of one user for a list of recommended items; each event belongs to exactly one.

    Parameters
    ----------
    history
        The user's events before the moment of the recommendation.
    items
        Item codes to explain.
    stage_name
        The user's stage, as its own player.
    names
        Spelling of codes.
    """
    free = np.ones(len(history), np.bool_)
    players = _item_players(history, items, names, free)
    players += _category_players(history, names, free)
    players += _event_players(history, names, free)
    if free.any():
        players.append(Player("other", message(N_("other items")), np.flatnonzero(free)))
    stage = message(N_("stage: {stage}"), stage=message(stage_name))
    return (*players, Player("stage", stage, np.empty(0, np.int64)))


def _take(free: npt.NDArray[np.bool_], wanted: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    """Return the positions of free wanted events, and mark them as taken."""
    positions = np.flatnonzero(free & wanted)
    free[positions] = False
    return positions


def _item_players(history: History, items: Sequence[int], names: Names, free: npt.NDArray[np.bool_]) -> list[Player]:
    players = []
    for item in items:
        positions = _take(free, history.item == item)
        if len(positions):
            label = message(N_("{n} × {name}"), n=len(positions), name=str(names.text[item]))
            players.append(Player("item", label, positions, item))
    return players


def _category_players(history: History, names: Names, free: npt.NDArray[np.bool_]) -> list[Player]:
    has_item = history.item >= 0
    category = np.full(len(history), "", dtype=object)
    category[has_item] = names.category[history.item[has_item]]
    known, counts = np.unique(category[free & (category != "")].astype(str), return_counts=True)
    # Largest first, then by name: the same history always gives the same players.
    largest = sorted(zip(-counts, known, strict=True))[:MAX_CATEGORIES]
    return _players_of(largest, lambda name: _take(free, category == name), "category")


def _event_players(history: History, names: Names, free: npt.NDArray[np.bool_]) -> list[Player]:
    codes, counts = np.unique(history.event[free & (history.item < 0)], return_counts=True)
    largest = [(-count, names.events[code]) for code, count in zip(codes, counts, strict=True)]
    spelled = np.array([names.events[code] for code in history.event], dtype=object)
    return _players_of(largest, lambda name: _take(free, (spelled == name) & (history.item < 0)), "event")


def _players_of(
    named: Sequence[tuple[int, str]], positions_of: Callable[[str], npt.NDArray[np.int64]], kind: Kind
) -> list[Player]:
    return [
        Player(kind, message(N_("{n} × {name}"), n=int(-count), name=str(name)), positions_of(str(name)))
        for count, name in named
    ]
