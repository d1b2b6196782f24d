"""The card that builds a cohort: a form a kind, the size it gives, and the name it is saved under."""

from __future__ import annotations

from typing import Any

import pandas as pd
import streamlit as st

from pages.parts import fmt, url
from pages.parts.cards import card
from pages.parts.cohort_asked import Asked
from pages.parts.cohort_forms import FORMS
from pages.parts.i18n import N_, _, text
from pages.parts.owner import owner_input
from pages.parts.users_list import list_button, save_new
from ulm_core.documents import MAX_NAME
from ulm_core.lifecycle.cohorts.model import Cohort
from ulm_core.lifecycle.cohorts.sentences import describe
from ulm_core.lifecycle.cohorts.store import read_ids
from ulm_core.lifecycle.results import select

PREVIEWED = 20


def _draw_upload(asked: Asked) -> Any | None:
    """Draw the upload of a list of ids, and return its rule."""
    file = st.file_uploader(
        _("CSV with one user id a line, or with a column called user_id"), type=["csv", "txt", "tsv"], key="cohort_file"
    )
    if file is None:
        return None
    ids = read_ids(file.getvalue().decode("utf-8-sig", errors="replace"))
    question = f"{file.file_id}"
    done = asked.view.data.remember("uploaded_ids", question, lambda: asked.saved.upload(asked.view.data.index, ids))
    n = done.rule.n_given
    st.caption(
        _("{n} ids read, {matched} of them have events.").format(
            n=fmt.number(n), matched=fmt.number(n - done.rule.n_unmatched)
        )
    )
    if done.unmatched:
        with st.expander(_("{n} ids have no event").format(n=fmt.number(len(done.unmatched)))):
            st.caption(_("They are kept, in case a later load brings them."))
            st.dataframe(pd.DataFrame({_("User"): done.unmatched[:PREVIEWED]}), hide_index=True, alt=_("Unmatched ids"))
    return done.rule


def draw_builder(asked: Asked) -> None:
    """Draw the card."""
    with card(
        _("New cohort"),
        how=_("The size beside the description follows what you choose; nothing is saved before you press Save."),
    ):
        kinds = {**{kind: title for kind, (title, _form) in FORMS.items()}, "upload": N_("Upload a list")}
        kind = st.segmented_control(
            _("Kind"),
            list(kinds),
            default="behaviour",
            required=True,
            format_func=lambda word: _(kinds[word]),
            key="cohort_kind",
            label_visibility="collapsed",
        )
        rule = _draw_upload(asked) if kind == "upload" else FORMS[str(kind)][1](asked.view)
        if rule is None:
            st.caption(_("Choose what the users have in common."))
            return
        _draw_preview(asked, rule)
        _draw_save(asked, rule)


def _draw_preview(asked: Asked, rule: Any) -> None:
    codes = select(asked.mask(rule))
    n_all = asked.view.data.index.n_users
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f"**{fmt.number(len(codes))}** / {fmt.number(n_all)} · {text(describe(rule))}", width="content")
        list_button(
            asked.view.data, len(codes), text(describe(rule)), "cohort_preview", lambda: codes, label=_("See who")
        )


def _draw_save(asked: Asked, rule: Any) -> None:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        name = st.text_input(_("Name"), key="cohort_name", max_chars=MAX_NAME, width=280)
        note = st.text_input(_("Note"), key="cohort_note", max_chars=500, width=280)
        with st.container(width=220):
            owner_input("cohort_owner")
        fixed = rule.kind != "users" and st.checkbox(
            _("Fix these users"), key="cohort_fixed", help=_("Save the users of today instead of the rule.")
        )
        if st.button(_("Save cohort"), type="primary", icon=":material/save:", key="cohort_save"):
            kept = asked.saved.freeze(asked.log, rule, asked.at_us) if fixed else rule
            save_new(asked.view.data, name, Cohort(rule=kept, note=note))
            url.put("show", " ".join(name.split()))
            st.rerun()
