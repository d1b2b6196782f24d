from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ulm_core.events.cleaning import CleaningRules
from ulm_core.timeline.erase import erase_user
from ulm_core.timeline.publish import import_log
from ulm_core.warehouse.loading import LoadOptions
from ulm_core.warehouse.quality import Bin, Quality, find_gaps, load_reports, measure_quality
from ulm_core.warehouse.reports import dataset_summary
from ulm_core.warehouse.snapshot import Snapshot
from ulm_core.workspace import Workspace

FIRST = """user,time,event,item,value
ann,2024-01-01T10:00:00,view,tea,
ann,2024-01-01T10:00:00,view,tea,
ann,2024-01-02T23:30:00,purchase,tea,3.5
bob,2024-01-06T12:00:00,view,milk,
,2024-01-06T12:00:00,view,milk,
"""
# Three new events: one on a day before the 6th that the first load reached (late), one on the 6th, one after it.
SECOND = """user,time,event,item,value
ann,2024-01-02T23:30:00,purchase,tea,3.5
cem,2024-01-03T09:00:00,view,jam,
cem,2024-01-06T20:00:00,view,jam,
cem,2024-01-07T09:00:00,view,jam,
"""
USERS = "user_id,city\nann,Oslo\nzoe,Rome\n"
ITEMS = "item_id,title\ntea,Green tea\n"


@pytest.fixture
def loaded(workspace: Workspace, tmp_path: Path) -> Workspace:
    for name, text in {"first.csv": FIRST, "second.csv": SECOND, "users.csv": USERS, "items.csv": ITEMS}.items():
        (tmp_path / name).write_text(text)
    options = LoadOptions(users=str(tmp_path / "users.csv"), items=str(tmp_path / "items.csv"))
    import_log(workspace, tmp_path / "first.csv", options=options)
    import_log(workspace, tmp_path / "second.csv")
    return workspace


def quality(workspace: Workspace, timezone: str = "UTC", passive: tuple[str, ...] = ()) -> Quality:
    return measure_quality(Snapshot.open(workspace), timezone, passive)


def test_read_is_loaded_plus_quarantined_plus_seen_before(loaded: Workspace) -> None:
    found = quality(loaded)
    # 5 + 4 rows; aside: the second "view tea" and the row without a user; seen before: ann's purchase.
    assert (found.rows_read, found.rows_loaded, found.rows_quarantined, found.rows_overlapping) == (9, 6, 2, 1)
    assert found.rows == 6
    summary = dataset_summary(loaded)
    assert (summary.rows_read, summary.rows_loaded, summary.rows_overlapping) == (9, 6, 1)
    assert [load.rows_overlapping for load in summary.loads] == [1, 0]


def test_days_gaps_and_late_events(loaded: Workspace) -> None:
    found = quality(loaded)
    assert [(day.day.day, day.events, day.late) for day in found.days] == [
        (1, 1, 0), (2, 1, 0), (3, 1, 1), (6, 2, 0), (7, 1, 0),
    ]  # fmt: skip
    assert [(gap.first.day, gap.last.day, gap.days) for gap in found.gaps] == [(4, 5, 2)]
    assert (found.late, found.first_load_rows) == (1, 3)
    assert found.late_share == pytest.approx(1 / 6)
    assert found.to_arrow().column("late").to_pylist() == [0, 0, 1, 0, 0]


def test_days_follow_the_time_zone(loaded: Workspace) -> None:
    days = {day.day.day: day.events for day in quality(loaded, "Asia/Kathmandu").days}  # +05:45: 23:30 is the 3rd
    assert days == {1: 1, 3: 2, 6: 1, 7: 2}


def test_what_is_done_to_users_closes_no_gap(loaded: Workspace) -> None:
    found = quality(loaded, passive=("view",))
    assert found.gaps == ()
    assert [day.done_by_users for day in found.days] == [0, 1, 0, 0, 0]


def test_activity_and_ids(loaded: Workspace) -> None:
    found = quality(loaded)
    assert found.activity == (Bin(1, 1, 1), Bin(2, 3, 2))  # bob 1; ann 2, cem 3
    assert (found.events_median, found.events_most) == (2, 3)
    assert (found.users.in_log, found.users.described, found.users.both) == (3, 2, 1)
    assert found.users.only_in_log == ("bob", "cem")
    assert found.users.only_in_table == ("zoe",)
    assert (found.items.in_log, found.items.both, found.items.only_in_log) == (3, 1, ("jam", "milk"))


def test_fill_by_event_and_by_table(loaded: Workspace) -> None:
    shares = {(fill.table, fill.column): fill.share for fill in quality(loaded).fill}
    assert shares["purchase", "value"] == 1
    assert shares["view", "value"] == 0
    assert shares["view", "item_id"] == 1
    assert shares["users", "city"] == 1
    assert shares["items", "text"] == 1
    assert ("items", "price") not in shares


def test_quarantine_with_the_original_text(loaded: Workspace) -> None:
    found = {reason.reason: reason for reason in quality(loaded).quarantine}
    assert {name: reason.rows for name, reason in found.items()} == {"exact duplicate": 1, "no user": 1}
    example = found["no user"].examples[0]
    assert (example["source"], example["row_number"]) == ("first.csv", 5)
    assert "milk" in str(example["original"])


def test_duplicates_and_what_another_choice_would_have_changed(loaded: Workspace, tmp_path: Path) -> None:
    found = quality(loaded)
    assert (found.duplicates_set_aside, found.duplicates_kept) == (1, 0)
    assert [str(choice.sentence) for choice in found.choices] == [
        "exact duplicates: with “keep” there would be 1 events more."
    ]
    keep = LoadOptions(rules=CleaningRules(duplicates="keep"))
    import_log(loaded, tmp_path / "first.csv", "replace", options=keep)
    found = quality(loaded)
    assert (found.duplicates_set_aside, found.duplicates_kept) == (0, 1)
    assert found.choices[0].events == -1


def test_erased_events_explain_the_difference(loaded: Workspace) -> None:
    erase_user(loaded, "ann")
    found = quality(loaded)
    assert (found.rows_loaded, found.rows_erased, found.rows) == (6, 2, 4)


def test_reports_of_loads_newest_first(loaded: Workspace) -> None:
    reports = load_reports(Snapshot.open(loaded))
    assert [report.source for report in reports.values()] == ["second.csv", "first.csv"]
    assert next(iter(reports.values())).rows_overlapping == 1


@given(st.sets(st.integers(0, 60), min_size=1))
def test_gaps_are_the_days_that_are_missing(numbers: set[int]) -> None:
    start = date(2024, 2, 20)
    days = [start + timedelta(days=number) for number in sorted(numbers)]
    missing = {start + timedelta(days=n) for n in range(min(numbers), max(numbers)) if n not in numbers}
    gaps = find_gaps(days)
    assert {gap.first + timedelta(days=n) for gap in gaps for n in range(gap.days)} == missing
    assert sum(gap.days for gap in gaps) == len(missing)
    assert all(gap.first - timedelta(days=1) in days and gap.last + timedelta(days=1) in days for gap in gaps)
