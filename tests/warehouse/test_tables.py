"""Users and items tables: typed, joined by id, unmatched ids named on both sides."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest

from ulm_core.errors import InputError
from ulm_core.timeline.publish import import_log, import_tables
from ulm_core.warehouse.access import open_warehouse
from ulm_core.warehouse.loading import LoadOptions, load_log, load_tables
from ulm_core.warehouse.reports import attribute_values, describe_items, user_attributes
from ulm_core.warehouse.snapshot import Snapshot
from ulm_core.workspace import Workspace

LOG = "user,time,event,item\nann,2024-01-01,view,tea\nbob,2024-01-01,view,milk\n"
USERS = "customer_id,sign_up_date,consent,plan,age,member\nann,2023-05-01,yes,pro,31,true\ncem,,no,free,,false\n,,,,,\n"
ITEMS = (
    "item_id,title,category,price,genres,image\n"
    'tea,Green tea,drinks,3.50,"[\'hot\', ""leaf""]",img/tea.png\nrum,Rum,drinks,x,a|b,\n'
)


@pytest.fixture
def files(tmp_path: Path) -> Path:
    for name, text in (("log.csv", LOG), ("users.csv", USERS), ("items.csv", ITEMS)):
        (tmp_path / name).write_text(text)
    return tmp_path


def test_tables_come_with_a_log(workspace: Workspace, files: Path) -> None:
    options = LoadOptions(users=str(files / "users.csv"), items=str(files / "items.csv"))
    report = load_log(workspace, files / "log.csv", options=options)
    users = report.ids["users"]
    assert (users["rows_read"], users["rows_without_id"]) == (3, 1)
    assert (users["only_in_log"], users["examples_only_in_log"]) == (1, ("bob",))
    assert (users["only_in_table"], users["examples_only_in_table"]) == (1, ("cem",))
    with open_warehouse(workspace) as database:
        ann = database.query("SELECT signed_up_at, consent FROM users WHERE user_id = 'ann'").to_pylist()
        tea = database.query(
            "SELECT text, category, price, tags, image_path FROM items WHERE item_id = 'tea'"
        ).to_pylist()
        types = database.query("SELECT name, type, is_breakdown FROM attributes WHERE target = 'users'").to_pylist()
    assert ann == [{"signed_up_at": datetime(2023, 5, 1), "consent": True}]
    assert tea == [
        {"text": "Green tea", "category": "drinks", "price": 3.5, "tags": ["hot", "leaf"], "image_path": "img/tea.png"}
    ]
    assert {row["name"]: (row["type"], row["is_breakdown"]) for row in types} == {
        "plan": ("text", True), "age": ("integer", False), "member": ("boolean", True),
    }  # fmt: skip


def test_tables_are_published_after_a_log(workspace: Workspace, files: Path) -> None:
    import_log(workspace, files / "log.csv")
    import_tables(workspace, str(files / "users.csv"), str(files / "items.csv"))
    snapshot = Snapshot.open(workspace)
    assert user_attributes(snapshot, "ann")["plan"] == "pro"
    assert attribute_values(snapshot)["plan"] == ["free", "pro"]
    assert describe_items(snapshot, ["tea"])["tea"]["text"] == "Green tea"
    import_log(workspace, files / "log.csv")  # nothing new: the tables stay
    assert user_attributes(Snapshot.open(workspace), "ann")["plan"] == "pro"


def test_a_row_that_comes_again_describes_anew(workspace: Workspace, files: Path) -> None:
    import_log(workspace, files / "log.csv")
    (files / "users.csv").write_text("user_id,plan\nann,free\nann,gold\n")
    report = import_tables(workspace, str(files / "users.csv"))[0]
    assert report.rows_repeated == 1
    assert user_attributes(Snapshot.open(workspace), "ann") == {"plan": "gold"}


def test_a_table_without_an_id_is_refused(workspace: Workspace, files: Path) -> None:
    load_log(workspace, files / "log.csv")
    (files / "users.csv").write_text("plan,age\npro,3\n")
    with pytest.raises(InputError, match="no column looks like an id"):
        load_tables(workspace, str(files / "users.csv"))


def test_tables_need_a_log(workspace: Workspace, files: Path) -> None:
    with pytest.raises(InputError, match="Load a log first"):
        load_tables(workspace, str(files / "users.csv"))
