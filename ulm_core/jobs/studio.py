"""Opening the product: sample data on the first start, then worker and dashboard side by side."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from ulm_core.errors import UlmError
from ulm_core.events.samples import DEFAULT_SAMPLE, get_sample
from ulm_core.events.simulator import warm_simulator
from ulm_core.lifecycle.warm import warm_kernels
from ulm_core.messages import N_
from ulm_core.settings import get_settings
from ulm_core.timeline.index import TimelineIndex
from ulm_core.timeline.publish import import_bundle
from ulm_core.workspace import Workspace

APP = Path(__file__).resolve().parents[2] / "app.py"
PORTS_TRIED = 20
HEALTH_SECONDS = 60
STOP_SECONDS = 15


def _say(text: object) -> None:
    print(text, flush=True)


def load_default_sample(workspace: Workspace) -> None:
    """Load the default sample into an empty workspace, saying how far it is."""
    sample = get_sample(DEFAULT_SAMPLE)
    _say(f"Loading the sample “{sample.title}” into {workspace.root} (once)")
    began = time.monotonic()

    def report(text: object) -> None:
        _say(f"  {time.monotonic() - began:5.1f} s  {text}")

    done = import_bundle(workspace, sample.read(), report=report)
    report(f"{done.rows_loaded:,} rows loaded, {done.rows_quarantined:,} quarantined")
    report("Compiling the analyses")
    warm(workspace)
    report("Ready")


def warm(workspace: Workspace) -> None:
    """Compile every kernel into numba's cache on disk, so that no page waits for it."""
    warm_kernels(TimelineIndex.open(workspace), workspace.config)


def warm_beside(workspace: Workspace) -> None:
    """Compile what the first visits ask for, and the simulator, at a low priority: the dashboard goes first."""
    os.nice(10)
    warm(workspace)
    warm_simulator()


def free_port(host: str, first: int) -> int:
    """Return the first free port from `first` on.

    Raises
    ------
    UlmError
        When none of the next ports is free.
    """
    for port in range(first, first + PORTS_TRIED):
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except OSError:
                continue
            return port
    raise UlmError(
        N_("No free port from {first} to {last}. Set another one with ULM_PORT."),
        code="no_port",
        first=first,
        last=first + PORTS_TRIED - 1,
    )


def _environment(workspace: Workspace) -> dict[str, str]:
    return {
        **os.environ,
        "ULM_WORKSPACE": str(workspace.root),
        "STREAMLIT_BROWSER_GATHER_USAGE_STATS": "false",
        "HF_HUB_OFFLINE": os.environ.get("HF_HUB_OFFLINE", "1"),
        "TOKENIZERS_PARALLELISM": "false",
    }


def _spawn(arguments: Sequence[str], workspace: Workspace, *, is_quiet: bool = False) -> subprocess.Popen[bytes]:
    # A session of its own: Ctrl-C reaches only this process, which then ends the others in order.
    return subprocess.Popen(
        [sys.executable, "-m", *arguments],
        cwd=APP.parent,
        env=_environment(workspace),
        start_new_session=True,
        stdout=subprocess.DEVNULL if is_quiet else None,
    )


def _dashboard(workspace: Workspace, host: str, port: int) -> subprocess.Popen[bytes]:
    settings = get_settings()
    options = {
        "server.address": host,
        "server.port": port,
        "server.headless": "true",
        "server.fileWatcherType": "none",
        "server.maxUploadSize": settings.upload_limit_mb,
        "browser.gatherUsageStats": "false",
        "logger.level": "warning",
    }
    arguments = [f"--{name}={value}" for name, value in options.items()]
    # Streamlit prints its address too, before it is healthy; ours is the one to click.
    return _spawn(["streamlit", "run", str(APP), *arguments], workspace, is_quiet=True)


def wait_until_healthy(url: str, process: subprocess.Popen[bytes]) -> None:
    """Wait until the dashboard answers.

    Raises
    ------
    UlmError
        When it ends, or does not answer in time.
    """
    deadline = time.monotonic() + HEALTH_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(f"{url}/_stcore/health", timeout=1) as answer:  # noqa: S310 - our own server
                if answer.status == 200:
                    return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    raise UlmError(N_("The dashboard did not start. Its messages above say why."), code="not_healthy")


def _end(processes: Sequence[subprocess.Popen[bytes]]) -> None:
    for process in processes:
        process.terminate()
    for process in processes:
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def run_studio(workspace: Workspace, port: int | None = None) -> None:
    """Run dashboard and worker until Ctrl-C (or SIGTERM), then end both.

    Raises
    ------
    BusyError
        When the product already runs on this workspace.
    UlmError
        When the dashboard does not come up.
    """
    settings = get_settings()
    signal.signal(signal.SIGTERM, _interrupt)
    with workspace.lock("studio"):
        if workspace.current_version() is None:
            load_default_sample(workspace)
        chosen = free_port(settings.host, port or settings.port)
        url = f"http://{settings.host}:{chosen}"
        processes = [_dashboard(workspace, settings.host, chosen), _spawn(["ulm_core", "worker"], workspace)]
        # After an update of the program the cache is stale: renew it beside the dashboard, not before it.
        warming = _spawn(["ulm_core", "warm"], workspace)
        try:
            wait_until_healthy(url, processes[0])
            _say(f"\n  ULM Studio is open at {url}\n  Ctrl-C ends it.\n")
            while all(process.poll() is None for process in processes):
                time.sleep(0.3)
            _say("A part of the product ended on its own; stopping the rest.")
        except KeyboardInterrupt:
            _say("\nStopping …")
        finally:
            _end([*processes, warming])
