"""Named documents of a workspace: saved views, cohorts, stage rules, alerts, policies.

One JSON file a document under ``documents/<kind>/``, holding every version of it, oldest first. What a reader
saves is small and changes rarely; a file each keeps a workspace a folder that can be copied, and lets two
processes save different documents at the same time.
"""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from ulm_core.errors import InputError, NotFoundError
from ulm_core.messages import N_
from ulm_core.workspace import Workspace, write_atomically

T = TypeVar("T", bound=BaseModel)
MAX_NAME = 80
MAX_DOCUMENTS = 1_000
MAX_VERSIONS = 200


class Saved(BaseModel, Generic[T]):
    """One version of a document.

    Attributes
    ----------
    version
        Counts from 1.
    saved_at
        UTC.
    owner
        Who saved it; empty where nobody signed in.
    body
        The document itself.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: int = Field(ge=1)
    saved_at: datetime
    owner: str = ""
    body: T


class _File(BaseModel, Generic[T]):
    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    versions: tuple[Saved[T], ...] = Field(min_length=1)


class Documents(Generic[T]):
    """Every document of one kind.

    Parameters
    ----------
    workspace
        Where they are kept.
    kind
        Name of the kind and of its folder, for example ``cohorts``; our own word, never a user's.
    model
        What a document holds; frozen, unknown fields forbidden.
    """

    def __init__(self, workspace: Workspace, kind: str, model: type[T]) -> None:
        self._workspace = workspace
        self._kind = kind
        self._file = _File[model]  # type: ignore[valid-type]
        self._saved = Saved[model]  # type: ignore[valid-type]
        self.directory = workspace.root / "documents" / kind

    def names(self) -> list[str]:
        """Return the names of all documents, sorted."""
        return sorted(self._read(path).name for path in self.directory.glob("*.json"))

    def all(self) -> dict[str, Saved[T]]:
        """Return the newest version of every document by name."""
        files = [self._read(path) for path in self.directory.glob("*.json")]
        return {file.name: file.versions[-1] for file in sorted(files, key=lambda file: file.name)}

    def get(self, name: str, version: int | None = None) -> Saved[T]:
        """Return a document, by default its newest version.

        Raises
        ------
        NotFoundError
            When there is no document of that name, or no such version of it.
        """
        versions = self.history(name)
        if version is None:
            return versions[-1]
        for saved in versions:
            if saved.version == version:
                return saved
        raise NotFoundError.for_name("version", str(version), [str(saved.version) for saved in versions])

    def history(self, name: str) -> tuple[Saved[T], ...]:
        """Return every kept version of a document, oldest first; raises as `get`."""
        path = self._path(name)
        if not path.exists():
            raise NotFoundError.for_name(self._kind, name, self.names())
        return self._read(path).versions

    def save(self, name: str, body: T, owner: str = "") -> Saved[T]:
        """Save a new version under `name` and return it; saving what already stands there adds none.

        Raises
        ------
        InputError
            When the name is empty or too long, or the workspace holds too many documents.
        BusyError
            When another process is saving at this moment.
        """
        name = _checked(name)
        with self._workspace.lock("documents"):
            path = self._path(name)
            before = self._read(path).versions if path.exists() else ()
            if before and before[-1].body == body:
                return before[-1]
            if not before and len(list(self.directory.glob("*.json"))) >= MAX_DOCUMENTS:
                raise InputError(N_("There are already {n} of these. Delete one first."), n=MAX_DOCUMENTS)
            number = before[-1].version + 1 if before else 1
            saved = self._saved(version=number, saved_at=datetime.now(UTC), owner=owner, body=body)
            self.directory.mkdir(parents=True, exist_ok=True)
            kept = self._file(name=name, versions=(*before, saved)[-MAX_VERSIONS:])
            write_atomically(path, kept.model_dump_json(indent=2))
        return saved

    def delete(self, name: str) -> None:
        """Delete a document with its history; raises NotFoundError when there is none."""
        self.history(name)
        with self._workspace.lock("documents"):
            self._path(name).unlink(missing_ok=True)

    def _path(self, name: str) -> Path:
        return self.directory / _file_name(name)

    def _read(self, path: Path) -> _File[T]:
        try:
            return self._file.model_validate_json(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise InputError(
                N_("{path} cannot be read as a saved document: {reason}. Delete the file or restore it."),
                path=path,
                reason=str(error).splitlines()[0],
            ) from error


def _file_name(name: str) -> str:
    # A name is a user's text: its digest is the file name, so that no name leaves the folder.
    return f"{hashlib.sha256(name.strip().encode()).hexdigest()[:24]}.json"


def settle_name(path: Path) -> Path:
    """Move a document whose name was changed inside its file to where its name is looked up; return that place."""
    content = json.loads(path.read_text(encoding="utf-8"))
    base, number = content["name"], 1
    while (target := path.with_name(_file_name(content["name"]))).exists() and target != path:
        number += 1
        content["name"] = f"{base} {number}"
    if target != path:
        write_atomically(target, json.dumps(content, indent=2, ensure_ascii=False))
        path.unlink()
    return target


def _checked(name: str) -> str:
    name = " ".join(name.split())
    if not name or len(name) > MAX_NAME or not name.isprintable():
        raise InputError(N_("A name must have 1 to {n} characters, all of them printable."), n=MAX_NAME)
    return name
