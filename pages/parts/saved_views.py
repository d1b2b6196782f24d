"""The control that copies the link of a page or saves it as a view, and the list of views on the first page."""

from __future__ import annotations

from urllib.parse import urlencode

import streamlit as st

from pages.parts import fmt, navigation, url
from pages.parts.cards import card
from pages.parts.data import open_workspace
from pages.parts.guard import guarded
from pages.parts.i18n import LANGUAGE_KEY, _
from pages.parts.owner import owner, owner_input
from pages.parts.states import draw_nothing
from ulm_core.documents import MAX_NAME, Saved
from ulm_core.views import SavedView, Views


def _parameters() -> dict[str, tuple[str, ...]]:
    return {key: tuple(url.get_all(key)) for key in st.query_params if key != LANGUAGE_KEY}


def link() -> str:
    """Return the address that reproduces what is on screen."""
    query = urlencode([(key, value) for key in st.query_params for value in url.get_all(key)])
    address = (st.context.url or "").split("?")[0]
    return f"{address}?{query}" if query else address


def control(page: str) -> None:
    """Draw the popover that copies the link and saves the view."""
    with st.popover(_("Share view"), icon=":material/link:", key="share_box"):
        st.markdown(f"**{_('Link to this view')}**")
        st.code(link(), language=None, wrap_lines=True)
        st.markdown(f"**{_('Save this view')}**")
        name = st.text_input(_("Name of the view"), key="view_name", max_chars=MAX_NAME)
        owner_input("view_owner")
        if st.button(_("Save view"), type="primary", icon=":material/bookmark_add:", key="view_save"):
            with guarded():
                Views(open_workspace()).save(name, SavedView(page=page, parameters=_parameters()), owner())
                st.success(_("Saved. It is listed on the Overview."))


def _rename(name: str) -> None:
    with guarded():
        Views(open_workspace()).rename(name, st.session_state[f"view_new_name_{name}"])


def _delete(name: str) -> None:
    Views(open_workspace()).delete(name)


def _row(name: str, saved: Saved[SavedView]) -> None:
    view = saved.body
    known = navigation.PAGES.get(view.page)
    title, page, who, when, actions = st.columns([4, 2, 2, 2, 1], vertical_alignment="center")
    with title:
        if known:
            query = {key: list(values) for key, values in view.parameters.items()}
            kept = {LANGUAGE_KEY: url.get_all(LANGUAGE_KEY)} if url.get(LANGUAGE_KEY) else {}
            st.page_link(known.path, label=name, icon=":material/bookmark:", query_params={**query, **kept})
        else:
            st.text(name)
    page.caption(_(known.title) if known else _("a page that is gone"))
    who.caption(saved.owner or fmt.MISSING)
    when.caption(fmt.day(saved.saved_at))
    with actions, st.popover("", icon=":material/more_vert:", key=f"view_box_{name}", help=_("Rename or delete")):
        st.text_input(_("New name"), value=name, max_chars=MAX_NAME, key=f"view_new_name_{name}")
        st.button(_("Rename"), key=f"view_rename_{name}", on_click=_rename, args=(name,))
        st.button(_("Delete"), icon=":material/delete:", key=f"view_delete_{name}", on_click=_delete, args=(name,))


def draw_list() -> None:
    """Draw the saved views, the newest first."""
    views = Views(open_workspace()).all()
    with card(
        _("Saved views"),
        how=_("A view is the address of a page with its filters; opening it asks again, with the data of today."),
        key="saved_views",
    ):
        if not views:
            draw_nothing(_("No view is saved yet. Set the filters of any page, then choose Share view."))
        for name, saved in sorted(views.items(), key=lambda item: item[1].saved_at, reverse=True):
            _row(name, saved)
