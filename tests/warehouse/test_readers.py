"""One log, however it is stored: the same events come out of every format, archive, folder and database."""

from __future__ import annotations

import gzip
import json
import sqlite3
from collections.abc import Callable
from pathlib import Path

import duckdb
import pandas as pd
import polars
import pyarrow as pa
import pyarrow.feather as pf
import pyarrow.parquet as pq
import pytest

from tests.warehouse.helpers import events_in, rejected_in
from ulm_core.errors import InputError, NotFoundError
from ulm_core.events.sources import FrameSource, ReadOptions, find_sources
from ulm_core.timeline.publish import import_log
from ulm_core.warehouse.loading import LoadOptions, frame_source, load_log
from ulm_core.workspace import Workspace

ROWS = [
    {"user": "ann", "time": "2024-01-01 10:00:00", "event": "view", "item": "tea", "value": None},
    {"user": "zoë", "time": "2024-01-01 11:00:00", "event": "buy", "item": 'a,"b"\nc', "value": 2.5},
    {"user": "茶", "time": "2024-01-02 00:00:00", "event": "buy", "item": None, "value": 1e-3},
]
EXPECTED = [
    ("ann", "2024-01-01T10:00:00", "view", "tea", None, None, None),
    ("zoë", "2024-01-01T11:00:00", "buy", 'a,"b"\nc', 2.5, None, None),
    ("茶", "2024-01-02T00:00:00", "buy", None, 0.001, None, None),
]
FRAME = pd.DataFrame(ROWS)


def csv(**options: object) -> bytes:
    return FRAME.to_csv(index=False, **options).encode()  # type: ignore[call-overload,no-any-return]


def zstd(data: bytes) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as out:
        out.write(data)
    return sink.getvalue().to_pybytes()


def json_lines() -> bytes:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in ROWS).encode()


def arrow_stream() -> bytes:
    sink = pa.BufferOutputStream()
    table = pa.Table.from_pandas(FRAME, preserve_index=False)
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue().to_pybytes()


def arrow_file() -> bytes:
    sink = pa.BufferOutputStream()
    pf.write_feather(FRAME, sink, compression="lz4")
    return sink.getvalue().to_pybytes()


def parquet() -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_pandas(FRAME.assign(time=pd.to_datetime(FRAME["time"])), preserve_index=False), sink)
    return sink.getvalue().to_pybytes()


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("log.csv", csv),
        ("log.tsv", lambda: csv(sep="\t")),
        ("semicolons.csv", lambda: csv(sep=";")),
        ("pipes.txt", lambda: csv(sep="|")),
        ("windows.csv", lambda: csv(lineterminator="\r\n")),
        ("bom.csv", lambda: b"\xef\xbb\xbf" + csv()),
        ("utf16.csv", lambda: csv().decode().encode("utf-16")),
        ("log.csv.gz", lambda: gzip.compress(csv())),
        ("log.csv.zst", lambda: zstd(csv())),
        ("log.jsonl", json_lines),
        ("log.ndjson.gz", lambda: gzip.compress(json_lines())),
        ("log.jsonl.zst", lambda: zstd(json_lines())),
        ("array.json", lambda: json.dumps(ROWS, indent=1).encode()),
        ("lines.json", json_lines),
        ("log.parquet", parquet),
        ("log.feather", arrow_file),
        ("log.arrows", arrow_stream),
        ("no-suffix", csv),
    ],
)
def test_every_format_gives_the_same_events(
    workspace: Workspace, tmp_path: Path, name: str, make: Callable[[], bytes]
) -> None:
    (tmp_path / name).write_bytes(make())
    report = load_log(workspace, tmp_path / name)
    assert events_in(workspace) == EXPECTED
    assert report.rows_read == 3


@pytest.mark.parametrize("encoding", ["latin-1", "gb18030"])
def test_other_encodings_are_recognised(workspace: Workspace, tmp_path: Path, encoding: str) -> None:
    name = {"latin-1": "zoë", "gb18030": "张三"}[encoding]
    (tmp_path / "log.csv").write_bytes(f"user,time,event\n{name},2024-01-01,view\n".encode(encoding))
    load_log(workspace, tmp_path / "log.csv")
    assert events_in(workspace)[0][0] == name


def test_a_stated_encoding_wins(workspace: Workspace, tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_bytes("user,time,event\nŁucja,2024-01-01,view\n".encode("cp1250"))
    load_log(workspace, tmp_path / "log.csv", options=LoadOptions(read=ReadOptions(encoding="cp1250")))
    assert events_in(workspace)[0][0] == "Łucja"


def test_a_folder_and_a_pattern_are_read_file_by_file(workspace: Workspace, tmp_path: Path) -> None:
    folder = tmp_path / "logs"
    (folder / "deep").mkdir(parents=True)
    (folder / "a.csv").write_text("user,time,event\nann,2024-01-01,view\n,2024-01-01,view\n")
    (folder / "deep" / "b.jsonl").write_text('{"user_id": "bob", "timestamp": 1704153600, "event": "view"}\n')
    (folder / "README.md").write_text("not a log")
    (folder / ".hidden.csv").write_text("nothing")
    report = load_log(workspace, folder)
    assert report.files == {"a.csv": 2, "b.jsonl": 1}
    assert [row[0] for row in events_in(workspace)] == ["ann", "bob"]
    assert rejected_in(workspace) == [("a.csv", 2, "no user")]
    assert not load_log(workspace, str(folder / "*.csv")).is_new  # every row is there already


def test_frames_of_any_kind(workspace: Workspace) -> None:
    table = pa.Table.from_pandas(FRAME, preserve_index=False)
    parts = [polars.DataFrame(ROWS), polars.DataFrame(ROWS).lazy().collect()]
    for frame in (FRAME, table, table.to_reader(max_chunksize=1), *parts):
        with frame_source(frame, "frame") as source:
            load_log(workspace, source, "replace")
        assert events_in(workspace) == EXPECTED


def test_a_frame_that_mixes_types_is_read_as_its_texts(workspace: Workspace) -> None:
    frame = pd.DataFrame(
        {"user": ["ann", 7, b"cem", None], "time": ["2024-01-01", "2024-01-02", 5, "2024-01-04"], "event": "view"}
    )
    frame["USER"] = 1  # a second column of that name but for case
    with frame_source(frame, "frame") as source:
        report = load_log(workspace, source)
    assert [row[0] for row in events_in(workspace)] == ["ann", "7"]
    assert report.reasons == {"no user": 1, "unreadable time": 1}


def test_what_is_no_frame_says_so() -> None:
    with pytest.raises(InputError, match=r"no data frame \(list\)"), frame_source([1], "mine"):
        pass


def sqlite_file(path: Path) -> str:
    with sqlite3.connect(path) as connection:
        FRAME.to_sql("events", connection, index=False)
    connection.close()
    return str(path)


def duckdb_file(path: Path) -> str:
    with duckdb.connect(str(path)) as connection:
        connection.register("frame", FRAME)
        connection.execute("CREATE SCHEMA raw; CREATE TABLE raw.events AS SELECT * FROM frame")
    return str(path)


@pytest.mark.parametrize(("name", "make"), [("log.sqlite", sqlite_file), ("log.duckdb", duckdb_file)])
def test_a_table_of_a_database_file(
    workspace: Workspace, tmp_path: Path, name: str, make: Callable[[Path], str]
) -> None:
    place = make(tmp_path / name)
    report = load_log(workspace, place, options=LoadOptions(table="events"))
    assert events_in(workspace) == EXPECTED
    assert report.source == f"{name}:events"
    assert not load_log(workspace, place, options=LoadOptions(table="events")).is_new
    with pytest.raises(NotFoundError, match="Did you mean: events"):
        load_log(workspace, place, options=LoadOptions(table="event"))
    with pytest.raises(InputError, match="which table"):
        find_sources(place)


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("book.xlsx", b"PK\x03\x04rest", "no table that can be read"),
        ("cut.csv.gz", gzip.compress(csv() * 50, mtime=0)[:60], "cannot be unpacked"),
        ("fake.csv.zst", b"not packed at all", "cannot be unpacked"),
        ("log.parquet.gz", gzip.compress(b"PAR1", mtime=0), "packed Parquet"),
        ("log.feather", b"ARROW1nonsense", "cannot be read as a table"),
    ],
)
def test_what_is_no_table_says_so(
    workspace: Workspace, tmp_path: Path, name: str, content: bytes, expected: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=expected):
        load_log(workspace, tmp_path / name)


LONG = b"user,time,event\n" + b"".join(b"u%d,2024-01-01,view\n" % n for n in range(90_000))


@pytest.mark.parametrize(("suffix", "pack"), [("gz", gzip.compress), ("zst", zstd)])
def test_an_archive_cut_off_far_down_loses_no_row_silently(
    workspace: Workspace, tmp_path: Path, suffix: str, pack: Callable[[bytes], bytes]
) -> None:
    (tmp_path / f"log.csv.{suffix}").write_bytes(pack(LONG)[:-2000])
    with pytest.raises(InputError, match="cannot be unpacked"):
        load_log(workspace, tmp_path / f"log.csv.{suffix}")


@pytest.mark.parametrize(("suffix", "pack"), [("gz", gzip.compress), ("zst", zstd)])
def test_archives_put_one_after_the_other_are_read_to_the_end(
    workspace: Workspace, tmp_path: Path, suffix: str, pack: Callable[[bytes], bytes]
) -> None:
    (tmp_path / f"log.csv.{suffix}").write_bytes(pack(LONG) + pack(b"zed,2024-01-02,view\n"))
    assert load_log(workspace, tmp_path / f"log.csv.{suffix}").rows_loaded == 90_001


def test_broken_lines_are_quarantined_with_their_number_and_text(workspace: Workspace, tmp_path: Path) -> None:
    text = (
        b"user,time,event\nann,2024-01-01,v\nshort,row\nbob,2024-01-02,v,extra\n\xff\xfe,2024-01-02,v\n,2024-01-03,v\n"
    )
    (tmp_path / "log.csv").write_bytes(text)
    report = load_log(workspace, tmp_path / "log.csv", options=LoadOptions(read=ReadOptions(encoding="utf-8")))
    assert rejected_in(workspace) == [
        ("log.csv", 2, "broken row"), ("log.csv", 3, "broken row"), ("log.csv", 4, "wrong encoding"),
        ("log.csv", 5, "no user"),
    ]  # fmt: skip
    assert report.examples[0].original == "short,row"
    assert report.rows_read == 5


def test_lines_that_are_no_json_are_quarantined(workspace: Workspace, tmp_path: Path) -> None:
    (tmp_path / "log.jsonl").write_text('{"user":"a","time":"2024-01-01","event":"v"}\nnope\n\n[1]\n')
    report = load_log(workspace, tmp_path / "log.jsonl")
    assert report.reasons == {"unreadable row": 1, "no user": 1}
    assert "nope" in [example.original for example in report.examples]


@pytest.mark.parametrize("ends", ["\n", "\r\n", "\r", "mixed"])
def test_line_ends_never_lose_a_row(workspace: Workspace, tmp_path: Path, ends: str) -> None:
    lines = ["user,time,event", *(f"u{n},2024-01-01,view" for n in range(5))]
    cycle = ["\n", "\r\n", "\r"] if ends == "mixed" else [ends]
    text = "".join(line + cycle[place % len(cycle)] for place, line in enumerate(lines))
    (tmp_path / "log.csv").write_bytes(text.encode())
    assert load_log(workspace, tmp_path / "log.csv").rows_loaded == 5


def test_row_numbers_hold_in_a_large_file(workspace: Workspace, tmp_path: Path) -> None:
    rows = [f"u{n},2024-01-01,view" for n in range(400_000)]
    bad = {1, 199_999, 399_999}
    for place in bad:
        rows[place] = ",2024-01-01,view"
    rows[300_000] = "broken"
    (tmp_path / "log.csv").write_text("\n".join(["user,time,event", *rows]) + "\n")
    load_log(workspace, tmp_path / "log.csv")
    expected = [("log.csv", place + 1, "no user") for place in sorted(bad)]
    assert rejected_in(workspace) == sorted([*expected, ("log.csv", 300_001, "broken row")])


def test_an_import_is_published(workspace: Workspace, tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_bytes(csv())
    import_log(workspace, tmp_path / "log.csv")
    assert workspace.current_version() is not None


def test_an_address_shows_no_password() -> None:
    source = find_sources("postgresql://me:secret@db.test/shop", "events")[0]
    assert not isinstance(source, FrameSource)
    assert "secret" not in source.name
    with pytest.raises(InputError) as raised:
        find_sources("postgresql://me:secret@db.test/shop")
    assert "secret" not in str(raised.value)
