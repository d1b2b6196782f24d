"""The timeline index: one user's events lie side by side, in time order, in memory-mapped columns.

Files of an index folder: ``manifest.json``, one ``<column>.bin`` per column (`columns`), and the ids by code
(``users.parquet``, ``items.parquet``). The index is never edited: a new version is a
new folder (ADR 0002).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pydantic import BaseModel, ConfigDict

from ulm_core.errors import NotFoundError, UlmError
from ulm_core.keys import Keys
from ulm_core.messages import N_
from ulm_core.timeline.columns import OpenColumn, read_text, write_text
from ulm_core.timeline.ids import find_id, read_ids
from ulm_core.workspace import Workspace, WorkspaceConfig

FORMAT = 2
READABLE = {1: np.int32, FORMAT: np.int64}  # formats that can be read, and what their sessions are
COLUMNS: dict[str, npt.DTypeLike] = {
    "time": np.int64,
    "event": np.int16,
    "item": np.int32,
    "value": np.float64,
    "quantity": np.float64,
    "session": np.int64,
}
NO_ITEM = -1
NEIGHBOURS = 2_000  # ids, in their order, that are searched for what was meant
MANIFEST, SEALED_MANIFEST = "manifest.json", "manifest.sealed"

Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]


class Manifest(BaseModel):
    """What an index folder holds.

    Attributes
    ----------
    fingerprint
        The same for the same events, whatever loads they came in.
    first_us, last_us
        UTC microseconds since 1970.
    content
        Sum (modulo 2**64) of a hash of every event: an append adds its own to it instead of reading all.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: int = FORMAT
    version: str
    fingerprint: str
    n_events: int
    n_users: int
    n_items: int
    event_names: tuple[str, ...]
    first_us: int
    last_us: int
    partitions: tuple[tuple[int, int], ...]
    content: int = 0


@dataclass(frozen=True)
class History:
    """The events of one user in time order; the arrays may be edited copies (what-if, SHAP).

    Attributes
    ----------
    time
        int64, UTC microseconds.
    event, item
        Codes; item is -1 where the event has none.
    session
        int64, a hash of the session's id: equal within a user where the id is; -1 where the event has none.
    value, quantity
        float64, nan where the event has none.
    """

    time: npt.NDArray[np.int64]
    event: npt.NDArray[np.int16]
    item: npt.NDArray[np.int32]
    value: npt.NDArray[np.float64]
    quantity: npt.NDArray[np.float64]
    session: npt.NDArray[np.int64]

    def __len__(self) -> int:
        """Return the number of events."""
        return len(self.time)

    def take(self, keep: npt.NDArray[Any] | slice) -> History:
        """Return the history with only the events selected by `keep` (mask, positions or slice)."""
        return History(*(getattr(self, field.name)[keep] for field in fields(self)))


@dataclass(frozen=True)
class Partition(History):
    """A run of whole users; `offsets[k]:offsets[k + 1]` are the events of user `first_user + k`."""

    first_user: int
    offsets: Ints

    @property
    def n_users(self) -> int:
        """Number of users in the partition."""
        return len(self.offsets) - 1


class TimelineIndex:
    """Memory-mapped columns of one published version.

    Columns (`time`, `event`, `item`, `value`, `quantity`, `session`) have one entry per event, sorted
    by user and time; `offsets` has `n_users + 1` entries. See `History` for units.
    """

    def __init__(self, directory: Path, keys: Keys | None = None) -> None:
        self.directory = directory
        self._keys = keys
        self.manifest = read_manifest(directory, keys)
        types = {"offsets": np.int64, **COLUMNS, "session": READABLE[self.manifest.format]}
        sealed_with = keys if is_sealed(directory) else None
        # Opened now, so that the index outlives its folder; a sealed column is decrypted when it is first used.
        self._columns = {name: OpenColumn(directory, name, dtype, sealed_with) for name, dtype in types.items()}
        self._spans: dict[tuple[str, ...], tuple[int, int]] = {}
        self._ids: dict[str, pa.Array] = {}

    offsets: Ints
    time: Ints
    event: npt.NDArray[np.int16]
    item: npt.NDArray[np.int32]
    value: npt.NDArray[np.float64]
    quantity: npt.NDArray[np.float64]
    session: npt.NDArray[np.int64]

    def __getattr__(self, name: str) -> npt.NDArray[Any]:
        """Return a column on its first use; later uses find the attribute."""
        column = self.__dict__.get("_columns", {}).get(name)
        if column is None:
            raise AttributeError(name)
        values: npt.NDArray[Any] = column.read()
        setattr(self, name, values)
        return values

    @staticmethod
    def open(workspace: Workspace) -> TimelineIndex:
        """Open the index of the published version; a process shares one object per version.

        Raises
        ------
        EmptyWorkspaceError
            When nothing was loaded yet.
        """
        return open_index(workspace.version_dir() / "timeline", workspace.file_keys())

    @property
    def n_users(self) -> int:
        """Number of users with at least one event."""
        return self.manifest.n_users

    @cached_property
    def user_ids(self) -> npt.NDArray[np.object_]:
        """User id by user code."""
        return np.asarray(self.ids("users").to_numpy(zero_copy_only=False), dtype=object)

    @cached_property
    def item_ids(self) -> npt.NDArray[np.object_]:
        """Item id by item code; only items with at least one event have a code."""
        return np.asarray(self.ids("items").to_numpy(zero_copy_only=False), dtype=object)

    def ids(self, name: str) -> pa.Array:
        """Return a dictionary ("users", "items") in the order of its codes; it is read on its first use."""
        if name not in self._ids:
            self._ids[name] = read_ids(self.directory / f"{name}.parquet", self._keys)
        return self._ids[name]

    def user_code(self, user_id: str) -> int:
        """Return the code of a user.

        Raises
        ------
        NotFoundError
            When no event of that user is loaded.
        """
        return self._code("user", user_id)

    def item_code(self, item_id: str) -> int:
        """Return the code of an item; raises NotFoundError when it has no event."""
        return self._code("item", item_id)

    def event_code(self, name: str) -> int:
        """Return the code of an event name; raises NotFoundError with near matches."""
        names = self.manifest.event_names
        if name not in names:
            raise NotFoundError.for_name("event", name, names)
        return names.index(name)

    def _code(self, kind: str, name: str) -> int:
        """Look an id up by halving: a table of millions of ids would take longer to make than any page may."""
        ids = self.ids(f"{kind}s")
        place, is_known = find_id(ids, name)
        if not is_known:
            beside = ids[max(0, place - NEIGHBOURS) : place + NEIGHBOURS]  # comparing with millions takes minutes
            raise NotFoundError.for_name(kind, name, beside.to_pylist())
        return place

    def event_mask(self, names: Iterable[str]) -> Mask:
        """Return a bool per event code, true for `names`; names the log lacks are ignored."""
        wanted = set(names)
        return np.array([name in wanted for name in self.manifest.event_names], dtype=np.bool_)

    def active_mask(self, config: WorkspaceConfig) -> Mask:
        """Return a bool per event code: what users do themselves (all but passive events)."""
        return ~self.event_mask(config.passive_events)

    def conversion_mask(self, config: WorkspaceConfig) -> Mask:
        """Return a bool per event code: the conversions of this workspace."""
        return self.event_mask(config.conversion_events)

    def active_span(self, config: WorkspaceConfig) -> tuple[int, int]:
        """Return the first and last moment of user activity (UTC microseconds), passive events left out.

        A campaign sent weeks before the log begins must not stretch every chart to the left.
        """
        key = config.passive_events
        if key not in self._spans:
            times = self.time[self.active_mask(config)[self.event]]
            self._spans[key] = (int(times.min()), int(times.max())) if len(times) else self._whole_span()
        return self._spans[key]

    def _whole_span(self) -> tuple[int, int]:
        return self.manifest.first_us, self.manifest.last_us

    def partition(self, number: int) -> Partition:
        """Return partition `number` as views on the columns, offsets re-based to 0."""
        return self.users(*self.manifest.partitions[number])

    def users(self, first: int, stop: int) -> Partition:
        """Return users `first` to `stop - 1` as one partition."""
        begin, end = int(self.offsets[first]), int(self.offsets[stop])
        columns = {name: getattr(self, name)[begin:end] for name in COLUMNS}
        return Partition(**columns, first_user=first, offsets=self.offsets[first : stop + 1] - begin)

    def partitions(self) -> Iterator[Partition]:
        """Yield every partition in order."""
        for number in range(len(self.manifest.partitions)):
            yield self.partition(number)

    def history(self, user: int, until_us: int | None = None) -> History:
        """Return the events of one user, only those before `until_us` when it is given."""
        begin, end = int(self.offsets[user]), int(self.offsets[user + 1])
        if until_us is not None:
            end = begin + int(np.searchsorted(self.time[begin:end], until_us, side="left"))
        return History(*(getattr(self, name)[begin:end] for name in COLUMNS))


def is_sealed(directory: Path) -> bool:
    """Return whether an index folder is encrypted; those of older programs are not."""
    return (directory / SEALED_MANIFEST).exists()


def read_manifest(directory: Path, keys: Keys | None = None) -> Manifest:
    """Return what an index folder holds; raises UlmError when this program cannot read it."""
    try:
        if is_sealed(directory):
            text = read_text(directory / SEALED_MANIFEST, keys)
        else:
            text = read_text(directory / MANIFEST, None)
        manifest = Manifest.model_validate_json(text)
    except (OSError, ValueError) as error:
        raise _unusable(directory) from error
    if manifest.format not in READABLE:
        raise _unusable(directory)
    return manifest


def write_manifest(directory: Path, manifest: Manifest, keys: Keys | None) -> None:
    """Write what an index folder holds, sealed where the workspace is encrypted."""
    write_text(directory / (SEALED_MANIFEST if keys else MANIFEST), manifest.model_dump_json(indent=2), keys)


def _unusable(directory: Path) -> UlmError:
    return UlmError(
        N_("The timeline index in {path} cannot be used by this version. Load the data again."),
        code="bad_index",
        path=directory,
    )


@lru_cache(maxsize=4)
def open_index(directory: Path, keys: Keys | None) -> TimelineIndex:
    """Open an index folder; a process shares one object per folder."""
    return TimelineIndex(directory, keys)
