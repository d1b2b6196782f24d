"""Appending: any split of the same rows into loads gives the same timeline, byte for byte."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from ulm_core.timeline import append
from ulm_core.timeline.ids import as_ids, merge_ids
from ulm_core.timeline.index import COLUMNS, TimelineIndex
from ulm_core.timeline.publish import import_file
from ulm_core.warehouse.snapshot import Snapshot
from ulm_core.workspace import Workspace

HEADER = "user,time,event,item,value,session"
ROW = st.tuples(
    st.sampled_from(["a", "b", "ba", "c", "é", "z"]),
    st.integers(0, 4),
    st.sampled_from(["view", "buy", "all"]),
    st.sampled_from(["", "x", "xy", "茶"]),
    st.sampled_from(["", "1", "2.5"]),
    st.sampled_from(["", "s1", "s2", "s3"]),
)


def line(row: Sequence[object]) -> str:
    user, second, event, item, value, session = row
    return f"{user},2024-01-01T00:00:0{second},{event},{item},{value},{session}"


def load(workspace: Workspace, rows: Sequence[Sequence[object]], name: str, folder: Path) -> None:
    path = folder / f"{name}.csv"
    path.write_text("\n".join([HEADER, *map(line, rows)]) + f"\n,2024-01-01,{name},,,\n")  # one row to quarantine
    import_file(workspace, path)


def index_bytes(workspace: Workspace) -> dict[str, bytes]:
    """Return every file of the published index but the manifest's name for it."""
    folder = workspace.version_dir() / "timeline"
    files = {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.suffix != ".json"}
    manifest = TimelineIndex(folder).manifest
    return {**files, "manifest": manifest.model_copy(update={"version": ""}).model_dump_json().encode()}


def events_of(workspace: Workspace) -> list[dict[str, object]]:
    order = "ORDER BY ALL"
    return Snapshot(workspace.version_dir()).query(f"SELECT * FROM events {order}").to_pylist()


@settings(max_examples=8, deadline=None, derandomize=True, phases=[Phase.generate])
@given(st.lists(ROW, min_size=2, max_size=30), st.data())
def test_any_split_into_loads_gives_the_same_timeline(rows: list[tuple[object, ...]], data: st.DataObject) -> None:
    places = st.lists(st.integers(1, len(rows) - 1), max_size=3, unique=True)
    cuts = [0, *sorted(data.draw(places)), len(rows)]
    with TemporaryDirectory() as name:
        folder = Path(name)
        whole, split = Workspace(folder / "whole"), Workspace(folder / "split")
        load(whole, rows, "whole", folder)
        for number, (begin, end) in enumerate(pairwise(cuts)):
            load(split, rows[begin:end], f"part{number}", folder)
        assert index_bytes(split) == index_bytes(whole)
        assert events_of(split) == events_of(whole)


@settings(max_examples=8, deadline=None, derandomize=True, phases=[Phase.generate])
@given(st.lists(ROW, min_size=1, max_size=20), st.data())
def test_any_permutation_split_and_repetition_gives_the_same_timeline(
    rows: list[tuple[object, ...]], data: st.DataObject
) -> None:
    rest = data.draw(st.permutations(rows))
    cut = data.draw(st.integers(0, len(rows)))
    again = st.lists(st.sampled_from(rows), max_size=6)
    parts = [rest[:cut] + data.draw(again), rest[cut:] + data.draw(again), data.draw(again)]
    with TemporaryDirectory() as name:
        folder = Path(name)
        once, often = Workspace(folder / "once"), Workspace(folder / "often")
        load(once, rows, "once", folder)
        for number, part in enumerate(parts):
            if part:
                load(often, part, f"part{number}", folder)
        assert index_bytes(often) == index_bytes(once)
        assert events_of(often) == events_of(once)


def test_late_events_new_users_and_items_are_merged_not_rebuilt(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(3)
    names = ["view", "buy", "all"]
    rows = [
        (f"u{rng.integers(60)}", rng.integers(5), names[rng.integers(3)], f"i{rng.integers(40)}", "1", f"s{k // 7}")
        for k in range(900)
    ]
    monkeypatch.setattr(append, "CHUNK", 37)  # borders of chunks everywhere
    load(workspace, rows[:600], "old", tmp_path)
    built = []
    monkeypatch.setattr("ulm_core.timeline.publish.build_index", lambda *_: built.append(1))
    load(workspace, rows[600:700], "new", tmp_path)
    load(workspace, rows[700:], "newer", tmp_path)
    assert built == []
    monkeypatch.undo()
    whole = Workspace(tmp_path / "whole")
    load(whole, rows, "whole", tmp_path)
    assert index_bytes(workspace) == index_bytes(whole)
    assert len(list((workspace.version_dir() / "events").iterdir())) == 3


def test_unchanged_files_are_shared_between_versions(small_workspace: Workspace, tmp_path: Path) -> None:
    before = small_workspace.version_dir()
    (tmp_path / "day.csv").write_text("user,time,event,item\nann,2024-03-01,view,tea\n")
    import_file(small_workspace, tmp_path / "day.csv")
    after = small_workspace.version_dir()
    assert before != after
    part = sorted((before / "events").iterdir())[0].name
    for name in (f"events/{part}", "items.parquet", "timeline/users.parquet", "timeline/items.parquet"):
        assert (before / name).samefile(after / name), name
    for name in COLUMNS:
        assert not (before / "timeline" / f"{name}.bin").samefile(after / "timeline" / f"{name}.bin")


def test_many_small_loads_are_compacted(workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ulm_core.warehouse.snapshot.MAX_PARTS", 3)
    for day in range(6):
        load(workspace, [("a", day, "view", "x", "", "")], f"day{day}", tmp_path)
    assert len(list((workspace.version_dir() / "events").iterdir())) <= 3
    assert len(events_of(workspace)) == TimelineIndex.open(workspace).manifest.n_events == 6


@given(st.sets(st.text(max_size=4)), st.sets(st.text(max_size=4)))
def test_dictionaries_join_in_byte_order(old: set[str], new: set[str]) -> None:
    in_order = [as_ids(sorted(names, key=lambda name: name.encode())) for names in (_plain(old), _plain(new))]
    merged = merge_ids(*in_order)
    assert merged.ids.to_pylist() == sorted(_plain(old) | _plain(new), key=lambda name: name.encode())
    for ids, codes in zip(in_order, (merged.old_codes, merged.new_codes), strict=True):
        assert [merged.ids[int(code)].as_py() for code in codes] == ids.to_pylist()


def _plain(names: set[str]) -> set[str]:
    return {name for name in names if not any(0xD800 <= ord(letter) < 0xE000 for letter in name)}
