"""The load that is being prepared: its source, and the choices made so far, kept until it is loaded or dropped."""

from __future__ import annotations

import contextlib
import zlib
from dataclasses import dataclass, replace
from pathlib import Path

import streamlit as st

from pages.parts.data import open_workspace
from ulm_core.events.sources import without_secret
from ulm_core.warehouse.plans import LoadOptions
from ulm_core.warehouse.preview import Preview, preview

_DRAFT = "_draft"
_COUNT = "_draft_count"
_SEEN = "_draft_seen"
SEEN_KEPT = 4


@dataclass(frozen=True)
class Draft:
    """A source somebody chose. Widgets take the names of `key`, so that another source starts afresh."""

    number: int
    place: str
    table: str | None = None
    layout: str = ""

    @property
    def label(self) -> str:
        """What the source is called on the page: never with a password."""
        name = without_secret(self.place) if "://" in self.place else Path(self.place).name
        return f"{name} · {self.table}" if self.table else name

    def key(self, name: str) -> str:
        """Return the name of a widget of this draft."""
        return f"draft{self.number}_{name}"

    def column_key(self, name: str) -> str:
        """Return the name of a widget whose options are the source's columns."""
        return f"draft{self.number}_{self.layout}_{name}"

    def with_layout(self, preset: str | None, columns: tuple[str, ...]) -> Draft:
        """Return the draft, its column widgets bound to a preset and to these columns."""
        return replace(self, layout=f"{zlib.crc32(repr((preset, columns)).encode()):08x}")


def current() -> Draft | None:
    """Return the draft of this session."""
    draft = st.session_state.get(_DRAFT)
    return draft if isinstance(draft, Draft) else None


def choose(place: str, table: str | None = None) -> None:
    """Take a source; nothing is remembered of the one before."""
    drop()
    number = int(st.session_state.get(_COUNT, 0)) + 1
    st.session_state[_COUNT] = number
    st.session_state[_DRAFT] = Draft(number, place, table)


def drop() -> None:
    """Forget the source, and remove the copy of an upload that was not loaded."""
    draft = current()
    if draft is not None:
        remove_upload(draft.place)
    st.session_state.pop(_DRAFT, None)
    st.session_state.pop(_SEEN, None)


def forget() -> None:
    """Forget the source, but leave its file: a job is going to read it."""
    st.session_state.pop(_DRAFT, None)


def begin(key: str, value: object) -> str:
    """Give a widget its first value, unless the reader chose another one already; return its name.

    Not by the widget's own default: what `keep_choices` keeps is set by hand, and Streamlit wants one or the other.
    """
    st.session_state.setdefault(key, value)
    return key


def keep_choices() -> None:
    """Keep the choices while another section of the page is open: Streamlit drops what is not drawn."""
    draft = current()
    if draft is None:
        return
    for key in list(st.session_state):
        if str(key).startswith(f"draft{draft.number}_"):
            st.session_state[key] = st.session_state[key]


def remove_upload(place: str) -> None:
    """Remove a file if it is an uploaded copy."""
    path = Path(place)
    if open_workspace().uploads_dir in path.parents:
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)
            path.parent.rmdir()


def look(draft: Draft, options: LoadOptions) -> Preview:
    """Return the preview of the draft's source, read once for each set of options.

    Raises
    ------
    UlmError
        When there is nothing to read.
    """
    seen: dict[str, Preview] = st.session_state.setdefault(_SEEN, {})
    question = f"{draft.place} {draft.table} {options.model_dump_json()}"
    if question not in seen:
        while len(seen) >= SEEN_KEPT:
            seen.pop(next(iter(seen)))
        seen[question] = preview(draft.place, options, open_workspace())
    return seen[question]
