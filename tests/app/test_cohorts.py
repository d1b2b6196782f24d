"""The page Cohorts, the dialog that saves a list, and the filter it becomes."""

from __future__ import annotations

import json

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from pages.parts.navigation import PAGES
from tests.app.conftest import OpenPage, shown
from tests.app.test_pages import LANGUAGES, assert_whole
from ulm_core.lifecycle.cohorts import model as m
from ulm_core.lifecycle.cohorts.store import Cohorts
from ulm_core.settings import get_settings
from ulm_core.warehouse.members import read_members
from ulm_core.workspace import Workspace

BUYERS = m.Behaviour(clauses=(m.Clause(event="purchase"),))


def test_a_cohort_is_built_previewed_and_saved(open_page: OpenPage, small_workspace: Workspace) -> None:
    app = open_page(small_workspace, "cohorts")
    assert_whole(app)
    app.selectbox(key="cohort_clause_0_event").select("purchase").run()
    assert "**2** / 3" in shown(app)  # ann and bob bought something
    app.button(key="cohort_add").click().run()
    app.number_input(key="cohort_clause_1_amount").set_value(3).run()
    assert "**1** / 3" in shown(app)  # only ann did three things
    app.text_input(key="cohort_name").set_value("Busy buyers")
    app.text_input(key="cohort_owner").set_value("eve")
    app.button(key="cohort_save").click().run()
    assert_whole(app)
    saved = Cohorts(small_workspace).get("Busy buyers")
    assert saved.owner == "eve"
    assert len(saved.body.rule.clauses) == 2
    assert app.query_params["show"] in ("Busy buyers", ["Busy buyers"])
    assert "Busy buyers" in shown(app)


def test_a_name_that_is_taken_is_refused(open_page: OpenPage, small_workspace: Workspace) -> None:
    Cohorts(small_workspace).save("Buyers", m.Cohort(rule=BUYERS))
    app = open_page(small_workspace, "cohorts")
    app.text_input(key="cohort_name").set_value("Buyers")
    app.button(key="cohort_save").click().run()
    assert "already" in app.warning[0].value


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("kind", ["behaviour", "attribute", "stage", "transition", "combination", "written", "upload"])
def test_every_form_draws(open_page: OpenPage, small_workspace: Workspace, kind: str, lang: str) -> None:
    app = open_page(small_workspace, "cohorts", lang)
    app.segmented_control(key="cohort_kind").set_value(kind).run()
    assert_whole(app)


def test_nonsense_in_the_json_is_named(open_page: OpenPage, small_workspace: Workspace) -> None:
    app = open_page(small_workspace, "cohorts")
    app.segmented_control(key="cohort_kind").set_value("written").run()
    app.text_area(key="cohort_json").set_value('{"kind": "ghost"}').run()
    assert not app.exception
    assert "This is no cohort" in app.warning[0].value


@pytest.mark.parametrize("lang", LANGUAGES)
def test_a_cohort_shows_its_size_overlap_and_actions(
    open_page: OpenPage, small_workspace: Workspace, lang: str
) -> None:
    saved = Cohorts(small_workspace)
    saved.save("Buyers", m.Cohort(rule=BUYERS, note="for the newsletter"))
    saved.save("Viewers", m.Cohort(rule=m.Behaviour(clauses=(m.Clause(event="view"),))))
    app = open_page(small_workspace, "cohorts", lang, show="Buyers")
    assert_whole(app)
    assert "for the newsletter" in shown(app)
    assert {"list_overlap_0", "list_overlap_1", "list_overlap_2"} <= {button.key for button in app.button}
    app.button(key="cohort_use").click().run()
    assert app.query_params["cohort"] in ("Buyers", ["Buyers"])
    app.button(key="cohort_freeze").click().run()
    assert_whole(app)
    assert len(saved.names()) == 3
    assert sum(not entry.body.is_live for entry in saved.all().values()) == 1


def test_a_cohort_that_is_part_of_another_is_not_deleted(open_page: OpenPage, small_workspace: Workspace) -> None:
    saved = Cohorts(small_workspace)
    saved.save("Buyers", m.Cohort(rule=BUYERS))
    saved.save("Others", m.Cohort(rule=m.NoneOf(rule=m.SavedCohort(name="Buyers"))))
    app = open_page(small_workspace, "cohorts", show="Buyers")
    app.button(key="cohort_delete").click().run()
    assert "Others" in app.warning[0].value
    app = open_page(small_workspace, "cohorts", show="Others")
    app.button(key="cohort_delete").click().run()
    assert_whole(app)
    assert saved.names() == ["Buyers"]


@pytest.mark.parametrize("page", [name for name in PAGES if name in ("overview", "lifecycle", "funnel", "churn")])
def test_a_cohort_filters_every_analysis(open_page: OpenPage, small_workspace: Workspace, page: str) -> None:
    Cohorts(small_workspace).save("Buyers", m.Cohort(rule=BUYERS))
    app = open_page(small_workspace, page, cohort="Buyers", period="all")
    assert_whole(app)
    assert "2 of 3 users" in shown(app)
    app.button(key="chip_cohort_0").click().run()
    assert_whole(app)
    assert "chip_cohort_0" not in [button.key for button in app.button]


def test_a_rule_in_the_address_filters_too(open_page: OpenPage, small_workspace: Workspace) -> None:
    rule = json.dumps({"kind": "behaviour", "clauses": [{"event": "view"}]})
    app = open_page(small_workspace, "overview", cohort=rule, period="all")
    assert_whole(app)
    assert "3 of 3 users" in shown(app)
    assert any("view" in button.label for button in app.button if button.key == "chip_cohort_0")


def test_a_cohort_that_is_gone_is_named(open_page: OpenPage, small_workspace: Workspace) -> None:
    app = open_page(small_workspace, "overview", cohort=["Ghosts", '{"kind": "ghost"}'])
    assert_whole(app)
    assert "Ghosts" in shown(app)


def list_script() -> None:
    import numpy as np

    from pages.parts import data as opened
    from pages.parts import users_list

    users_list._draw(opened.open_data(), np.array([0, 1], np.int32), "Converted users", "kpi", None)


def test_a_list_behind_a_number_becomes_a_cohort_and_a_filter(
    settings_environment: pytest.MonkeyPatch, small_workspace: Workspace
) -> None:
    """The list without its dialog, which AppTest cannot keep open over a rerun; the browser test opens it."""
    settings_environment.setenv("ULM_WORKSPACE", str(small_workspace.root))
    get_settings.cache_clear()
    st.cache_resource.clear()
    app = AppTest.from_function(list_script, default_timeout=60).run()
    app.text_input(key="save_cohort_name_kpi").set_value("Converted once")
    app.button(key="save_cohort_kpi").click().run()
    assert_whole(app)
    rule = Cohorts(small_workspace).get("Converted once").body.rule
    assert read_members(small_workspace, rule.members) == ["ann", "bob"]
    app.button(key="save_cohort_kpi").click().run()
    assert "already" in app.warning[0].value
    app.button(key="filter_to_kpi").click().run()
    chosen = app.query_params["cohort"]
    assert json.loads(chosen[0] if isinstance(chosen, list) else chosen)["members"] == rule.members
