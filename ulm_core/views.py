"""Saved views: a page and its filters under a name; nothing but an address that reproduces what was on screen."""

from __future__ import annotations

from urllib.parse import urlencode

from pydantic import BaseModel, ConfigDict, Field

from ulm_core.documents import Documents, Saved
from ulm_core.errors import InputError
from ulm_core.messages import N_
from ulm_core.workspace import Workspace

MAX_PARAMETERS = 60


class SavedView(BaseModel):
    """An address.

    Attributes
    ----------
    page
        Name of the page.
    parameters
        Its query parameters; a key may have several values. Never the language: that is the reader's own.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    page: str = Field(min_length=1, max_length=60, pattern="^[a-z_]+$")
    parameters: dict[str, tuple[str, ...]] = Field(default_factory=dict, max_length=MAX_PARAMETERS)

    @property
    def query(self) -> str:
        """The parameters as the part of an address after the question mark."""
        return urlencode([(key, value) for key, values in self.parameters.items() for value in values])


class Views:
    """The saved views of a workspace."""

    def __init__(self, workspace: Workspace) -> None:
        self._documents = Documents(workspace, "views", SavedView)

    def all(self) -> dict[str, Saved[SavedView]]:
        """Return every view by name."""
        return self._documents.all()

    def save(self, name: str, view: SavedView, owner: str = "") -> Saved[SavedView]:
        """Save a view under a name that is still free.

        Raises
        ------
        InputError
            When the name is taken or cannot be used.
        """
        if " ".join(name.split()) in self._documents.names():
            raise InputError(N_("There is already a view called “{name}”. Choose another name."), name=name.strip())
        return self._documents.save(name, view, owner)

    def rename(self, name: str, new_name: str) -> None:
        """Give a view another name; it keeps its owner. Raises as `save`, and NotFoundError for an unknown view."""
        saved = self._documents.get(name)
        self.save(new_name, saved.body, saved.owner)
        self._documents.delete(name)

    def delete(self, name: str) -> None:
        """Delete a view; raises NotFoundError when there is none."""
        self._documents.delete(name)
