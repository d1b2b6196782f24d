"""Models that were trained on data which has been erased since: which ones they are, and the mark on them."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from ulm_core.warehouse.database import Database
from ulm_core.workspace import Workspace, write_atomically

STALE = "stale.json"


class Stale(BaseModel):
    """The mark on a run, ``runs/<id>/stale.json``: its model was trained on data that has been erased.

    Attributes
    ----------
    at
        When (UTC) it was marked last.
    is_certain
        Whether the run is known to have learnt from the user; False where the log it was trained on is no longer
        there to look into.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    reason: str = "erasure"
    at: datetime
    is_certain: bool = True


def stale_mark(workspace: Workspace, run_id: str) -> Stale | None:
    """Return the mark of a run, None where its data still stand."""
    try:
        text = (workspace.runs_dir / run_id / STALE).read_text(encoding="utf-8")
    except OSError:
        return None
    return Stale.model_validate_json(text)


@dataclass(frozen=True)
class _Stays:
    """When a user was first seen, by the load that brought the events; `loads` are all that stand."""

    loads: frozenset[int]
    first: dict[int, datetime]

    def were_learnt(self, run: Path) -> bool | None:
        """Return whether the training data of a run held the user, None where nobody can tell any more.

        The version a run was trained on says which loads it held, its test cut until when it learnt.
        """
        try:
            record = json.loads((run / "run.json").read_text(encoding="utf-8"))
            number = re.match(r"[0-9]+", record["data_version"])
            cut = record.get("data_cut")
            until = datetime.fromisoformat(cut).replace(tzinfo=None) if cut else datetime.max
        except (OSError, ValueError, KeyError, TypeError):
            return None
        if number is None or int(number.group()) not in self.loads:
            return None  # of a log that was replaced or undone since
        return any(load <= int(number.group()) and first < until for load, first in self.first.items())


def mark_runs(workspace: Workspace, database: Database, user_id: str) -> tuple[str, ...]:
    """Mark the runs that learnt from a user, before the rows go; return their names.

    A run of which nobody can tell any more is marked, too.
    """
    if not workspace.runs_dir.is_dir():
        return ()
    stays = _stays(database, user_id)
    marked = []
    for run in sorted(path for path in workspace.runs_dir.iterdir() if path.is_dir()):
        were_learnt = stays.were_learnt(run)
        if were_learnt is not False:
            before = stale_mark(workspace, run.name)
            is_certain = bool(were_learnt) or bool(before and before.is_certain)
            mark = Stale(at=datetime.now(UTC), is_certain=is_certain)
            write_atomically(run / STALE, mark.model_dump_json())
            marked.append(run.name)
    return tuple(marked)


def _stays(database: Database, user_id: str) -> _Stays:
    loads = database.query("SELECT load_id FROM loads")["load_id"].to_pylist()
    rows = database.query(
        "SELECT load_id, min(time) AS first FROM events WHERE user_id = ? GROUP BY load_id", [user_id]
    )
    first = dict(zip(rows["load_id"].to_pylist(), rows["first"].to_pylist(), strict=True))
    return _Stays(frozenset(loads), first)
