"""The popover in the filter bar that adds, changes and deletes dated notes."""

from __future__ import annotations

from datetime import date

import streamlit as st

from pages.parts import fmt
from pages.parts.data import open_workspace
from pages.parts.guard import guarded
from pages.parts.i18n import _, term
from pages.parts.owner import owner, owner_input
from ulm_core.annotations import KINDS, Annotation, Annotations
from ulm_core.errors import InputError
from ulm_core.messages import N_

_EDITED = "_note_edited"


def notes() -> list[Annotation]:
    """Return every note of the workspace, by day."""
    return [saved.body for saved in Annotations(open_workspace()).all().values()]


def _edit(token: str | None) -> None:
    st.session_state[_EDITED] = token


def _delete(token: str) -> None:
    Annotations(open_workspace()).delete(token)
    _edit(None)


def _save(kept: Annotations, token: str | None, day: date, kind: str, text: str) -> None:
    if not text.strip():
        raise InputError(N_("Write what happened first."))
    note = Annotation(day=day, kind=kind, text=text)
    if token is None:
        kept.add(note, owner())
    else:
        kept.change(token, note, owner())
    _edit(None)
    st.rerun()


def _form(kept: Annotations, token: str | None, before: Annotation) -> None:
    key = f"note_{token or 'new'}"
    day = st.date_input(_("Day"), value=before.day, key=f"{key}_day", format="YYYY-MM-DD")
    kinds = {kind: term(kind) for kind in KINDS}
    kind = st.segmented_control(
        _("Kind"), list(kinds), default=before.kind, required=True, format_func=kinds.__getitem__, key=f"{key}_kind"
    )
    text = st.text_input(
        _("What happened"), value=before.text if token else "", max_chars=200, key=f"{key}_text",
        placeholder=_("Version 2.3 released"),
    )  # fmt: skip
    owner_input(f"{key}_owner")
    with st.container(horizontal=True):
        if st.button(_("Save note"), type="primary", key=f"{key}_save"):
            with guarded():
                _save(kept, token, day, str(kind), text)
        if token is not None:
            st.button(_("New note instead"), key=f"{key}_cancel", on_click=_edit, args=(None,))


def control(first: date, last: date) -> None:
    """Draw the popover.

    Parameters
    ----------
    first, last
        The period on screen: its notes are listed, and a new one starts at its end.
    """
    kept = Annotations(open_workspace())
    shown = {token: saved for token, saved in kept.all().items() if first <= saved.body.day <= last}
    label = _("Notes") + (f" · {len(shown)}" if shown else "")
    with st.popover(
        label, icon=":material/event_note:", key="notes_box", help=_("Dated notes, drawn on every time chart")
    ):
        for token, saved in shown.items():
            note = saved.body
            with st.container(horizontal=True, vertical_alignment="center"):
                by = f" · {saved.owner}" if saved.owner else ""
                st.markdown(f"**{fmt.day(note.day)}** · {term(note.kind)}{by}")
                st.text(note.text)
                st.button("", icon=":material/edit:", key=f"note_edit_{token}", on_click=_edit, args=(token,),
                          help=_("Change this note"))  # fmt: skip
                st.button("", icon=":material/delete:", key=f"note_drop_{token}", on_click=_delete, args=(token,),
                          help=_("Delete this note"))  # fmt: skip
        edited = st.session_state.get(_EDITED)
        known = shown.get(edited) if edited else None
        before = known.body if known else Annotation(day=last, text="-")
        _form(kept, edited if known else None, before)
