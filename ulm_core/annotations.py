"""Annotations: dated notes (a release, a campaign, an incident) that are drawn on every chart over time."""

from __future__ import annotations

import secrets
from datetime import date
from typing import Literal, get_args

from pydantic import BaseModel, ConfigDict, Field

from ulm_core.documents import Documents, Saved
from ulm_core.messages import N_
from ulm_core.workspace import Workspace

Kind = Literal["release", "campaign", "incident", "note"]
KINDS: tuple[Kind, ...] = get_args(Kind)
KIND_NAMES = (N_("release"), N_("campaign"), N_("incident"), N_("note"))


class Annotation(BaseModel):
    """What happened on a calendar day of the workspace."""

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True)

    day: date
    kind: Kind = "note"
    text: str = Field(min_length=1, max_length=200)


class Annotations:
    """The annotations of a workspace, by a token that stays when their text changes."""

    def __init__(self, workspace: Workspace) -> None:
        self._documents = Documents(workspace, "annotations", Annotation)

    def all(self) -> dict[str, Saved[Annotation]]:
        """Return every annotation by token, in the order of their days."""
        return dict(sorted(self._documents.all().items(), key=lambda item: (item[1].body.day, item[0])))

    def add(self, annotation: Annotation, owner: str = "") -> str:
        """Keep a new annotation and return its token."""
        token = secrets.token_hex(8)
        self._documents.save(token, annotation, owner)
        return token

    def change(self, token: str, annotation: Annotation, owner: str = "") -> None:
        """Replace an annotation; the version before stays in its history. Raises NotFoundError for an unknown one."""
        self._documents.get(token)
        self._documents.save(token, annotation, owner)

    def delete(self, token: str) -> None:
        """Delete an annotation; raises NotFoundError when there is none."""
        self._documents.delete(token)
