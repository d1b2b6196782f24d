"""Alerts over loads: what is checked when, what is kept, and what leaves the house."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.alerts.test_webhook import receiver
from ulm_core.alerts.check import Alerts, check_after_load, check_alerts
from ulm_core.alerts.model import Alert, read_alert
from ulm_core.alerts.numbers import Ground, take
from ulm_core.alerts.sentences import describe_when
from ulm_core.errors import InputError
from ulm_core.i18n import translator
from ulm_core.jobs.records import JobProgress
from ulm_core.lifecycle.cohorts import model as cohorts
from ulm_core.lifecycle.cohorts.store import Cohorts
from ulm_core.timeline.publish import import_file
from ulm_core.workspace import Workspace

__all__ = ["receiver"]
ACTIVE = {"kind": "kpi", "name": "active"}


def alert(number: dict[str, Any], when: dict[str, Any], **fields: Any) -> Alert:
    return read_alert({"number": number, "when": when, **fields})


def values(workspace: Workspace, number: dict[str, Any], interval: Any = "week", n: int = 3) -> list[float]:
    ground = Ground.open(workspace)
    read = alert(number, {"kind": "change"}).number
    return take(ground, read, interval, n).values


def test_numbers_by_hand(small_workspace: Workspace) -> None:
    # Weeks of 2024 from 1 January on: week 1 ann, bob, cem; week 2 ann; then nobody until bob on Tuesday 20 February,
    # in week 8, which is not over: the last complete weeks are 5, 6, 7.
    assert values(small_workspace, ACTIVE, n=7) == [3, 1, 0, 0, 0, 0, 0]
    assert values(small_workspace, ACTIVE, n=3) == [0, 0, 0]
    assert values(small_workspace, ACTIVE, "month") == [3]  # January; February is not over
    assert values(small_workspace, {"kind": "kpi", "name": "revenue"}, "month") == [pytest.approx(4.7)]  # 3.50 + 1.20
    Cohorts(small_workspace).save(
        "buyers", cohorts.Cohort(rule=cohorts.Behaviour(clauses=(cohorts.Clause(event="purchase"),)))
    )
    assert values(small_workspace, {"kind": "cohort", "name": "buyers"}, n=7) == [1] * 7  # bob buys in week 8
    funnel = {"kind": "funnel", "steps": ["view", "purchase"]}
    assert values(small_workspace, funnel, n=7)[0] == pytest.approx(1 / 3)  # of ann, bob, cem: ann
    retention = {"kind": "retention", "lag": 1}
    assert values(small_workspace, retention, n=6)[0] == pytest.approx(1 / 3)  # of week 1, ann is back in week 2
    shares = [values(small_workspace, {"kind": "stage", "stage": stage}, n=1)[0]
              for stage in Ground.open(small_workspace).rules.stages]  # fmt: skip
    assert sum(shares) == pytest.approx(1)


def test_an_alert_speaks_once_per_data_and_is_kept(small_workspace: Workspace) -> None:
    alerts = Alerts(small_workspace)
    alerts.save("Nobody", alert(ACTIVE, {"kind": "threshold", "side": "below", "limit": 1}), "eve")
    (check,) = check_alerts(small_workspace)
    assert (check.status, check.value, check.against, check.period) == ("speaks", 0, 1, "2024-02-12")
    assert alerts.speaking() == ["Nobody"]
    assert check_alerts(small_workspace) == []  # this data was checked
    assert len(check_alerts(small_workspace, again=True)) == 1
    assert [entry.alert for entry in alerts.history()] == ["Nobody", "Nobody"]
    alerts.save("Nobody", alert(ACTIVE, {"kind": "threshold", "side": "below", "limit": 0}))
    assert alerts.speaking() == []  # a changed alert has not been checked
    assert check_alerts(small_workspace)[0].status == "quiet"


def test_a_load_checks_by_itself(small_workspace: Workspace, tmp_path: Path) -> None:
    from ulm_core.jobs.records import JobStore
    from ulm_core.jobs.tasks import task_for

    Alerts(small_workspace).save("Busy", alert(ACTIVE, {"kind": "threshold", "side": "above", "limit": 0}))
    (tmp_path / "more.csv").write_text("user,time,event\nzoe,2024-02-22,view\nzoe,2024-02-29,view\n")
    record = JobStore(small_workspace).create("load-file", {"path": str(tmp_path / "more.csv")})
    progress = JobProgress(JobStore(small_workspace).directory(record.id))
    task_for("load-file")(small_workspace, {"path": str(tmp_path / "more.csv")}, progress)
    (check,) = Alerts(small_workspace).history()
    assert (check.status, check.value) == ("speaks", 2)  # week 8, now over: bob and zoe


def test_one_broken_alert_stops_neither_the_others_nor_the_load(small_workspace: Workspace, tmp_path: Path) -> None:
    alerts = Alerts(small_workspace)
    alerts.save("Gone", alert({"kind": "cohort", "name": "ghosts"}, {"kind": "change"}))
    alerts.save("Nobody", alert(ACTIVE, {"kind": "threshold", "side": "below", "limit": 1}))
    found = {check.alert: check for check in check_alerts(small_workspace)}
    assert (found["Gone"].status, found["Nobody"].status) == ("unknown", "speaks")
    assert "ghosts" in found["Gone"].reason
    next((small_workspace.root / "documents" / "alerts").glob("*.json")).write_text("{")
    check_after_load(small_workspace)  # does not raise


def test_a_message_is_posted_when_it_begins_and_holds_no_user_and_no_address(
    small_workspace: Workspace, receiver: tuple[str, list[dict[str, Any]]], tmp_path: Path
) -> None:
    url, received = receiver
    alerts = Alerts(small_workspace)
    when = {"kind": "threshold", "side": "below", "limit": 5}
    alerts.save("Quiet weeks", alert(ACTIVE, when, webhook=f"{url}/secret-path"))
    (check,) = check_alerts(small_workspace)
    assert check.delivered == "posted 204"
    body = received[0]["body"]
    assert (body["alert"], body["value"], body["period"]) == ("Quiet weeks", 0, "2024-02-12")
    text = json.dumps(body)
    assert not any(word in text for word in ("ann", "bob", "cem", "secret-path", str(small_workspace.root)))
    assert "secret-path" not in (small_workspace.root / "alerts" / "history.jsonl").read_text()
    (tmp_path / "more.csv").write_text("user,time,event\nzoe,2024-02-27,view\n")
    import_file(small_workspace, tmp_path / "more.csv")
    (again,) = check_alerts(small_workspace)
    assert (again.status, again.delivered) == ("speaks", "")  # it goes on, and was told already
    assert len(received) == 1


def test_a_private_webhook_is_refused_when_it_is_saved(small_workspace: Workspace) -> None:
    with pytest.raises(InputError, match="private"):
        Alerts(small_workspace).save("x", alert(ACTIVE, {"kind": "change"}, webhook="http://127.0.0.1:1/"))


def test_every_alert_has_a_sentence_in_both_languages() -> None:
    numbers = [ACTIVE, {"kind": "cohort", "name": "x"}, {"kind": "stage", "stage": "loyal"},
               {"kind": "funnel", "steps": ["a", "b"]}, {"kind": "retention"}]  # fmt: skip
    whens = [{"kind": "threshold", "side": "above", "limit": 5}, {"kind": "change"}, {"kind": "anomaly"}]
    sentences = [describe_when(alert(number, when)) for number in numbers for when in whens]
    assert str(sentences[0]) == "active users above 5 in a week"
    assert all(any("\u4e00" <= sign <= "\u9fff" for sign in each.render(translator("zh"))) for each in sentences)
