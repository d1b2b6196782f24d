"""The index: same rows, same timeline; partitions hold whole users; one answer however many partitions."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ulm_core.errors import NotFoundError, UlmError
from ulm_core.timeline.build import cut_partitions
from ulm_core.timeline.index import COLUMNS, Partition, TimelineIndex
from ulm_core.timeline.publish import import_file
from ulm_core.timeline.runner import map_merge
from ulm_core.timeline.testing import index_from_events
from ulm_core.workspace import Workspace, WorkspaceConfig

ROWS = st.lists(
    st.tuples(
        st.sampled_from("abcd"), st.integers(0, 5), st.sampled_from(["view", "buy"]), st.sampled_from(["x", "y", ""])
    ),
    min_size=1,
    max_size=25,
)


def columns_of(index: TimelineIndex) -> dict[str, list[float]]:
    return {name: getattr(index, name).tolist() for name in ("offsets", "time", "event", "item", "session")}


def test_columns_are_sorted_by_user_and_time(small_workspace: Workspace) -> None:
    index = TimelineIndex.open(small_workspace)
    assert list(index.user_ids) == ["ann", "bob", "cem"]
    assert index.offsets.tolist() == [0, 3, 5, 6]
    assert [index.manifest.event_names[code] for code in index.history(0).event] == ["view", "purchase", "purchase"]
    assert [index.item_ids[code] for code in index.history(0).item] == ["tea", "tea", "milk"]
    assert np.isnan(index.history(0).value[0])
    assert index.history(0).value[1:].tolist() == [3.5, 1.2]


def test_a_history_ends_before_the_moment_it_is_asked_for(small_workspace: Workspace) -> None:
    index = TimelineIndex.open(small_workspace)
    second = int(index.history(0).time[1])
    assert len(index.history(0, until_us=second)) == 1


def test_unknown_names_are_refused(small_workspace: Workspace) -> None:
    index = TimelineIndex.open(small_workspace)
    with pytest.raises(NotFoundError, match="Did you mean: ann"):
        index.user_code("anne")
    with pytest.raises(NotFoundError):
        index.event_code("sell")


def test_passive_events_are_no_activity(tmp_path: Path) -> None:
    events = pd.DataFrame({"user": ["a", "a"], "time": ["2024-01-01", "2024-02-01"], "event": ["mail", "buy"]})
    index = index_from_events(events, tmp_path / "index")
    config = WorkspaceConfig(passive_events=("mail",), conversion_events=("buy",))
    assert index.active_mask(config).tolist() == [True, False]  # codes: buy, mail
    assert index.conversion_mask(config).tolist() == [True, False]
    first, last = index.active_span(config)
    assert first == last == pd.Timestamp("2024-02-01").value // 1000


def test_a_broken_index_asks_for_a_new_load(small_workspace: Workspace, tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text("{}")
    with pytest.raises(UlmError, match="Load the data again"):
        TimelineIndex(tmp_path)


@settings(max_examples=15, deadline=None)
@given(rows=ROWS, seed=st.integers(0, 9))
def test_any_permutation_of_the_rows_gives_the_same_timeline(rows: list[tuple[str, int, str, str]], seed: int) -> None:
    answers = []
    for order in (np.arange(len(rows)), np.random.default_rng(seed).permutation(len(rows))):
        with TemporaryDirectory() as folder:
            lines = [f"{rows[k][0]},2024-01-01T00:00:0{rows[k][1]},{rows[k][2]},{rows[k][3]}" for k in order]
            path = Path(folder) / "log.csv"
            path.write_text("\n".join(["user,time,event,item", *lines]) + "\n")
            workspace = Workspace(Path(folder) / "ws")
            import_file(workspace, path)
            answers.append(columns_of(TimelineIndex(workspace.version_dir() / "timeline")))
    assert answers[0] == answers[1]


@given(st.lists(st.integers(0, 9), min_size=0, max_size=30), st.integers(1, 12))
def test_partitions_cover_every_user_once_and_split_none(counts: list[int], size: int) -> None:
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    cuts = cut_partitions(offsets, size)
    assert [user for first, stop in cuts for user in range(first, stop)] == list(range(len(counts)))
    for first, stop in cuts:  # more than `size` events only where one user alone has them
        assert offsets[stop] - offsets[first] <= size or stop - first == 1


@pytest.mark.parametrize("n_partitions", [1, 2, 6])
def test_one_answer_however_many_partitions(tmp_path: Path, n_partitions: int) -> None:
    events = pd.DataFrame({"user": list("abcaab"), "time": range(6), "event": "view", "value": [1.0, 2, 3, 4, 5, 6]})
    index = index_from_events(events, tmp_path / str(n_partitions), n_partitions)

    def totals(partition: Partition) -> list[float]:
        bounds = zip(partition.offsets[:-1], partition.offsets[1:], strict=True)
        return [float(partition.value[begin:end].sum()) for begin, end in bounds]

    merged = map_merge(index, totals, lambda partials: [total for partial in partials for total in partial], threads=2)
    assert merged == [1 + 4 + 5, 2 + 6, 3]


def test_partitions_carry_every_column(small_workspace: Workspace) -> None:
    index = TimelineIndex.open(small_workspace)
    partition = index.users(1, 3)
    assert partition.first_user == 1
    assert partition.offsets.tolist() == [0, 2, 3]
    assert all(len(getattr(partition, name)) == 3 for name in COLUMNS)
