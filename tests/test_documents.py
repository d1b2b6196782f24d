"""Saved documents: versions, names, and what happens to a damaged file."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import BaseModel, ConfigDict

from ulm_core.documents import Documents
from ulm_core.errors import InputError, NotFoundError
from ulm_core.workspace import Workspace


class Note(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    text: str


@pytest.fixture
def notes(tmp_path: Path) -> Documents[Note]:
    return Documents(Workspace(tmp_path), "notes", Note)


def test_saving_again_adds_a_version_and_keeps_the_old_one(notes: Documents[Note]) -> None:
    assert notes.save("first", Note(text="a")).version == 1
    assert notes.save("first", Note(text="b"), owner="Ann").version == 2
    assert [(saved.version, saved.owner, saved.body.text) for saved in notes.history("first")] == [
        (1, "", "a"),
        (2, "Ann", "b"),
    ]
    assert notes.get("first").body.text == "b"
    assert notes.get("first", 1).body.text == "a"


def test_saving_what_already_stands_there_changes_nothing(notes: Documents[Note]) -> None:
    first = notes.save("first", Note(text="a"))
    assert notes.save(" first ", Note(text="a")) == first


@pytest.mark.parametrize("name", ["", "   ", "x" * 81, "a\x00b"])
def test_an_unusable_name_is_refused(notes: Documents[Note], name: str) -> None:
    with pytest.raises(InputError):
        notes.save(name, Note(text="a"))


@pytest.mark.parametrize("name", ["../../etc/passwd", "a/b", "名单", ".hidden"])
def test_no_name_leaves_the_folder(notes: Documents[Note], name: str) -> None:
    notes.save(name, Note(text="a"))
    assert notes.names() == [name]
    assert [path.parent for path in notes.directory.rglob("*.json")] == [notes.directory]


def test_an_unknown_name_suggests_a_near_one(notes: Documents[Note]) -> None:
    notes.save("loyal buyers", Note(text="a"))
    with pytest.raises(NotFoundError, match="loyal buyers"):
        notes.get("loyal buyer")


def test_deleting_removes_the_history(notes: Documents[Note]) -> None:
    notes.save("first", Note(text="a"))
    notes.delete("first")
    assert notes.all() == {}
    with pytest.raises(NotFoundError):
        notes.delete("first")


def test_a_damaged_file_says_which_one(notes: Documents[Note]) -> None:
    notes.save("first", Note(text="a"))
    path = next(notes.directory.glob("*.json"))
    path.write_text("{")
    with pytest.raises(InputError, match=path.name):
        notes.all()
