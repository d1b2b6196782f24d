"""Undo takes the last load back: data, index and configuration; and what was undone may be loaded again."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.timeline.test_append import events_of, index_bytes
from ulm_core.errors import UlmError
from ulm_core.timeline.publish import import_file
from ulm_core.timeline.undo import UndoPlan, plan_undo, undo_last_load
from ulm_core.warehouse.reports import dataset_summary
from ulm_core.workspace import Workspace


@pytest.fixture
def day(tmp_path: Path) -> Path:
    path = tmp_path / "day.csv"
    path.write_text("user,time,event,item\nann,2024-03-01,view,tea\ndan,2024-03-01,buy,jam\n,2024-03-01,view,tea\n")
    return path


@pytest.mark.parametrize("mode", ["append", "replace"])
def test_the_state_before_comes_back_whole(small_workspace: Workspace, day: Path, mode: str) -> None:
    before = (index_bytes(small_workspace), events_of(small_workspace), small_workspace.config)
    summary = dataset_summary(small_workspace).to_json()
    import_file(small_workspace, day, mode)  # type: ignore[arg-type]
    after = (index_bytes(small_workspace), events_of(small_workspace), small_workspace.config)
    assert undo_last_load(small_workspace) == (2,)
    assert (index_bytes(small_workspace), events_of(small_workspace), small_workspace.config) == before
    assert dataset_summary(small_workspace).to_json() == summary
    assert import_file(small_workspace, day, mode).is_new  # type: ignore[arg-type]
    assert (index_bytes(small_workspace), events_of(small_workspace), small_workspace.config) == after


def test_only_one_load_can_be_undone(small_workspace: Workspace, day: Path) -> None:
    import_file(small_workspace, day)
    undo_last_load(small_workspace)
    with pytest.raises(UlmError, match="no longer kept") as caught:
        undo_last_load(small_workspace)
    assert caught.value.code == "cannot_undo"
    assert dataset_summary(small_workspace).users == 3


def test_an_empty_workspace_has_nothing_to_undo(workspace: Workspace) -> None:
    with pytest.raises(UlmError, match="cannot be taken back"):
        undo_last_load(workspace)


class TestPlan:
    def test_an_append_would_lose_its_own_rows(self, small_workspace: Workspace, tmp_path: Path) -> None:
        more = tmp_path / "more.csv"
        more.write_text("user,time,event\ndan,2024-03-01,view\ndan,2024-03-02,view\n")
        import_file(small_workspace, more)
        assert plan_undo(small_workspace) == UndoPlan(loads=(2,), returning=(), rows_now=8, rows_then=6)

    def test_a_replacement_would_bring_back_what_it_replaced(self, small_workspace: Workspace, tmp_path: Path) -> None:
        other = tmp_path / "other.csv"
        other.write_text("user,time,event\ndan,2024-03-01,view\n")
        import_file(small_workspace, other, "replace")
        assert plan_undo(small_workspace) == UndoPlan(loads=(2,), returning=(1,), rows_now=1, rows_then=6)

    def test_there_is_none_for_the_first_load_and_none_after_an_undo(
        self, small_workspace: Workspace, tmp_path: Path
    ) -> None:
        assert plan_undo(small_workspace) is None
        more = tmp_path / "more.csv"
        more.write_text("user,time,event\ndan,2024-03-01,view\n")
        import_file(small_workspace, more)
        undo_last_load(small_workspace)
        assert plan_undo(small_workspace) is None

    def test_there_is_none_in_an_empty_workspace(self, workspace: Workspace) -> None:
        assert plan_undo(workspace) is None
