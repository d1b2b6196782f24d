import json
from pathlib import Path

import pytest

from ulm_core.errors import BusyError, EmptyWorkspaceError, InputError
from ulm_core.workspace import Workspace, WorkspaceConfig, write_atomically


def test_an_empty_workspace_says_so(workspace: Workspace) -> None:
    assert workspace.current_version() is None
    with pytest.raises(EmptyWorkspaceError):
        workspace.version_dir()


def test_a_file_is_no_workspace(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(InputError, match="cannot be used as a workspace"):
        Workspace(tmp_path / "file")


def test_configuration_survives_a_round_trip(workspace: Workspace) -> None:
    config = WorkspaceConfig(name="Shop", timezone="Europe/Berlin", passive_events=("mail sent",))
    workspace.save_config(config)
    assert Workspace(workspace.root).config == config


def test_a_broken_configuration_is_named(workspace: Workspace) -> None:
    (workspace.root / "workspace.json").write_text(json.dumps({"colour": "red"}))
    with pytest.raises(InputError, match="workspace configuration"):
        _ = workspace.config


def test_a_lock_is_held_by_one(workspace: Workspace) -> None:
    with workspace.lock("load"), pytest.raises(BusyError, match="Another load"):
        workspace.lock("load").__enter__()
    with workspace.lock("load"):  # and is free again afterwards
        pass


def test_atomic_writing_leaves_no_partial_file(tmp_path: Path) -> None:
    write_atomically(tmp_path / "a.json", "1")
    write_atomically(tmp_path / "a.json", "2")
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]
    assert (tmp_path / "a.json").read_text() == "2"
