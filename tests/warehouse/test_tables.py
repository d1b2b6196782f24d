"""Users and items tables: typed, joined by id, unmatched ids named on both sides."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import ClassVar

import pytest

from tests.events.public_layouts import FILES
from ulm_core.errors import InputError
from ulm_core.events.mapping import ColumnMapping
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


class TestItemsFromTheLog:
    """The log's own columns describe its items where the mapping says so."""

    HEADER = "user,time,event,sku,title,kind,cost,brand\n"
    ROWS = (
        "ann,2024-01-01,view,tea,Tea,drinks,2.5,acme\n"
        "ann,2024-01-02,view,tea,Green tea,drinks,3,acme\n"
        "bob,2024-01-03,view,tea,Green tea,,x,\n"
        "bob,2024-01-04,view,rum,,,,\n"
        ",2024-01-05,view,tea,damaged,junk,0.1,\n"
    )
    ROLES: ClassVar[dict[str, str]] = {
        "item": "sku", "item_text": "title", "item_category": "kind", "item_price": "cost", "item_attributes": "brand",
    }  # fmt: skip

    def items(self, workspace: Workspace) -> dict[str, tuple[object, ...]]:
        with open_warehouse(workspace) as database:
            rows = database.query("SELECT item_id, text, category, price, attributes FROM items").to_pylist()
        return {row["item_id"]: (row["text"], row["category"], row["price"], dict(row["attributes"])) for row in rows}

    def test_the_usual_text_and_the_latest_price(self, workspace: Workspace, tmp_path: Path) -> None:
        (tmp_path / "log.csv").write_text(self.HEADER + self.ROWS)
        report = load_log(workspace, tmp_path / "log.csv", options=LoadOptions(roles=self.ROLES))
        # "Green tea" twice, "Tea" once; 3 came after 2.5, x is no price; the row without a user says nothing.
        assert self.items(workspace) == {
            "tea": ("Green tea", "drinks", 3.0, {"brand": "acme"}), "rum": (None, None, None, {}),
        }  # fmt: skip
        assert (report.rows_loaded, report.rows_quarantined) == (4, 1)
        with open_warehouse(workspace) as database:
            assert database.scalar("SELECT type FROM attributes WHERE target = 'items' AND name = 'brand'") == "text"

    def test_what_is_known_stays_and_gaps_are_filled(self, workspace: Workspace, tmp_path: Path) -> None:
        folder = tmp_path / "logs"
        folder.mkdir()
        (folder / "1.csv").write_text(self.HEADER + self.ROWS)
        (folder / "2.csv").write_text(self.HEADER + "cem,2024-02-01,view,tea,Black tea,hot,9,other\n")
        (folder / "3.csv").write_text(self.HEADER + "cem,2024-02-02,view,rum,Rum,spirits,20,acme\n")
        load_log(workspace, folder, options=LoadOptions(roles=self.ROLES))
        assert self.items(workspace)["tea"] == ("Green tea", "drinks", 3.0, {"brand": "acme"})
        assert self.items(workspace)["rum"] == ("Rum", "spirits", 20.0, {"brand": "acme"})

    def test_an_items_table_says_more(self, workspace: Workspace, tmp_path: Path) -> None:
        (tmp_path / "log.csv").write_text(self.HEADER + self.ROWS)
        (tmp_path / "items.csv").write_text("sku,title,price\ntea,Sencha,7\n")
        options = LoadOptions(roles=self.ROLES, items=str(tmp_path / "items.csv"))
        for _ in range(2):  # in one load, and with the table known before
            load_log(workspace, tmp_path / "log.csv", "replace", options=options)
            assert self.items(workspace)["tea"][0] == "Sencha"
        (tmp_path / "more.csv").write_text(self.HEADER + "ann,2024-03-01,view,tea,Mate,drinks,1,\n")
        load_log(workspace, tmp_path / "more.csv", options=LoadOptions(roles=self.ROLES))
        assert self.items(workspace)["tea"][:3] == ("Sencha", "drinks", 7.0)

    @pytest.mark.parametrize(
        ("preset", "item", "expected"),
        [
            ("online-retail", "85123A", ("WHITE HANGING HEART", None, 2.55, {})),
            (
                "rees46", "1004856",
                ("samsung, electronics.smartphone", "electronics.smartphone", 130.76, {"brand": "samsung"}),
            ),
            ("taobao-userbehavior", "2268318", (None, "2520377", None, {})),
            ("yoochoose", "214536502", (None, "0", None, {})),
        ],
    )  # fmt: skip
    def test_presets_that_carry_items(
        self, workspace: Workspace, tmp_path: Path, preset: str, item: str, expected: tuple[object, ...]
    ) -> None:
        for name, text in FILES[preset].items():
            (tmp_path / name).write_text(text)
        load_log(workspace, tmp_path, options=LoadOptions(preset=preset))
        assert self.items(workspace)[item] == expected

    def test_a_wide_log_and_json_lines(self, workspace: Workspace, tmp_path: Path) -> None:
        (tmp_path / "wide.csv").write_text("u,t,sku,title,clicked,liked\nann,2024-01-01,tea,Tea,1,1\n")
        mapping = ColumnMapping(user="u", time="t", item="sku", item_text="title", wide={"clicked": "c", "liked": "l"})
        load_log(workspace, tmp_path / "wide.csv", options=LoadOptions(mapping=mapping))
        (tmp_path / "log.jsonl").write_text('{"u":"bob","t":"2024-01-01","p":{"sku":"rum","name":"Rum","cost":"5"}}\n')
        nested = ColumnMapping(
            user="u", time="t", event_name="v", item="p.sku", item_text="p.name", item_price="p.cost"
        )
        load_log(workspace, tmp_path / "log.jsonl", options=LoadOptions(mapping=nested))
        assert self.items(workspace) == {"tea": ("Tea", None, None, {}), "rum": ("Rum", None, 5.0, {})}
