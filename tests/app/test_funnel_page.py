"""The funnel page: what the address asks for is drawn, what is clicked goes to the address."""

from __future__ import annotations

import pytest

from tests.app.conftest import OpenPage, shown
from ulm_core.workspace import Workspace

DETAILS = ("groups", "times", "trend", "compare", "drivers")
STEPS = ["view", "purchase"]


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_every_closer_look_draws_in_both_languages(open_page: OpenPage, small_workspace: Workspace, lang: str) -> None:
    for detail in DETAILS:
        app = open_page(small_workspace, "funnel", lang=lang, period="all", step=STEPS, show=detail)
        assert not app.exception
        assert not app.error
        assert not app.warning


def test_numbers_are_those_of_the_log(open_page: OpenPage, small_workspace: Workspace) -> None:
    app = open_page(small_workspace, "funnel", period="all", step=STEPS, window="14d")
    # ann viewed and bought; bob bought seven weeks later; cem never did.
    assert [metric.value for metric in app.metric][:2] == ["3", "1"]
    app.query_params["window"] = "3mo"
    app.run()
    assert [metric.value for metric in app.metric][:2] == ["3", "2"]


def test_steps_are_added_moved_and_removed(open_page: OpenPage, small_workspace: Workspace) -> None:
    app = open_page(small_workspace, "funnel", period="all", step=STEPS, within="2:3d")
    app.button(key="funnel_add").click().run()
    assert app.query_params["step"] == ["view", "purchase", "purchase"]
    app.button(key="funnel_move_1_-1").click().run()
    assert app.query_params["step"] == ["purchase", "view", "purchase"]
    assert app.query_params["within"] == "1:3d"  # the rule moves with its step
    app.button(key="funnel_remove_0").click().run()
    assert app.query_params["step"] == ["view", "purchase"]
    assert not app.exception


def test_a_condition_narrows_a_step(open_page: OpenPage, small_workspace: Workspace) -> None:
    app = open_page(small_workspace, "funnel", period="all", step=STEPS)
    app.selectbox(key="funnel_field_1").set_value("event.value").run()
    app.selectbox(key="funnel_op_1").set_value(">=").run()
    app.number_input(key="funnel_number_1").set_value(3.0).run()
    app.button(key="funnel_where_1").click().run()
    assert app.query_params["step"] == ["view", "purchase[value>=3]"]
    assert "value is at least 3" in shown(app)
    app.button(key="funnel_where_1_0").click().run()
    assert app.query_params["step"] == STEPS


def test_a_preset_sets_the_rules(open_page: OpenPage, small_workspace: Workspace) -> None:
    app = open_page(small_workspace, "funnel", period="all", step=STEPS)
    app.query_params.update({"window": "7d", "entry": "first", "grace": "2", "after": "1"})
    app.run()
    assert app.session_state["funnel_preset"] == "mixpanel"


def test_an_address_that_asks_nonsense_shows_the_default(open_page: OpenPage, small_workspace: Workspace) -> None:
    app = open_page(
        small_workspace, "funnel", period="all", step=["nothing", "x[y]"], window="soon", order="sideways",
        within="9:1d", exclude="view:7-1", count="ducks", grace="99", optional="77", hold="colour", show="all",
    )  # fmt: skip
    assert not app.exception
    assert not app.error
    assert app.metric[0].label == "Entered"
