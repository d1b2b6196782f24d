"""Every preset reads a small file in the exact public layout; a preset can be saved and read back."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.events.public_layouts import EXPECTED, FILES
from tests.warehouse.helpers import events_in
from ulm_core.errors import InputError, NotFoundError
from ulm_core.events.cleaning import CleaningRules
from ulm_core.events.mapping import ColumnMapping
from ulm_core.events.presets import get_preset, list_presets, save_preset
from ulm_core.warehouse.access import open_warehouse
from ulm_core.warehouse.loading import LoadOptions, load_log
from ulm_core.warehouse.preview import preview
from ulm_core.workspace import Workspace


def write_all(folder: Path, preset: str) -> Path:
    folder.mkdir()
    for name, text in FILES[preset].items():
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def test_every_shipped_preset_has_a_layout_in_the_tests() -> None:
    assert set(list_presets()) == set(FILES) == set(EXPECTED)


@pytest.mark.parametrize("preset", sorted(FILES))
def test_a_preset_reads_its_public_layout(workspace: Workspace, tmp_path: Path, preset: str) -> None:
    report = load_log(workspace, write_all(tmp_path / "log", preset), options=LoadOptions(preset=preset))
    assert events_in(workspace) == EXPECTED[preset]
    assert report.rows_read == report.rows_loaded + report.rows_quarantined + report.rows_overlapping


def test_tables_of_a_preset_are_loaded_with_it(workspace: Workspace, tmp_path: Path) -> None:
    report = load_log(workspace, write_all(tmp_path / "log", "movielens"), options=LoadOptions(preset="movielens"))
    assert report.skipped == ("README.txt",)
    with open_warehouse(workspace) as database:
        film = database.query("SELECT text, tags FROM items WHERE item_id = '296'").to_pylist()
    assert film == [{"text": "Pulp Fiction (1994)", "tags": ["Comedy", "Crime"]}]
    assert report.ids["items"]["examples_only_in_log"] == ("306",)
    assert report.ids["items"]["examples_only_in_table"] == ("1",)


def test_other_layouts_of_movielens(workspace: Workspace, tmp_path: Path) -> None:
    (tmp_path / "ratings.dat").write_text("1::296::5::1147880044\n")
    (tmp_path / "u.data").write_text("2\t306\t3\t1147868817\n")
    load_log(workspace, tmp_path / "ratings.dat", options=LoadOptions(preset="movielens"))
    load_log(workspace, tmp_path / "u.data", options=LoadOptions(preset="movielens"))
    assert [row[0] for row in events_in(workspace)] == ["2", "1"]


def test_a_file_without_its_other_half_says_which_is_missing(workspace: Workspace, tmp_path: Path) -> None:
    path = tmp_path / "order_products__prior.csv"
    path.write_text(FILES["instacart"][path.name])
    with pytest.raises(NotFoundError, match=r"orders\.csv"):
        load_log(workspace, path, options=LoadOptions(preset="instacart"))


def test_a_preset_that_knows_none_of_the_files_names_them(workspace: Workspace, tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text("a,b\n1,2\n")
    with pytest.raises(InputError, match=r"retailrocket.*log\.csv"):
        load_log(workspace, tmp_path / "log.csv", options=LoadOptions(preset="retailrocket"))


def test_an_unknown_preset_is_named_with_near_ones(workspace: Workspace) -> None:
    with pytest.raises(NotFoundError, match="movielens"):
        get_preset("movielense")


def test_a_saved_preset_comes_back_as_it_was(workspace: Workspace) -> None:
    mapping = ColumnMapping(
        user="Mitglied Nr.", time="wann", time_kind="pattern", time_pattern="%d.%m.%Y", event_name='kauf "é" 茶\n',
        wide={"clicks": "click"}, nulls=("", "-"), decimal_comma=True,
    )  # fmt: skip
    save_preset(workspace, "vereine", mapping, rules=CleaningRules(duplicates="keep"))
    preset = get_preset("vereine", workspace)
    assert preset.variants[0].mapping == mapping
    assert preset.rules.duplicates == "keep"


@pytest.mark.parametrize("name", ["../evil", "a b", ""])
def test_a_preset_name_is_no_path(workspace: Workspace, name: str) -> None:
    with pytest.raises(InputError, match="no name for a preset"):
        save_preset(workspace, name, ColumnMapping(user="u", time="t", event="e"))


def test_a_broken_preset_is_named(workspace: Workspace) -> None:
    (workspace.root / "presets").mkdir()
    (workspace.root / "presets" / "mine.toml").write_text('title = "x"\n[[variants]]\nmapping = { usr = "a" }\n')
    with pytest.raises(InputError, match=r"mine\.toml"):
        list_presets(workspace)


@pytest.mark.parametrize("preset", ["retailrocket", "rees46", "online-retail", "kuairand", "posthog", "mixpanel"])
def test_preview_names_the_presets_that_fit(tmp_path: Path, preset: str) -> None:
    folder = write_all(tmp_path / "log", preset)
    assert preset in preview(folder).presets
