"""Logs behind a network: a real PostgreSQL, and a real S3-compatible server."""

from __future__ import annotations

import gzip
import logging
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import boto3
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from moto.server import ThreadedMotoServer

from tests.conftest import pass_over
from tests.warehouse.helpers import events_in
from ulm_core.errors import InputError, UlmError
from ulm_core.events.sources import ReadOptions
from ulm_core.warehouse.loading import LoadOptions, load_log
from ulm_core.workspace import Workspace

LOG = "user,time,event\nann,2024-01-01,view\nbob,2024-01-02,view\n,2024-01-03,view\n"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def postgres_folder() -> Path | None:
    """Return the folder with initdb and pg_ctl, wherever the system puts it."""
    found = shutil.which("initdb")
    places = [Path(found).resolve().parent] if found else []
    places += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((place for place in places if (place / "pg_ctl").exists()), None)


@pytest.fixture(scope="module")
def postgres() -> Iterator[str]:
    """Return the address of a real PostgreSQL with a table of events."""
    programs = postgres_folder()
    if programs is None:
        pass_over("PostgreSQL is not installed: apt-get install postgresql")
    # Not in pytest's own folder, which only its owner may enter.
    with tempfile.TemporaryDirectory(prefix="ulm-postgres-") as folder:
        yield from serve_postgres(programs, Path(folder))


def serve_postgres(programs: Path, folder: Path) -> Iterator[str]:
    """Run a server on a folder; yield its address."""
    # The server refuses to run as root; the tests of a container do.
    as_user = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    if as_user:
        folder.chmod(0o755)
        shutil.chown(folder, "postgres")
    port, name = free_port(), "postgres" if as_user else os.environ.get("USER", "postgres")

    def run(program: str, *arguments: str) -> None:
        subprocess.run([*as_user, programs / program, *arguments], check=True, cwd="/", stdout=subprocess.DEVNULL)

    run("initdb", "-D", str(folder / "data"), "-A", "trust", "-U", name)
    options = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1 -c fsync=off"
    run("pg_ctl", "-D", str(folder / "data"), "-o", options, "-w", "-l", str(folder / "log"), "start")
    try:
        sql = (
            "CREATE TABLE events (user_id text, happened timestamptz, event text, item_id int, payload jsonb);"
            "INSERT INTO events VALUES ('ann', '2024-01-01 10:00+02', 'view', 7, '{\"a\": 1}'), "
            "(NULL, now(), 'view', 8, NULL)"
        )
        run("psql", "-h", "127.0.0.1", "-p", str(port), "-U", name, "-d", "postgres", "-q", "-c", sql)
        yield f"postgresql://{name}@127.0.0.1:{port}/postgres"
    finally:
        run("pg_ctl", "-D", str(folder / "data"), "-m", "immediate", "stop")


def test_a_table_of_postgresql(workspace: Workspace, postgres: str) -> None:
    options = LoadOptions(table="events", roles={"time": "happened", "properties": "payload"})
    report = load_log(workspace, postgres, options=options)
    assert events_in(workspace) == [("ann", "2024-01-01T08:00:00", "view", "7", None, None, None)]
    assert (report.reasons, report.source) == ({"no user": 1}, "postgres.events")
    assert load_log(workspace, postgres, options=options).rows_loaded == 0


def test_a_server_that_is_not_there(workspace: Workspace) -> None:
    address = f"postgresql://me:secret@127.0.0.1:{free_port()}/shop?connect_timeout=2"
    with pytest.raises(UlmError) as raised:
        load_log(workspace, address, options=LoadOptions(table="events"))
    assert "secret" not in str(raised.value)


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """Return host:port of a real S3-compatible server (moto), which answers plain HTTP, too."""
    running = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    running.start()
    host, port = running.get_host_and_port()
    yield f"{host}:{port}"
    running.stop()


def zstd(data: bytes) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as out:
        out.write(data)
    return sink.getvalue().to_pybytes()


def parquet() -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table({"user": ["ann"], "time": ["2024-01-01"], "event": ["view"]}), sink)
    return sink.getvalue().to_pybytes()


def arrow(*, is_stream: bool) -> bytes:
    sink = pa.BufferOutputStream()
    table = pa.table({"user": ["ann"], "time": ["2024-01-01"], "event": ["view"]})
    with (pa.ipc.new_stream if is_stream else pa.ipc.new_file)(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue().to_pybytes()


FOREIGN = "user,time,event\nzoë,2024-01-01,view\nbob,2024-01-02,view\n,2024-01-03,view\n"
CHINESE = FOREIGN.replace("zoë", "张三丰")
LONG = b"user,time,event\n" + b"".join(b"u%d,2024-01-01,view\n" % n for n in range(90_000))
OBJECTS = {
    "cut.csv.gz": gzip.compress(LONG)[:-2000],
    "cut.csv.zst": zstd(LONG)[:-2000],
    "day.csv": LOG.encode(),
    "day.parquet": parquet(),
    "windows.csv": LOG.replace("\n", "\r\n").encode(),
    "mixed.csv": LOG.replace("view\nbob", "view\r\nbob").encode(),
    "day.jsonl": b'{"user":"ann","time":"2024-01-01","event":"view"}\n',
    "array.json": b'[{"user":"ann","time":"2024-01-01","event":"view"}]',
    "day.csv.gz": gzip.compress(LOG.encode()),
    "day.feather": arrow(is_stream=False),
    "day.arrows": arrow(is_stream=True),
    "latin.csv": FOREIGN.encode("latin-1"),
    "latin.csv.gz": gzip.compress(FOREIGN.encode("latin-1")),
    "wide.csv": FOREIGN.encode("utf-16"),
    "chinese.csv": CHINESE.encode("gb18030"),
    "empty.csv": b"",
    "days/2024-01-01.csv": b"user,time,event\nann,2024-01-01,view\n",
    "days/2024-01-02.csv": b"user,time,event\nbob,2024-01-02,view\n",
    "days/deep/2024-01-03.csv": b"user,time,event\ncem,2024-01-03,view\n",
    "days/README.md": b"not a log",
    "notes/README.md": b"not a log",
}


@pytest.fixture(scope="module")
def filled(server: str) -> str:
    """Return host:port of the server whose bucket `logs` holds the objects."""
    client = boto3.client(
        "s3", endpoint_url=f"http://{server}", region_name="us-east-1", aws_access_key_id="key",
        aws_secret_access_key="secret",
    )  # fmt: skip
    client.create_bucket(Bucket="logs")
    for name, content in OBJECTS.items():
        client.put_object(Bucket="logs", Key=name, Body=content, ACL="public-read")
    return server


@pytest.fixture
def store(filled: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return host:port of the server, which the environment names as the one for ``s3://``."""
    for name, value in {
        "AWS_ENDPOINT_URL": f"http://{filled}", "AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_REGION": "us-east-1",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.delenv(name, raising=False)
    return filled


@pytest.mark.parametrize("scheme", ["http", "s3"])
@pytest.mark.parametrize(
    ("name", "first", "loaded", "rejected"),
    [
        ("day.csv", "ann", 2, 1),
        ("windows.csv", "ann", 2, 1),
        ("mixed.csv", "ann", 2, 1),
        ("day.csv.gz", "ann", 2, 1),
        ("day.parquet", "ann", 1, 0),
        ("day.jsonl", "ann", 1, 0),
        ("array.json", "ann", 1, 0),
        ("day.feather", "ann", 1, 0),
        ("day.arrows", "ann", 1, 0),
        ("latin.csv", "zoë", 2, 1),
        ("latin.csv.gz", "zoë", 2, 1),
        ("wide.csv", "zoë", 2, 1),
        ("chinese.csv", "张三丰", 2, 1),
    ],
)
def test_a_log_behind_an_address(
    workspace: Workspace, store: str, scheme: str, name: str, first: str, loaded: int, rejected: int
) -> None:
    place = f"s3://logs/{name}" if scheme == "s3" else f"http://{store}/logs/{name}"
    report = load_log(workspace, place)
    assert (report.rows_loaded, report.rows_quarantined, report.source) == (loaded, rejected, name)
    assert events_in(workspace)[0][0] == first
    assert not load_log(workspace, place).is_new


@pytest.mark.parametrize(
    ("pattern", "users"),
    [
        ("s3://logs/days/*.csv", ["ann", "bob"]),
        ("s3://logs/days/2024-01-0[23].csv", ["bob"]),
        ("s3://logs/days/**/*.csv", ["ann", "bob", "cem"]),
        ("s3://logs/days/", ["ann", "bob", "cem"]),
    ],
)
def test_a_pattern_of_a_bucket_is_read_file_by_file(
    workspace: Workspace, store: str, pattern: str, users: list[str]
) -> None:
    report = load_log(workspace, pattern)
    assert [row[0] for row in events_in(workspace)] == users
    assert len(report.files) == len(users)


@pytest.mark.parametrize("suffix", ["gz", "zst"])
def test_an_archive_that_is_cut_off_loses_no_row_silently(workspace: Workspace, store: str, suffix: str) -> None:
    with pytest.raises(InputError, match="cannot be unpacked"):
        load_log(workspace, f"s3://logs/cut.csv.{suffix}")


def test_what_a_load_copied_is_gone_afterwards(
    workspace: Workspace, store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    load_log(workspace, "s3://logs/latin.csv")
    assert list(tmp_path.glob("ulm-*")) == []


@pytest.mark.parametrize(
    "place",
    ["s3://logs/nothing.csv", "s3://nobody/day.csv", "s3://logs/notes/", "s3://logs/none-*.csv", "s3://logs/empty.csv",
     "http://{store}/logs/nothing.csv", "http://{store}/logs/nothing.parquet", "http://{store}/logs/*.csv",
     "http://127.0.0.1:9/day.csv"],
)  # fmt: skip
def test_an_address_with_nothing_behind_it(workspace: Workspace, store: str, place: str) -> None:
    with pytest.raises(InputError):
        load_log(workspace, place.format(store=store))


def test_line_ends_that_change_far_down_are_said_plainly(
    workspace: Workspace, store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ulm_core.events.sources.HEAD_BYTES", 30)  # what is looked at before the load
    with pytest.raises(InputError, match="mixes line ends"):
        load_log(workspace, "s3://logs/mixed.csv", options=LoadOptions(read=ReadOptions(encoding="utf-8")))
