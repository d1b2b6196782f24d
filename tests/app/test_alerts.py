from __future__ import annotations

import pytest

from tests.app.conftest import OpenPage, shown
from tests.app.test_pages import LANGUAGES, assert_whole
from ulm_core.alerts.check import Alerts, check_alerts
from ulm_core.alerts.model import read_alert
from ulm_core.i18n import translator
from ulm_core.workspace import Workspace

QUIET_WEEK = read_alert(
    {"number": {"kind": "kpi", "name": "active"}, "when": {"kind": "threshold", "side": "below", "limit": 1}}
)


@pytest.mark.parametrize("lang", LANGUAGES)
def test_an_alert_is_built_checked_and_deleted(open_page: OpenPage, small_workspace: Workspace, lang: str) -> None:
    app = open_page(small_workspace, "alerts", lang)
    assert_whole(app)
    app.selectbox(key="alert_side").select_index(1).run()
    app.number_input(key="alert_limit").set_value(1.0)
    app.text_input(key="alert_name").set_value("Quiet week")
    app.button(key="alert_save").click().run()
    assert_whole(app)
    assert Alerts(small_workspace).speaking() == ["Quiet week"]
    app.button(key="alerts_check").click().run()
    assert len(Alerts(small_workspace).history()) == 2
    app.button(key="alert_delete_Quiet week").click().run()
    assert_whole(app)
    assert Alerts(small_workspace).all() == {}


@pytest.mark.parametrize("kind", ["kpi", "stage", "cohort", "funnel", "retention"])
@pytest.mark.parametrize("when", ["threshold", "change", "anomaly"])
def test_every_number_and_condition_draws(
    open_page: OpenPage, small_workspace: Workspace, kind: str, when: str
) -> None:
    app = open_page(small_workspace, "alerts")
    app.selectbox(key="alert_number").set_value(kind)
    app.selectbox(key="alert_when").set_value(when).run()
    assert_whole(app)


def test_a_private_webhook_is_refused(open_page: OpenPage, small_workspace: Workspace) -> None:
    app = open_page(small_workspace, "alerts")
    app.text_input(key="alert_webhook").set_value("http://127.0.0.1:9/x")
    app.text_input(key="alert_name").set_value("x")
    app.button(key="alert_save").click().run()
    assert not app.exception
    assert "private address" in app.warning[0].value
    assert Alerts(small_workspace).all() == {}


@pytest.mark.parametrize("lang", LANGUAGES)
def test_every_page_shows_how_many_alerts_speak(open_page: OpenPage, small_workspace: Workspace, lang: str) -> None:
    Alerts(small_workspace).save("Quiet week", QUIET_WEEK)
    check_alerts(small_workspace)
    app = open_page(small_workspace, "lifecycle", lang)
    assert_whole(app)
    label = translator(lang)("Alerts: {n}").format(n=1)
    assert label in [link.proto.label for link in app.get("page_link")]
    assert "Quiet week" in shown(open_page(small_workspace, "alerts", lang))
