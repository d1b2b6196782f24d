"""The rules of the whole funnel: order, window, what is counted, what must be shared, what must not happen."""

from __future__ import annotations

import streamlit as st

from pages.parts import url
from pages.parts.controls import choose
from pages.parts.frame import View
from pages.parts.funnel.builder import event_label, match_label
from pages.parts.funnel.fields import field_label, fields
from pages.parts.funnel.question import (
    COUNTINGS,
    ENTRIES,
    ORDERS,
    UNIT_WORDS,
    Question,
    preset_of,
    put_exclusions,
    put_preset,
    without,
)
from pages.parts.i18n import N_, _
from ulm_core.lifecycle.conditions import EventMatch
from ulm_core.lifecycle.funnel_keys import SESSION
from ulm_core.lifecycle.funnel_presets import PRESET_TITLES

ORDER_HELP = N_(
    "In order: other events may lie between the steps. Strictly: any other event starts the attempt again. "
    "Any order: a bar counts users with that many different steps inside one window."
)
NOTHING = ""


def draw_rules(view: View, question: Question) -> None:
    """Draw order and window, the presets, and everything else folded away."""
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        choose("order", _("Order"), ORDERS, "ordered", help_text=_(ORDER_HELP))
        _draw_window(question)
        with st.popover(_more_label(question), icon=":material/tune:", key="funnel_more"):
            _draw_more(view, question)
        _draw_presets(question)


def _draw_presets(question: Question) -> None:
    st.session_state["funnel_preset"] = preset_of(question)

    def changed() -> None:
        if st.session_state["funnel_preset"]:
            put_preset(st.session_state["funnel_preset"])

    st.pills(
        _("Count as"),
        list(PRESET_TITLES),
        format_func=PRESET_TITLES.__getitem__,
        key="funnel_preset",
        on_change=changed,
        help=_("Sets order, window, entry, counting and grace as that product does. None is lit: your own rules."),
    )


def _draw_window(question: Question) -> None:
    st.session_state["funnel_window"], st.session_state["funnel_unit"] = question.window

    def changed() -> None:
        url.put("window", f"{st.session_state['funnel_window']}{st.session_state['funnel_unit']}")

    st.number_input(
        _("Conversion window"),
        min_value=1,
        max_value=1_000,
        key="funnel_window",
        width=150,
        help=_("Every step lies within this time of the first one, the boundary included. A month is 30 days."),
        on_change=changed,
    )
    st.selectbox(
        _("Unit"),
        list(UNIT_WORDS),
        format_func=lambda unit: _(UNIT_WORDS[unit]),
        key="funnel_unit",
        width=120,
        on_change=changed,
    )


def _more_label(question: Question) -> str:
    changed = [
        question.entry != "any",
        question.counting != "users",
        bool(question.hold),
        question.grace > 0,
        question.after_range,
        bool(question.exclusions),
    ]
    return _("More rules") + (f" · {sum(changed)}" if any(changed) else "")


def _draw_more(view: View, question: Question) -> None:
    choose("count", _("Count"), COUNTINGS, "users", help_text=_("Sessions: every attempt stays within one session."))
    choose("entry", _("Entry"), ENTRIES, "any", help_text=_("Which first steps open an attempt."))
    _draw_hold(view, question)
    choose(
        "grace",
        _("Grace"),
        {"0": N_("none"), "1": N_("1 second"), "2": N_("2 seconds")},
        "0",
        help_text=_("Events this close count as simultaneous and may be taken in either order."),
    )
    choose(
        "after",
        _("Conversions after the period"),
        {"0": N_("do not count"), "1": N_("count")},
        "0",
        help_text=_("Whether an attempt that began in the period may be completed after it."),
    )
    _draw_exclusions(view, question)


def _draw_hold(view: View, question: Question) -> None:
    options = [NOTHING, SESSION, *(f for f in fields(view.data) if f.startswith(("item.", "property.")))]
    st.session_state["funnel_hold"] = question.hold if question.hold in options else NOTHING
    words = {NOTHING: _("nothing but the user"), SESSION: _("session")}
    st.selectbox(
        _("All steps share"),
        options,
        format_func=lambda f: words[f] if f in words else field_label(f),
        key="funnel_hold",
        on_change=lambda: url.put("hold", st.session_state["funnel_hold"]),
        help=_("An attempt only takes events with the same value; events without one belong to none."),
    )


def _draw_exclusions(view: View, question: Question) -> None:
    st.markdown(f"**{_('Exclusions')}**")
    if question.order == "any":
        st.caption(_("In any order nothing lies between two steps."))
        return
    for k, (match, first, last) in enumerate(question.exclusions):
        st.button(
            _("no {event} between {first} and {last}").format(event=match_label(match), first=first, last=last),
            icon=":material/close:",
            key=f"funnel_excluded_{k}",
            on_click=put_exclusions,
            args=(without(question, k).exclusions,),
        )
    with st.container(horizontal=True, vertical_alignment="bottom"):
        event = st.selectbox(
            _("Event"), list(view.data.summary.events), format_func=event_label, key="funnel_exclude_event", width=180
        )
        n = len(question.steps)
        first = st.selectbox(_("after step"), range(1, n), key="funnel_exclude_first", width=110)
        last = st.selectbox(_("before step"), range(int(first or 1) + 1, n + 1), key="funnel_exclude_last", width=110)
        st.button(
            _("Exclude"),
            icon=":material/block:",
            key="funnel_exclude",
            on_click=lambda: put_exclusions(
                [*question.exclusions, (EventMatch(event=str(event)), int(first or 1), int(last or 2))]
            ),
        )
