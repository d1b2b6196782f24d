"""After an erasure the id's bytes occur nowhere in the workspace."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.timeline.test_append import events_of, index_bytes
from ulm_core.errors import NotFoundError, UlmError
from ulm_core.timeline import publish as publishing
from ulm_core.timeline.erase import erase_user
from ulm_core.timeline.index import TimelineIndex
from ulm_core.timeline.publish import import_file, repair
from ulm_core.timeline.undo import undo_last_load
from ulm_core.warehouse.snapshot import Snapshot
from ulm_core.workspace import Workspace

NAME = "marie.curie@example.org"
LOG = f"""user,time,event,item,session,properties
{NAME},2024-01-01,view,tea,visit-{NAME},
{NAME},2024-01-02,buy,tea,s2,
bob,2024-01-02,share,tea,s3,"{{""to"": ""{NAME}"", ""cc"": ""cem""}}"
bob,2024-01-03,buy,milk,s3,
,2024-01-03,buy,{NAME},s4,
{NAME},soon,buy,milk,s5,
"""


@pytest.fixture
def known(workspace: Workspace, tmp_path: Path) -> Workspace:
    """Return a workspace in which a person stands everywhere."""
    (tmp_path / "log.csv").write_text(LOG)
    (tmp_path / "more.csv").write_text("user,time,event,item\nbob,2024-02-01,view,tea\n")
    import_file(workspace, tmp_path / "log.csv")
    import_file(workspace, tmp_path / "more.csv")  # an old version exists, and parts are shared with it
    for name in ("exports", "predictions", "cache", "runs/r1", "jobs/j1"):
        (workspace.root / name).mkdir(parents=True)
    root = workspace.root
    (root / "exports" / "risk.csv").write_text(f"user,stage\n{NAME},churned\nbob,active\n")
    pq.write_table(pa.table({"user": [NAME, "bob"]}), root / "predictions" / "top.parquet")
    (root / "cache" / "features.npy").write_bytes(bytes(64))
    (root / "jobs" / "j1" / "job.json").write_text(json.dumps({"parameters": {"users": [NAME, "bob"]}}))
    (root / "jobs" / "j1" / "log.txt").write_text(f"10:00 begun\n10:01 scoring {NAME}\n")
    with sqlite3.connect(root / "mlflow.db") as database:
        database.execute("CREATE TABLE tags (key TEXT, value TEXT)")
        database.execute("INSERT INTO tags VALUES ('asked by', ?)", [f"for {NAME}"])
    database.close()
    return workspace


def holding(workspace: Workspace, text: str) -> list[str]:
    """Return the files that hold `text`, Parquet files by their content."""
    files = [path for path in workspace.root.rglob("*") if path.is_file()]
    found = [path for path in files if text.encode() in path.read_bytes() or _in_parquet(path, text)]
    return [str(path.relative_to(workspace.root)) for path in found]


def _in_parquet(path: Path, text: str) -> bool:
    return path.suffix == ".parquet" and text in str(pq.read_table(path).to_pylist())


def test_no_byte_of_an_erased_id_is_left(known: Workspace) -> None:
    assert len(holding(known, NAME)) > 6
    done = erase_user(known, NAME)
    assert (done.events, done.files_left, done.runs_stale) == (2, (), ("r1",))
    assert holding(known, NAME) == []
    assert [path.name for path in known.versions_dir.iterdir()] == [known.current_version()]


def test_everybody_else_stays(known: Workspace, tmp_path: Path) -> None:
    erase_user(known, NAME)
    assert list(TimelineIndex.open(known).user_ids) == ["bob"]
    assert len(events_of(known)) == 3
    snapshot = Snapshot.open(known)
    shared = snapshot.query("SELECT properties FROM events WHERE event = 'share'")["properties"][0].as_py()
    assert json.loads(shared) == {"to": "[erased]", "cc": "cem"}
    assert snapshot.query("SELECT reason, original FROM quarantine ORDER BY 1").num_rows == 2
    root = known.root
    assert (root / "exports" / "risk.csv").read_text() == "user,stage\nbob,active\n"
    assert json.loads((root / "jobs" / "j1" / "job.json").read_text()) == {"parameters": {"users": ["[erased]", "bob"]}}
    assert (root / "cache" / "features.npy").exists()
    # and the next day is appended as ever
    (tmp_path / "next.csv").write_text("user,time,event,item\nbob,2024-03-01,view,jam\n")
    import_file(known, tmp_path / "next.csv")
    assert TimelineIndex.open(known).manifest.n_events == 4


def test_the_erasure_is_recorded_not_the_person(known: Workspace) -> None:
    erase_user(known, NAME)
    assert Snapshot.open(known).query("SELECT events FROM erasures")["events"].to_pylist() == [2]
    stale = json.loads((known.runs_dir / "r1" / "stale.json").read_text())
    assert stale["reason"] == "erasure"
    with pytest.raises(UlmError, match="cannot be taken back"):
        undo_last_load(known)


def test_an_erasure_that_was_cut_off_is_finished(known: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    def die(*_: object) -> None:
        raise RuntimeError("power cut")

    for name in ("rewrite_warehouse", "_write_version"):
        monkeypatch.setattr(publishing, name, die)
    with pytest.raises(RuntimeError):
        erase_user(known, NAME)
    monkeypatch.undo()
    assert repair(known)
    assert holding(known, NAME) == []


def test_an_unknown_user_changes_nothing(known: Workspace) -> None:
    before = index_bytes(known)
    with pytest.raises(NotFoundError, match="no user"):
        erase_user(known, "nobody")
    assert index_bytes(known) == before


def test_numbers_that_look_like_an_id_stay(workspace: Workspace, tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text("user,time,event,value\n7,2024-01-07,buy,7\n8,2024-01-07,buy,7\n")
    import_file(workspace, tmp_path / "log.csv")
    (workspace.root / "jobs" / "j").mkdir(parents=True)
    (workspace.root / "jobs" / "j" / "job.json").write_text('{"n": 7, "at": "2024-01-07", "users": ["7", "8"]}')
    erase_user(workspace, "7")
    text = (workspace.root / "jobs" / "j" / "job.json").read_text()
    assert json.loads(text) == {"n": 7, "at": "2024-01-07", "users": ["[erased]", "8"]}
    assert list(TimelineIndex.open(workspace).user_ids) == ["8"]
    erase_user(workspace, "8")  # the last one
    assert TimelineIndex.open(workspace).manifest.n_events == 0
