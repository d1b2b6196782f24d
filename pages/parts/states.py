"""What a card or page shows when there is nothing to show: why, and the one thing to do about it."""

from __future__ import annotations

import streamlit as st

from pages.parts import filters, jobs, loadprogress
from pages.parts.i18n import _
from ulm_core.events.samples import DEFAULT_SAMPLE

TOO_FEW_USERS = 30


def draw_empty_workspace(page: str) -> None:
    """Explain the product to somebody who has no data in it, with one action."""
    with st.container(border=True, horizontal_alignment="center", key="empty_workspace"):
        st.space("small")
        st.markdown("## :material/dataset:", width="content")
        st.subheader(_("No data yet"), anchor=False, width="content")
        st.markdown(
            _(
                "This page comes alive with a behaviour log: who did what, when. "
                "Try it with a real year of 2,469 shopping households; it takes about 20 seconds."
            ),
            width=520,
            text_alignment="center",
        )
        if not jobs.is_active(jobs.LOADS):
            label, key = _("Load sample data"), f"empty_load_{page}"
            was_clicked = st.button(label, type="primary", icon=":material/play_arrow:", key=key)
            if was_clicked and jobs.start("load-sample", {"name": DEFAULT_SAMPLE}) and jobs.has_worker():
                st.rerun()
        loadprogress.draw_loads()
        st.space("small")


def draw_filtered_out() -> None:
    """Say that the filters leave nobody, and offer the way back."""
    with st.container(border=True, horizontal_alignment="center", key="filtered_out"):
        st.subheader(_("No user matches these filters"), anchor=False, width="content")
        st.markdown(
            _("Each chip above is one filter. Remove one, or start again with everyone."),
            width="content",
            text_alignment="center",
        )
        st.button(_("Reset filters"), type="primary", on_click=filters.reset, key="filtered_out_reset")


def draw_nothing(text: str) -> None:
    """Say that a card has nothing to show, and why."""
    with st.container(horizontal_alignment="center", vertical_alignment="center", height=160, border=False):
        st.caption(f":material/inbox: {text}", width="content")


def draw_too_few(n: int) -> None:
    """Say that a rate would mislead."""
    st.caption(
        ":material/info: "
        + _("Too few users ({n}) for a reliable rate; at least {least} are needed.").format(n=n, least=TOO_FEW_USERS)
    )
