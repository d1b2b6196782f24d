"""Paths: what users did before and after an event."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
from pydantic import Field

from ulm_core.errors import InputError, NotFoundError
from ulm_core.lifecycle import path_kernels as kernels
from ulm_core.lifecycle.conditions import EventMatch
from ulm_core.lifecycle.matching import resolve
from ulm_core.lifecycle.periods import SECOND_US
from ulm_core.lifecycle.results import RangeSpec, Result, Stopwatch, UserCodes, mask_or_all
from ulm_core.messages import N_
from ulm_core.timeline.index import Partition, TimelineIndex
from ulm_core.timeline.runner import map_merge
from ulm_core.workspace import WorkspaceConfig

if TYPE_CHECKING:
    from ulm_core.warehouse.snapshot import Snapshot

NOTHING = N_("(nothing)")
Occurrence = Literal["first", "last", "every"]
_WHICH: dict[Occurrence, int] = {"first": kernels.FIRST, "last": kernels.LAST, "every": kernels.EVERY}
MAX_STEPS = 8
_TOP_PATHS = 20
Rows = npt.NDArray[np.bool_]


class PathsSpec(RangeSpec):
    """Asks for the paths around an event.

    Attributes
    ----------
    around
        The event, with conditions where wanted.
    before, after
        Steps on either side.
    occurrence
        Around which occurrences of the event within the range: a user's first, last, or every one.
    collapse
        Whether the same event again and again is one step.
    gap_seconds
        Pause at which a path is cut; None: never.
    """

    around: EventMatch
    before: int = Field(2, ge=0, le=MAX_STEPS)
    after: int = Field(3, ge=0, le=MAX_STEPS)
    occurrence: Occurrence = "first"
    collapse: bool = True
    gap_seconds: float | None = Field(None, gt=0)


@dataclass(frozen=True, kw_only=True, eq=False)
class Paths(Result):
    """Paths around an event. Every number counts users; with every occurrence a user may stand in several.

    Attributes
    ----------
    spec
        What was asked.
    names
        Names of events, and `NOTHING` as the last.
    owners
        int32[n_paths], user code of each path.
    steps
        int16[n_paths, before + 1 + after], numbers of names; -1 counts as the last.
    """

    spec: PathsSpec
    names: tuple[str, ...]
    owners: npt.NDArray[np.int32] = field(repr=False)
    steps: npt.NDArray[np.int16] = field(repr=False)

    @property
    def n_users(self) -> int:
        """Users with a path."""
        return len(np.unique(self.owners))

    @property
    def offsets(self) -> range:
        """Steps before the event are negative, 0 is the event."""
        return range(-self.spec.before, self.spec.after + 1)

    def step_users(self) -> npt.NDArray[np.int64]:
        """Return int64[n_steps, n_names]: users with that event at that step."""
        n = len(self.names)
        return np.stack([self._users_by(self._column(k), n) for k in range(self.steps.shape[1])])

    def links(self) -> pd.DataFrame:
        """Return users who went from one event to the next: columns offset (of the first), source, target, users."""
        n = len(self.names)
        rows = []
        for place, offset in enumerate(self.offsets[:-1]):
            counts = self._users_by(self._column(place) * n + self._column(place + 1), n * n)
            rows += [
                (offset, self.names[pair // n], self.names[pair % n], int(counts[pair]))
                for pair in np.flatnonzero(counts).tolist()
            ]
        return pd.DataFrame(rows, columns=["offset", "source", "target", "users"])

    def top(self, count: int = _TOP_PATHS) -> pd.DataFrame:
        """Return the most frequent whole paths: columns path (tuple of names) and users; ties by name."""
        codes = np.zeros(len(self.steps), np.int64)
        for place in range(self.steps.shape[1]):
            codes = pd.factorize(codes * len(self.names) + self._column(place))[0].astype(np.int64)
        users = self._users_by(codes, int(codes.max()) + 1 if len(codes) else 0)
        first = pd.Series(np.arange(len(codes))).groupby(codes).first().to_numpy()
        paths = [tuple(self.names[step] for step in self.steps[row]) for row in first]
        best = sorted(zip(paths, users.tolist(), strict=True), key=lambda entry: (-entry[1], entry[0]))[:count]
        return pd.DataFrame(best, columns=["path", "users"])

    def loops(self) -> pd.DataFrame:
        """Return the events that come again later in the same path: columns event, users; most frequent first."""
        rows = [(name, len(self.users(("loop", name)))) for name in self.names[:-1]]
        found = sorted((row for row in rows if row[1]), key=lambda row: (-row[1], row[0]))
        return pd.DataFrame(found, columns=["event", "users"])

    def to_arrow(self) -> pa.Table:
        """Return the step matrix: offset, event, users, share of all users with a path."""
        counts = self.step_users()
        step, name = np.nonzero(counts)
        return pa.table(
            {
                "offset": np.array(self.offsets)[step],
                "event": np.array(self.names, dtype=object)[name],
                "users": counts[step, name],
                "share": counts[step, name] / max(self.n_users, 1),
            }
        )

    def users(self, cell: tuple[Any, ...]) -> UserCodes:
        """Return the users of a number.

        Parameters
        ----------
        cell
            ``("step", offset, event)``, ``("link", offset, source, target)``, ``("path", names)``, ``("loop", event)``.
        """
        kind, *rest = cell
        kinds: dict[str, Callable[..., Rows]] = {
            "step": self._at, "link": self._along, "path": self._exactly, "loop": self._again
        }  # fmt: skip
        found = kinds[kind](*rest)
        return np.unique(self.owners[found])

    def _at(self, offset: int, event: str) -> Rows:
        if offset not in self.offsets:
            raise InputError(N_("Steps run from {first} to {last}."), first=-self.spec.before, last=self.spec.after)
        rows: Rows = self._column(offset + self.spec.before) == self._number(event)
        return rows

    def _along(self, offset: int, source: str, target: str) -> Rows:
        return self._at(offset, source) & self._at(offset + 1, target)

    def _exactly(self, path: tuple[str, ...]) -> Rows:
        rows: Rows = (self.steps % len(self.names) == [self._number(name) for name in path]).all(axis=1)
        return rows

    def _again(self, event: str) -> Rows:
        rows: Rows = (self.steps == self._number(event)).sum(axis=1) > 1
        return rows

    def _column(self, place: int) -> npt.NDArray[np.int64]:
        """Return the numbers of names at one step; wide, because they are multiplied."""
        return self.steps[:, place].astype(np.int64) % len(self.names)

    def _number(self, event: str) -> int:
        if event not in self.names:
            raise NotFoundError.for_name("event", event, self.names)
        return self.names.index(event)

    def _users_by(self, cells: npt.NDArray[Any], n: int) -> npt.NDArray[np.int64]:
        """Return int64[n] distinct users by cell of their paths."""
        if self.spec.occurrence != "every":  # one path a user
            return np.bincount(cells, minlength=n)
        pairs = np.unique(self.owners.astype(np.int64) * n + cells)
        return np.bincount(pairs % n, minlength=n) if n else np.empty(0, np.int64)

    def to_json(self) -> dict[str, Any]:
        """Return steps, links, the most frequent paths and loops."""
        steps: dict[int, list[dict[str, Any]]] = {offset: [] for offset in self.offsets}
        for row in self.to_arrow().sort_by([("offset", "ascending"), ("users", "descending")]).to_pylist():
            steps[row.pop("offset")].append(row)
        return {
            "around": str(self.spec.around),
            "users": self.n_users,
            "paths": len(self.steps),
            "steps": [{"offset": offset, "events": events} for offset, events in steps.items()],
            "links": self.links().to_dict("records"),
            "top_paths": self.top().assign(path=lambda top: top["path"].map(list)).to_dict("records"),
            "loops": self.loops().to_dict("records"),
            **self.stamp(),
        }


def compute_paths(
    index: TimelineIndex, config: WorkspaceConfig, spec: PathsSpec, snapshot: Snapshot | None = None
) -> Paths:
    """Return what users did before and after an event.

    Passive events are no steps, unless the path is drawn around one. Events at the same instant stand in the order
    of the index. The range is widened to whole days; steps may lie outside it.

    Parameters
    ----------
    snapshot
        Where attributes and properties are read; needed when a condition of the spec names one.

    Raises
    ------
    NotFoundError
        When the event is not in the log.
    """
    watch = Stopwatch(index)
    days = spec.periods(index, config, "day")
    anything = EventMatch()
    matcher = resolve((spec.around, anything), index, config, snapshot)
    anchors = matcher.flags(spec.around)
    shown = matcher.flags(anything) | anchors
    included = mask_or_all(spec.users, index.n_users)
    gap = 0 if spec.gap_seconds is None else round(spec.gap_seconds * SECOND_US)

    def kernel(part: Partition) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int16]]:
        users, steps = kernels.walk_paths(
            part.offsets, part.time, matcher.events(part), shown, anchors, matcher.base, days.from_us, days.to_us,
            spec.before, spec.after, _WHICH[spec.occurrence], spec.collapse, gap,
            included[part.first_user : part.first_user + part.n_users],
        )  # fmt: skip
        return users + np.int32(part.first_user), steps

    partials = map_merge(index, kernel, list)
    return Paths(
        spec=spec,
        names=(*index.manifest.event_names, NOTHING),
        owners=np.concatenate([users for users, _ in partials]),
        steps=np.concatenate([steps for _, steps in partials]),
        **watch.fields(),
    )
