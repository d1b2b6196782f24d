"""User: one user's timeline and stages, what to recommend, and the reasons for it."""

from __future__ import annotations

import secrets

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from pages.parts import person, reasons, url
from pages.parts.data import Data
from pages.parts.frame import begin_page
from pages.parts.guard import guarded
from pages.parts.i18n import _, text
from ulm_core.errors import NotFoundError
from ulm_core.explain.shapley import explain_user
from ulm_core.lifecycle.at_risk import AtRiskSpec, compute_at_risk
from ulm_core.lifecycle.stages import stage_context
from ulm_core.recommend.recommender import Recommender
from ulm_core.training.runs import RunStore
from ulm_core.warehouse.reports import search_users

SUGGESTED = 12
TOP = 10


def default_user(data: Data) -> str:
    """Return whom to show first: the most valuable user at risk, else the first of the log."""
    result = data.remember("at_risk", "default", lambda: compute_at_risk(data.index, data.config, AtRiskSpec()))
    return str(result.user_ids[0]) if result.user_ids else str(data.index.user_ids[0])


def show(user_id: str) -> None:
    """Make `user_id` the one on the page."""
    url.put("user", user_id)
    st.session_state["user_search"] = ""


def searched() -> None:
    """Take the user that was typed, when it exists exactly; else the page lists near ones."""
    typed = st.session_state["user_search"].strip()
    if typed:
        url.put("user", typed)


def draw_search(data: Data, user_id: str) -> None:
    ids = data.index.user_ids
    position = data.index.user_code(user_id) if user_id in known_users(data) else 0
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small", key="user_bar"):
        st.text_input(
            _("Find a user"), key="user_search", placeholder=_("User id"), on_change=searched, width=240, type="search"
        )
        st.button(
            _("Random"),
            icon=":material/casino:",
            key="user_random",
            shortcut="Shift+X",
            on_click=lambda: show(str(ids[secrets.randbelow(len(ids))])),
        )
        st.button(
            _("Previous"),
            icon=":material/chevron_left:",
            key="user_previous",
            shortcut="Left",
            on_click=lambda: show(str(ids[(position - 1) % len(ids)])),
        )
        st.button(
            _("Next"),
            icon=":material/chevron_right:",
            key="user_next",
            shortcut="Right",
            on_click=lambda: show(str(ids[(position + 1) % len(ids)])),
        )


def known_users(data: Data) -> frozenset[str]:
    """Return every user id, for quick membership."""
    return data.remember("user_ids", "", lambda: frozenset(str(name) for name in data.index.user_ids))


def draw_unknown(data: Data, user_id: str) -> None:
    """Say that there is no such user, and offer those whose id starts alike."""
    near = search_users(data.snapshot, user_id, SUGGESTED)
    error = NotFoundError.for_name("user", user_id, near or [str(name) for name in data.index.user_ids[:5]])
    st.warning(text(error.message), title=_("Not found"), icon=":material/person_off:")
    with st.container(horizontal=True):
        for name in near:
            st.button(name, key=f"near_{name}", icon=":material/person:", on_click=show, args=(name,))


def draw_reasons(data: Data, user_id: str, risk: DeltaGenerator) -> None:
    """Draw ranking and reasons, computed once a user, version and model."""
    promoted = RunStore(data.workspace).promoted()
    recommender = Recommender.open(data.workspace)
    key = f"{user_id} {promoted.run_id if promoted else 'baseline'}"
    recommended = data.remember("recommend", key, lambda: recommender.recommend(data.index.user_code(user_id), TOP))
    person.draw_risk_figure(risk, recommended.churn_risk)
    below = st.container()
    with below.skeleton(height=420):
        explained = data.remember("explain_user", key, lambda: explain_user(recommender, recommended))
    with below:
        reasons.draw_recommendations(recommended, explained)
        reasons.draw_risk(recommended, explained, data)


def draw_user(data: Data, user_id: str) -> None:
    """Draw who it is first: nothing about the model can take that away."""
    history = data.index.history(data.index.user_code(user_id))
    context = data.remember("stage_context", "", lambda: stage_context(data.index, data.config))
    frame = person.history_frame(data, history)
    changes = person.stage_changes(data, history, data.rules, context)
    risk = person.draw_who(data, user_id, changes[-1][1] if changes else "", frame)
    person.draw_timeline(data, user_id, frame, changes)
    with guarded():
        draw_reasons(data, user_id, risk)


with begin_page("user") as view:
    data = view.data
    user_id = url.get("user") or default_user(data)
    draw_search(data, user_id)
    if url.get("user") is None:
        st.caption(_("Shown first: the most valuable user at risk. Search, step through, or take a random one."))
    if user_id in known_users(data):
        draw_user(data, user_id)
    else:
        draw_unknown(data, user_id)
