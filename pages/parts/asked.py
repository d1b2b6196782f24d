"""What a card was computed from: the questions asked while it was made, shown under "how is this computed"."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import streamlit as st

from pages.parts import fmt
from pages.parts.i18n import _
from ulm_core.lifecycle.results import Spec

_ASKED = "_asked"


@dataclass(frozen=True)
class Question:
    """One analysis: its function, its spec, and how many events and users it looked at."""

    function: str
    spec: Spec
    n_events: int
    n_users: int


def clear() -> None:
    """Forget what was asked; a page begins."""
    st.session_state[_ASKED] = []


def note(question: Question) -> None:
    """Remember a question for the card that is being made."""
    st.session_state.setdefault(_ASKED, []).append(question)


def take() -> list[Question]:
    """Return the questions asked since the last card ended, and forget them."""
    asked: list[Question] = st.session_state.get(_ASKED, [])
    clear()
    return asked


def _plain(spec: Spec) -> dict[str, Any]:
    """Return a spec without the parts that are a value per user."""
    per_user = {"users", "labels", "sign_ups"}
    return spec.model_dump(mode="json", exclude=per_user, exclude_none=True)


def draw(questions: list[Question]) -> None:
    """Draw function, spec and row counts of each question."""
    for question in questions:
        st.markdown(f"`{question.function}`")
        st.caption(
            _("{events} events, {users} users looked at. A compiled walk along timelines; there is no SQL.").format(
                events=fmt.number(question.n_events), users=fmt.number(question.n_users)
            )
        )
        st.json(_plain(question.spec), expanded=1)
