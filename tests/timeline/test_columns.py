"""Sealed columns: what comes back is what went in; a page changed, exchanged or cut off is noticed."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ulm_core.errors import UlmError
from ulm_core.keys import Keys
from ulm_core.timeline import columns
from ulm_core.timeline.columns import ColumnFile, OpenColumn, read_text, write_text

KEYS, PAGE = Keys(b"k" * 32), 16  # two numbers a page
SEALED = 12 + PAGE + 16


@pytest.fixture(autouse=True)
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(columns, "PAGE", PAGE)


def written(directory: Path, pieces: list[list[int]], keys: Keys | None = KEYS) -> Path:
    file = ColumnFile(directory, "time", np.int64, keys)
    for piece in pieces:
        file.write(np.array(piece, np.int64))
    file.close()
    return columns.column_path(directory, "time", keys)


def read(directory: Path, keys: Keys | None = KEYS) -> list[int]:
    return list(OpenColumn(directory, "time", np.int64, keys).read().tolist())


@given(st.lists(st.lists(st.integers(-(2**63), 2**63 - 1), max_size=7), max_size=5), st.booleans())
def test_what_is_written_is_read(pieces: list[list[int]], is_sealed: bool) -> None:
    keys = KEYS if is_sealed else None
    with TemporaryDirectory() as name:
        written(Path(name), pieces, keys)
        assert read(Path(name), keys) == [number for piece in pieces for number in piece]


@pytest.mark.parametrize(
    "change",
    [
        lambda sealed: sealed[:-SEALED],  # the last page is gone
        lambda sealed: sealed[SEALED : 2 * SEALED] + sealed[:SEALED] + sealed[2 * SEALED :],  # two exchanged
        lambda sealed: sealed[:20] + bytes([sealed[20] ^ 1]) + sealed[21:],  # a bit turned
        lambda sealed: sealed + b"more",
        lambda sealed: b"",
    ],
)
def test_a_changed_column_is_refused(tmp_path: Path, change: object) -> None:
    path = written(tmp_path, [[1, 2, 3, 4, 5, 6]])
    assert path.stat().st_size == 3 * SEALED
    path.write_bytes(change(path.read_bytes()))  # type: ignore[operator]
    with pytest.raises(UlmError, match="was changed or belongs to another key"):
        read(tmp_path)


def test_another_key_or_name_opens_nothing(tmp_path: Path) -> None:
    path = written(tmp_path, [[1, 2]])
    with pytest.raises(UlmError, match="another key"):
        read(tmp_path, Keys(b"x" * 32))
    path.rename(path.with_name("item.sealed"))
    with pytest.raises(UlmError, match="was changed"):
        OpenColumn(tmp_path, "item", np.int64, KEYS).read()


def test_no_number_shows_through(tmp_path: Path) -> None:
    sealed = written(tmp_path, [[7, 7, 7, 7]]).read_bytes()
    assert (7).to_bytes(8, "little") not in sealed
    assert sealed[12:28] != sealed[12 + SEALED : 28 + SEALED]  # equal pages look different


def test_an_open_column_outlives_its_file(tmp_path: Path) -> None:
    for keys in (KEYS, None):
        path = written(tmp_path, [[3, 4]], keys)
        opened = OpenColumn(tmp_path, "time", np.int64, keys)
        path.unlink()
        assert opened.read().tolist() == [3, 4]


def test_a_small_text_is_sealed_too(tmp_path: Path) -> None:
    write_text(tmp_path / "a", "view", KEYS)
    assert b"view" not in (tmp_path / "a").read_bytes()
    assert read_text(tmp_path / "a", KEYS) == "view"
    (tmp_path / "a").rename(tmp_path / "b")
    with pytest.raises(UlmError, match="was changed"):
        read_text(tmp_path / "b", KEYS)
