"""The command line as scripts use it: one JSON object on stdout, exit code 2 and one line for errors."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from ulm_core.workspace import Workspace

GOOD = "user,time,event\nann,2024-01-01,view\nbob,2024-01-02,view\n"


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "ulm_core", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


def test_load_then_info(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text(GOOD)
    loaded = run("load", tmp_path / "log.csv", "--workspace", tmp_path / "ws", "--json")
    assert loaded.returncode == 0
    assert json.loads(loaded.stdout)["rows_loaded"] == 2
    info = json.loads(run("info", "--workspace", tmp_path / "ws", "--json").stdout)
    assert (info["users"], info["rows"], info["events"]) == (2, 2, {"view": 2})


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["info"], "holds no data yet"),
        (["load", "nowhere.csv"], "no file nowhere.csv"),
        (["sample", "moon"], "no sample “moon”"),
        (["jobs", "123"], "no job “123”"),
        (["funnel"], "Missing option '--steps'"),
        (["dance"], "No such command 'dance'"),
        (["recommend", "--user", "1", "-k", "many"], "Invalid value for '-k'"),
    ],
)
def test_errors_are_one_line_and_exit_code_2(tmp_path: Path, arguments: list[str], expected: str) -> None:
    done = run(*arguments, "--workspace", tmp_path / "ws", "--json")
    assert done.returncode == 2
    assert done.stdout == ""
    assert expected in done.stderr
    assert done.stderr.count("error:") == 1
    assert "Traceback" not in done.stderr


def test_jobs_of_a_new_workspace_are_none(workspace: Workspace) -> None:
    assert json.loads(run("jobs", "--workspace", workspace.root, "--json").stdout) == {"jobs": []}


def test_a_second_start_on_the_same_workspace_is_refused(small_workspace: Workspace) -> None:
    with small_workspace.lock("studio"):
        done = run("start", "--workspace", small_workspace.root)
    assert done.returncode == 2
    assert "already runs" in done.stderr


def test_every_command_has_help() -> None:
    listing = run("--help").stdout
    for command in ("load", "sample", "info", "jobs", "worker", "start"):
        assert command in listing


def test_simulate_into_a_workspace_then_info(tmp_path: Path) -> None:
    options = ("--users", 60, "--days", 100, "--seed", 5, "--set", "dirty_share=0.05", "--workspace", tmp_path / "ws")
    loaded = json.loads(run("simulate", *options, "--json").stdout)
    truth = json.loads((tmp_path / "ws/simulation/truth/truth.json").read_text())
    assert loaded["rows_read"] == truth["rows"]
    assert json.loads(run("info", "--workspace", tmp_path / "ws", "--json").stdout)["users"] == truth["users_with_rows"]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ([], "--out"),
        (["--out", "x", "--users", "0"], "users"),
        (["--out", "x", "--set", "dirt=1"], "no parameter “dirt”"),
        (["--out", "x", "--set", "dirt"], "name=value"),
    ],
)
def test_simulate_says_what_it_cannot_do(options: list[str], expected: str) -> None:
    done = run("simulate", *options)
    assert done.returncode == 2
    assert expected in done.stderr
    assert "Traceback" not in done.stderr
