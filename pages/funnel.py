"""Funnel: how many users get from step to step within a window, where they are lost, and why."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from pages.parts.controls import choose
from pages.parts.frame import View, begin_page
from pages.parts.funnel import details
from pages.parts.funnel.builder import draw_steps
from pages.parts.funnel.question import Question, ask, read
from pages.parts.funnel.rules import draw_rules
from pages.parts.funnel.steps import draw_funnel, draw_kpis
from pages.parts.i18n import N_, _

CONTROLS = ("period", "stage", "segment", "cohort")
SHOWN: dict[str, tuple[str, Callable[[View, Question], None]]] = {
    "groups": (N_("By group"), details.draw_breakdown),
    "times": (N_("Time to convert"), details.draw_times),
    "trend": (N_("Over time"), details.draw_trend),
    "compare": (N_("Compared"), details.draw_compare),
    "drivers": (N_("Drivers"), details.draw_drivers),
}

with begin_page("funnel", controls=CONTROLS) as view:
    question = read(view)
    with st.container(border=True, key="funnel_question"):
        draw_steps(view, question)
        draw_rules(view, question)
    funnel = ask(view, question.spec(view))
    draw_kpis(funnel)
    draw_funnel(view, funnel)
    if funnel.counts[0]:
        titles = {name: title for name, (title, _draw) in SHOWN.items()}
        shown = choose("show", _("Look closer"), titles, "groups")
        SHOWN[shown][1](view, question)
