"""What a mapping makes of rows: moments, numbers, nested fields, wide logs, logs without event or item."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pytest

from tests.warehouse.helpers import events_in, rejected_in
from ulm_core.errors import NotFoundError
from ulm_core.events.mapping import ColumnMapping
from ulm_core.events.sources import FrameSource
from ulm_core.warehouse.access import open_warehouse
from ulm_core.warehouse.loading import LoadOptions, load_log
from ulm_core.warehouse.preview import preview
from ulm_core.workspace import Workspace

MOMENT = "2024-03-04T10:05:00"


def load_text(workspace: Workspace, tmp_path: Path, text: str, **mapping: object) -> None:
    (tmp_path / "log.csv").write_text(text)
    load_log(workspace, tmp_path / "log.csv", options=LoadOptions(mapping=ColumnMapping.model_validate(mapping)))


@pytest.mark.parametrize(
    ("written", "how"),
    [
        ("2024-03-04T10:05:00", {}),
        ("2024-03-04 10:05:00 UTC", {}),
        ("2024-03-04T12:05:00.000+02:00", {}),
        ("2024-03-04 11:05:00", {"timezone": "Europe/Berlin"}),
        ("2024-03-04T10:05:00Z", {"timezone": "Europe/Berlin"}),
        ("1709546700", {}),
        ("1709546700.0", {"time_kind": "epoch_s"}),
        ("1709546700000", {"time_kind": "epoch_ms"}),
        ("1709546700000000", {"time_kind": "epoch_us"}),
        ("04/03/2024 10:05", {"time_kind": "day_first"}),
        ("4.3.2024 10:05:00", {"time_kind": "day_first"}),
        ("04-03-24 10:05", {"time_kind": "day_first"}),
        ("03/04/2024 10:05 AM", {"time_kind": "month_first"}),
        ("04 Mar 2024 10h05", {"time_kind": "pattern", "time_pattern": "%d %b %Y %Hh%M"}),
        (str(3 + (10 + 5 / 60) / 24), {"time_kind": "relative_days", "origin": "2024-03-01"}),
    ],
)
def test_one_moment_however_it_is_written(
    workspace: Workspace, tmp_path: Path, written: str, how: dict[str, object]
) -> None:
    load_text(workspace, tmp_path, f"u,t,e\nann,{written},view\n", user="u", time="t", event="e", **how)
    assert events_in(workspace)[0][1] == MOMENT


@pytest.mark.parametrize("kind", ["epoch_s", "epoch_ms", "epoch_us", "day_first", "relative_days", "auto"])
def test_a_moment_that_cannot_be_is_set_aside(workspace: Workspace, tmp_path: Path, kind: str) -> None:
    text = "u,t,e\n" + "".join(f"ann,{text},view\n" for text in ("1e300", "9" * 18, "-5", "nan", "x", "31/02/2024"))
    good = {"epoch_s": "1709546700", "epoch_ms": "1709546700000", "epoch_us": "1709546700000000",
            "day_first": "01/02/2024", "relative_days": "1", "auto": "2024-01-01"}[kind]  # fmt: skip
    load_text(workspace, tmp_path, f"{text}ann,{good},view\n", user="u", time="t", event="e", time_kind=kind)
    assert len(rejected_in(workspace)) in {5, 6}  # day -5 of a relative log is a day
    assert len(events_in(workspace)) + len(rejected_in(workspace)) == 7


def test_a_wide_log_of_flags(workspace: Workspace, tmp_path: Path) -> None:
    text = "u,t,clicks,liked\nann,2024-01-01,3,true\nbob,2024-01-01,0,\n"
    load_text(workspace, tmp_path, text, user="u", time="t", wide={"clicks": "click", "liked": "like"})
    assert [(row[0], row[2], row[5]) for row in events_in(workspace)] == [("ann", "click", 3.0), ("ann", "like", None)]
    assert rejected_in(workspace) == [("log.csv", 2, "no event")]


def test_a_wide_log_of_moments(workspace: Workspace, tmp_path: Path) -> None:
    text = "order,u,ordered,shipped\n1,ann,2024-01-01,2024-01-03\n2,bob,2024-01-02,\n3,cem,,soon\n"
    wide = {"ordered": "order", "shipped": "ship"}
    load_text(workspace, tmp_path, text, user="u", session="order", wide=wide, wide_kind="time")
    assert [(row[0], row[1][:10], row[2]) for row in events_in(workspace)] == [
        ("ann", "2024-01-01", "order"), ("bob", "2024-01-02", "order"), ("ann", "2024-01-03", "ship"),
    ]  # fmt: skip
    assert rejected_in(workspace) == [("log.csv", 3, "unreadable time")]


def test_a_log_without_event_or_item(workspace: Workspace, tmp_path: Path) -> None:
    load_text(workspace, tmp_path, "who,when\nann,2024-01-01\n", user="who", time="when", event_name="visit")
    assert events_in(workspace) == [("ann", "2024-01-01T00:00:00", "visit", None, None, None, None)]


def test_numbers_with_a_decimal_comma_and_unit_prices(workspace: Workspace, tmp_path: Path) -> None:
    text = 'u;t;e;p;q\nann;2024-01-01;buy;"1.234,50";2\n'
    how = {"value": "p", "quantity": "q", "decimal_comma": True, "value_is": "unit price"}
    load_text(workspace, tmp_path, text, user="u", time="t", event="e", **how)
    assert events_in(workspace)[0][4:6] == (2469.0, 2.0)


def test_nested_fields_of_json_struct_and_text(workspace: Workspace) -> None:
    nested = [{"sku": "tea", "price": 3.5}]
    frame = pa.table(
        {
            "user": ["ann"],
            "time": ["2024-01-01"],
            "event": ["buy"],
            "struct": nested,
            "text": [json.dumps({"a.b": 1, "cart": {"total": 7}})],
        }
    )
    options = LoadOptions(roles={"item": "struct.sku", "value": "text.cart.total", "properties": "struct"})
    load_log(workspace, FrameSource(frame, "frame"), options=options)
    assert events_in(workspace)[0][3:5] == ("tea", 7.0)
    with open_warehouse(workspace) as database:
        assert json.loads(str(database.scalar("SELECT properties FROM events"))) == nested[0]


def test_the_first_reference_that_holds_something_counts(workspace: Workspace, tmp_path: Path) -> None:
    text = "id,anonymous,t,e\n,a1,2024-01-01,view\nu2,a2,2024-01-02,view\n"
    load_text(workspace, tmp_path, text, user=["id", "anonymous", "absent"], time="t", event="e")
    assert [row[0] for row in events_in(workspace)] == ["a1", "u2"]


def test_everything_else_can_be_kept_as_properties(workspace: Workspace, tmp_path: Path) -> None:
    text = "u,t,e,colour,size\nann,2024-01-01,view,red,\n"
    load_text(workspace, tmp_path, text, user="u", time="t", event="e", properties="*")
    with open_warehouse(workspace) as database:
        assert json.loads(str(database.scalar("SELECT properties FROM events"))) == {"colour": "red"}


def test_a_column_that_is_not_there_is_named_with_those_that_are(workspace: Workspace, tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="Did you mean: visitor"):
        load_text(workspace, tmp_path, "visitor,t,e\nann,2024-01-01,view\n", user="visitr", time="t", event="e")


def test_hostile_names_are_names(workspace: Workspace, tmp_path: Path) -> None:
    name = "x\"'; DROP TABLE events; --"
    text = 'u,t,e,"' + name.replace('"', '""') + '"\nann,2024-01-01,view,tea\n'
    load_text(workspace, tmp_path, text, user="u", time="t", event="e", item=name, event_names={"view": name})
    assert events_in(workspace)[0][2:4] == (name, "tea")


class TestPreview:
    def test_shows_columns_rows_and_events(self, tmp_path: Path) -> None:
        path = tmp_path / "log.csv"
        path.write_text("CustomerID;InvoiceDate;action\n1;13/02/2024;buy\n;14/02/2024;buy\n")
        seen = preview(path)
        assert [guess.role for guess in seen.guesses] == ["user", "time", "event"]
        assert seen.raw.num_rows == 2
        assert seen.events["reason"].to_pylist() == [None, "no user"]
        assert seen.problem is None
        assert seen.to_json()["mapping"]["time_kind"] == "day_first"  # type: ignore[index]

    def test_says_what_is_missing_and_shows_what_there_is(self, tmp_path: Path) -> None:
        path = tmp_path / "log.csv"
        path.write_text("a,b\n1,2\n")
        seen = preview(path)
        assert "lacks the column" in str(seen.problem)
        assert (seen.events.num_rows, seen.raw.to_pylist()) == (0, [{"a": "1", "b": "2"}])

    def test_follows_an_edited_mapping(self, tmp_path: Path) -> None:
        path = tmp_path / "log.csv"
        path.write_text("a,b,c\n1,2024-01-01,view\n")
        seen = preview(path, LoadOptions(roles={"user": "a", "time": "b", "event": "c"}))
        assert seen.events["user_id"].to_pylist() == ["1"]
