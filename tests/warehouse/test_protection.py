"""A protected workspace: pseudonyms instead of ids, nothing readable without the key."""

from __future__ import annotations

import hashlib
import hmac
import shutil
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from ulm_core.errors import InputError, UlmError
from ulm_core.keys import ensure_key_file
from ulm_core.settings import get_settings
from ulm_core.timeline.erase import erase_user
from ulm_core.timeline.index import COLUMNS, TimelineIndex
from ulm_core.timeline.publish import import_file
from ulm_core.timeline.undo import undo_last_load
from ulm_core.warehouse import extensions
from ulm_core.warehouse.create import create_workspace
from ulm_core.warehouse.privacy import stored_id
from ulm_core.warehouse.reports import dataset_summary
from ulm_core.warehouse.snapshot import Snapshot
from ulm_core.workspace import Workspace

NAME = "marie.curie@example.org"
LOG = f"""user,time,event,item,session
{NAME},2024-01-01,view,chamomile tea,visit-of-{NAME}
bob-the-builder,2024-01-02,buy,chamomile tea,visit-2
{NAME},soon,buy,chamomile tea,visit-3
"""


@pytest.fixture
def key_file(tmp_path: Path, settings_environment: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "keys" / "secret.key"
    settings_environment.setenv("ULM_KEY_FILE", str(path))
    return path


@pytest.fixture
def protected(tmp_path: Path, key_file: Path) -> Workspace:
    workspace = create_workspace(tmp_path / "ws", pseudonymised=True, encrypted=True)
    (tmp_path / "log.csv").write_text(LOG)
    (tmp_path / "more.csv").write_text(f"user,time,event,item\n{NAME},2024-02-01,view,milk\n")
    import_file(workspace, tmp_path / "log.csv")
    import_file(workspace, tmp_path / "more.csv")
    return workspace


def holding(workspace: Workspace, text: str) -> list[str]:
    return [path.name for path in workspace.root.rglob("*") if path.is_file() and text.encode() in path.read_bytes()]


def test_the_key_is_made_for_its_owner_alone(protected: Workspace, key_file: Path) -> None:
    assert key_file.stat().st_mode & 0o777 == 0o600
    assert holding(protected, key_file.read_text().strip()) == []


def test_a_pseudonym_is_an_hmac_of_the_id(protected: Workspace, key_file: Path) -> None:
    secret = bytes.fromhex(key_file.read_text().strip())
    key = hmac.new(secret, b"ulm user pseudonyms", hashlib.sha256).digest()
    expected = hmac.new(key, NAME.encode(), hashlib.sha256).hexdigest()[:32]
    assert stored_id(protected, NAME) == expected
    index = TimelineIndex.open(protected)
    assert expected in index.user_ids
    assert len(index.history(index.user_code(expected))) == 2  # the second load found the same person


def test_nothing_readable_lies_in_the_workspace(protected: Workspace) -> None:
    for text in (NAME, "bob-the-builder", "visit-of", "chamomile", stored_id(protected, NAME)):
        assert holding(protected, text) == [], text
    for path in protected.root.rglob("*.parquet"):
        assert path.read_bytes()[:4] == b"PARE", path  # the mark of an encrypted footer
    originals = Snapshot.open(protected).query("SELECT original FROM quarantine")["original"].to_pylist()
    assert originals == [None]  # the text of a rejected row might name somebody


def test_no_time_item_or_event_name_of_the_index_lies_in_clear(protected: Workspace) -> None:
    index = TimelineIndex.open(protected)
    assert index.manifest.event_names == ("buy", "view")
    assert list(protected.versions_dir.rglob("*.bin")) == []
    for time in index.time.tolist():
        assert holding(protected, str(time)) == []
        clear = [path for path in protected.root.rglob("*") if path.is_file() and _int64(time) in path.read_bytes()]
        assert clear == []
    in_versions = [path for path in protected.versions_dir.rglob("*") if path.is_file()]
    assert [path for path in in_versions if b'"view"' in path.read_bytes()] == []


def _int64(number: int) -> bytes:
    return number.to_bytes(8, "little")


def test_the_index_of_an_older_program_is_read_and_sealed_by_the_next_load(
    protected: Workspace, tmp_path: Path
) -> None:
    index = TimelineIndex.open(protected)
    folder = protected.version_dir() / "timeline"
    for name in ("offsets", *COLUMNS):
        dtype = np.int32 if name == "session" else getattr(index, name).dtype
        (folder / f"{name}.sealed").unlink()
        (folder / f"{name}.bin").write_bytes(getattr(index, name).astype(dtype).tobytes())
    old = index.manifest.model_copy(update={"format": 1}).model_dump_json()
    (folder / "manifest.sealed").unlink()
    (folder / "manifest.json").write_text(old)
    assert TimelineIndex(folder, protected.file_keys()).time.tolist() == index.time.tolist()
    (tmp_path / "later.csv").write_text(f"user,time,event,item\n{NAME},2024-03-01,view,milk\n")
    import_file(protected, tmp_path / "later.csv")
    assert list((protected.version_dir() / "timeline").glob("*.bin")) == []
    assert TimelineIndex.open(protected).manifest.n_events == 4


def test_undo_and_erasure_work_on_what_is_encrypted(protected: Workspace) -> None:
    undo_last_load(protected)
    assert dataset_summary(protected).rows == 2
    assert erase_user(protected, NAME).events == 1
    assert dataset_summary(protected).users == 1
    assert holding(protected, stored_id(protected, NAME)) == []


def test_without_its_key_a_workspace_stays_closed(protected: Workspace, key_file: Path, tmp_path: Path) -> None:
    secret = key_file.read_text()
    key_file.unlink()
    with pytest.raises(InputError, match="stays closed") as caught:
        Snapshot.open(protected)
    assert caught.value.code == "no_key"
    with pytest.raises(InputError, match="stays closed"):
        import_file(protected, tmp_path / "log.csv")
    ensure_key_file(key_file)
    with pytest.raises(InputError, match="not the one"):
        import_file(protected, tmp_path / "log.csv")
    key_file.write_text(secret)
    key_file.chmod(0o644)
    with pytest.raises(InputError, match="Others may read"):
        Snapshot.open(protected)
    key_file.chmod(0o600)
    assert dataset_summary(protected).rows == 3


def test_without_the_extension_nothing_starts(
    protected: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(extensions.PACKAGES, "httpfs", "duckdb-extension-absent")
    with pytest.raises(UlmError, match="not installed"):
        import_file(protected, tmp_path / "log.csv")
    with pytest.raises(UlmError, match="not installed"):
        Snapshot(protected.version_dir(), protected.file_keys())
    with pytest.raises(UlmError, match="not installed"):
        create_workspace(tmp_path / "other", encrypted=True)
    assert not (tmp_path / "other" / "protection.json").exists()


def test_pseudonyms_alone_need_no_key_to_read(tmp_path: Path, key_file: Path) -> None:
    workspace = create_workspace(tmp_path / "ws", pseudonymised=True)
    (tmp_path / "log.csv").write_text(LOG)
    import_file(workspace, tmp_path / "log.csv")
    key_file.unlink()
    assert dataset_summary(workspace).users == 2
    assert holding(workspace, NAME) == []
    with pytest.raises(InputError):
        import_file(workspace, tmp_path / "log.csv", "replace")


def test_an_erasure_finds_the_pseudonym_and_the_name(tmp_path: Path, key_file: Path) -> None:
    workspace = create_workspace(tmp_path / "ws", pseudonymised=True)
    (tmp_path / "log.csv").write_text(LOG)
    import_file(workspace, tmp_path / "log.csv")
    pseudonym = stored_id(workspace, NAME)
    for folder in ("exports", "jobs/j1", "documents/cohorts"):
        (workspace.root / folder).mkdir(parents=True)
    (workspace.root / "exports" / "risk.csv").write_text(f"user,stage\n{pseudonym},churned\n")
    (workspace.root / "jobs" / "j1" / "job.json").write_text(f'{{"user": "{pseudonym}"}}')
    (workspace.root / "jobs" / "j1" / "log.txt").write_text(f"asked for {NAME}\n")
    (workspace.root / "documents" / "cohorts" / "a.json").write_text(f'{{"name": "a", "users": ["{pseudonym}"]}}')
    assert len(holding(workspace, pseudonym)) >= 4
    assert erase_user(workspace, NAME).events == 1
    for text in (NAME, pseudonym):
        assert holding(workspace, text) == []
        assert not any(text in str(pq.read_table(path).to_pylist()) for path in workspace.root.rglob("*.parquet"))


def test_the_key_lies_outside(tmp_path: Path, settings_environment: pytest.MonkeyPatch) -> None:
    settings_environment.delenv("ULM_KEY_FILE", raising=False)
    with pytest.raises(InputError, match="outside the workspace"):
        create_workspace(tmp_path / "ws", encrypted=True, key_file=tmp_path / "ws" / "key")
    with pytest.raises(InputError, match="Name the file"):
        create_workspace(tmp_path / "ws", encrypted=True)
    assert get_settings().key_file is None


def test_protection_is_decided_once(small_workspace: Workspace, key_file: Path) -> None:
    with pytest.raises(InputError, match="already"):
        create_workspace(small_workspace.root, encrypted=True)


def test_a_copy_opens_elsewhere_with_the_same_key(protected: Workspace, tmp_path: Path) -> None:
    shutil.copytree(protected.root, tmp_path / "copy")
    assert dataset_summary(Workspace(tmp_path / "copy")).rows == 3
