"""After an erasure the id's bytes occur nowhere in the workspace."""

from __future__ import annotations

import json
import sqlite3
from datetime import datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pydantic import BaseModel

from tests.timeline.test_append import events_of, index_bytes
from ulm_core.documents import Documents
from ulm_core.errors import NotFoundError, UlmError
from ulm_core.timeline import publish as publishing
from ulm_core.timeline.erase import erase_user
from ulm_core.timeline.index import TimelineIndex
from ulm_core.timeline.publish import import_file, repair
from ulm_core.timeline.stale import stale_mark
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
FOLDERS = (
    "exports", "predictions", "uploads", "cache/text", "cache/entities/v1", "simulation/truth", "runs/r1", "jobs/j1",
)  # fmt: skip


class Cohort(BaseModel):
    users: tuple[str, ...]


@pytest.fixture
def known(workspace: Workspace, tmp_path: Path) -> Workspace:
    """Return a workspace in which a person stands everywhere."""
    (tmp_path / "log.csv").write_text(LOG)
    (tmp_path / "more.csv").write_text("user,time,event,item\nbob,2024-02-01,view,tea\n")
    import_file(workspace, tmp_path / "log.csv")
    import_file(workspace, tmp_path / "more.csv")  # an old version exists, and parts are shared with it
    root = workspace.root
    for name in FOLDERS:
        (root / name).mkdir(parents=True)
    for name in (f"friends of {NAME}", "friends of [erased]"):
        Documents(workspace, "cohorts", Cohort).save(name, Cohort(users=(NAME, "bob")))
    (root / "exports" / "risk.csv").write_text(f"user,stage\n{NAME},churned\nbob,active\n")
    pq.write_table(pa.table({"user": [NAME, "bob"]}), root / "predictions" / "top.parquet")
    pq.write_table(pa.table({"user_id": [NAME, "bob"], "y0": [1, 0]}), root / "simulation" / "truth" / "users.parquet")
    pq.write_table(pa.table({"who": [[NAME], ["bob"]]}), root / "runs" / "r1" / "ranking.parquet")
    (root / "cache" / "text" / "features.npy").write_bytes(bytes(64))
    np.save(root / "cache" / "entities" / "v1" / "ids.npy", np.array([NAME, "bob"]))
    (root / "uploads" / "more.csv").write_text(f"user,time,event\n{NAME},2024-05-01,view\n", encoding="utf-16")
    (root / "uploads" / "next.csv").write_text(f"user,time,event\n{NAME},2024-05-01,view\nbob,2024-05-01,view\n")
    (root / "jobs" / "j1" / "job.json").write_text(json.dumps({"parameters": {"users": [NAME, "bob"]}}))
    (root / "jobs" / "j1" / "result.json").write_text(json.dumps({"examples": [f"row of {NAME}"]}))
    (root / "jobs" / "j1" / "log.txt").write_text(f"10:00 begun\n10:01 scoring {NAME}\n")
    with sqlite3.connect(root / "mlflow.db") as database:
        database.execute("CREATE TABLE tags (key TEXT, value TEXT)")
        database.execute("INSERT INTO tags VALUES ('asked by', ?)", [f"for {NAME}"])
    database.close()
    return workspace


def holding(workspace: Workspace, text: str) -> list[str]:
    """Return the files that hold `text` in any spelling, Parquet files by their content."""
    files = [path for path in workspace.root.rglob("*") if path.is_file()]
    spelled = {text.encode(name) for name in ("utf-8", "utf-16-le", "utf-16-be", "utf-32-le")}
    found = [path for path in files if any(name in path.read_bytes() for name in spelled) or _in_parquet(path, text)]
    return [str(path.relative_to(workspace.root)) for path in found]


def _in_parquet(path: Path, text: str) -> bool:
    return path.suffix == ".parquet" and text in str(pq.read_table(path).to_pylist())


def test_no_byte_of_an_erased_id_is_left(known: Workspace) -> None:
    assert len(holding(known, NAME)) > 14
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
    assert (root / "cache" / "text" / "features.npy").exists()
    assert pq.read_table(root / "simulation" / "truth" / "users.parquet").to_pylist() == [{"user_id": "bob", "y0": 0}]
    assert pq.read_table(root / "runs" / "r1" / "ranking.parquet").to_pylist() == [{"who": ["bob"]}]
    assert (root / "uploads" / "next.csv").read_text() == "user,time,event\nbob,2024-05-01,view\n"
    cohort = Documents(known, "cohorts", Cohort).all()["friends of [erased]"]
    assert cohort.body.users == ("[erased]", "bob")
    assert "friends of [erased] 2" in Documents(known, "cohorts", Cohort).names()
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


def trained(workspace: Workspace, name: str, version: str | None, cut: str | None) -> None:
    """Leave a run that was trained on a version until a cut."""
    (workspace.runs_dir / name).mkdir(parents=True)
    (workspace.runs_dir / name / "run.json").write_text(json.dumps({"data_version": version, "data_cut": cut}))


def test_only_models_that_learnt_from_the_user_are_stale(workspace: Workspace, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("user,time,event\nann,2024-01-01,view\nbob,2024-01-05,view\n")
    (tmp_path / "b.csv").write_text("user,time,event\ncem,2024-01-03,view\nbob,2024-01-09,view\n")
    import_file(workspace, tmp_path / "a.csv")
    first = workspace.current_version()
    import_file(workspace, tmp_path / "b.csv")
    second = workspace.current_version()
    trained(workspace, "before", first, "2024-01-04T00:00:00Z")  # held ann and bob, learnt until the 4th
    trained(workspace, "early", second, "2024-01-02T00:00:00Z")
    trained(workspace, "late", second, "2024-01-04T00:00:00Z")
    trained(workspace, "running", second, None)  # has no cut yet: it may be learning from anybody
    trained(workspace, "elsewhere", "000099-ffffffff", "2024-01-04T00:00:00Z")  # of a log that is gone
    assert erase_user(workspace, "cem").runs_stale == ("elsewhere", "late", "running")
    late, elsewhere = stale_mark(workspace, "late"), stale_mark(workspace, "elsewhere")
    assert late is not None
    assert elsewhere is not None
    assert (late.is_certain, elsewhere.is_certain) == (True, False)
    assert late.at.date() == datetime.now(late.at.tzinfo).date()
    assert stale_mark(workspace, "before") is None
    assert erase_user(workspace, "ann").runs_stale == ("before", "early", "elsewhere", "late", "running")
    certain = stale_mark(workspace, "late")
    assert certain is not None
    assert certain.is_certain


def test_what_only_files_hold_is_erased_too(known: Workspace) -> None:
    (known.root / "exports" / "old.csv").write_text("user,stage\ngone.long.ago,churned\nbob,active\n")
    done = erase_user(known, "gone.long.ago")
    assert (done.events, done.files_changed) == (0, 1)
    assert holding(known, "gone.long.ago") == []
    assert len(events_of(known)) == 5


def test_a_file_that_cannot_be_cleaned_is_named(known: Workspace) -> None:
    (known.runs_dir / "r1" / "weights.xyz").write_text(f"unknown format, {NAME}")
    (known.runs_dir / "r1" / "cut.parquet").write_bytes(b"PAR1")
    assert erase_user(known, NAME).files_left == ("runs/r1/cut.parquet", "runs/r1/weights.xyz")


def test_an_id_of_digits_blanks_no_number_of_others(workspace: Workspace, tmp_path: Path) -> None:
    shared = """8,2024-01-07,share,"{""n"": 7, ""with"": ""7""}"\n"""
    (tmp_path / "log.csv").write_text(f"user,time,event,properties\n7,2024-01-07,buy,\n{shared}9,soon,buy,\n")
    import_file(workspace, tmp_path / "log.csv")
    (workspace.root / "simulation").mkdir()
    path = workspace.root / "simulation" / "users.parquet"
    pq.write_table(pa.table({"user_id": [7, 8], "churns": [1, 7], "item": ["7", "7"]}), path)
    erase_user(workspace, "7")
    snapshot = Snapshot.open(workspace)
    properties = snapshot.query("SELECT properties FROM events")["properties"].to_pylist()
    assert [json.loads(text) for text in properties] == [{"n": 7, "with": "[erased]"}]
    json.loads(snapshot.query("SELECT report FROM loads")["report"][0].as_py())
    assert pq.read_table(path).to_pylist() == [{"user_id": 8, "churns": 7, "item": "7"}]


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
