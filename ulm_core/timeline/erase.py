"""Erasing one user from everything a workspace holds (docs/privacy.md)."""

from __future__ import annotations

from dataclasses import dataclass

from ulm_core.errors import NotFoundError
from ulm_core.messages import N_, Message, message
from ulm_core.timeline.mentions import Cleaning, clean_derived
from ulm_core.timeline.publish import locked
from ulm_core.timeline.stale import mark_runs
from ulm_core.warehouse.access import open_warehouse
from ulm_core.warehouse.loading import Report
from ulm_core.warehouse.privacy import count_rows, erase_rows, stored_id
from ulm_core.workspace import Workspace


@dataclass(frozen=True)
class Erasure:
    """What an erasure did; it does not say who.

    Attributes
    ----------
    events
        Events of the user that are gone.
    files_changed, files_removed
        Derived files (exports, predictions, caches, jobs) that named the user, or may have.
    runs_stale
        Fine-tuning runs marked as trained on erased data (`ulm_core.timeline.stale`).
    files_left
        Files that still hold the id because nothing here knows their format; empty as a rule.
    """

    events: int
    files_changed: int
    files_removed: int
    runs_stale: tuple[str, ...]
    files_left: tuple[str, ...]

    def to_json(self) -> dict[str, object]:
        """Return the report as plain values."""
        return dict(vars(self))


def _quiet(_: Message) -> None:
    return None


def erase_user(workspace: Workspace, user_id: str, report: Report = _quiet) -> Erasure:
    """Erase a user from database, index, snapshots (old versions too), caches, exports and predictions.

    The warehouse is rewritten into a new file, because deleted rows leave their bytes behind. An undo cannot
    bring the user back. A process killed here is finished by the next load, `repair` or erasure.

    Parameters
    ----------
    workspace
        The workspace.
    user_id
        The id as the log has it; in a pseudonymised workspace the pseudonym will do too.
    report
        Told what is being done.

    Raises
    ------
    NotFoundError
        When nothing is known of such a user.
    BusyError
        When a load into this workspace is running.
    """
    return locked(workspace, lambda: _erase(workspace, user_id, report), report)


def _erase(workspace: Workspace, user_id: str, report: Report) -> Erasure:
    stored = stored_id(workspace, user_id)
    with open_warehouse(workspace) as database:
        is_known = count_rows(database, stored) > 0
        # Files first: this step needs the id, which nothing keeps once the rows are gone.
        report(message(N_("Erasing the user from derived files")))
        cleaned = clean_derived(workspace, {user_id, stored})
        if not is_known and not cleaned.found_something:
            raise NotFoundError.for_name("user", user_id, ())
        runs = mark_runs(workspace, database, stored)
        report(message(N_("Erasing the user from the warehouse")))
        events = erase_rows(database, stored) if is_known else 0
    return _erasure(workspace, events, cleaned, runs)


def _erasure(workspace: Workspace, events: int, cleaned: Cleaning, runs: tuple[str, ...]) -> Erasure:
    left = tuple(str(path.relative_to(workspace.root)) for path in cleaned.left)
    return Erasure(events, len(cleaned.changed), len(cleaned.removed), runs, left)
