"""Events with conditions: ``purchase[item.category=MILK|BREAD][value>=5]``.

Kernels read one small code per event. Without conditions that is the event's name, and the column of the index
is passed through. With conditions, every combination of satisfied matches gets a code of its own, so that the
same kernels run unchanged on a re-coded column.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd

from ulm_core.errors import InputError
from ulm_core.lifecycle.conditions import EventMatch, Where, parse_match, split_matches
from ulm_core.lifecycle.events import event_flags
from ulm_core.lifecycle.row_tests import RowTest, row_test
from ulm_core.messages import N_
from ulm_core.timeline.index import Partition, TimelineIndex
from ulm_core.timeline.runner import map_merge
from ulm_core.workspace import WorkspaceConfig

if TYPE_CHECKING:
    from ulm_core.warehouse.snapshot import Snapshot

__all__ = ["EventMatch", "Matcher", "Where", "parse_match", "resolve", "split_matches"]

MAX_CONDITIONED = 40  # one bit each, beside the event code, in 63 bits
MAX_CODES = np.iinfo(np.int16).max

Flags = npt.NDArray[np.bool_]
# Of one partition: rows that satisfy a match with conditions, their place among the combinations, the combinations.
_Found = tuple[npt.NDArray[np.int32], npt.NDArray[np.int16], npt.NDArray[np.int64]]


@dataclass(frozen=True, eq=False)
class Matcher:
    """Matches made ready for kernels. A *code* stands for an event name and the conditions its event satisfies.

    Attributes
    ----------
    base
        int64[n_codes]; event code of each code. The first codes are the event codes themselves.
    hits
        Match -> bool[n_codes]: which codes satisfy it.
    column
        int16[n_events], the codes in the order of the index; None: those of the index itself.
    offsets
        int64[n_users + 1] of the index.
    """

    base: npt.NDArray[np.int64]
    hits: dict[EventMatch, Flags]
    column: npt.NDArray[np.int16] | None
    offsets: npt.NDArray[np.int64]

    @property
    def n_codes(self) -> int:
        """Number of codes."""
        return len(self.base)

    def events(self, part: Partition) -> npt.NDArray[np.int16]:
        """Return the codes of a partition's events, to be given to a kernel in the place of `part.event`."""
        if self.column is None:
            return part.event
        begin = int(self.offsets[part.first_user])
        return self.column[begin : begin + len(part.event)]

    def flags(self, match: EventMatch) -> Flags:
        """Return bool per code: which satisfy a match that was resolved."""
        return self.hits[match]

    def expand(self, by_event: Flags) -> Flags:
        """Return a mask by event code (such as `TimelineIndex.active_mask`) as one by code."""
        expanded: Flags = by_event[self.base]
        return expanded


def resolve(
    matches: Sequence[EventMatch], index: TimelineIndex, config: WorkspaceConfig, snapshot: Snapshot | None = None
) -> Matcher:
    """Make matches ready for kernels.

    Parameters
    ----------
    matches
        Any number; equal ones are resolved once.
    snapshot
        Where attributes and properties are read; needed when a condition names one.

    Raises
    ------
    NotFoundError
        When the log lacks an event, attribute or property.
    InputError
        When there are too many matches with conditions.
    """
    distinct = list(dict.fromkeys(matches))
    by_event = {match: event_flags(index, config, match.event) for match in distinct}
    conditioned = [match for match in distinct if match.where]
    if len(conditioned) > MAX_CONDITIONED:
        raise InputError(N_("At most {n} events with conditions can be used at once."), n=MAX_CONDITIONED)
    n_events = len(index.manifest.event_names)
    plain = np.arange(n_events, dtype=np.int64)
    if not conditioned:
        return Matcher(plain, by_event, None, index.offsets)
    tests = [[row_test(where, index, snapshot) for where in match.where] for match in conditioned]
    column, combinations = _recode(index, [by_event[match] for match in conditioned], tests)
    base = np.concatenate([plain, combinations % n_events])
    bits = np.concatenate([np.zeros(n_events, np.int64), combinations // n_events])
    hits = {match: flags[base] for match, flags in by_event.items()}
    hits |= {match: (bits >> k & 1).astype(np.bool_) for k, match in enumerate(conditioned)}
    return Matcher(base, hits, column, index.offsets)


def _recode(
    index: TimelineIndex, flags: Sequence[Flags], tests: Sequence[Sequence[RowTest]]
) -> tuple[npt.NDArray[np.int16], npt.NDArray[np.int64]]:
    """Return the column of codes, and the combinations: satisfied matches as bits times event codes, plus the event."""
    n_events = len(index.manifest.event_names)

    def kernel(part: Partition) -> _Found:
        bits = np.zeros(len(part.event), np.int64)
        for k, (by_event, row_tests) in enumerate(zip(flags, tests, strict=True)):
            rows = by_event[part.event]
            for test in row_tests:
                rows &= test(part)
            bits |= rows.astype(np.int64) << k
        hit = np.flatnonzero(bits)
        places, combinations = pd.factorize(bits[hit] * n_events + part.event[hit])
        return hit.astype(np.int32), places.astype(np.int16), combinations

    found = map_merge(index, kernel, list)
    # Sorted, so that codes do not depend on how the log is cut into partitions.
    combinations = np.unique(np.concatenate([part[2] for part in found])) if found else np.empty(0, np.int64)
    if n_events + len(combinations) > MAX_CODES:
        raise InputError(N_("These conditions split the events into too many kinds. Use fewer of them."))
    column = np.array(index.event)
    for number, (hit, places, own) in enumerate(found):
        begin = int(index.offsets[index.manifest.partitions[number][0]])
        codes = (n_events + np.searchsorted(combinations, own)).astype(np.int16)
        column[begin + hit.astype(np.int64)] = codes[places]
    column.flags.writeable = False  # as the mapped columns are: to numba another type, compiled apart
    return column, combinations
