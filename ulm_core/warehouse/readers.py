"""From a source to a relation: an SQL expression that streams rows, with what is known of its columns."""

from __future__ import annotations

import codecs
import gzip
import io
import itertools
import json
import re
import tempfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, Protocol

import pyarrow as pa
import pyarrow.dataset as pads

from ulm_core.errors import InputError, UlmError
from ulm_core.events.dialect import Dialect, find_dialect
from ulm_core.events.sources import (
    HEAD_BYTES,
    FileSource,
    FrameSource,
    ReadOptions,
    Source,
    TableSource,
    encoding_of,
    format_by_name,
    format_of,
    packing,
    read_head,
)
from ulm_core.messages import N_
from ulm_core.warehouse.database import Database, literal
from ulm_core.warehouse.others import attach_source, find_table
from ulm_core.warehouse.remote import fetch, open_address, open_network

MAX_LINE_BYTES = 16 << 20
SAMPLE_ROWS = 500
_XML_ATTRIBUTE = re.compile(r'\s([A-Za-z_][\w.-]*)="')


class Readable(Protocol):
    """What bytes are read from."""

    def read(self, size: int, /) -> bytes:
        """Return at most `size` bytes, none at the end."""


@dataclass(frozen=True)
class Relation:
    """A stream of rows.

    Attributes
    ----------
    sql
        What stands after FROM, values bound by `parameters`.
    columns
        Name -> DuckDB type; of JSON lines and XML rows the fields seen in the first lines, all text.
    kind
        ``columns``; ``json`` or ``xml`` where each row is one text `line` that references look into.
    rejects
        Name of the table in which the CSV reader leaves lines it cannot split; None where there is none.
    handed
        Of a stream: tells how many of its rows were read so far.
    rows_expected
        Of a database's table: how many rows the database says it has.
    """

    sql: str
    parameters: tuple[object, ...]
    columns: Mapping[str, str]
    name: str
    kind: Literal["columns", "json", "xml"] = "columns"
    rejects: str | None = None
    has_header: bool = False
    sample: tuple[str, ...] = field(default=(), repr=False)
    handed: Callable[[], int] | None = field(default=None, repr=False)
    rows_expected: int | None = None


@contextmanager
def open_relation(
    database: Database, source: Source, options: ReadOptions | None = None, *, rejects: str = "ulm_rejects"
) -> Iterator[Relation]:
    """Open a source; what it needs (a registered frame, an attached database, a recoded copy) ends with the block.

    Parameters
    ----------
    database
        Where the source is read.
    source
        What is read.
    options
        How its file is written; what is left out is found out.
    rejects
        Table for the lines the CSV reader cannot split.

    Raises
    ------
    InputError
        When the source is no table; the reader's own complaint is part of the message.
    NotFoundError
        When the table does not exist; the message names those that do.
    """
    with ExitStack() as stack:
        if isinstance(source, FrameSource):
            yield _frame(database, source, stack)
        elif isinstance(source, TableSource):
            yield _table(database, source, stack)
        else:
            relation = _file(database, source, options or ReadOptions(), stack)
            named = relation.sql.replace("'ulm_rejects", f"'{rejects}")
            yield replace(relation, sql=named, rejects=relation.rejects and rejects)


def _frame(database: Database, source: FrameSource, stack: ExitStack) -> Relation:
    table, sample, handed = source.table, tuple[str, ...](), None
    if isinstance(table, pa.RecordBatchReader):
        table, sample, handed = _look_ahead(table)
    database.register("ulm_frame", table.schema.empty_table())
    columns = _describe(database, "ulm_frame", ())
    database.register("ulm_frame", table)
    stack.callback(database.unregister, "ulm_frame")
    return Relation("ulm_frame", (), columns, source.name, sample=sample, handed=handed)


def _look_ahead(stream: pa.RecordBatchReader) -> tuple[pa.RecordBatchReader, tuple[str, ...], Callable[[], int]]:
    """Return the stream, whole, its first rows as text, and a count of what was read of it.

    A stream can be read once only.
    """
    first = next(iter(stream), None)
    if first is None:
        return stream.schema.empty_table().to_reader(), (), lambda: 0
    rows = first.slice(0, SAMPLE_ROWS).to_pylist()
    sample = tuple(json.dumps({name: _as_text(value) for name, value in row.items()}) for row in rows)
    read = 0

    def counted() -> Iterator[pa.RecordBatch]:
        nonlocal read
        for batch in itertools.chain([first], stream):
            read += batch.num_rows
            yield batch

    return pa.RecordBatchReader.from_batches(stream.schema, counted()), sample, lambda: read


def _as_text(value: object) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, default=str) if isinstance(value, dict | list) else str(value)


def _describe(database: Database, sql: str, parameters: tuple[object, ...]) -> dict[str, str]:
    table = database.query(f"DESCRIBE SELECT * FROM {sql}", parameters)
    return dict(zip(table["column_name"].to_pylist(), table["column_type"].to_pylist(), strict=True))


def _table(database: Database, source: TableSource, stack: ExitStack) -> Relation:
    # A connection of its own: what the warehouse's transaction touched could not be detached, and the address
    # of the database, with its password, never gets near the warehouse.
    other = stack.enter_context(Database.private())
    attach_source(other, source)
    table, expected = find_table(other, source.table)
    relation = _frame(database, FrameSource(other.stream(f"SELECT * FROM {table}"), source.name), stack)
    return replace(relation, rows_expected=expected)


def _file(database: Database, source: FileSource, options: ReadOptions, stack: ExitStack) -> Relation:
    if source.is_remote:
        return _remote(database, source, options, stack)
    path = Path(source.path)
    if path.stat().st_size == 0:
        raise _empty(source.name)
    packed = packing(path.name)
    with path.open("rb") as handle:
        head = read_head(handle, packed, source.name)
    kind = format_of(head, source.name) if options.format == "auto" else options.format
    if kind == "parquet":
        return _parquet(database, source, packed)
    if kind == "arrow":
        return _arrow(database, source, packed, stack)
    encoding = options.encoding or encoding_of(head)
    text = head.decode(encoding, errors="replace")
    place = str(path)
    if not _is_utf8(encoding) or has_mixed_line_ends(path, packed):
        place, packed = str(_recoded(path, packed, encoding, stack)), "none"
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    return _text(kind, source.name, place, packed, text, options)


def _empty(name: str) -> InputError:
    return InputError(N_("{file} is empty. Nothing was changed."), file=name)


def _is_utf8(encoding: str) -> bool:
    return encoding.lower().replace("-", "") in {"utf8", "ascii"}


def _text(kind: str, name: str, place: str, packed: str, head: str, options: ReadOptions) -> Relation:
    """Describe a UTF-8 text with plain line ends, by its beginning."""
    if kind == "csv":
        return _csv(name, place, packed, find_dialect(_whole_lines(head), options, name))
    return _lines(kind, name, place, packed, head)


def _whole_lines(text: str) -> str:
    """Leave out a last line that the end of the head may have cut."""
    return text[: text.rfind("\n") + 1] if len(text) > HEAD_BYTES // 4 and "\n" in text else text


def forget_rejects(database: Database, relation: Relation) -> None:
    """Drop what the CSV reader noted about lines it could not split; the next read starts afresh."""
    if relation.rejects:
        for table in (relation.rejects, f"{relation.rejects}_scans"):
            database.execute(f"DROP TABLE IF EXISTS {table}")


def has_mixed_line_ends(path: Path, packed: str) -> bool:
    """Return whether a text ends its lines in more than one way, which the CSV reader refuses."""
    with unpacked(path, packed) as handle:
        return _are_mixed(handle)


def _are_mixed(handle: Readable) -> bool:
    both = returns = feeds = 0
    last = b""
    while block := handle.read(4 << 20):
        here = block.count(b"\r")
        if here or last == b"\r":
            both += block.count(b"\r\n") + (last == b"\r" and block.startswith(b"\n"))
            returns += here
            feeds += block.count(b"\n")
        else:  # counting what is found everywhere takes as long as reading it; one already differs from `both`
            feeds += b"\n" in block
        last = block[-1:]
    return not (returns == 0 or feeds == 0 or returns == feeds == both)


def _recoded(path: Path, packed: str, encoding: str, stack: ExitStack) -> Path:
    """Return a UTF-8 copy of a text with plain line ends, written piece by piece and removed after the block.

    A byte that is no character stays visible as one that says so (U+FFFD).
    """
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ulm-")))
    target = folder / "recoded.txt"
    decoder = io.IncrementalNewlineDecoder(codecs.getincrementaldecoder(encoding)("replace"), translate=True)
    with unpacked(path, packed) as raw, target.open("w", encoding="utf-8", newline="") as out:
        while block := raw.read(1 << 20):
            out.write(decoder.decode(block))
        out.write(decoder.decode(b"", final=True))
    return target


@contextmanager
def unpacked(path: Path, packed: str) -> Iterator[Readable]:
    """Open a file for reading its bytes, unpacked on the way.

    Raises
    ------
    InputError
        When the archive is broken.
    """
    try:
        with _opened(path, packed) as handle:
            yield handle
    except (EOFError, zlib.error, OSError, pa.ArrowInvalid) as error:
        if isinstance(error, OSError) and error.errno is not None:  # of the disk, not of the archive
            raise
        raise InputError(N_("{file} cannot be unpacked: {reason}."), file=path.name, reason=error) from error


@contextmanager
def _opened(path: Path, packed: str) -> Iterator[Readable]:
    if packed == "gzip":
        with gzip.open(path) as handle:
            yield handle
    elif packed == "zstd":
        with pa.OSFile(str(path)) as raw, pa.CompressedInputStream(raw, "zstd") as stream:
            yield stream
    else:
        with path.open("rb") as handle:
            yield handle


def _csv(name: str, path: str, packed: str, dialect: Dialect) -> Relation:
    columns = ", ".join(f"{literal(column)}: 'VARCHAR'" for column in dialect.columns)
    sql = (
        f"read_csv(?, auto_detect = false, header = {str(dialect.has_header).lower()}, "
        f"delim = {literal(dialect.delimiter)}, quote = {literal(dialect.quote)}, escape = {literal(dialect.quote)}, "
        f"columns = {{{columns}}}, compression = '{packed}', "
        f"max_line_size = {MAX_LINE_BYTES}, {_REJECTS})"
    )
    sample = tuple(json.dumps(dict(zip(dialect.columns, row, strict=False))) for row in dialect.rows[:SAMPLE_ROWS])
    types = dict.fromkeys(dialect.columns, "VARCHAR")
    return Relation(sql, (path,), types, name, rejects="ulm_rejects", has_header=dialect.has_header, sample=sample)


_REJECTS = (
    "ignore_errors = true, store_rejects = true, rejects_table = 'ulm_rejects', rejects_scan = 'ulm_rejects_scans', "
    "rejects_limit = 0"
)


def _lines(kind: str, name: str, path: str, packed: str, head: str) -> Relation:
    """Describe JSON lines, a JSON array or XML rows: every row is one text, so that no row can be lost to its shape."""
    if kind == "json" and head.lstrip("\ufeff \t\r\n").startswith("["):
        sql = (
            f"(SELECT CAST(json AS VARCHAR) AS line FROM read_json_objects(?, format = 'array', "
            f"maximum_object_size = {MAX_LINE_BYTES}, compression = '{_json_packing(packed)}'))"
        )
        rows = _array_head(head)
        return Relation(sql, (path,), _json_fields(rows), name, kind="json", sample=tuple(rows[:SAMPLE_ROWS]))
    sql = _line_reader(packed, "^\\s*<row\\s" if kind == "xml" else None)
    lines = [line for line in _whole_lines(head).splitlines() if line.strip()]
    if kind == "xml":
        lines = [line for line in lines if line.lstrip().startswith("<row ")]
        fields = dict.fromkeys(
            (found for line in lines[:SAMPLE_ROWS] for found in _XML_ATTRIBUTE.findall(line)), "VARCHAR"
        )
        return Relation(
            sql, (path,), fields, name, kind="xml", rejects="ulm_rejects", sample=tuple(lines[:SAMPLE_ROWS])
        )
    return Relation(
        sql, (path,), _json_fields(lines), name, kind="json", rejects="ulm_rejects", sample=tuple(lines[:SAMPLE_ROWS])
    )


def _json_packing(packed: str) -> str:
    return "auto_detect" if packed == "none" else packed


def _line_reader(packed: str, keep: str | None) -> str:
    # A delimiter that no text holds makes every line one column, whatever stands in it.
    where = f" WHERE regexp_matches(line, {literal(keep)})" if keep else ""
    return (
        "(SELECT line FROM read_csv(?, auto_detect = false, header = false, delim = '\x01', quote = '', escape = '', "
        f"columns = {{'line': 'VARCHAR'}}, compression = '{packed}', max_line_size = {MAX_LINE_BYTES}, {_REJECTS})"
        f"{where})"
    )


def _array_head(head: str) -> list[str]:
    """Return the first objects of a JSON array whose end may be cut off."""
    decoder = json.JSONDecoder()
    found: list[str] = []
    position = head.find("[") + 1
    while len(found) < SAMPLE_ROWS:
        match = re.compile(r"[\s,]*").match(head, position)
        position = match.end() if match else position
        try:
            value, position = decoder.raw_decode(head, position)
        except ValueError:
            return found
        found.append(json.dumps(value))
    return found


def _json_fields(lines: list[str]) -> dict[str, str]:
    """Return the dotted names of the fields in the first lines, three levels deep."""
    fields: dict[str, str] = {}
    for line in lines[:SAMPLE_ROWS]:
        try:
            value = json.loads(line)
        except (ValueError, RecursionError):
            continue
        for name in _flat(value):
            fields[name] = "VARCHAR"
    return fields


def _flat(value: object, prefix: str = "", depth: int = 0) -> Iterator[str]:
    if not isinstance(value, dict):
        return
    for key, entry in value.items():
        name = f"{prefix}{key}"
        yield name
        if isinstance(entry, dict) and depth < 2:
            yield from _flat(entry, f"{name}.", depth + 1)


def _parquet(database: Database, source: FileSource, packed: str) -> Relation:
    if packed != "none":
        raise InputError(
            N_("{file} is a packed Parquet file. Unpack it first; Parquet is compressed by itself."), file=source.name
        )
    return Relation("read_parquet(?)", (source.path,), _checked(database, source), source.name)


def _checked(database: Database, source: FileSource) -> dict[str, str]:
    try:
        return _describe(database, "read_parquet(?)", (source.path,))
    except UlmError as error:
        raise _unreadable(source.name, error.message.fields.get("reason", error.message)) from error


def _unreadable(name: str, reason: object) -> InputError:
    return InputError(
        N_("{file} cannot be read as a table: {reason} Give a CSV or Parquet file with a header."),
        file=name,
        reason=reason,
    )


def _arrow(database: Database, source: FileSource, packed: str, stack: ExitStack) -> Relation:
    try:
        if packed != "none":
            raw = stack.enter_context(pa.OSFile(source.path))
            stream = stack.enter_context(pa.CompressedInputStream(raw, packed))
            return _frame(database, FrameSource(pa.ipc.open_stream(stream), source.name), stack)
        with Path(source.path).open("rb") as handle:
            is_file = handle.read(6) == b"ARROW1"
        if not is_file:
            stream = stack.enter_context(pa.memory_map(source.path))
            return _frame(database, FrameSource(pa.ipc.open_stream(stream), source.name), stack)
        return _frame(database, FrameSource(pads.dataset(source.path, format="ipc"), source.name), stack)
    except (pa.ArrowInvalid, OSError) as error:
        raise _unreadable(source.name, f"{str(error).splitlines()[0]}.") from error


def _remote(database: Database, source: FileSource, options: ReadOptions, stack: ExitStack) -> Relation:
    """Describe a file behind an address: read where it lies, or from a copy where DuckDB cannot do that."""
    open_network(database, source.path)
    packed = packing(source.name)
    named = format_by_name(source.name) if options.format == "auto" else options.format
    if named == "parquet":
        return _parquet(database, source, packed)
    with open_address(source.path) as handle:
        head = read_head(handle, packed, source.name)
    if not head:
        raise _empty(source.name)
    kind = format_of(head, source.name) if options.format == "auto" else options.format
    if kind == "parquet":
        return _parquet(database, source, packed)
    encoding = options.encoding or encoding_of(head)
    # DuckDB reads an archive that is cut off without a word. A cut of the head may part the "\r\n" that ends a line.
    is_foreign = kind == "arrow" or packed != "none" or not _is_utf8(encoding)
    if is_foreign or _are_mixed(io.BytesIO(head.rstrip(b"\r"))):
        copy = fetch(source.path, source.name, stack)
        return _file(database, FileSource(str(copy), source.name), options, stack)
    return _text(kind, source.name, source.path, packed, head.decode(encoding, errors="replace"), options)
