from __future__ import annotations

import pytest

from tests.app.conftest import OpenPage
from tests.app.test_pages import LANGUAGES, assert_whole
from ulm_core.workspace import Workspace


@pytest.mark.parametrize("lang", LANGUAGES)
def test_a_query_is_answered_and_goes_into_the_address(
    open_page: OpenPage, small_workspace: Workspace, lang: str
) -> None:
    app = open_page(small_workspace, "sql", lang)
    app.text_area(key="sql_text").set_value("FROM range(17)").run()
    app.button(key="sql_run").click().run()
    assert_whole(app)
    assert [frame.value.shape[0] for frame in app.dataframe].count(17) == 1
    assert app.query_params["sql"] in ("FROM range(17)", ["FROM range(17)"])


def test_a_query_in_the_address_is_shown_and_not_run(open_page: OpenPage, small_workspace: Workspace) -> None:
    app = open_page(small_workspace, "sql", sql="FROM users")
    assert app.text_area(key="sql_text").value == "FROM users"
    assert "csv_sql" not in [button.key for button in app.get("download_button")]


def test_what_is_refused_is_said(open_page: OpenPage, small_workspace: Workspace) -> None:
    app = open_page(small_workspace, "sql")
    app.text_area(key="sql_text").set_value("DROP VIEW events")
    app.button(key="sql_run").click().run()
    assert not app.exception
    assert "Only SELECT" in app.warning[0].value
