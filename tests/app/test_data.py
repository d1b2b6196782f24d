"""The data page: a source is looked at, corrected and loaded; what is loaded, how good it is, and undo."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from tests.app.conftest import OpenPage, shown
from ulm_core.events.presets import list_presets
from ulm_core.i18n import translator
from ulm_core.jobs.process import run_job
from ulm_core.jobs.records import JobState, JobStore
from ulm_core.settings import get_settings
from ulm_core.timeline.erase import erase_user
from ulm_core.timeline.publish import import_file, import_log
from ulm_core.warehouse.loading import LoadOptions
from ulm_core.warehouse.reports import dataset_summary
from ulm_core.workspace import Workspace

ODD = b"""member_no;happened;did;sku;paid
17;31.12.2024 10:00;view;a;
17;31.12.2024 10:05;buy;a;3.5
;30.12.2024 09:00;buy;b;1
"""


def select(app: AppTest, ending: str) -> object:
    """Return the select box whose key ends like this."""
    return next(box for box in app.selectbox if str(box.key).endswith(ending))


def run_newest(workspace: Workspace, kind: str) -> JobState:
    job = JobStore(workspace).all(kind)[0]
    return run_job(workspace, job.id)


def look_at(open_page: OpenPage, workspace: Workspace, place: str, lang: str = "en") -> AppTest:
    app = open_page(workspace, "data", lang, section="add", source="path")
    app.text_input(key="path_place").set_value(place)
    next(button for button in app.button if "Look at it" in button.label or "查看" in button.label).click().run()
    assert not app.exception
    return app


def test_an_upload_is_recognised_corrected_and_loaded_as_it_was_shown(
    open_page: OpenPage, small_workspace: Workspace
) -> None:
    app = open_page(small_workspace, "data", section="add")
    app.file_uploader(key="upload_file").upload("my events.csv", ODD).run()
    assert not app.exception
    chosen = {ending: select(app, f"_{ending}").value for ending in ("user", "time", "item")}
    assert chosen == {"user": "member_no", "time": "happened", "item": "sku"}
    assert select(app, "_time_kind").value == "day_first"
    assert "sure · 97%" in shown_badges(app)

    select(app, "_event").set_value("did").run()
    select(app, "_value").set_value("paid").run()
    assert "2 of 3 rows looked at become events; set aside: no user (1)." in shown(app)
    app.button(key="draft_load").click().run()
    job = JobStore(small_workspace).all("load-file")[0]
    path = Path(job.parameters["path"])
    assert small_workspace.uploads_dir in path.parents
    assert path.name == "my_events.csv"
    assert run_job(small_workspace, job.id) is JobState.FINISHED
    summary = dataset_summary(small_workspace)
    assert (summary.rows_read, summary.rows_loaded, summary.rows_quarantined) == (9, 8, 1)

    app.run()
    assert "“my_events.csv”: 3 rows read = 2 loaded + 1 set aside + 0 seen before." in shown(app)
    assert not path.exists()


def shown_badges(app: AppTest) -> str:
    return "\n".join(str(element.value) for element in app.markdown)


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_every_section_speaks_both_languages(open_page: OpenPage, small_workspace: Workspace, lang: str) -> None:
    _ = translator(lang)
    for section, words in {
        "loaded": "Every row is accounted for",
        "quality": "How full the columns are",
        "loads": "Undo the last load",
        "add": "Where are the data?",
    }.items():
        app = open_page(small_workspace, "data", lang, section=section)
        assert not app.exception
        assert [box.value for box in app.error] == []
        labels = [element.label for element in app.get("button_group")]
        assert _(words) in shown(app) + "\n".join(labels), section


def test_what_was_recognised_wrongly_is_not_used_but_named(
    open_page: OpenPage, small_workspace: Workspace, tmp_path: Path
) -> None:
    path = tmp_path / "odd.csv"
    path.write_text("who;at\nann;2024-01-01\nbob;2024-01-02\n")
    app = look_at(open_page, small_workspace, str(path))
    assert select(app, "_user").value == ""
    assert "lacks the column" in app.warning[0].value
    assert app.button(key="draft_load").disabled
    select(app, "_user").set_value("who").run()
    select(app, "_time").set_value("at").run()
    next(box for box in app.text_input if str(box.key).endswith("_event_name")).set_value("visit").run()
    assert "All 2 rows looked at become events." in shown(app)
    assert not app.button(key="draft_load").disabled


def test_a_mapping_is_saved_as_a_preset_and_taken_again(
    open_page: OpenPage, small_workspace: Workspace, tmp_path: Path
) -> None:
    path = tmp_path / "odd.csv"
    path.write_bytes(ODD)
    app = look_at(open_page, small_workspace, str(path))
    select(app, "_event").set_value("did").run()
    next(box for box in app.text_input if str(box.key).endswith("_preset_name")).set_value("till").run()
    app.button(key="preset_save").click().run()
    saved = list_presets(small_workspace)["till"]
    assert saved.variants[0].mapping.event == ("did",)
    select(app, "_preset").set_value("till").run()
    assert not app.exception
    assert select(app, "_event").value == "did"


def test_rules_with_their_units_reach_the_load(open_page: OpenPage, small_workspace: Workspace, tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text("user,time,event\nann,2024-01-01,view\nann,2024-01-01,view\n")
    app = look_at(open_page, small_workspace, str(path))
    labels = [box.label for box in app.number_input]
    assert "Largest believable quantity (pieces)" in labels
    key = next(str(group.key) for group in app.segmented_control if str(group.key).endswith("_duplicates"))
    app.segmented_control(key=key).set_value("keep").run()
    app.button(key="draft_load").click().run()
    options = JobStore(small_workspace).all("load-file")[0].parameters["options"]
    assert options["rules"]["duplicates"] == "keep"


def test_users_and_items_are_described_on_the_way(
    open_page: OpenPage, small_workspace: Workspace, tmp_path: Path
) -> None:
    path, people = tmp_path / "log.csv", tmp_path / "people.csv"
    path.write_text("user,time,event\nann,2024-05-01,view\n")
    people.write_text("customer_id,joined,city\nann,2024-01-01,Oslo\n")
    app = look_at(open_page, small_workspace, str(path))
    next(box for box in app.text_input if str(box.key).endswith("users_place")).set_value(str(people)).run()
    assert "Attributes: `city`" in shown(app)
    app.button(key="draft_load").click().run()
    assert run_newest(small_workspace, "load-file") is JobState.FINISHED
    assert dataset_summary(small_workspace).users_described == 1


def test_a_table_of_a_database_is_picked(open_page: OpenPage, small_workspace: Workspace, tmp_path: Path) -> None:
    path = tmp_path / "shop.sqlite"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE clicks (user TEXT, time TEXT, event TEXT)")
        connection.execute("INSERT INTO clicks VALUES ('zoe', '2024-06-01', 'view')")
    app = open_page(small_workspace, "data", section="add", source="database")
    app.text_input(key="database_place").set_value(str(path))
    next(button for button in app.button if "List tables" in button.label).click().run()
    assert app.selectbox(key="database_table").value == "clicks"
    app.button(key="database_look").click().run()
    assert "All 1 rows looked at become events." in shown(app)
    app.button(key="draft_load").click().run()
    assert run_newest(small_workspace, "load-file") is JobState.FINISHED


@pytest.mark.parametrize("lang", ["en", "zh"])
@pytest.mark.parametrize(
    ("place", "template"),
    [
        ("none.csv", "There is no file {path}. Check the path; it is read on the server."),
        ("empty.csv", "{file} is empty. Nothing was changed."),
        ("photo.pdf", "{file} is no table that can be read ({kind}). Save it as CSV, JSON lines, Parquet or Arrow."),
        ("bad.parquet", "{file} cannot be read as a table: {reason} Give a CSV or Parquet file with a header."),
    ],
)
def test_a_source_that_cannot_be_read_is_said_plainly(
    open_page: OpenPage, small_workspace: Workspace, tmp_path: Path, place: str, template: str, lang: str
) -> None:
    (tmp_path / "empty.csv").write_text("")
    (tmp_path / "photo.pdf").write_bytes(b"%PDF-1.4 nothing")
    (tmp_path / "bad.parquet").write_bytes(b"PAR1 broken PAR1")
    app = look_at(open_page, small_workspace, str(tmp_path / place), lang)
    beginning = translator(lang)(template).split("{")
    words = "\n".join(box.value for box in app.warning)
    assert max(beginning[0:1] + [part.split("}")[-1] for part in beginning[1:]], key=len).strip() in words
    assert not app.error


def test_a_database_nobody_answers_for_is_said_without_its_password(
    open_page: OpenPage, small_workspace: Workspace
) -> None:
    app = open_page(small_workspace, "data", section="add", source="database")
    app.text_input(key="database_place").set_value("postgresql://me:secret@127.0.0.1:1/shop")
    next(button for button in app.button if "List tables" in button.label).click().run()
    assert not app.exception
    assert "shop cannot be opened" in app.warning[0].value
    assert "secret" not in app.warning[0].value


def test_after_a_failed_load_the_choices_are_still_there(
    open_page: OpenPage, small_workspace: Workspace, tmp_path: Path
) -> None:
    path = tmp_path / "odd.csv"
    path.write_bytes(ODD)
    app = look_at(open_page, small_workspace, str(path))
    select(app, "_event").set_value("did").run()
    app.button(key="draft_load").click().run()
    app.run()
    path.unlink()
    assert run_newest(small_workspace, "load-file") is JobState.FAILED
    app.run()
    assert "There is no file" in app.error[0].value
    path.write_bytes(ODD)
    app.run()
    assert select(app, "_event").value == "did"


def test_a_shop_is_simulated_to_order(open_page: OpenPage, workspace: Workspace) -> None:
    app = open_page(workspace, "data")
    app.number_input(key="simulate_users").set_value(50)
    app.number_input(key="simulate_days").set_value(40)
    app.number_input(key="simulate_seed").set_value(9)
    next(button for button in app.button if "Simulate and load" in button.label).click().run()
    job = JobStore(workspace).all("simulate")[0]
    assert job.parameters == {"users": 50, "days": 40, "seed": 9, "campaigns": 1}


def test_undo_asks_once_and_says_what_is_lost(open_page: OpenPage, small_workspace: Workspace, tmp_path: Path) -> None:
    more = tmp_path / "more.csv"
    more.write_text("user,time,event\ndan,2024-03-01,view\ndan,2024-03-02,view\n")
    import_file(small_workspace, more)
    app = open_page(small_workspace, "data", section="loads")
    app.button(key="undo_load").click().run()
    assert "“more.csv” goes, with its 2 events and the rows it set aside. 6 events are left." in shown(app)
    app.button(key="undo_no").click().run()
    assert JobStore(small_workspace).all("undo-load") == []
    app.button(key="undo_load").click().run()
    app.button(key="undo_yes").click().run()
    assert run_newest(small_workspace, "undo-load") is JobState.FINISHED
    assert dataset_summary(small_workspace).rows == 6
    app.run()
    assert app.button(key="undo_load").disabled


def test_the_report_of_each_load_and_of_erasures(
    open_page: OpenPage, small_workspace: Workspace, tmp_path: Path
) -> None:
    more = tmp_path / "more.csv"
    more.write_text("user,time,event\ndan,2024-03-01,view\ndan,2024-03-01,view\nbad,,view\n")
    import_file(small_workspace, more)
    erase_user(small_workspace, "ann")
    app = open_page(small_workspace, "data", section="loads")
    assert "3 rows read = 1 loaded + 2 set aside + 0 seen before" in shown(app)
    assert "exact duplicates: with “keep” there would be 1 events more." in shown(app)
    assert "All loads: 9 rows read = 7 loaded + 2 set aside + 0 seen before" in shown(app)
    erased = app.dataframe[-1].value
    assert erased["Events"].tolist() == [3]
    assert "ann" not in json.dumps(erased.astype(str).to_numpy().tolist())


def test_quality_shows_gaps_late_events_ids_and_what_was_set_aside(
    open_page: OpenPage, small_workspace: Workspace, tmp_path: Path
) -> None:
    more, people = tmp_path / "more.csv", tmp_path / "people.csv"
    # One day before the 20th of February, which the first load reached; one row without a time.
    more.write_text("user,time,event\ndan,2024-01-03,view\ndan,2024-03-01,view\nbad,,view\n")
    people.write_text("user_id,city\nann,Oslo\nzoe,Rome\n")
    import_log(small_workspace, more, options=LoadOptions(users=str(people)))
    app = open_page(small_workspace, "data", section="quality")
    text = shown(app)
    # 1, 2, 3, 5, 8 January, 20 February, 1 March: 1 + 2 + 42 + 9 days lie between.
    assert "Days without events: 54; the longest gap: 9 Jan 2024 – 19 Feb 2024." in text
    assert "1 events (12.5%) came late." in text
    assert "1 of 4 users and 0 of 3 items of the log are described." in text
    assert "only in the table, e.g. `zoe`" in text
    assert "1 rows were set aside; the most frequent reason: no time." in text


def test_choices_outlive_a_look_at_another_section(
    open_page: OpenPage, small_workspace: Workspace, tmp_path: Path
) -> None:
    path = tmp_path / "odd.csv"
    path.write_bytes(ODD)
    app = look_at(open_page, small_workspace, str(path))
    select(app, "_event").set_value("did").run()
    app.segmented_control(key="data_section").set_value("quality").run()
    app.segmented_control(key="data_section").set_value("add").run()
    assert select(app, "_event").value == "did"


def test_the_limit_of_an_upload_is_the_settings(
    open_page: OpenPage, small_workspace: Workspace, settings_environment: pytest.MonkeyPatch
) -> None:
    settings_environment.setenv("ULM_UPLOAD_LIMIT_MB", "7")
    get_settings.cache_clear()
    app = open_page(small_workspace, "data", section="add")
    assert "Up to 7 MB." in shown(app)
