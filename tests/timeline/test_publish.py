from pathlib import Path

import pytest

from ulm_core.errors import UlmError
from ulm_core.timeline import publish as publishing
from ulm_core.timeline.index import TimelineIndex
from ulm_core.timeline.publish import import_file
from ulm_core.warehouse.reports import dataset_summary
from ulm_core.workspace import Workspace


def more(tmp_path: Path, day: int) -> Path:
    path = tmp_path / f"more{day}.csv"
    path.write_text(f"user,time,event\ndan,2024-03-{day:02d},view\n")
    return path


def test_a_crash_before_the_switch_leaves_the_version_before(
    small_workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = small_workspace.current_version()

    def die(*_: object) -> None:
        raise RuntimeError("power cut")

    monkeypatch.setattr(publishing, "append_index", die)
    with pytest.raises(RuntimeError):
        import_file(small_workspace, more(tmp_path, 1))
    assert small_workspace.current_version() == before
    assert dataset_summary(small_workspace).users == 3


def test_a_full_disk_is_said_in_words(
    small_workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(publishing, "append_index", full)
    with pytest.raises(UlmError, match="disk is full") as caught:
        import_file(small_workspace, more(tmp_path, 1))
    assert caught.value.code == "disk_full"
    assert dataset_summary(small_workspace).users == 3


def test_an_open_index_outlives_the_next_versions(small_workspace: Workspace, tmp_path: Path) -> None:
    opened = TimelineIndex.open(small_workspace)
    for day in (1, 2, 3):
        import_file(small_workspace, more(tmp_path, day))
    assert len(list(small_workspace.versions_dir.iterdir())) == 2  # the published one and the one before
    assert opened.time.tolist() == sorted(opened.time[:3].tolist()) + opened.time[3:].tolist()
    assert TimelineIndex.open(small_workspace).n_users == 4
