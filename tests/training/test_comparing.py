"""Runs against each other: paired by user, only where both answered the same questions."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from ulm_core.errors import InputError
from ulm_core.training.comparing import PER_USER, compare_runs
from ulm_core.training.config import PRESETS, FineTuneConfig
from ulm_core.training.runs import Comparison, RunRecord, RunStore
from ulm_core.workspace import Workspace

N = 400


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    return RunStore(Workspace(tmp_path))


def run(store: RunStore, name: str, ndcg: float, judged_by: str = "a", **settings: object) -> RunRecord:
    """Save a run whose users have NDCG `ndcg` on average, the same luck for every run."""
    luck = np.random.default_rng(0).normal(0, 0.1, N)
    record = store.save(
        RunRecord(
            run_id=name, name=name, state="finished", started_at=datetime(2026, 1, 1, tzinfo=UTC), judged_by=judged_by,
            config=FineTuneConfig.model_validate(settings), comparison=Comparison(baseline="b", mean=0, low=0, high=0),
        )
    )  # fmt: skip
    (store.directory(name) / "model").mkdir()
    (store.directory(name) / "model" / "model.json").write_text("{}")
    save_file({"user": np.arange(N), "ndcg10": ndcg + luck, "recall10": luck}, store.directory(name) / PER_USER)
    return record


def test_luck_that_both_share_cancels_out(store: RunStore) -> None:
    found = compare_runs(store, run(store, "new", 0.52, tower="cnn"), run(store, "old", 0.5))
    assert found.ndcg.mean == pytest.approx(0.02)
    assert (found.ndcg.low, found.ndcg.high) == pytest.approx((0.02, 0.02))
    assert found.differing == {"tower": ("cnn", "transformer")}
    assert str(found.sentence()) == "“new” is better than “old” by 0.020 NDCG@10 [0.020, 0.020] over 400 users."


def test_worse_is_said_once_not_twice(store: RunStore) -> None:
    found = compare_runs(store, run(store, "new", 0.49), run(store, "old", 0.5))
    assert "worse than “old” by 0.010 NDCG@10 [0.010, 0.010]" in str(found.sentence())


def test_no_difference_is_said_so(store: RunStore) -> None:
    assert "cannot be told apart" in str(compare_runs(store, run(store, "a", 0.5), run(store, "b", 0.5)).sentence())


def test_other_questions_are_not_compared(store: RunStore) -> None:
    with pytest.raises(InputError, match="different data"):
        compare_runs(store, run(store, "a", 0.5, "x"), run(store, "b", 0.5, "y"))


def test_a_run_that_was_never_judged_is_named(store: RunStore) -> None:
    with pytest.raises(InputError, match="“b” was not judged"):
        compare_runs(store, run(store, "a", 0.5), run(store, "b", 0.5, ""))


def test_what_was_in_use_can_be_again(store: RunStore) -> None:
    for name in ("a", "b"):
        run(store, name, 0.5)
        store.promote(name)
    store.promote("b")  # again: no new entry
    assert [entry.run_id for entry in store.promotions()] == ["a", "b"]
    assert store.roll_back().run_id == "a"
    promoted = store.promoted()
    assert promoted is not None
    assert promoted.run_id == "a"
    assert [entry.run_id for entry in store.promotions()] == ["a", "b", "a"]


def test_nothing_to_go_back_to_is_said_so(store: RunStore) -> None:
    with pytest.raises(InputError, match="nothing to go back"):
        store.roll_back()


def test_only_what_was_compared_goes_into_use(store: RunStore) -> None:
    stopped = run(store, "a", 0.5).model_copy(update={"comparison": None, "state": "killed"})
    store.save(stopped)
    with pytest.raises(InputError, match="Let a run finish"):
        store.promote("a")


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_is_valid(name: str) -> None:
    FineTuneConfig.model_validate(PRESETS[name])
