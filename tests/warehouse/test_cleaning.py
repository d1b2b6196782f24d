"""Cleaning rules: every choice counted, nothing silent; the same rows give the same log however they come."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from tests.warehouse.helpers import events_in, rejected_in
from ulm_core.events.cleaning import CleaningRules
from ulm_core.events.mapping import ColumnMapping
from ulm_core.warehouse.access import open_warehouse
from ulm_core.warehouse.load_report import Choice, LoadReport, report_from_json, to_text
from ulm_core.warehouse.loading import LoadOptions, load_log
from ulm_core.workspace import Workspace

HEADER = "user,time,event,item,value,quantity,session"


def load(
    workspace: Workspace, path: Path, rows: Sequence[str], *, mapping: ColumnMapping | None = None, **rules: object
) -> LoadReport:
    path.write_text("\n".join([HEADER, *rows]) + "\n")
    options = LoadOptions(mapping=mapping, rules=CleaningRules.model_validate(rules))
    return load_log(workspace, path, options=options)


VIEW = "ann,2024-01-01,view,tea,,,"


class TestDuplicates:
    def test_are_counted_once_and_stand_in_the_quarantine(self, workspace: Workspace, tmp_path: Path) -> None:
        report = load(workspace, tmp_path / "a.csv", [VIEW, VIEW, "bob,2024-01-01,view,tea,,,", VIEW])
        assert (report.rows_loaded, report.reasons) == (2, {"exact duplicate": 2})
        assert [number for _, number, _ in rejected_in(workspace)] == [2, 4]
        assert report.choices == (Choice("duplicates", "drop", "keep", 2),)

    def test_are_kept_when_asked(self, workspace: Workspace, tmp_path: Path) -> None:
        report = load(workspace, tmp_path / "a.csv", [VIEW, VIEW], duplicates="keep")
        assert report.rows_loaded == 2
        assert report.choices == (Choice("duplicates", "keep", "drop", -1),)

    def test_differ_in_any_mapped_column(self, workspace: Workspace, tmp_path: Path) -> None:
        rows = [VIEW, VIEW.replace("tea", ""), VIEW + "s1", "ann,2024-01-01,view,tea,0,,"]
        assert load(workspace, tmp_path / "a.csv", rows).rows_loaded == 4


class TestOverlap:
    def test_is_counted_once_and_said(self, workspace: Workspace, tmp_path: Path) -> None:
        load(workspace, tmp_path / "a.csv", [VIEW, ",2024-01-01,view,,,,", "bob,2024-01-02,view,,,,"])
        report = load(
            workspace,
            tmp_path / "b.csv",
            ["bob,2024-01-02,view,,,,", ",2024-01-01,view,,,,", "cem,2024-01-03,view,,,,"],
        )
        assert (report.rows_read, report.rows_overlapping, report.rows_new, report.rows_loaded) == (3, 2, 1, 1)
        assert len(events_in(workspace)) == 3
        assert rejected_in(workspace) == [("a.csv", 2, "no user")]

    @pytest.mark.parametrize(("first", "second", "kept"), [(2, 1, 2), (1, 2, 2), (2, 3, 3), (2, 2, 2)])
    def test_the_larger_count_stands_where_duplicates_are_kept(
        self, workspace: Workspace, tmp_path: Path, first: int, second: int, kept: int
    ) -> None:
        other = "bob,2024-01-02,view,,,,"
        load(workspace, tmp_path / "a.csv", [VIEW] * first, duplicates="keep")
        report = load(workspace, tmp_path / "b.csv", [*[VIEW] * second, other], duplicates="keep")
        assert len(events_in(workspace)) == kept + 1
        assert report.rows_overlapping == min(first, second)

    def test_a_source_that_adds_nothing_changes_nothing(self, workspace: Workspace, tmp_path: Path) -> None:
        load(workspace, tmp_path / "a.csv", [VIEW, "bob,2024-01-02,view,,,,"])
        report = load(workspace, tmp_path / "b.csv", [VIEW])
        assert (report.is_new, report.rows_overlapping) == (False, 1)


class TestPlausibility:
    def test_times_outside_the_range_are_set_aside(self, workspace: Workspace, tmp_path: Path) -> None:
        rows = [VIEW, "ann,1969-12-31,view,,,,", "ann,2999-01-01,view,,,,", "ann,2010-06-01,view,,,,"]
        report = load(workspace, tmp_path / "a.csv", rows)
        assert report.reasons == {"implausible time": 2}
        assert report.choices == (Choice("earliest, latest", "limit", "no limit", 2),)
        assert "up to 2 events more" in str(report.choices[0].sentence)
        narrow = {"earliest": datetime(2020, 1, 1), "latest": datetime(2024, 6, 1)}
        report = load(workspace, tmp_path / "b.csv", [*rows, "bob,2024-01-01,view,,,,"], **narrow)
        assert report.reasons == {"implausible time": 1}  # two stood in the quarantine before

    def test_impossible_numbers_are_set_aside(self, workspace: Workspace, tmp_path: Path) -> None:
        rows = [VIEW, "ann,2024-01-01,buy,x,1e13,1,", "ann,2024-01-01,buy,x,inf,1,", "ann,2024-01-01,buy,x,1,2e9,"]
        report = load(workspace, tmp_path / "a.csv", rows)
        assert report.reasons == {"impossible quantity": 1, "impossible value": 1, "unreadable value": 1}
        assert report.choices == (Choice("max_value, max_quantity", "limit", "no limit", 2),)

    def test_a_session_can_stand_for_a_missing_user(self, workspace: Workspace, tmp_path: Path) -> None:
        rows = [VIEW, ",2024-01-01,view,tea,,,s1", ",2024-01-01,view,tea,,,"]
        asked = load(workspace, tmp_path / "a.csv", rows)
        assert Choice("missing_user", "quarantine", "session", 1) in asked.choices
        load(workspace, tmp_path / "b.csv", [*rows, "x,2024-01-01,view,,,,"], missing_user="session")
        assert "session:s1" in {row[0] for row in events_in(workspace)}


class TestReturns:
    ROWS = (
        "ann,2024-01-01,purchase,tea,7,2,o1", "ann,2024-01-03,purchase,tea,7,2,o2",
        "ann,2024-01-02,purchase,tea,-3.5,-1,r1", "ann,2024-01-04,purchase,milk,-1,-1,C3",
        "bob,2024-01-04,purchase,tea,3.5,1,Cx",
    )  # fmt: skip

    def test_become_events_linked_to_what_they_take_back(self, workspace: Workspace, tmp_path: Path) -> None:
        mapping = ColumnMapping(
            user="user", time="time", event="event", item="item", value="value", quantity="quantity",
            session="session", cancelled_prefix="C",
        )  # fmt: skip
        report = load(workspace, tmp_path / "a.csv", self.ROWS, mapping=mapping)
        assert report.events == {"cancellation": 2, "purchase": 2, "return": 1}
        assert (report.returns, report.returns_linked) == (3, 1)
        with open_warehouse(workspace) as database:
            link = database.query("SELECT * FROM returns WHERE bought_at IS NOT NULL").to_pylist()[0]
        assert (link["bought_session_id"], link["bought_at"]) == ("o1", datetime(2024, 1, 1))
        returned = next(row for row in events_in(workspace) if row[2] == "return")
        assert returned[4:6] == (-3.5, 1.0)  # money goes back, one piece comes back

    @pytest.mark.parametrize(("choice", "events", "rejected"), [("keep", 5, 0), ("drop", 3, 2)])
    def test_other_choices(self, workspace: Workspace, tmp_path: Path, choice: str, events: int, rejected: int) -> None:
        report = load(workspace, tmp_path / "a.csv", self.ROWS, returns=choice)
        assert (report.rows_loaded, report.reasons.get("return or cancellation", 0)) == (events, rejected)


def storm(user: str, n: int, gap: int) -> list[str]:
    return [f"{user},{1_704_067_200 + place * gap},view,x,,," for place in range(n)]


class TestStorms:
    def test_rate_and_regularity_are_flagged_and_kept(self, workspace: Workspace, tmp_path: Path) -> None:
        person = [f"ann,{1_704_067_200 + place * place * 7},view,x,,," for place in range(150)]
        rows = [*storm("fast", 1000, 2), *storm("clock", 120, 300), *person]
        report = load(workspace, tmp_path / "a.csv", rows)
        assert (report.robots, report.rows_loaded) == (2, len(rows))
        assert Choice("robots", "flag", "drop", -1120) in report.choices
        with open_warehouse(workspace) as database:
            flags = database.query("SELECT user_id, flag, rows FROM user_flags ORDER BY ALL").to_pylist()
        assert {(row["user_id"], row["flag"]) for row in flags} >= {("fast", "rate"), ("clock", "regularity")}

    def test_are_set_aside_when_asked(self, workspace: Workspace, tmp_path: Path) -> None:
        report = load(workspace, tmp_path / "a.csv", [*storm("clock", 120, 300), VIEW], robots="drop")
        assert (report.rows_loaded, report.reasons) == (1, {"event storm": 120})

    def test_a_large_order_and_a_daily_log_are_no_storm(self, workspace: Workspace, tmp_path: Path) -> None:
        order = [f"ann,2024-01-01,buy,i{place},,," for place in range(1500)]
        daily = [f"bob,{1_600_000_000 + day * 86_400},view,x,,," for day in range(200)]
        assert load(workspace, tmp_path / "a.csv", [*order, *daily]).robots == 0


ROW = st.tuples(
    st.sampled_from(["ann", "bob", ""]),
    st.sampled_from(["2024-01-01", "2024-01-02 10:00", "", "soon"]),
    st.sampled_from(["view", "buy"]),
    st.sampled_from(["", "tea"]),
    st.sampled_from(["", "1.5", "x"]),
    st.sampled_from(["", "1", "-1"]),
    st.sampled_from(["", "s"]),
).map(",".join)
QUICK = settings(
    max_examples=12, deadline=None, derandomize=True, phases=[Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)  # fmt: skip
ANCHOR = "zed,2024-01-05,view,,,,"


@QUICK
@given(st.lists(ROW, min_size=1, max_size=20), st.data())
def test_any_permutation_split_or_repetition_gives_the_same_log(
    tmp_path_factory: pytest.TempPathFactory, rows: list[str], data: st.DataObject
) -> None:
    shuffled = data.draw(st.permutations(rows + data.draw(st.lists(st.sampled_from(rows), max_size=5))))
    cut = data.draw(st.integers(0, len(shuffled)))
    logs = []
    for number, parts in enumerate(([rows], [shuffled[:cut], shuffled[cut:], rows])):
        folder = tmp_path_factory.mktemp(f"log{number}")
        workspace = Workspace(folder / "workspace")
        for place, part in enumerate(parts):
            load(workspace, folder / f"{place}.csv", [ANCHOR, *part])
        rejected = Counter(reason for _, _, reason in rejected_in(workspace))
        logs.append((sorted(map(str, events_in(workspace))), {**rejected, "exact duplicate": 0}.keys()))
    assert logs[0] == logs[1]


@QUICK
@given(st.lists(st.lists(ROW, max_size=10), min_size=1, max_size=3))
def test_every_row_read_is_accounted_for(tmp_path_factory: pytest.TempPathFactory, files: list[list[str]]) -> None:
    folder = tmp_path_factory.mktemp("log")
    workspace = Workspace(folder / "workspace")
    loaded = 0
    for place, rows in enumerate(files):
        report = load(workspace, folder / f"{place}.csv", [ANCHOR, *rows])
        if report.is_new:
            assert report.rows_read == len(rows) + 1
            assert report.rows_read == report.rows_loaded + report.rows_quarantined + report.rows_overlapping
            assert sum(report.reasons.values()) == report.rows_quarantined
            loaded += report.rows_loaded
    assert len(events_in(workspace)) == loaded


def test_a_report_comes_back_as_it_was(workspace: Workspace, tmp_path: Path) -> None:
    report = load(workspace, tmp_path / "a.csv", [VIEW, VIEW, ",2024-01-01,view,,,,"])
    assert report_from_json(to_text(report)) == report


def test_rules_refuse_typos() -> None:
    with pytest.raises(ValidationError):
        CleaningRules.model_validate({"duplicate": "drop"})
