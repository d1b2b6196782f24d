"""Logs behind a network: a real PostgreSQL, and a small server that speaks enough S3 and HTTP to be read from."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.warehouse.helpers import events_in
from ulm_core.errors import InputError, UlmError
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
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Return the address of a real PostgreSQL with a table of events."""
    programs = postgres_folder()
    if programs is None:
        pytest.skip("PostgreSQL is not installed: apt-get install postgresql")
    folder = tmp_path_factory.mktemp("postgres")
    # The server refuses to run as root; the tests of a container do.
    as_user = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    if as_user:
        for place in (folder, folder.parent, folder.parent.parent):
            place.chmod(0o755)
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


class Store(BaseHTTPRequestHandler):
    """Serves bytes by path with ranges, as S3 does for one bucket; signatures are not checked."""

    objects: dict[str, bytes] = {}  # noqa: RUF012

    def log_message(self, format: str, *arguments: object) -> None:
        return

    def do_HEAD(self) -> None:
        self.answer(with_body=False)

    def do_GET(self) -> None:
        self.answer(with_body=True)

    def answer(self, *, with_body: bool) -> None:
        data = self.objects.get(self.path.split("?")[0])
        if data is None:
            self.send_error(404)
            return
        start, stop = 0, len(data) - 1
        asked = self.headers.get("Range")
        if asked:
            first, last = asked.removeprefix("bytes=").split("-")
            start, stop = int(first), min(int(last or stop), stop)
        body = data[start : stop + 1]
        self.send_response(206 if asked else 200)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Last-Modified", "Mon, 01 Jan 2024 00:00:00 GMT")
        self.send_header("ETag", '"1"')
        if asked:
            self.send_header("Content-Range", f"bytes {start}-{stop}/{len(data)}")
        self.end_headers()
        if with_body:
            self.wfile.write(body)


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Return host:port of a server whose bucket `logs` holds the log as CSV and as Parquet."""
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table({"user": ["ann"], "time": ["2024-01-01"], "event": ["view"]}), sink)
    monkeypatch.setattr(
        Store,
        "objects",
        {
            "/logs/day.csv": LOG.encode(),
            "/logs/day.parquet": sink.getvalue().to_pybytes(),
            "/logs/windows.csv": LOG.replace("\n", "\r\n").encode(),
            "/logs/day.jsonl": b'{"user":"ann","time":"2024-01-01","event":"view"}\n',
        },
    )
    server = ThreadingHTTPServer(("127.0.0.1", 0), Store)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"127.0.0.1:{server.server_address[1]}"
    for name, value in {
        "AWS_ENDPOINT_URL": f"http://{address}", "AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_REGION": "us-east-1",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.delenv(name, raising=False)
    yield address
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("scheme", ["http", "s3"])
@pytest.mark.parametrize(
    ("name", "loaded", "rejected"),
    [("day.csv", 2, 1), ("windows.csv", 2, 1), ("day.parquet", 1, 0), ("day.jsonl", 1, 0)],
)
def test_a_log_behind_an_address(
    workspace: Workspace, store: str, scheme: str, name: str, loaded: int, rejected: int
) -> None:
    place = f"s3://logs/{name}" if scheme == "s3" else f"http://{store}/logs/{name}"
    report = load_log(workspace, place)
    assert (report.rows_loaded, report.rows_quarantined) == (loaded, rejected)
    assert not load_log(workspace, place).is_new


def test_an_address_with_nothing_behind_it(workspace: Workspace, store: str) -> None:
    with pytest.raises(InputError):
        load_log(workspace, f"http://{store}/logs/nothing.csv")
