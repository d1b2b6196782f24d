"""Checking alerts after a load: take the number, judge it, write it down, tell the webhook when it begins to speak."""

from __future__ import annotations

import json
import logging
import math
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from ulm_core.alerts import webhook
from ulm_core.alerts.judge import Verdict, judge, n_needed
from ulm_core.alerts.model import Alert
from ulm_core.alerts.numbers import Ground, Values, take
from ulm_core.alerts.sentences import describe_when
from ulm_core.documents import Documents, Saved
from ulm_core.errors import UlmError
from ulm_core.workspace import Workspace, write_atomically

log = logging.getLogger("ulm.alerts")

MAX_CHECKS = 2_000
Status = Literal["speaks", "quiet", "unknown"]


class Check(BaseModel):
    """One line of the history. Numbers only: no user, no address.

    Attributes
    ----------
    alert, revision
        Name of the alert, and which version of it.
    data
        Version of the data.
    period
        Start of the period that was judged.
    delivered
        What became of the message: empty, "posted 200", or why not.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    alert: str
    revision: int
    data: str
    checked_at: datetime
    status: Status
    period: str = ""
    value: float | None = None
    against: float | None = None
    score: float | None = None
    reason: str = ""
    delivered: str = ""


class Alerts:
    """The alerts of a workspace and the history of their checks."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace
        self._documents = Documents(workspace, "alerts", Alert)
        self._history = workspace.root / "alerts" / "history.jsonl"

    def all(self) -> dict[str, Saved[Alert]]:
        """Return every alert by name."""
        return self._documents.all()

    def save(self, name: str, alert: Alert, owner: str = "") -> Saved[Alert]:
        """Save an alert; its webhook is looked up first.

        Raises
        ------
        InputError
            When the name or the webhook cannot be used.
        """
        if alert.webhook:
            webhook.resolve(webhook.split_address(alert.webhook))
        return self._documents.save(name, alert, owner)

    def delete(self, name: str) -> None:
        """Delete an alert; its history of checks stays. Raises NotFoundError when there is none."""
        self._documents.delete(name)

    def history(self) -> list[Check]:
        """Return the checks kept, the latest first; lines that cannot be read are left out."""
        if not self._history.exists():
            return []
        found = []
        for line in reversed(self._history.read_text(encoding="utf-8").splitlines()):
            try:
                found.append(Check.model_validate_json(line))
            except ValueError:
                continue
        return found

    def latest(self) -> dict[str, Check]:
        """Return the newest check of every alert that still exists, of its present version."""
        revisions = {name: saved.version for name, saved in self.all().items()}
        newest: dict[str, Check] = {}
        for check in self.history() if revisions else ():
            if revisions.get(check.alert) == check.revision:
                newest.setdefault(check.alert, check)
        return newest

    def speaking(self) -> list[str]:
        """Return the alerts whose newest check speaks."""
        return sorted(name for name, check in self.latest().items() if check.status == "speaks")

    def keep(self, checks: list[Check]) -> None:
        """Add checks to the history, the oldest beyond `MAX_CHECKS` drop out."""
        before = [check.model_dump_json() for check in reversed(self.history())]
        lines = (before + [check.model_dump_json() for check in checks])[-MAX_CHECKS:]
        self._history.parent.mkdir(exist_ok=True)
        write_atomically(Path(self._history), "\n".join(lines) + "\n")


def check_alerts(workspace: Workspace, *, again: bool = False) -> list[Check]:
    """Check every alert against the published data and return what was found.

    An alert that was checked against this data already is left alone unless `again`. Nothing here raises because
    of one alert: what went wrong becomes its reason.
    """
    alerts = Alerts(workspace)
    saved = alerts.all()
    if not saved or workspace.current_version() is None:
        return []
    latest = alerts.latest()
    version = str(workspace.current_version())
    due = {name: alert for name, alert in saved.items() if again or _is_due(latest.get(name), version)}
    if not due:
        return []
    ground = Ground.open(workspace)
    checks = [_checked(ground, name, alert, latest.get(name), version) for name, alert in due.items()]
    alerts.keep(checks)
    return checks


def check_after_load(workspace: Workspace) -> None:
    """Check the alerts after a load; a load has succeeded whatever becomes of them."""
    try:
        check_alerts(workspace)
    except Exception:
        log.exception("alerts could not be checked")


def _is_due(before: Check | None, version: str) -> bool:
    return before is None or before.data != version


def series(ground: Ground, alert: Alert) -> Values:
    """Return the values an alert looks at, the latest last."""
    return take(ground, alert.number, alert.interval, n_needed(alert.when))


def _checked(ground: Ground, name: str, saved: Saved[Alert], before: Check | None, version: str) -> Check:
    fields: dict[str, Any] = {
        "alert": name,
        "revision": saved.version,
        "data": version,
        "checked_at": datetime.now(UTC),
    }
    try:
        values = series(ground, saved.body)
    except UlmError as error:
        return Check(**fields, status="unknown", reason=str(error))
    except Exception:
        log.exception("alert %s", name)
        return Check(**fields, status="unknown", reason="internal error")
    verdict = judge(saved.body.when, values.values)
    check = Check(**fields, status=_status(verdict), period=values.labels[-1], **_numbers(verdict))
    begins = check.status == "speaks" and (before is None or before.status != "speaks")
    if not (begins and saved.body.webhook):
        return check
    return check.model_copy(update={"delivered": _deliver(saved.body, check)})


def _status(verdict: Verdict) -> Status:
    if verdict.speaks is None:
        return "unknown"
    return "speaks" if verdict.speaks else "quiet"


def _numbers(verdict: Verdict) -> dict[str, float | None]:
    numbers = {"value": verdict.value, "against": verdict.against, "score": verdict.score}
    return {name: value if math.isfinite(value) else None for name, value in numbers.items()}


def message_of(alert: Alert, check: Check) -> dict[str, Any]:
    """Return what is posted: names and numbers; ids of users, addresses and settings are no part of it."""
    return {
        "product": "ULM Studio",
        "alert": check.alert,
        "text": f"{check.alert}: {describe_when(alert)}",
        "number": json.loads(alert.number.model_dump_json()),
        "period": check.period,
        "interval": alert.interval,
        "value": check.value,
        "against": check.against,
        "score": check.score,
        "data_version": check.data,
        "checked_at": check.checked_at.isoformat(),
    }


def _deliver(alert: Alert, check: Check) -> str:
    try:
        return f"posted {webhook.post(alert.webhook, message_of(alert, check))}"
    except UlmError as error:
        return str(error)
