"""A real product (dashboard and worker) on a slice of the real sample, and a real browser."""

from __future__ import annotations

import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from tests.conftest import pass_over
from ulm_core.events.samples import get_sample
from ulm_core.timeline.publish import import_bundle
from ulm_core.workspace import Workspace

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
ARGUMENTS = ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--disable-background-networking"]
PROBE = re.compile(r"/(\w+)/_stcore/(health|host-config)$")
READY = '[data-testid="stApp"][data-test-script-state="notRunning"]'
HOUSEHOLDS = 400
START_SECONDS = 90


def slice_of_the_sample(root: Path) -> Workspace:
    """Return a workspace with the first 400 households of The Complete Journey: real, and quick to train on."""
    bundle = get_sample("complete-journey").read()
    chosen = pa.array([str(number) for number in range(1, HOUSEHOLDS + 1)])

    def events() -> Iterator[pa.Table]:
        for table in bundle.events():
            yield table.filter(pc.is_in(table["user"], value_set=chosen))

    workspace = Workspace(root)
    import_bundle(workspace, bundle.__class__(**{**vars(bundle), "events": events, "fingerprint": "slice"}))
    return workspace


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Studio:
    """A running product."""

    url: str
    workspace: Workspace
    output: list[str] = field(default_factory=list)


@pytest.fixture(scope="session")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    """Start the product as `make run` does, and end it as Ctrl-C does."""
    if CHROMIUM is None:
        pass_over("no Chromium on this machine: apt-get install chromium")
    workspace = slice_of_the_sample(tmp_path_factory.mktemp("e2e") / "workspace")
    command = [
        sys.executable,
        "-m",
        "ulm_core",
        "start",
        "--workspace",
        str(workspace.root),
        "--port",
        str(free_port()),
    ]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    running = Studio("", workspace)
    opened = threading.Event()

    def read() -> None:
        assert process.stdout is not None
        for line in process.stdout:
            running.output.append(line)
            if "is open at" in line:
                running.url = line.split("is open at")[1].strip()
                opened.set()
        opened.set()

    threading.Thread(target=read, daemon=True).start()
    opened.wait(START_SECONDS)
    assert running.url, "the product did not start:\n" + "".join(running.output)
    yield running
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 0, "".join(running.output)


def is_error(entry: object) -> bool:
    """Whether a console entry is an error of ours.

    On an address like /training, Streamlit's own client first looks for its server below that path and gets
    a 404, then above it; only that probe is excused.
    """
    if entry.type != "error":  # type: ignore[attr-defined]
        return False
    url = str(entry.location.get("url", ""))  # type: ignore[attr-defined]
    return PROBE.search(url) is None


def _described(entry: object) -> str:
    return f"{entry.text} {entry.location.get('url', '')}"  # type: ignore[attr-defined]


@pytest.fixture
def page(studio: Studio) -> Iterator[object]:
    """Open a browser page; the test fails when the console showed an error."""
    from playwright.sync_api import sync_playwright

    errors: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        opened = browser.new_page(viewport={"width": 1440, "height": 1000}, locale="en-US")
        opened.set_default_timeout(60_000)
        opened.on("console", lambda entry: errors.append(_described(entry)) if is_error(entry) else None)
        opened.on("pageerror", lambda error: errors.append(str(error)))
        yield opened
        browser.close()
    assert errors == []
