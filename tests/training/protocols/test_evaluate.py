"""A protocol from log to verdict: what is held out cannot matter before it is judged."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.training.conftest import CONFIG, N_ITEMS, TINY, shop_events
from ulm_core.timeline.index import TimelineIndex
from ulm_core.timeline.testing import index_from_events
from ulm_core.training.preparation import ItemTexts
from ulm_core.training.protocols.evaluate import ProtocolReport, evaluate_protocol
from ulm_core.training.protocols.holdout import HoldoutName

SETTINGS = TINY.model_copy(update={"alpha": 0.0, "recommendation_loss": "softmax", "min_item_users": 1})
TEXTS = ItemTexts(np.full(N_ITEMS, "", object), np.full(N_ITEMS, "", object))


def shop_index(directory: Path, events: pd.DataFrame) -> TimelineIndex:
    return index_from_events(events[events.event == "purchase"], directory)


def judged(directory: Path, events: pd.DataFrame, name: HoldoutName) -> ProtocolReport:
    index = shop_index(directory / "log", events)
    return evaluate_protocol(index, CONFIG, TEXTS, SETTINGS, name, directory)


@pytest.mark.parametrize("name", ["next-basket", "leave-one-out"])
def test_a_model_that_can_count_beats_popularity(tmp_path: Path, name: HoldoutName) -> None:
    report = judged(tmp_path, shop_events(), name)
    assert report.model.ndcg.mean() > report.baselines["popularity"].ndcg.mean() + 0.1
    assert len(report.model.ndcg) == len(report.baselines["popularity"].ndcg) > 50


def test_what_is_held_out_is_not_learnt_from(tmp_path: Path) -> None:
    """Turn every last basket into products nobody else buys last: training must not notice."""
    events = shop_events()
    events = events[events.event == "purchase"]
    is_last = events.session == events.groupby("user").session.transform("last")
    changed = events.assign(item=events.item.where(~is_last, "i00"))
    before, after = (judged(tmp_path / str(k), log, "next-basket") for k, log in enumerate((events, changed)))
    assert before.curve == after.curve
    assert before.model.ndcg.mean() != after.model.ndcg.mean()
