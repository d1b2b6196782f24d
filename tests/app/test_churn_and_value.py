"""The pages Churn and Lifetime value: every tab in both languages, the address, and the lists behind the numbers."""

from __future__ import annotations

import pytest

from tests.app.conftest import OpenPage, shown
from tests.app.test_pages import LANGUAGES, assert_whole
from ulm_core.i18n import translator
from ulm_core.lifecycle.cohorts.model import Cohort, HasAttribute
from ulm_core.lifecycle.cohorts.store import Cohorts
from ulm_core.workspace import Workspace

TABS = ({}, {"tab": "drivers"}, {"tab": "risk"})


@pytest.mark.slow
@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("asked", TABS, ids=("curves", "drivers", "risk"))
def test_every_tab_draws_the_real_year(open_page: OpenPage, journey: Workspace, asked: dict[str, str], lang: str):
    app = open_page(journey, "churn", lang, **asked)
    assert_whole(app)
    title = {"drivers": "What goes with churn", "risk": "Said against seen"}.get(
        asked.get("tab", ""), "Mean stay by group"
    )
    assert translator(lang)(title) in shown(app)


@pytest.mark.parametrize("asked", TABS, ids=("curves", "drivers", "risk"))
def test_six_events_of_three_users_are_too_few_and_no_error(
    open_page: OpenPage, small_workspace: Workspace, asked: dict[str, str]
):
    assert_whole(open_page(small_workspace, "churn", **asked))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("shape", "group"),
    [("survival", "none"), ("survival", "labels"), ("hazard", "cohort"), ("cumulative", "stage"), ("loglog", "labels")],
)
def test_every_shape_of_every_grouping(open_page: OpenPage, journey: Workspace, shape: str, group: str):
    app = open_page(journey, "churn", shape=shape, group=group, attribute="income")
    assert_whole(app)
    assert app.segmented_control(key="choose_shape").value == shape


@pytest.mark.slow
class TestRealYear:
    def test_choices_are_kept_in_the_address(self, open_page: OpenPage, journey: Workspace):
        app = open_page(journey, "churn")
        app.segmented_control(key="choose_group").set_value("cohort").run()
        app.segmented_control(key="choose_shape").set_value("hazard").run()
        assert_whole(app)
        assert app.query_params["group"] in ("cohort", ["cohort"])
        assert app.query_params["shape"] in ("hazard", ["hazard"])

    def test_nonsense_in_the_address_falls_back(self, open_page: OpenPage, journey: Workspace):
        nonsense = {"tab": "x", "shape": "y", "at": "yesterday", "until": "-4", "effect": "z", "driver": ["q"]}
        app = open_page(journey, "churn", **nonsense)
        assert_whole(app)
        assert app.segmented_control(key="choose_tab").value == "curves"
        assert_whole(open_page(journey, "value", horizon="7", discount="900", model="crystal", cell="?", by="moon"))

    def test_users_of_whom_nothing_is_known_are_not_held_against_the_others(
        self, open_page: OpenPage, journey: Workspace
    ):
        words = shown(open_page(journey, "churn", group="labels", attribute="income"))
        assert "is no value of the attribute" in words
        assert "of “(not known)”" not in words

    def test_the_number_of_churned_users_opens_as_many(self, open_page: OpenPage, journey: Workspace):
        app = open_page(journey, "churn", tab="drivers")
        button = app.button(key="list_cox_churned")
        n = button.label.split()[0]
        button.click().run()
        assert_whole(app)
        assert f"{n} users" in shown(app)

    def test_saved_cohorts_are_compared(self, open_page: OpenPage, journey: Workspace):
        saved = Cohorts(journey)
        saved.save("Young", Cohort(rule=HasAttribute(name="age", values=("19-24", "25-34"))))
        try:
            app = open_page(journey, "churn", group="saved")
            assert "Choose the cohorts" in shown(app)
            app = open_page(journey, "churn", group="saved", saved=["Young"])
            assert_whole(app)
            assert "Young" in shown(app)
        finally:
            saved.delete("Young")

    @pytest.mark.parametrize("lang", LANGUAGES)
    def test_value_says_how_wrong_it_was_and_that_it_is_no_churn_score(
        self, open_page: OpenPage, journey: Workspace, lang: str
    ):
        app = open_page(journey, "value", lang, cell="buys_again", by="labels")
        assert_whole(app)
        words = shown(app)
        assert translator(lang)("Off on the holdout") in words
        assert translator(lang)("Expected against bought") in words

    def test_all_customers_open(self, open_page: OpenPage, journey: Workspace):
        app = open_page(journey, "value")
        button = app.button(key="list_value_all")
        button.click().run()
        assert_whole(app)
        assert f"{button.label.split()[0]} users" in shown(app)


def test_a_log_without_enough_purchases_says_so(open_page: OpenPage, small_workspace: Workspace):
    app = open_page(small_workspace, "value")
    assert_whole(app)
    assert "Too few customers bought again" in shown(app)
