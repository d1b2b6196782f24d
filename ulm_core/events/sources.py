"""Where a log lies and how its file is written, before anything is read."""

from __future__ import annotations

import glob
import gzip
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field, field_validator

from ulm_core.errors import InputError, NotFoundError
from ulm_core.messages import N_

Format = Literal["auto", "csv", "jsonl", "json", "parquet", "arrow", "xml"]

HEAD_BYTES = 1 << 20
_SUFFIXES: dict[str, Format] = {
    ".csv": "csv", ".tsv": "csv", ".txt": "csv", ".dat": "csv", ".data": "csv", ".log": "csv", ".inter": "csv",
    ".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "json", ".parquet": "parquet", ".pq": "parquet",
    ".arrow": "arrow", ".feather": "arrow", ".ipc": "arrow", ".arrows": "arrow", ".xml": "xml",
}  # fmt: skip
DatabaseKind = Literal["duckdb", "sqlite", "postgres"]
_DATABASES: dict[str, DatabaseKind] = {
    ".duckdb": "duckdb", ".sqlite": "sqlite", ".sqlite3": "sqlite", ".db": "sqlite",
}  # fmt: skip
_SERVERS = ("postgresql://", "postgres://")
_PACKED = {".gz": "gzip", ".zst": "zstd"}
_REMOTE = ("s3://", "https://", "http://")


class ReadOptions(BaseModel):
    """How a file is written; whatever is left out is found out."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Format = "auto"
    delimiter: str | None = Field(None, min_length=1, max_length=4)
    quote: str | None = Field(None, max_length=1)
    header: bool | None = None
    columns: tuple[str, ...] = Field((), description="Column names of a file without a header.")
    encoding: str | None = None

    @field_validator("encoding")
    @classmethod
    def _known_encoding(cls, value: str | None) -> str | None:
        if value is not None:
            "".encode(value)  # LookupError names the unknown encoding
        return value


@dataclass(frozen=True)
class FileSource:
    """One file: on this machine, or behind s3:// or https://."""

    path: str
    name: str

    @property
    def is_remote(self) -> bool:
        """Whether the file is read over the network."""
        return self.path.startswith(_REMOTE)

    @property
    def is_pattern(self) -> bool:
        """Whether the path names several files behind ``s3://``, which somebody has to list."""
        return self.path.startswith("s3://") and (self.path.endswith("/") or glob.has_magic(self.path))


@dataclass(frozen=True)
class TableSource:
    """A table of a database: `kind` duckdb, sqlite or postgres; `address` a path or a connection string."""

    kind: DatabaseKind
    address: str
    table: str
    name: str


@dataclass(frozen=True)
class FrameSource:
    """A pandas frame, an Arrow table or a stream of batches handed over from Python."""

    table: pa.Table | pa.RecordBatchReader
    name: str


Source = FileSource | TableSource | FrameSource


def packing(name: str) -> str:
    """Return "gzip", "zstd" or "none" by the name's last suffix."""
    return _PACKED.get(Path(name).suffix.lower(), "none")


def format_by_name(name: str) -> Format:
    """Return the format a file name promises, "auto" when it promises none."""
    path = Path(name.lower())
    if path.suffix in _PACKED:
        path = path.with_suffix("")
    return _SUFFIXES.get(path.suffix, "auto")


def find_sources(place: str | Path, table: str | None = None) -> list[Source]:
    """Return what `place` names: a file, a folder, a pattern, an address or a database.

    Parameters
    ----------
    place
        Path, folder, glob pattern, ``s3://`` or ``https://`` address, database file, or
        ``postgresql://user@host/name``.
    table
        The table, where `place` is a database.

    Raises
    ------
    NotFoundError
        When nothing is there.
    InputError
        When a folder or pattern holds no file with events, or a database is given without a table.
    """
    text = str(place)
    if is_database(text):
        return [database_source(text, _table_of(table, text))]
    if text.startswith(_REMOTE):
        return [_behind(text)]
    path = Path(text).expanduser()
    if path.is_file():
        return [FileSource(str(path), path.name)]
    if path.is_dir():
        return files_among(sorted(str(found) for found in path.rglob("*") if found.is_file()), text)
    if glob.has_magic(text):
        return files_among(sorted(found for found in glob.glob(text, recursive=True) if Path(found).is_file()), text)
    raise NotFoundError(N_("There is no file {path}. Check the path; it is read on the server."), path=place)


def is_database(place: str) -> bool:
    """Whether a place is a PostgreSQL address or an existing file of DuckDB or SQLite."""
    path = Path(place).expanduser()
    return place.startswith(_SERVERS) or (path.suffix.lower() in _DATABASES and path.is_file())


def database_source(place: str, table: str = "") -> TableSource:
    """Return a table of a database; without one, the database itself.

    Raises
    ------
    NotFoundError
        When there is no such file.
    InputError
        When its name has no suffix of a database.
    """
    if place.startswith(_SERVERS):
        name = _database_name(place)
        return TableSource("postgres", place, table, f"{name}.{table}" if table else name)
    path = Path(place).expanduser()
    if not path.is_file():
        raise NotFoundError(N_("There is no file {path}. Check the path; it is read on the server."), path=place)
    kind = _DATABASES.get(path.suffix.lower())
    if kind is None:
        raise InputError(
            N_("{path} is no database by its name. Known: {known}, or a postgresql:// address."),
            path=path.name,
            known=", ".join(_DATABASES),
        )
    return TableSource(kind, str(path), table, f"{path.name}:{table}" if table else path.name)


def _behind(address: str) -> FileSource:
    plain = address if address.startswith("s3://") else address.split("?")[0]
    if "*" in plain and not address.startswith("s3://"):
        raise InputError(N_("{path}: a web server lists no files. Give the address of one file."), path=plain)
    return FileSource(address, plain.rsplit("/", 1)[-1] or address)


def files_among(paths: Iterable[str], place: str) -> list[Source]:
    """Return the files of a folder, pattern or bucket that are tables by their names.

    Raises
    ------
    InputError
        When there is none.
    """
    # A folder may hold a README or pictures; what has the suffix of a table is read, hidden files never are.
    named = [(path, path.rsplit("/", 1)[-1]) for path in paths]
    found: list[Source] = [
        FileSource(path, name) for path, name in named if format_by_name(name) != "auto" and not name.startswith(".")
    ]
    if not found:
        raise InputError(
            N_("{path} holds no file with events (CSV, JSON lines, Parquet, Arrow; also .gz and .zst)."), path=place
        )
    return found


def _table_of(table: str | None, place: str) -> str:
    if not table:
        raise InputError(N_("{path} is a database. Say which table holds the events."), path=without_secret(place))
    return table


def _database_name(address: str) -> str:
    return urlsplit(address).path.lstrip("/") or "postgres"


def without_secret(address: str) -> str:
    """Leave user and password out of a connection string: it is shown and stored."""
    return re.sub(r"//[^@/]*@", "//", address)


def read_head(handle: Any, packed: str, name: str) -> bytes:
    """Return the first bytes of an open file, unpacked; a broken archive gives what can be unpacked.

    Raises
    ------
    InputError
        When nothing can be unpacked.
    """
    try:
        if packed == "gzip":
            return gzip.GzipFile(fileobj=handle).read(HEAD_BYTES)
        if packed == "zstd":
            with pa.CompressedInputStream(handle, "zstd") as stream:
                return bytes(stream.read(HEAD_BYTES))
        return bytes(handle.read(HEAD_BYTES))
    except (OSError, EOFError, pa.ArrowInvalid) as error:
        raise InputError(N_("{file} cannot be unpacked: {reason}."), file=name, reason=error) from error


_MAGIC: tuple[tuple[bytes, str], ...] = (
    (b"PAR1", "parquet"),
    (b"ARROW1", "arrow"),
    (b"PK\x03\x04", "zip"),
    (b"\xd0\xcf\x11\xe0", "excel"),
    (b"SQLite format 3", "sqlite"),
    (b"%PDF", "pdf"),
)


def format_of(head: bytes, name: str) -> Format:
    """Return the format of a file from its first bytes, its name having the say where bytes do not decide.

    Raises
    ------
    InputError
        When the file is something that holds no table we read (a workbook, an archive).
    """
    for magic, kind in _MAGIC:
        if head.startswith(magic):
            if kind in {"parquet", "arrow"}:
                return kind  # type: ignore[return-value]
            raise InputError(
                N_("{file} is no table that can be read ({kind}). Save it as CSV, JSON lines, Parquet or Arrow."),
                file=name,
                kind=kind,
            )
    named = format_by_name(name)
    if named in {"auto", "json"}:
        start = head.lstrip(b"\xef\xbb\xbf \t\r\n")
        if start.startswith(b"["):
            return "json"
        if start.startswith(b"{"):
            return "jsonl" if _has_object_per_line(start) else "json"
        return "csv"
    return named


def _has_object_per_line(head: bytes) -> bool:
    first = head.split(b"\n", 1)[0]
    try:
        return isinstance(json.loads(first), dict)
    except ValueError:
        return False


def encoding_of(head: bytes) -> str:
    """Return the encoding of the first bytes: a byte order mark, UTF-8, GB 18030 or Windows-1252.

    Examples
    --------
    >>> encoding_of("naïve".encode("latin-1"))
    'cp1252'
    """
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    if head.startswith(b"\xef\xbb\xbf"):
        return "utf-8"
    if not head.strip(b"\x00"):
        return "utf-8"
    try:
        head[: -4 if len(head) == HEAD_BYTES else None].decode("utf-8")
    except UnicodeDecodeError as error:
        # One bad byte in a large UTF-8 file is a broken row, not another encoding.
        if _looks_utf8(head):
            return "utf-8"
        del error
    else:
        return "utf-8"
    return "gb18030" if _looks_chinese(head) else "cp1252"


def _looks_utf8(head: bytes) -> bool:
    text = head.decode("utf-8", errors="replace")
    bad = text.count("\ufffd")
    good = sum(1 for character in text if ord(character) > 127) - bad
    return good > bad * 4 or b"\x00" in head


def _looks_chinese(head: bytes) -> bool:
    text = head.decode("gb18030", errors="replace")
    foreign = [character for character in text if ord(character) > 127]
    chinese = sum("\u4e00" <= character <= "\u9fff" for character in foreign)
    return bool(foreign) and chinese > 0.8 * len(foreign)
