"""How far a load is, told while DuckDB works, and the way to stop it.

A statement that reads a file runs for minutes inside DuckDB. A thread beside it asks how far it is, and interrupts
it when somebody wants the load to stop; the transaction is then rolled back.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from ulm_core.errors import CancelledError
from ulm_core.events.sources import HEAD_BYTES, FileSource, FrameSource, Source, format_by_name, packing
from ulm_core.messages import N_, Message, message
from ulm_core.warehouse.database import Database
from ulm_core.warehouse.readers import Relation

LOOK_SECONDS = 0.25


class Phase(StrEnum):
    """What a load is doing, in this order; a source after another begins again with reading."""

    LOOKING = N_("Looking at the source")
    READING = N_("Reading rows")
    CHECKING = N_("Comparing with what is loaded and cleaning")
    STORING = N_("Storing events")
    SNAPSHOT = N_("Writing the snapshot")
    INDEX = N_("Building the timeline index")


@dataclass(frozen=True)
class LoadProgress:
    """How far a load is.

    Attributes
    ----------
    phase
        What it is doing.
    rows
        Rows read so far; None where the source does not say. While a text is read, judged by its bytes.
    rows_expected
        Rows there are, None where nobody knows.
    share
        How much of the sources is read, 0..1, by bytes; None where nobody knows.
    seconds
        Time spent reading.
    """

    phase: Phase
    rows: int | None
    rows_expected: int | None
    share: float | None
    seconds: float


@dataclass(frozen=True)
class Expectation:
    """What is known of a source before it is read."""

    rows: int | None
    size: int


def expect(source: Source) -> Expectation:
    r"""Return how many rows a source holds and its bytes; Parquet says so, a text is judged by its first lines.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "log.csv"
    >>> _ = path.write_text("user,time\\n" + "ann,2024-01-01\\n" * 5)
    >>> expect(FileSource(str(path), path.name)).rows
    6
    """
    if not isinstance(source, FileSource):
        table = source.table if isinstance(source, FrameSource) else None
        return Expectation(table.num_rows if isinstance(table, pa.Table) else None, 0)
    if source.is_remote:
        return Expectation(None, 0)
    path = Path(source.path)
    size = path.stat().st_size
    kind = format_by_name(source.name)
    try:
        if kind == "parquet":
            return Expectation(int(pq.read_metadata(path).num_rows), size)
        return Expectation(_lines(path, size) if kind in {"csv", "jsonl", "auto"} else None, size)
    except (OSError, pa.ArrowInvalid):  # the reader will say what is wrong with it
        return Expectation(None, size)


def _lines(path: Path, size: int) -> int | None:
    """Return about how many lines a text has: those of its head, times how much of the file the head is."""
    packed = packing(path.name)
    with pa.OSFile(str(path)) as raw:
        stream = raw if packed == "none" else pa.CompressedInputStream(raw, packed)
        # Unpacking reads ahead, which only a longer head makes up for.
        head = stream.read(HEAD_BYTES if packed == "none" else 8 * HEAD_BYTES)
        taken = raw.tell()
    lines = head.count(b"\n")
    return round(lines * max(1.0, size / taken)) if lines else None


class LoadWatch:
    """What a load reports to: its messages, and how far it is, several times a second.

    It stands wherever a plain function of a message stands (`ulm_core.warehouse.loading.Report`).

    Parameters
    ----------
    say
        Called with every message.
    measure
        Called with how far it is; from another thread while DuckDB works.
    should_stop
        Asked whether the load should stop; it does, until it is committed.
    """

    def __init__(
        self, say: Callable[[Message], None], measure: Callable[[LoadProgress], None], should_stop: Callable[[], bool]
    ) -> None:
        self._say, self._measure, self._should_stop = say, measure, should_stop
        self._phase = Phase.LOOKING
        self._sources: list[Expectation] = []
        self._place = -1
        self._handed: Callable[[], int] | None = None
        self._rows = self._shown = 0  # exactly read; shown
        self._seconds = 0.0
        self._began: float | None = None
        self._made: float | None = None

    def __call__(self, text: Message) -> None:
        """Take a message; one that names a phase begins it."""
        self._say(text)
        if text.template in set(Phase):
            self._enter(Phase(text.template))

    def expect(self, sources: Sequence[Source]) -> None:
        """Look at what will be read."""
        self._sources = list(map(expect, sources))

    def made(self, share: float) -> None:
        """Take how much is done from whoever makes the rows instead of reading them.

        Raises
        ------
        CancelledError
            When the load should stop.
        """
        self._made = share
        self._check()
        self._tell(None)

    def reads(self, relation: Relation) -> None:
        """Begin to read the next source."""
        self._place += 1
        self._handed = relation.handed
        if relation.rows_expected is not None and self._place < len(self._sources):
            self._sources[self._place] = replace(self._sources[self._place], rows=relation.rows_expected)
        self(message(Phase.READING))

    def has_read(self, rows: int) -> None:
        """Take the exact number of rows read so far."""
        self._rows = self._shown = rows
        self._tell(None)

    def _enter(self, phase: Phase) -> None:
        if self._began is not None:
            self._seconds += time.monotonic() - self._began
        self._began = time.monotonic() if phase is Phase.READING else None
        self._phase = phase
        self._tell(None)

    def _tell(self, share: float | None) -> None:
        running = 0.0 if self._began is None else time.monotonic() - self._began
        known = [each.rows for each in self._sources]
        total = sum(rows or 0 for rows in known) if known and None not in known else None
        self._measure(
            LoadProgress(self._phase, self._rows_with(share), total, self._part(share), self._seconds + running)
        )

    def _rows_with(self, share: float | None) -> int | None:
        """Return the rows read, `share` of the source that is read now among them."""
        if self._phase is Phase.READING and self._handed is not None:
            self._shown = self._rows + self._handed()
            return self._shown
        rows = self._sources[self._place].rows if 0 <= self._place < len(self._sources) else None
        if self._phase is Phase.READING and rows is not None and share is not None:
            self._shown = self._rows + round(share * rows)
        return self._shown or None  # what was judged last stands until the exact number is known

    def _part(self, share: float | None) -> float | None:
        """Return the share of all bytes that is read."""
        whole = sum(each.size for each in self._sources)
        if self._made is not None or not whole or self._place < 0:
            return self._made
        before = sum(each.size for each in self._sources[: self._place])
        now = self._sources[self._place].size if self._place < len(self._sources) else 0
        if self._phase is not Phase.READING:
            share = 1.0
        return None if share is None else (before + share * now) / whole

    @contextmanager
    def follow(self, database: Database) -> Iterator[None]:
        """Look at `database` from beside while the block runs.

        Raises
        ------
        CancelledError
            When the load should stop; nothing is committed then.
        """
        done = threading.Event()
        thread = threading.Thread(target=self._look, args=(database, done), daemon=True)
        database.follow_progress()
        thread.start()
        try:
            yield
            self._check()
        finally:
            done.set()
            thread.join()

    def _check(self) -> None:
        if self._should_stop():
            raise CancelledError(N_("The load was stopped. Nothing was changed."))

    def _look(self, database: Database, done: threading.Event) -> None:
        while not done.wait(LOOK_SECONDS):
            if self._should_stop():
                database.interrupt()  # again and again: between two statements it goes unheard
            elif self._phase is Phase.READING:
                self._tell(database.progress())


@contextmanager
def following(report: Callable[[Message], None], database: Database) -> Iterator[None]:
    """Let a `LoadWatch` follow the block; a plain function of messages hears them all the same."""
    if isinstance(report, LoadWatch):
        with report.follow(database):
            yield
    else:
        yield


def expecting(report: Callable[[Message], None], sources: Sequence[Source]) -> None:
    """Say what will be read."""
    if isinstance(report, LoadWatch):
        report.expect(sources)


def has_read(report: Callable[[Message], None], rows: int) -> None:
    """Say how many rows are read for certain."""
    report(message(N_("{n} rows read"), n=f"{rows:,}"))
    if isinstance(report, LoadWatch):
        report.has_read(rows)


def begin_reading(report: Callable[[Message], None], relation: Relation) -> None:
    """Say that a source is read now."""
    if isinstance(report, LoadWatch):
        report.reads(relation)
