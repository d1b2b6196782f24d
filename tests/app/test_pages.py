from __future__ import annotations

import pytest
from streamlit.testing.v1 import AppTest

from pages.parts.navigation import PAGES
from tests.app.conftest import ROOT, OpenPage, shown
from ulm_core.i18n import translator
from ulm_core.settings import get_settings
from ulm_core.workspace import Workspace

LANGUAGES = ("en", "zh")
ANALYSES = ("overview", "lifecycle", "funnel", "churn")


def assert_whole(app: object) -> None:
    """No traceback, and no "something went wrong" either."""
    assert not app.exception, [element.value for element in app.exception]
    assert [element.value for element in app.error] == []


@pytest.mark.slow
@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("page", PAGES)
def test_every_page_draws_the_real_year(open_page: OpenPage, journey: Workspace, page: str, lang: str) -> None:
    app = open_page(journey, page, lang)
    assert_whole(app)
    assert app.title[0].value == translator(lang)(PAGES[page].title)
    assert translator(lang)(PAGES[page].question) in shown(app)


@pytest.mark.parametrize("page", PAGES)
def test_every_page_draws_six_events_of_three_users(open_page: OpenPage, small_workspace: Workspace, page: str) -> None:
    assert_whole(open_page(small_workspace, page))


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("page", PAGES)
def test_an_empty_workspace_offers_the_sample(open_page: OpenPage, workspace: Workspace, page: str, lang: str) -> None:
    app = open_page(workspace, page, lang)
    assert_whole(app)
    assert app.title[0].value == translator(lang)(PAGES[page].title)
    labels = [button.label for button in app.button]
    wanted = "Load" if page == "data" else "Load sample data"
    assert translator(lang)(wanted) in labels


@pytest.mark.parametrize("page", ANALYSES)
def test_a_link_with_nonsense_still_draws_and_names_it(
    open_page: OpenPage, small_workspace: Workspace, page: str
) -> None:
    app = open_page(
        small_workspace,
        page,
        period="fortnight",
        interval="eon",
        stage=["ghost"],
        segment=["planet:mars"],
        **{"from": "yesterday", "to": "2024-13-45", "step": ["nothing", "none"], "window": "-3", "group": "x"},
    )
    assert_whole(app)
    assert "ghost" in shown(app)
    assert "planet:mars" in shown(app)


def test_filters_that_leave_nobody_offer_the_way_back(open_page: OpenPage, small_workspace: Workspace) -> None:
    app = open_page(small_workspace, "overview", stage="loyal")
    assert_whole(app)
    assert "No user matches these filters" in shown(app)
    app.button(key="filtered_out_reset").click().run()
    assert_whole(app)
    assert "No user matches these filters" not in shown(app)
    assert app.query_params.get("stage", []) == []


def test_a_changed_filter_goes_into_the_address(open_page: OpenPage, small_workspace: Workspace) -> None:
    app = open_page(small_workspace, "lifecycle")
    app.segmented_control(key="filter_interval").set_value("month").run()
    assert_whole(app)
    assert app.query_params["interval"] in ("month", ["month"])


def test_filters_go_along_to_the_next_page(open_page: OpenPage, small_workspace: Workspace) -> None:
    app = open_page(small_workspace, "lifecycle", interval="month")
    app.query_params.clear()
    app.switch_page("pages/overview.py").run()
    assert_whole(app)
    assert app.segmented_control(key="filter_interval").value == "month"


def test_a_bug_shows_a_reference_and_no_traceback(
    open_page: OpenPage, small_workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def explode(*_: object, **__: object) -> None:
        raise RuntimeError("secret detail")

    monkeypatch.setattr("ulm_core.lifecycle.overview.compute_overview", explode)
    app = open_page(small_workspace, "overview")
    assert not app.exception
    assert "reference" in app.error[0].value
    assert "secret detail" not in app.error[0].value


def test_a_path_that_does_not_exist_is_said_plainly(open_page: OpenPage, small_workspace: Workspace) -> None:
    app = open_page(small_workspace, "data", section="add", source="path")
    app.text_input(key="path_place").set_value("/no/such/file.csv")
    next(button for button in app.button if button.label == "Look at it").click().run()
    assert not app.exception
    assert "/no/such/file.csv" in app.warning[0].value


def test_the_first_deep_link_to_a_fresh_server_finds_the_whole_app(
    settings_environment: pytest.MonkeyPatch, small_workspace: Workspace
) -> None:
    """A fresh server runs a file in `pages` alone; the frame sends it through `app.py`."""
    settings_environment.setenv("ULM_WORKSPACE", str(small_workspace.root))
    get_settings.cache_clear()
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=120).run()
    app.switch_page("pages/funnel.py").run()
    assert_whole(app)
    assert app.title[0].value == "Funnel"
    assert [control.key for control in app.get("segmented_control") if control.key == "language_control"]
