"""Event properties as columns: each code stands at its own event, however the log was loaded."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from ulm_core.errors import NotFoundError
from ulm_core.timeline.index import TimelineIndex
from ulm_core.timeline.properties import cache_of, property_column, property_names
from ulm_core.timeline.publish import import_file
from ulm_core.warehouse.snapshot import Snapshot
from ulm_core.workspace import Workspace

ROW = st.tuples(
    st.sampled_from(["a", "b", "é"]), st.integers(0, 3), st.sampled_from(["view", "buy"]), st.sampled_from(["", "x"])
)


def load(workspace: Workspace, rows: Sequence[Sequence[object]], path: Path) -> None:
    lines = ["user,time,event,item,properties"]
    for user, second, event, item in rows:
        properties = f'"{{""tag"": ""{user}{second}{event}{item}"", ""n"": {second}}}"' if second else ""
        lines.append(f"{user},2024-01-01T00:00:0{second},{event},{item},{properties}")
    path.write_text("\n".join(lines) + "\n")
    import_file(workspace, path)


@settings(max_examples=6, deadline=None, derandomize=True, phases=[Phase.generate])
@given(st.lists(ROW, min_size=2, max_size=25), st.integers(1, 24))
def test_codes_stand_in_the_order_of_the_index(rows: list[tuple[object, ...]], cut: int) -> None:
    with TemporaryDirectory() as folder:
        workspace = Workspace(Path(folder) / "workspace")
        load(workspace, [*rows[:cut], ("a", 1, "view", "")], Path(folder) / "first.csv")
        if rows[cut:]:
            load(workspace, rows[cut:], Path(folder) / "second.csv")
        index, snapshot = TimelineIndex(workspace.version_dir() / "timeline"), Snapshot(workspace.version_dir())
        column = property_column(index, snapshot, "tag")
        for user in range(index.n_users):
            for place in range(index.offsets[user], index.offsets[user + 1]):
                second = index.time[place] // 1_000_000 % 60
                item = index.item_ids[index.item[place]] if index.item[place] >= 0 else ""
                expected = f"{index.user_ids[user]}{second}{index.manifest.event_names[index.event[place]]}{item}"
                code = column.codes[place]
                assert (column.values[code] if code >= 0 else None) == (expected if second else None)


@pytest.fixture
def described(workspace: Workspace, tmp_path: Path) -> Workspace:
    load(workspace, [("a", 1, "view", ""), ("a", 0, "buy", "x"), ("b", 2, "buy", "")], tmp_path / "log.csv")
    return workspace


def test_names_and_values_are_texts(described: Workspace) -> None:
    index, snapshot = TimelineIndex.open(described), Snapshot.open(described)
    assert property_names(snapshot) == ["n", "tag"]
    column = property_column(index, snapshot, "n")
    assert column.values == ("1", "2")
    assert column.codes.tolist() == [-1, 0, 1]  # a bought (second 0) before the view


def test_an_unknown_property_is_named_with_near_ones(described: Workspace) -> None:
    with pytest.raises(NotFoundError, match="Did you mean: tag"):
        property_column(TimelineIndex.open(described), Snapshot.open(described), "tags")


def test_columns_are_kept_and_go_with_their_version(described: Workspace, tmp_path: Path) -> None:
    snapshot = Snapshot.open(described)
    property_column(TimelineIndex.open(described), snapshot, "tag")
    kept = cache_of(snapshot)
    assert {path.suffix for path in kept.iterdir()} == {".json", ".bin", ".parquet"}
    for number in range(2):  # the version before stays, for an undo
        assert kept.exists()
        load(described, [("c", number, "view", "")], tmp_path / f"more{number}.csv")
    assert not kept.exists()
