"""Finding and removing one user's id in files that were made from the data: exports, predictions, caches, jobs."""

from __future__ import annotations

import mmap
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from ulm_core.documents import settle_name
from ulm_core.errors import UlmError
from ulm_core.keys import Keys
from ulm_core.timeline.spelling import Spelling
from ulm_core.warehouse.members import MEMBERS
from ulm_core.warehouse.parquet import drop_rows
from ulm_core.workspace import Workspace, write_atomically

ERASED = "[erased]"
CACHE = "cache"
DOCUMENTS = "documents"
TEXT_FEATURES = "text"  # the one cache that knows items only, and takes minutes to make again
REMAKEABLE = (CACHE, "exports", "predictions", "uploads")  # folders whose files can be made again
LINES = {".csv", ".tsv", ".jsonl", ".ndjson", ".txt", ".log"}
PACKED = {".arrow", ".feather", ".ipc", ".arrows", ".gz", ".zst", ".zip", ".xlsx"}  # hide what they hold from a search
NUMBERS = {".bin", ".safetensors"}  # cannot hold an id; chance bytes look like one


@dataclass
class Cleaning:
    """What was done to derived files: paths changed, removed, and those that still mention the user."""

    changed: list[Path] = field(default_factory=list)
    removed: list[Path] = field(default_factory=list)
    left: list[Path] = field(default_factory=list)

    @property
    def found_something(self) -> bool:
        """Whether a file named the user; files removed unseen say nothing."""
        return bool(self.changed or self.left)


def clean_derived(workspace: Workspace, ids: set[str]) -> Cleaning:
    """Remove every mention of a user from files beside warehouse and versions.

    Of text, lines that name the user go (tables, logs) or the id is blanked (JSON); of Parquet, rows. Caches of the
    log go whole, and so do packed files, because a search cannot see into them.
    """
    done, spelling = Cleaning(), Spelling(ids)
    for path in _files(workspace):
        folder, *rest = path.relative_to(workspace.root).parts
        if folder == CACHE and rest[:1] != [TEXT_FEATURES]:
            _remove(path, done)
        elif path.suffix == ".parquet":
            keys = workspace.file_keys() if folder == MEMBERS else None
            _drop_rows(path, spelling, done, keys, can_go=folder in REMAKEABLE)
        elif path.suffix in PACKED and folder != "presets":
            _remove(path, done)
        elif _mentions(path, spelling):
            _clean(path, spelling, done, can_go=folder in REMAKEABLE)
    done.left = [path for path in _files(workspace) if path in done.left or _mentions(path, spelling)]
    return done


def _clean(path: Path, spelling: Spelling, done: Cleaning, *, can_go: bool) -> None:
    """Take a mention out of a file that has one, by its kind."""
    if path.suffix in LINES and not spelling.is_wide(path):
        _drop_lines(path, spelling.pattern, done)
    elif path.suffix == ".json":
        _blank(path, spelling, done)
    elif path.suffix == ".db":
        _blank_sqlite(path, spelling.ids, done)
    elif can_go:
        _remove(path, done)


def _files(workspace: Workspace) -> Iterator[Path]:
    """Yield the files that are neither the warehouse nor a version."""
    for path in sorted(workspace.root.rglob("*")):
        parts = path.relative_to(workspace.root).parts
        is_data = parts[0] == "versions" or parts[0].startswith("warehouse.duckdb") or parts[0] == "CURRENT"
        if path.is_file() and not path.is_symlink() and not is_data:
            yield path


def _mentions(path: Path, spelling: Spelling) -> bool:
    """Return whether a file's bytes name the user; it is mapped, never read whole into memory."""
    if path.suffix in NUMBERS or (path.suffix == ".npy" and not _holds_text(path)) or not path.stat().st_size:
        return False
    with path.open("rb") as handle, mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_READ) as data:
        return spelling.is_in(data)


def _holds_text(path: Path) -> bool:
    """Return whether the array of an ``.npy`` file has text in it: only then can it hold an id."""
    with path.open("rb") as handle:
        return bool(re.search(rb"'descr': .*(?:[<>|][USO]|\|O)", handle.read(4096).split(b"\n", 1)[0]))


def _remove(path: Path, done: Cleaning) -> None:
    path.unlink(missing_ok=True)
    done.removed.append(path)


def _drop_rows(path: Path, spelling: Spelling, done: Cleaning, keys: Keys | None, *, can_go: bool) -> None:
    try:
        if drop_rows(path, spelling.ids, keys):
            done.changed.append(path)
    except UlmError:  # cut off, or encrypted with a key of its own
        if can_go:
            _remove(path, done)
        else:
            done.left.append(path)


def _drop_lines(path: Path, wanted: re.Pattern[bytes], done: Cleaning) -> None:
    partial = path.with_name(f".{path.name}.part")
    with path.open("rb") as lines, partial.open("wb") as kept:
        kept.writelines(line for line in lines if not wanted.search(line))
    partial.replace(path)
    done.changed.append(path)


def _blank(path: Path, spelling: Spelling, done: Cleaning) -> None:
    """Blank the id inside quoted strings; a bare number of a JSON file is no id, a timestamp's digits neither."""
    text = path.read_text(encoding="utf-8", errors="surrogateescape")
    for name in spelling.texts:
        whole = re.escape(f'"{name}"')
        text = re.sub(whole, f'"{ERASED}"', text)
        if not name.isdigit():
            text = re.sub(rf"(?<![0-9A-Za-z_]){re.escape(name)}(?![0-9A-Za-z_])", ERASED, text)
    write_atomically(path, text.encode("utf-8", errors="surrogateescape").decode("utf-8", errors="replace"))
    # A document lies under the digest of its name, which may have held the id.
    done.changed.append(settle_name(path) if path.parent.parent.name == DOCUMENTS else path)


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
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    done.changed.append(path)
