"""The load command: options, preview, presets, tables, JSON."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.test_cli import run

LOG = "member;wann;was;preis\nann;13/02/2024;kauf;1,5\n;14/02/2024;kauf;2,5\n"
MAP = ("--map", "user=member", "--map", "time=wann", "--map", "event=was", "--map", "value=preis")


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "log.csv"
    path.write_text(LOG)
    return path


def test_preview_shows_and_loads_nothing(log: Path, tmp_path: Path) -> None:
    done = run("load", log, *MAP, "--preview", "--json", "--workspace", tmp_path / "ws")
    seen = json.loads(done.stdout)
    assert seen["problem"] is None
    assert seen["events"][1]["reason"] == "no user"
    assert run("info", "--workspace", tmp_path / "ws").returncode == 2


def test_a_mapping_is_given_saved_and_used_again(log: Path, tmp_path: Path) -> None:
    where = ("--workspace", tmp_path / "ws", "--json")
    first = json.loads(run("load", log, *MAP, "--save-preset", "verein", "--rule", "duplicates=keep", *where).stdout)
    assert (first["rows_loaded"], first["reasons"]) == (1, {"no user": 1})
    log.write_text(LOG + "bob;15/02/2024;kauf;3,5\n")
    second = json.loads(run("load", log, "--preset", "verein", *where).stdout)
    assert (second["rows_overlapping"], second["rows_loaded"]) == (2, 1)
    assert "verein" in json.loads(run("load", "--preset", "list", *where).stdout)["presets"]


def test_users_and_items_by_file(log: Path, tmp_path: Path) -> None:
    where = ("--workspace", tmp_path / "ws", "--json")
    (tmp_path / "users.csv").write_text("user_id,plan\nann,pro\nzed,free\n")
    run("load", log, *MAP, *where)
    report = json.loads(run("load", "--users", tmp_path / "users.csv", *where).stdout)
    assert (report["users"]["rows_read"], report["users"]["examples_only_in_table"]) == (2, ["zed"])


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ((), "Say what to load"),
        (("log.csv", "--map", "user"), "not of the form name=value"),
        (("log.csv", "--map", "usr=member"), "no role of a column"),
        (("log.csv", "--rule", "duplicates=maybe"), "duplicates"),
        (("log.csv", "--format", "excel"), "format"),
        (("log.csv", "--preset", "moon"), "no preset “moon”"),
        (("log.csv", "--encoding", "klingon"), "klingon"),
    ],
)
def test_what_cannot_be_used_is_said_in_one_line(
    log: Path, tmp_path: Path, arguments: tuple[str, ...], expected: str
) -> None:
    place = [str(log) if text == "log.csv" else text for text in arguments]
    done = run("load", *place, "--workspace", tmp_path / "ws")
    assert done.returncode == 2
    assert expected in done.stderr
    assert [line.startswith("error: ") for line in done.stderr.strip().splitlines()].count(True) == 1
    assert "Traceback" not in done.stderr
