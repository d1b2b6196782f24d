"""The one door to DuckDB. No other module imports the driver (a test holds this)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

import duckdb
import pyarrow as pa

from ulm_core.errors import BusyError, CancelledError, InputError, UlmError
from ulm_core.messages import N_
from ulm_core.settings import get_settings

STREAM_ROWS = 250_000
STORAGE = "v1.4.0"  # format of new files: texts are packed in two thirds of the time of the oldest format

_NO_SPACE = re.compile(r"no space left|disk.*full|could not write all|max_temp_directory_size", re.IGNORECASE)
_LINE_ENDS = re.compile(r"CSV Parser state machine reached an invalid state", re.IGNORECASE)
_LOCKED = re.compile(r"could not set lock on file", re.IGNORECASE)


def quote(identifier: str) -> str:
    """Return `identifier` quoted for SQL; values are bound, never quoted."""
    return '"' + identifier.replace('"', '""') + '"'


def literal(text: str) -> str:
    """Return `text` as an SQL string, for the few places that take no bound value (COPY, view bodies)."""
    return "'" + text.replace("'", "''") + "'"


def disk_full_error() -> UlmError:
    """Return the error for a full disk; nothing that was published before is lost."""
    return UlmError(
        N_("The disk is full. What was loaded before is untouched; free some space and try again."), code="disk_full"
    )


def _translate(error: duckdb.Error) -> UlmError:
    text = str(error)
    if isinstance(error, duckdb.InterruptException):
        return CancelledError(N_("The load was stopped. Nothing was changed."))
    if _NO_SPACE.search(text):
        return disk_full_error()
    if _LOCKED.search(text):
        return BusyError(N_("Another process has the warehouse open. Wait until its load ends, then try again."))
    if _LINE_ENDS.search(text):  # of a file on this machine they were mended before
        return InputError(N_("The text mixes line ends far from its beginning. Load a copy of it from this machine."))
    return InputError(N_("The database could not do that: {reason}"), code="database", reason=text.split("\n")[0])


class Database:
    """A DuckDB connection that speaks Arrow and raises only the product's errors.

    Use `Database.open_writer` for the system of record (one process at a time) or
    `Database.in_memory` for everything else.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection, *, is_shared: bool = False) -> None:
        self._connection = connection
        self._is_shared = is_shared
        settings = get_settings()
        self.execute("SET TimeZone = 'UTC'")
        self.execute(f"SET threads = {int(settings.threads)}")
        self.execute(f"SET memory_limit = '{float(settings.memory_limit_gb)}GB'")
        self.execute("SET autoinstall_known_extensions = false")
        self.execute("SET autoload_known_extensions = false")

    @classmethod
    def open_writer(cls, path: Path) -> Database:
        """Open the warehouse file for writing; the caller holds the workspace's load lock.

        Raises
        ------
        BusyError
            When another process has the file open.
        """
        try:
            return cls(duckdb.connect(str(path), config={"storage_compatibility_version": STORAGE}))
        except duckdb.Error as error:
            raise _translate(error) from error

    @classmethod
    def in_memory(cls) -> Database:
        """Open a private database that lives as long as the object; threads may query it at once."""
        return cls(duckdb.connect(), is_shared=True)

    @classmethod
    def private(cls) -> Database:
        """Open a private database for one thread; statements share its transaction and temporary tables."""
        return cls(duckdb.connect())

    def confine(self, directory: Path) -> None:
        """From now on let SQL read files below `directory` only, and change no setting.

        What a query can reach is then fixed, whatever its text.
        """
        self._connection.execute("SET allowed_directories = [?]", [str(directory)])
        self.execute("SET enable_external_access = false")
        self.execute("SET lock_configuration = true")

    def lock_down(self, files: Sequence[Path]) -> None:
        """From now on let SQL read these files and nothing else, spill nothing to disk and change no setting.

        Variables of this process (a data frame in some frame) are no tables either.
        """
        self.execute("SET python_enable_replacements = false")
        self.execute("SET temp_directory = ''")
        self._connection.execute("SET allowed_paths = ?", [[str(path) for path in files]])
        self.execute("SET allow_community_extensions = false")
        self.execute("SET enable_external_access = false")
        self.execute("SET lock_configuration = true")

    def _cursor(self) -> duckdb.DuckDBPyConnection:
        # A cursor is a connection of its own: safe beside other threads, but blind to this
        # connection's transaction and temporary tables, which a writer lives on.
        return self._connection.cursor() if self._is_shared else self._connection

    def execute(self, sql: str, parameters: Sequence[object] = ()) -> None:
        """Run a statement for its effect."""
        try:
            self._connection.execute(sql, list(parameters))
        except duckdb.Error as error:
            raise _translate(error) from error

    def query(self, sql: str, parameters: Sequence[object] = ()) -> pa.Table:
        """Return the result as one Arrow table."""
        try:
            return self._cursor().execute(sql, list(parameters)).to_arrow_table()
        except duckdb.Error as error:
            raise _translate(error) from error

    def stream(self, sql: str, parameters: Sequence[object] = ()) -> pa.RecordBatchReader:
        """Return the result batch by batch, for results larger than memory."""
        try:
            return self._cursor().execute(sql, list(parameters)).to_arrow_reader(STREAM_ROWS)
        except duckdb.Error as error:
            raise _translate(error) from error

    def scalar(self, sql: str, parameters: Sequence[object] = ()) -> object:
        """Return the first column of the first row, or None when there is no row."""
        table = self.query(sql, parameters)
        return table.column(0)[0].as_py() if table.num_rows else None

    def follow_progress(self) -> None:
        """From now on measure how far each statement is (`progress`), without printing it."""
        self.execute("SET enable_progress_bar = true")
        self.execute("SET enable_progress_bar_print = false")

    def progress(self) -> float | None:
        """Return how far the running statement is, 0..1, from any thread; None where DuckDB does not know (yet)."""
        percent = float(self._connection.query_progress())
        return min(percent / 100, 1.0) if percent > 0 else None

    def interrupt(self) -> None:
        """End the running statement, from any thread; it raises CancelledError."""
        self._connection.interrupt()

    def register(self, name: str, table: pa.Table) -> None:
        """Make an Arrow table readable as the view `name`."""
        self._connection.register(name, table)

    def unregister(self, name: str) -> None:
        """Drop the view `name` of an Arrow table."""
        self._connection.unregister(name)

    def keep(self, name: str, table: pa.Table) -> None:
        """Copy an Arrow table into the temporary table `name`.

        A join with a view of it is no substitute: DuckDB 1.5 fails to hand filters on large unsigned numbers to Arrow.
        """
        self.register(f"{name}_to_keep", table)
        self.execute(f"CREATE OR REPLACE TEMP TABLE {name} AS SELECT * FROM {name}_to_keep")
        self.unregister(f"{name}_to_keep")

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def __enter__(self) -> Database:
        """Return itself; the connection closes at the end of the block."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connection."""
        self.close()
