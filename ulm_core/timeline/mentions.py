"""Finding and removing one user's id in files that were made from the data: exports, predictions, caches, jobs."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from ulm_core.workspace import Workspace, write_atomically

ERASED = "[erased]"
DERIVED = ("cache", "exports", "predictions", "uploads")  # folders whose files can be made again
LINES = {".csv", ".tsv", ".jsonl", ".txt", ".log"}
PACKED = {".parquet", ".arrow", ".feather", ".ipc", ".gz", ".zst", ".zip", ".xlsx"}  # hide what they hold from a search
NUMBERS = {".bin", ".npy", ".safetensors"}  # cannot hold an id; chance bytes look like one


@dataclass
class Cleaning:
    """What was done to derived files: paths changed, removed, and those that still mention the user."""

    changed: list[Path] = field(default_factory=list)
    removed: list[Path] = field(default_factory=list)
    left: list[Path] = field(default_factory=list)


def pattern(ids: set[str]) -> re.Pattern[bytes]:
    """Return what finds any of `ids` standing on its own in bytes."""
    names = b"|".join(re.escape(name.encode()) for name in sorted(ids))
    return re.compile(rb"(?<![0-9A-Za-z_])(?:" + names + rb")(?![0-9A-Za-z_])")


def clean_derived(workspace: Workspace, ids: set[str]) -> Cleaning:
    """Remove every mention of a user from files beside warehouse and versions.

    In text, lines that name the user go (tables, logs) or the id is blanked (JSON). Packed files in folders of
    things that can be made again go whole, because a search cannot see into them.
    """
    done, wanted = Cleaning(), pattern(ids)
    for path in _files(workspace):
        folder = path.relative_to(workspace.root).parts[0]
        if folder in DERIVED and path.suffix in PACKED:
            _remove(path, done)
        elif not wanted.search(path.read_bytes()):
            continue
        elif path.suffix in LINES:
            _drop_lines(path, wanted, done)
        elif path.suffix == ".json":
            _blank(path, ids, done)
        elif path.suffix == ".db":
            _blank_sqlite(path, ids, done)
        elif folder in DERIVED:
            _remove(path, done)
    done.left = [path for path in _files(workspace) if path.suffix not in NUMBERS and wanted.search(path.read_bytes())]
    return done


def _files(workspace: Workspace) -> Iterator[Path]:
    """Yield the files that are neither the warehouse nor a version."""
    for path in sorted(workspace.root.rglob("*")):
        parts = path.relative_to(workspace.root).parts
        is_data = parts[0] == "versions" or parts[0].startswith("warehouse.duckdb") or parts[0] == "CURRENT"
        if path.is_file() and not path.is_symlink() and not is_data:
            yield path


def _remove(path: Path, done: Cleaning) -> None:
    path.unlink(missing_ok=True)
    done.removed.append(path)


def _drop_lines(path: Path, wanted: re.Pattern[bytes], done: Cleaning) -> None:
    lines = path.read_bytes().splitlines(keepends=True)
    kept = b"".join(line for line in lines if not wanted.search(line))
    write_atomically(path, kept.decode("utf-8", errors="replace"))
    done.changed.append(path)


def _blank(path: Path, ids: set[str], done: Cleaning) -> None:
    """Blank the id inside quoted strings; a bare number of a JSON file is no id, a timestamp's digits neither."""
    text = path.read_text(encoding="utf-8")
    for name in ids:
        whole = re.escape(f'"{name}"')
        text = re.sub(whole, f'"{ERASED}"', text)
        if not name.isdigit():
            text = re.sub(rf"(?<![0-9A-Za-z_]){re.escape(name)}(?![0-9A-Za-z_])", ERASED, text)
    write_atomically(path, text)
    done.changed.append(path)


def _blank_sqlite(path: Path, ids: set[str], done: Cleaning) -> None:
    """Blank the id in every text of an SQLite file and rewrite it, so that freed pages keep nothing."""
    with closing(sqlite3.connect(path, timeout=10)) as connection:
        tables = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        for table in tables:
            quoted = '"' + table.replace('"', '""') + '"'
            for column in [row[1] for row in connection.execute(f"PRAGMA table_info({quoted})")]:
                name = '"' + column.replace('"', '""') + '"'
                for text in ids:
                    connection.execute(
                        f"UPDATE {quoted} SET {name} = replace({name}, ?, ?) WHERE typeof({name}) = 'text' "
                        f"AND instr({name}, ?) > 0" + (f" AND {name} = ?" if text.isdigit() else ""),
                        [text, ERASED, text, *([text] if text.isdigit() else [])],
                    )
        connection.commit()
        connection.execute("VACUUM")
    done.changed.append(path)
