"""Saved cohorts: by name, evaluated on demand, never deleted while another one is made of them."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ulm_core.documents import Documents, Saved
from ulm_core.errors import InputError, NotFoundError
from ulm_core.lifecycle.cohorts import model as m
from ulm_core.lifecycle.cohorts.evaluate import Log, cohort_mask, users_mask
from ulm_core.lifecycle.cohorts.model import read_rule
from ulm_core.lifecycle.periods import to_datetime
from ulm_core.lifecycle.results import UserCodes
from ulm_core.messages import N_
from ulm_core.warehouse.members import drop_members, keep_members
from ulm_core.warehouse.privacy import stored_id
from ulm_core.workspace import Workspace, WorkspaceConfig

if TYPE_CHECKING:
    from ulm_core.lifecycle.rules import StageRules
    from ulm_core.timeline.index import TimelineIndex
    from ulm_core.warehouse.snapshot import Snapshot

SEPARATOR = "|"
"""Between the names of cohorts in a breakdown; no cohort's name holds it."""
ID_HEADERS = ("user", "user_id", "userid", "id", "customer_id", "customer", "member", "household_id")


class Cohorts:
    """The saved cohorts of a workspace."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._documents = Documents(workspace, "cohorts", m.Cohort)

    @staticmethod
    def beside(snapshot: Snapshot) -> Cohorts:
        """Return the cohorts of the workspace that a snapshot belongs to."""
        return Cohorts(Workspace.of_version(snapshot.directory))

    def names(self) -> list[str]:
        """Return the names of all cohorts, sorted."""
        return self._documents.names()

    def all(self) -> dict[str, Saved[m.Cohort]]:
        """Return every cohort by name."""
        return self._documents.all()

    def get(self, name: str) -> Saved[m.Cohort]:
        """Return a cohort; raises NotFoundError when there is none of that name."""
        if name not in (known := self.names()):
            raise NotFoundError.for_name("cohort", name, known)
        return self._documents.get(name)

    def rule(self, name: str) -> Any:
        """Return the rule of a cohort; raises as `get`."""
        return self.get(name).body.rule

    def resolve(self, text: str) -> Any:
        """Return the rule that a filter names: of a saved cohort, or written out as JSON.

        Raises
        ------
        NotFoundError
            When there is no cohort of that name.
        InputError
            When the JSON is no rule.
        """
        return read_rule(text) if is_inline(text) else self.rule(text)

    def stamp(self) -> str:
        """Return a text that changes when any cohort does: for cache keys."""
        files = sorted((path.name, path.stat().st_mtime_ns) for path in self._documents.directory.glob("*.json"))
        return str(hash(tuple(files)))

    def save(self, name: str, cohort: m.Cohort, owner: str = "") -> Saved[m.Cohort]:
        """Save a cohort under a name.

        Raises
        ------
        InputError
            When the name cannot be used, or the cohort would be part of itself.
        NotFoundError
            When it names a cohort that does not exist.
        """
        for sign in (SEPARATOR, "{"):
            if sign in name:
                raise InputError(N_("The name of a cohort must not hold “{sign}”."), sign=sign)
        self._refuse_circles(" ".join(name.split()), cohort.rule, ())
        return self._documents.save(name, cohort, owner)

    def _refuse_circles(self, name: str, rule: Any, seen: tuple[str, ...]) -> None:
        for part in m.walk(rule):
            if not isinstance(part, m.SavedCohort) or part.name in seen:
                continue
            if part.name == name:
                raise InputError(N_("The cohort “{name}” is part of itself."), name=name)
            self._refuse_circles(name, self.rule(part.name), (*seen, part.name))

    def delete(self, name: str) -> None:
        """Delete a cohort and its list of ids.

        Raises
        ------
        InputError
            When another cohort is made of it.
        """
        self.get(name)
        holders = [other for other, saved in self.all().items() if other != name and name in _named(saved.body.rule)]
        if holders:
            raise InputError(
                N_("“{name}” is part of: {others}. Change or delete those first."), name=name, others=", ".join(holders)
            )
        tokens = {part.members for saved in self._documents.history(name) for part in _lists(saved.body.rule)}
        self._documents.delete(name)
        for token in tokens:
            drop_members(self._workspace, token)

    def log(
        self, index: TimelineIndex, config: WorkspaceConfig, snapshot: Snapshot, rules: StageRules | None = None
    ) -> Log:
        """Return what cohorts are evaluated on."""
        return Log(index, config, snapshot, self.rule, rules)

    def freeze(self, log: Log, rule: Any, at_us: int) -> m.Listed:
        """Return the users of a rule at a time as a fixed list that remembers where it comes from."""
        ids = log.index.user_ids[np.flatnonzero(cohort_mask(log, rule, at_us))].astype(str).tolist()
        # A list needs no copy of another list's ids as its origin.
        origin = None if any(isinstance(part, m.Listed) for part in m.walk(rule)) else rule
        return m.Listed(
            members=keep_members(self._workspace, ids),
            source="static",
            n_given=len(ids),
            origin=origin,
            as_of=to_datetime(at_us),
        )

    def from_codes(self, index: TimelineIndex, codes: UserCodes) -> m.Listed:
        """Return a fixed list of users by their codes: what a reader saves from a number on a page."""
        ids = index.user_ids[codes].astype(str).tolist()
        as_of = to_datetime(index.manifest.last_us)
        return m.Listed(members=keep_members(self._workspace, ids), n_given=len(ids), as_of=as_of)

    def upload(self, index: TimelineIndex, ids: Iterable[str]) -> Upload:
        """Keep uploaded ids (as the log has them) and tell which of them have no event.

        In a pseudonymised workspace ids become pseudonyms before anything is kept. Ids without an event are
        kept too: they may appear with a later load.

        Raises
        ------
        InputError
            When there is no id.
        """
        given = list(dict.fromkeys(text for text in (str(value).strip() for value in ids) if text))
        if not given:
            raise InputError(N_("The file holds no user ids. It needs one id a line, or a column named user_id."))
        stored = [stored_id(self._workspace, text) for text in given]
        known = set(index.user_ids[users_mask(index, stored)].astype(str).tolist())
        unmatched = tuple(text for text, inner in zip(given, stored, strict=True) if inner not in known)
        token = keep_members(self._workspace, stored)
        rule = m.Listed(members=token, source="upload", n_given=len(given), n_unmatched=len(unmatched))
        return Upload(rule, unmatched)


def is_inline(text: str) -> bool:
    """Whether a filter holds a rule itself rather than the name of a saved cohort."""
    return text.startswith("{")


@dataclass(frozen=True)
class Upload:
    """A kept list, and the ids in it that no event is known of."""

    rule: m.Listed
    unmatched: tuple[str, ...]


def _lists(rule: Any) -> list[m.Listed]:
    return [part for part in m.walk(rule) if isinstance(part, m.Listed)]


def _named(rule: Any) -> set[str]:
    return {part.name for part in m.walk(rule) if isinstance(part, m.SavedCohort)}


def read_ids(text: str) -> list[str]:
    r"""Return the ids in a CSV: the column whose header is a word for user, else the first column.

    Examples
    --------
    >>> read_ids("name,user_id\nAnn,7\nBob,8")
    ['7', '8']
    >>> read_ids("7\n8\n")
    ['7', '8']
    """
    text = text.removeprefix("\ufeff")
    try:
        dialect: Any = csv.Sniffer().sniff(text[:4096], delimiters=",;\t")
    except csv.Error:
        dialect = csv.excel
    rows = [row for row in csv.reader(io.StringIO(text), dialect) if row]
    if not rows:
        return []
    header = [cell.strip().lower() for cell in rows[0]]
    column = next((header.index(word) for word in ID_HEADERS if word in header), None)
    body = rows if column is None else rows[1:]
    place = column or 0
    return [row[place].strip() for row in body if len(row) > place and row[place].strip()]
