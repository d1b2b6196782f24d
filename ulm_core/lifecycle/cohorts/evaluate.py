"""Who belongs to a cohort at a time: a function of the events strictly before it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ulm_core.errors import InputError
from ulm_core.lifecycle.cohorts import model as m
from ulm_core.lifecycle.cohorts.kernels import behaving
from ulm_core.lifecycle.matching import parse_match, resolve
from ulm_core.lifecycle.periods import DAY_US, local_to_us
from ulm_core.lifecycle.results import join
from ulm_core.lifecycle.rules import NOT_YET_SEEN, UNSEEN, StageRules, workspace_rules
from ulm_core.lifecycle.stages import assign_stages
from ulm_core.messages import N_
from ulm_core.timeline.index import Partition, TimelineIndex
from ulm_core.timeline.runner import map_merge
from ulm_core.warehouse.members import read_members
from ulm_core.warehouse.reports import attribute_of_users, users_with
from ulm_core.workspace import Workspace, WorkspaceConfig

if TYPE_CHECKING:
    from ulm_core.warehouse.snapshot import Snapshot

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Log:
    """What cohorts are evaluated on.

    Attributes
    ----------
    snapshot
        Where attributes and lists of ids are found; None where no rule needs them.
    find
        Returns the rule of a saved cohort by name.
    rules
        Stage rules; None: the workspace's.
    """

    index: TimelineIndex
    config: WorkspaceConfig
    snapshot: Snapshot | None = None
    find: Callable[[str], Any] | None = None
    rules: StageRules | None = None


def users_mask(index: TimelineIndex, user_ids: Sequence[str]) -> Mask:
    """Return bool[n_users], true for the given ids; ids without an event are ignored."""
    known = pc.is_in(index.ids("users"), value_set=pa.array(user_ids, pa.string()))
    mask: Mask = known.to_numpy(zero_copy_only=False)
    return mask


def seen_before(index: TimelineIndex, at_us: int) -> Mask:
    """Return bool[n_users]: who has an event before a time."""
    seen: Mask = index.time[index.offsets[:-1]] < at_us
    return seen


def cohort_mask(log: Log, rule: Any, at_us: int) -> Mask:
    """Return bool[n_users]: who belongs to the cohort, as far as the events before `at_us` tell.

    Parameters
    ----------
    rule
        Any rule of `ulm_core.lifecycle.cohorts.model`.
    at_us
        When the cohort is looked at (UTC us). Users without an event before it belong to no cohort.

    Raises
    ------
    NotFoundError
        When an event, attribute, stage or cohort is unknown.
    InputError
        When saved cohorts name each other in a circle.
    """
    return _mask(log, rule, at_us, ()) & seen_before(log.index, at_us)


def cohort_sizes(log: Log, rule: Any, at_us: Sequence[int]) -> npt.NDArray[np.int64]:
    """Return int64[n_times]: how many users belong to the cohort at each time."""
    return np.array([int(cohort_mask(log, rule, at).sum()) for at in at_us], np.int64)


def _mask(log: Log, rule: Any, at_us: int, inside: tuple[str, ...]) -> Mask:
    if isinstance(rule, m.AllOf | m.AnyOf):
        join_masks = np.logical_and if isinstance(rule, m.AllOf) else np.logical_or
        joined: Mask = join_masks.reduce([_mask(log, part, at_us, inside) for part in rule.rules])
        return joined
    if isinstance(rule, m.NoneOf):
        return ~_mask(log, rule.rule, at_us, inside)
    if isinstance(rule, m.SavedCohort):
        return _saved(log, rule, at_us, inside)
    mask: Mask = _SIMPLE[rule.kind](log, rule, at_us)
    return mask


def _saved(log: Log, rule: m.SavedCohort, at_us: int, inside: tuple[str, ...]) -> Mask:
    if rule.name in inside:
        raise InputError(N_("The cohort “{name}” is part of itself."), name=rule.name)
    if log.find is None:
        raise ValueError("a rule that names a saved cohort needs the saved cohorts")
    # A cohort inside another holds users seen by then only, like on its own.
    return _mask(log, log.find(rule.name), at_us, (*inside, rule.name)) & seen_before(log.index, at_us)


def day_start_us(day: date, config: WorkspaceConfig) -> int:
    """Return when a calendar day of the workspace begins (UTC us)."""
    return local_to_us(datetime.combine(day, time()), config.timezone)


def moment_us(moment: m.Moment, at_us: int, config: WorkspaceConfig) -> int:
    """Return a moment in UTC us, never after `at_us`: what comes later is not known then."""
    if moment.day is not None:
        return min(at_us, day_start_us(moment.day + timedelta(days=1), config))
    return at_us - round(moment.days_ago * DAY_US)


def _bounds(window: m.Window, end_us: int, config: WorkspaceConfig) -> tuple[int, int]:
    if window.last_days:
        return end_us - round(window.last_days * DAY_US), end_us
    first = np.iinfo(np.int64).min if window.first_day is None else day_start_us(window.first_day, config)
    last = end_us if window.last_day is None else day_start_us(window.last_day + timedelta(days=1), config)
    return int(first), min(last, end_us)


def _behaviour(log: Log, rule: m.Behaviour, at_us: int) -> Mask:
    clauses, quiet = rule.clauses, rule.then_silent
    matches = [parse_match(clause.event) for clause in clauses]
    missed = parse_match(quiet.event) if quiet else matches[0]
    matcher = resolve([*matches, missed], log.index, log.config, log.snapshot)
    quiet_from = at_us if quiet is None else at_us - round(quiet.days * DAY_US)
    bounds = np.array([_bounds(clause.window, quiet_from, log.config) for clause in clauses], np.int64)
    arguments = (
        np.stack([matcher.flags(match) for match in matches]),
        np.array([m.MEASURES.index(clause.measure) for clause in clauses], np.int64),
        np.array([m.CLAUSE_OPS.index(clause.op) for clause in clauses], np.int64),
        np.array([clause.amount for clause in clauses], np.float64),
        np.ascontiguousarray(bounds[:, 0]),
        np.ascontiguousarray(bounds[:, 1]),
        np.array([round((clause.window.within_days or 0) * DAY_US) for clause in clauses], np.int64),
        rule.in_order,
        matcher.flags(missed),
        quiet_from,
        at_us,
    )

    def kernel(part: Partition) -> Mask:
        found: Mask = behaving(part.offsets, part.time, matcher.events(part), part.value, part.quantity, *arguments)
        return found

    return map_merge(log.index, kernel, join)


def _with_snapshot(log: Log) -> Snapshot:
    if log.snapshot is None:
        raise ValueError("this rule needs the snapshot")
    return log.snapshot


def _attribute(log: Log, rule: m.HasAttribute, _at_us: int) -> Mask:
    snapshot = _with_snapshot(log)
    chosen = users_with(snapshot, rule.name, rule.values)  # names the known attributes when this one is unknown
    found = users_mask(log.index, chosen if rule.values else list(attribute_of_users(snapshot, rule.name)))
    return found if rule.is_in else ~found


def _stages_in(log: Log, rules: StageRules, names: Sequence[str], at_us: int) -> Mask:
    codes = [UNSEEN if name == NOT_YET_SEEN else rules.code(name) for name in names]
    if not names:
        return np.ones(log.index.n_users, np.bool_)
    found: Mask = np.isin(assign_stages(log.index, rules, [at_us], log.config)[:, 0], codes)
    return found


def _stage(log: Log, rule: m.InStage, at_us: int) -> Mask:
    rules = log.rules or workspace_rules(log.index, log.config)
    return _stages_in(log, rules, rule.stages, moment_us(rule.at, at_us, log.config))


def _moved(log: Log, rule: m.Moved, at_us: int) -> Mask:
    rules = log.rules or workspace_rules(log.index, log.config)
    first, second = (moment_us(moment, at_us, log.config) for moment in (rule.first, rule.second))
    if first >= second:
        raise InputError(N_("The first moment of a move must lie before the second."))
    return _stages_in(log, rules, rule.before, first) & _stages_in(log, rules, rule.after, second)


def _listed(log: Log, rule: m.Listed, _at_us: int) -> Mask:
    workspace = Workspace.of_version(_with_snapshot(log).directory)
    return users_mask(log.index, read_members(workspace, rule.members))


_SIMPLE: dict[str, Callable[[Log, Any, int], Mask]] = {
    "behaviour": _behaviour,
    "attribute": _attribute,
    "stage": _stage,
    "transition": _moved,
    "users": _listed,
}
