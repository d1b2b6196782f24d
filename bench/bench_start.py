"""Seconds from `python -m ulm_core start` to a healthy page on a workspace that is loaded already.

The peer is Streamlit alone: its own hello app, started the same way, to the same health check.
"""

from __future__ import annotations

import os
import signal
import statistics
import subprocess
import sys
import time
import urllib.error
import urllib.request

from common import ROOT, sample_workspace

RUNS = 5
PORT = 8790


def seconds_to_health(command: list[str], port: int) -> float:
    """Start `command`, wait for its health check, end it; return the seconds."""
    started = time.perf_counter()
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while time.perf_counter() - started < 60:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/_stcore/health", timeout=1):
                    return time.perf_counter() - started
            except (urllib.error.URLError, OSError):
                time.sleep(0.02)
        raise RuntimeError("no answer in 60 s")
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


def main() -> None:
    """Measure both in turn."""
    workspace = sample_workspace()
    os.environ["STREAMLIT_BROWSER_GATHER_USAGE_STATS"] = "false"
    ours_command = [sys.executable, "-m", "ulm_core", "start", "--workspace", str(workspace.root), "--port", str(PORT)]
    peer_command = [sys.executable, "-m", "streamlit", "hello", "--server.headless=true", f"--server.port={PORT + 50}"]
    ours, peer = [], []
    for _ in range(RUNS):
        ours.append(seconds_to_health(ours_command, PORT))
        peer.append(seconds_to_health(peer_command, PORT + 50))
    ratio = statistics.median(ours) / statistics.median(peer)
    print(f"start to healthy page: ours median {statistics.median(ours):.2f} s, slowest {max(ours):.2f} s")
    print(f"streamlit hello: median {statistics.median(peer):.2f} s; ours / streamlit {ratio:.2f}x")


if __name__ == "__main__":
    main()
