"""Saved views and dated notes on the pages."""

from __future__ import annotations

from datetime import date

import pytest

from tests.app.conftest import OpenPage, shown
from tests.app.test_pages import LANGUAGES, assert_whole
from ulm_core.annotations import Annotation, Annotations
from ulm_core.views import SavedView, Views
from ulm_core.workspace import Workspace


def test_a_view_is_saved_with_filters_and_owner(open_page: OpenPage, small_workspace: Workspace) -> None:
    app = open_page(small_workspace, "lifecycle", interval="month", period="all")
    app.text_input(key="view_name").set_value("By month")
    app.text_input(key="view_owner").set_value("eve")
    app.button(key="view_save").click().run()
    assert_whole(app)
    saved = Views(small_workspace).all()["By month"]
    assert saved.owner == "eve"
    assert saved.body == SavedView(page="lifecycle", parameters={"interval": ("month",), "period": ("all",)})
    app.button(key="view_save").click().run()
    assert "already" in app.warning[0].value


@pytest.mark.parametrize("lang", LANGUAGES)
def test_the_overview_lists_renames_and_deletes_views(
    open_page: OpenPage, small_workspace: Workspace, lang: str
) -> None:
    views = Views(small_workspace)
    views.save("One", SavedView(page="lifecycle", parameters={"stage": ("new", "loyal")}), "eve")
    views.save("Gone", SavedView(page="nowhere"))
    app = open_page(small_workspace, "overview", lang)
    assert_whole(app)
    assert "eve" in shown(app)
    app.text_input(key="view_new_name_One").set_value("Two").run()
    app.button(key="view_rename_One").click().run()
    app.button(key="view_delete_Gone").click().run()
    assert_whole(app)
    assert list(views.all()) == ["Two"]


@pytest.mark.parametrize("lang", LANGUAGES)
def test_a_note_is_added_changed_and_deleted(open_page: OpenPage, small_workspace: Workspace, lang: str) -> None:
    app = open_page(small_workspace, "lifecycle", lang, period="all")
    app.button(key="note_new_save").click().run()
    assert len(app.warning) == 1  # there is no text yet
    app.date_input(key="note_new_day").set_value(date(2024, 1, 9))
    app.text_input(key="note_new_text").set_value("Version 2")
    app.button(key="note_new_save").click().run()
    assert_whole(app)
    (token,) = Annotations(small_workspace).all()
    app.button(key=f"note_edit_{token}").click().run()
    app.text_input(key=f"note_{token}_text").set_value("Version 3")
    app.button(key=f"note_{token}_save").click().run()
    assert Annotations(small_workspace).all()[token].body == Annotation(day=date(2024, 1, 9), text="Version 3")
    app.button(key=f"note_drop_{token}").click().run()
    assert_whole(app)
    assert Annotations(small_workspace).all() == {}


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("page", ["overview", "lifecycle"])
@pytest.mark.parametrize("how", ["previous", "year", "custom"])
def test_periods_are_compared(open_page: OpenPage, small_workspace: Workspace, page: str, how: str, lang: str) -> None:
    asked = {"period": "custom", "from": "2024-02-05", "to": "2024-02-20", "interval": "week"}
    app = open_page(small_workspace, page, lang, **asked, compare=how, compare_from="2024-01-03")
    assert_whole(app)
    if page == "overview" and how == "custom":
        assert app.metric[0].delta.strip("-−") != ""  # one user now, three then
    app.radio(key="filter_compare").set_value("").run()
    assert_whole(app)
    assert app.query_params.get("compare", []) == []


@pytest.mark.slow
def test_a_sample_is_marked_and_off_by_default(open_page: OpenPage, journey: Workspace) -> None:
    app = open_page(journey, "overview")
    assert "chip_sample" not in [button.key for button in app.button]
    app.toggle(key="filter_sample").set_value(True).run()
    assert_whole(app)
    assert "Not all users" in "".join(badge.value for badge in app.markdown)
    assert app.query_params["sample"] in ("10", ["10"])
    app.button(key="chip_sample").click().run()
    assert_whole(app)
    assert app.query_params.get("sample", []) == []
