"""The step builder: events in order, their conditions, what may be left out, and how long a step may take."""

from __future__ import annotations

import streamlit as st

from pages.parts import url
from pages.parts.data import Data
from pages.parts.frame import View
from pages.parts.funnel.fields import NUMBERS, OPERATORS, field_label, fields, values
from pages.parts.funnel.question import UNIT_WORDS, Question
from pages.parts.i18n import _, term
from ulm_core.lifecycle.conditions import NUMERIC, WITHOUT_VALUE, EventMatch, Where
from ulm_core.lifecycle.funnel import MAX_STEPS

ANY = "*"


def event_label(name: str) -> str:
    """Return an event's name in words."""
    return _("any event") if name == ANY else term(name)


def condition_label(where: Where) -> str:
    """Return a condition in words."""
    return " ".join([field_label(where.field), _(OPERATORS[where.op]), " / ".join(where.values)]).strip()


def match_label(match: EventMatch) -> str:
    """Return a step in words."""
    conditions = " · ".join(map(condition_label, match.where))
    return event_label(match.event) + (f" ({conditions})" if conditions else "")


def draw_steps(view: View, question: Question) -> None:
    """Draw one row a step, and the button that adds one."""
    for k in range(len(question.steps)):
        _draw_step(view, question, k)
    if len(question.steps) < MAX_STEPS:
        last = EventMatch(event=question.steps[-1].event)
        st.button(
            _("Add a step"),
            icon=":material/add:",
            key="funnel_add",
            on_click=lambda: question.put_steps([*range(len(question.steps)), last]),
        )


def _draw_step(view: View, question: Question, k: int) -> None:
    n, match = len(question.steps), question.steps[k]
    names = [*view.data.summary.events, ANY]
    key = f"funnel_step_{k}"
    st.session_state[key] = match.event

    def changed() -> None:
        question.put_step(k, match.model_copy(update={"event": st.session_state[key]}))

    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown(f"**{k + 1}**", width=18)
        st.selectbox(
            _("Step {n}").format(n=k + 1),
            names,
            format_func=event_label,
            key=key,
            width=230,
            on_change=changed,
            label_visibility="collapsed",
        )
        for c, where in enumerate(match.where):
            st.button(
                condition_label(where),
                icon=":material/close:",
                key=f"funnel_where_{k}_{c}",
                help=_("Remove this condition"),
                on_click=question.put_step,
                args=(k, match.model_copy(update={"where": match.where[:c] + match.where[c + 1 :]})),
            )
        _draw_conditions(view.data, question, k)
        _draw_step_rules(question, k)
        _move_button(question, k, -1, ":material/arrow_upward:", _("Move step {n} up").format(n=k + 1), k == 0)
        _move_button(question, k, 1, ":material/arrow_downward:", _("Move step {n} down").format(n=k + 1), k == n - 1)
        st.button(
            "",
            icon=":material/delete:",
            key=f"funnel_remove_{k}",
            type="tertiary",
            help=_("Remove step {n}").format(n=k + 1),
            disabled=n <= 2,
            on_click=question.put_steps,
            args=([j for j in range(n) if j != k],),
        )


def _move_button(question: Question, k: int, by: int, icon: str, help_text: str, disabled: bool) -> None:
    order = list(range(len(question.steps)))
    if not disabled:
        order[k], order[k + by] = order[k + by], order[k]
    st.button(
        "",
        icon=icon,
        key=f"funnel_move_{k}_{by}",
        type="tertiary",
        help=help_text,
        disabled=disabled,
        on_click=question.put_steps,
        args=(order,),
    )


def _draw_conditions(data: Data, question: Question, k: int) -> None:
    """Draw the popover that adds a condition to a step."""
    with st.popover(_("Condition"), icon=":material/filter_alt:", key=f"funnel_filter_{k}", type="tertiary"):
        field = st.selectbox(_("Field"), fields(data), format_func=field_label, key=f"funnel_field_{k}")
        allowed = [op for op in OPERATORS if not (field in NUMBERS and op == "~")]
        op = st.selectbox(_("Condition"), allowed, format_func=lambda o: _(OPERATORS[o]), key=f"funnel_op_{k}")
        chosen = _draw_values(data, str(field), str(op), k)
        is_whole = bool(chosen) or op in WITHOUT_VALUE

        def add() -> None:
            match = question.steps[k]
            where = (*match.where, Where(field=str(field), op=op, values=chosen))
            question.put_step(k, match.model_copy(update={"where": where}))

        st.button(_("Add the condition"), type="primary", key=f"funnel_where_{k}", disabled=not is_whole, on_click=add)


def _draw_values(data: Data, field: str, op: str, k: int) -> tuple[str, ...]:
    if op in WITHOUT_VALUE:
        return ()
    if op in NUMERIC or field in NUMBERS:
        number = st.number_input(_("Value"), value=1.0, key=f"funnel_number_{k}")
        return (f"{number:g}",)
    return tuple(
        st.multiselect(
            _("Values"),
            values(data, field),
            key=f"funnel_values_{k}_{field}",
            accept_new_options=True,
            placeholder=_("Choose or type"),
        )
    )


def _draw_step_rules(question: Question, k: int) -> None:
    """Draw the popover with the rules of one step: its own window, and whether it may be left out."""
    number = k + 1
    span = question.windows.get(number)
    is_optional = number in question.optional and 0 < k < len(question.steps) - 1
    words = [_("optional")] if is_optional else []
    words += [_("within {n} {unit}").format(n=span[0], unit=_(UNIT_WORDS[span[1]]))] if span and k else []
    label = " · ".join(words) or _("Rules")
    with st.popover(
        label,
        icon=":material/tune:",
        key=f"funnel_rules_{k}",
        disabled=k == 0 or question.order == "any",
        type="tertiary",
    ):
        _draw_optional(question, number, is_optional)
        _draw_within(question, number, span)


def _draw_optional(question: Question, number: int, is_optional: bool) -> None:
    key = f"funnel_optional_{number}"
    st.session_state[key] = is_optional

    def changed() -> None:
        kept = question.optional - {number} | ({number} if st.session_state[key] else set())
        url.put("optional", [str(k) for k in sorted(kept)])

    st.checkbox(
        _("Optional: the funnel goes on without it"),
        key=key,
        on_change=changed,
        disabled=question.order != "ordered" or number in (1, len(question.steps)),
    )


def _draw_within(question: Question, number: int, span: tuple[int, str] | None) -> None:
    keys = f"funnel_within_{number}", f"funnel_within_unit_{number}"
    st.session_state[keys[0]] = span[0] if span else 0
    st.session_state[keys[1]] = span[1] if span else "d"

    def changed() -> None:
        windows = {k: value for k, value in question.windows.items() if k != number}
        if st.session_state[keys[0]]:
            windows[number] = (int(st.session_state[keys[0]]), str(st.session_state[keys[1]]))
        url.put("within", [f"{k}:{n}{unit}" for k, (n, unit) in sorted(windows.items())])

    st.number_input(
        _("Longest time since the step before (0: no limit of its own)"),
        min_value=0,
        max_value=1_000,
        key=keys[0],
        on_change=changed,
    )
    st.selectbox(
        _("Unit"), list(UNIT_WORDS), format_func=lambda unit: _(UNIT_WORDS[unit]), key=keys[1], on_change=changed
    )
