"""Loading: every row read is either loaded or quarantined with a reason; a failed load changes nothing."""

from __future__ import annotations

import re
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ulm_core.errors import BusyError, InputError, NotFoundError
from ulm_core.timeline.publish import import_bundle, import_file
from ulm_core.warehouse.reports import dataset_summary, quarantine_rows
from ulm_core.warehouse.snapshot import Snapshot
from ulm_core.workspace import Workspace

GOOD = "user,time,event\nann,2024-01-01,view\n"


def write(tmp_path: Path, text: str, name: str = "log.csv") -> Path:
    path = tmp_path / name
    path.write_text(text)
    return path


def test_rows_read_are_loaded_or_quarantined_with_a_reason(workspace: Workspace, tmp_path: Path) -> None:
    text = (
        "user,time,event,value,quantity\n"
        "ann,2024-01-01 10:00,view,,\n"
        ",2024-01-01 10:00,view,,\n"
        "ann,,view,,\n"
        "ann,soon,view,,\n"
        "ann,2024-01-01,,,\n"
        "ann,2024-01-01,buy,cheap,\n"
        "ann,2024-01-01,buy,1.5,two\n"
        "ann,1800-01-01,view,,\n"
    )
    report = import_file(workspace, write(tmp_path, text))
    assert (report.rows_read, report.rows_loaded, report.rows_quarantined) == (8, 1, 7)
    assert dataset_summary(workspace).quarantine == {
        "implausible time": 1, "no event": 1, "no time": 1, "no user": 1,
        "unreadable quantity": 1, "unreadable time": 1, "unreadable value": 1,
    }  # fmt: skip
    rows = quarantine_rows(Snapshot.open(workspace)).to_pylist()
    unreadable = next(row for row in rows if row["reason"] == "unreadable time")
    assert unreadable["row_number"] == 4
    assert '"time":"soon"' in unreadable["original"]


@pytest.mark.parametrize(
    "written",
    ["2024-01-01T10:00:00", "2024-01-01 12:00:00+02:00", "1704103200", "1704103200000", "1704103200000000"],
)
def test_one_moment_however_it_is_written(workspace: Workspace, tmp_path: Path, written: str) -> None:
    import_file(workspace, write(tmp_path, f"user,time,event\nann,{written},view\n"))
    assert dataset_summary(workspace).as_of.isoformat() == "2024-01-01T10:00:00"


def test_the_same_content_twice_changes_nothing(workspace: Workspace, tmp_path: Path) -> None:
    import_file(workspace, write(tmp_path, GOOD))
    version = workspace.current_version()
    again = import_file(workspace, write(tmp_path, GOOD, "renamed.csv"))
    assert not again.is_new
    assert (workspace.current_version(), dataset_summary(workspace).rows) == (version, 1)


def test_a_second_file_is_added(workspace: Workspace, tmp_path: Path) -> None:
    import_file(workspace, write(tmp_path, GOOD))
    import_file(workspace, write(tmp_path, "user,time,event\nbob,2024-01-02,view\n", "b.csv"))
    assert (dataset_summary(workspace).rows, dataset_summary(workspace).users) == (2, 2)


def test_replace_forgets_what_was_loaded(workspace: Workspace, tmp_path: Path) -> None:
    import_file(workspace, write(tmp_path, GOOD))
    import_file(workspace, write(tmp_path, "user,time,event\nbob,2024-01-02,view\n", "b.csv"), "replace")
    assert dataset_summary(workspace).users == 1


def test_parquet_is_read_with_its_types(workspace: Workspace, tmp_path: Path) -> None:
    table = pa.table(
        {
            "user_id": [7],
            "timestamp": pa.array([1_704_103_200_000_000], pa.timestamp("us")),
            "event": ["buy"],
            "value": [2.5],
        }
    )
    pq.write_table(table, tmp_path / "log.parquet")
    import_file(workspace, tmp_path / "log.parquet")
    row = Snapshot.open(workspace).query("SELECT user_id, value, time FROM events").to_pylist()[0]
    assert (row["user_id"], row["value"], row["time"].isoformat()) == ("7", 2.5, "2024-01-01T10:00:00")


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("empty.csv", b"", "is empty"),
        ("header.csv", b"user,time,event\n", "holds no rows"),
        ("columns.csv", b"user,price\nann,1\n", "lacks the column time, event"),
        ("dates.csv", b"user,time,event\nann,soon,view\n", "most frequent reason: unreadable time"),
        ("not.parquet", b"PAR0 nonsense", "cannot be read as a table"),
        ("noise.csv", bytes(range(256)) * 40, "noise.csv"),
    ],
)
def test_bad_files_are_refused_and_nothing_is_lost(
    small_workspace: Workspace, tmp_path: Path, name: str, content: bytes, expected: str
) -> None:
    before = dataset_summary(small_workspace).to_json()
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=re.escape(expected)):
        import_file(small_workspace, tmp_path / name, "replace")
    assert dataset_summary(small_workspace).to_json() == before


def test_a_missing_file_is_named(workspace: Workspace, tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="no file"):
        import_file(workspace, tmp_path / "nowhere.csv")


def test_two_loads_at_once_are_refused(workspace: Workspace, tmp_path: Path) -> None:
    with workspace.lock("load"), pytest.raises(BusyError):
        import_file(workspace, write(tmp_path, GOOD))


def test_hostile_text_is_data(workspace: Workspace, tmp_path: Path) -> None:
    hostile = "'; DROP TABLE events; --"
    import_file(workspace, write(tmp_path, f'user,time,event,"it""em\'"\n"{hostile}",2024-01-01,view,x\n', "a';b.csv"))
    assert Snapshot.open(workspace).query("SELECT user_id FROM events").to_pylist() == [{"user_id": hostile}]


@pytest.mark.slow
def test_the_complete_journey_is_accounted_for(journey: Workspace) -> None:
    summary = dataset_summary(journey)
    assert summary.users == 2_469
    assert summary.events["purchase"] + summary.quarantine.get("purchase", 0) == 1_469_307
    assert summary.rows_read == summary.rows + summary.rows_quarantined
    assert summary.users_described == 801


@pytest.mark.slow
def test_loading_a_sample_again_in_append_mode_changes_nothing(journey: Workspace) -> None:
    from ulm_core.events.samples import get_sample

    assert not import_bundle(journey, get_sample("complete-journey").read(), "append").is_new
