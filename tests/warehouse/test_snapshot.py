import pytest

from ulm_core.errors import EmptyWorkspaceError, InputError
from ulm_core.warehouse.database import literal, quote
from ulm_core.warehouse.reports import attribute_values, search_users, user_attributes
from ulm_core.warehouse.snapshot import Snapshot
from ulm_core.workspace import Workspace


def test_an_empty_workspace_has_no_snapshot(workspace: Workspace) -> None:
    with pytest.raises(EmptyWorkspaceError):
        Snapshot.open(workspace)


def test_values_are_bound(small_workspace: Workspace) -> None:
    table = Snapshot.open(small_workspace).query("SELECT count(*) AS n FROM events WHERE user_id = ?", ["ann"])
    assert table["n"].to_pylist() == [3]


@pytest.mark.parametrize(
    "sql",
    ["SELECT * FROM read_csv('/etc/passwd')", "COPY (SELECT 1) TO '/tmp/out.csv'", "SET enable_external_access = true"],
)
def test_a_snapshot_reaches_nothing_but_itself(small_workspace: Workspace, sql: str) -> None:
    with pytest.raises(InputError):
        Snapshot.open(small_workspace).query(sql)


def test_search_finds_by_prefix_shortest_first(small_workspace: Workspace) -> None:
    snapshot = Snapshot.open(small_workspace)
    assert search_users(snapshot, "A") == ["ann"]
    assert search_users(snapshot, "%") == []


def test_a_user_nobody_described_has_no_attributes(small_workspace: Workspace) -> None:
    assert user_attributes(Snapshot.open(small_workspace), "ann") == {}
    assert attribute_values(Snapshot.open(small_workspace)) == {}


def test_identifiers_and_literals_cannot_break_out() -> None:
    assert quote('a"b') == '"a""b"'
    assert literal("a'b") == "'a''b'"
