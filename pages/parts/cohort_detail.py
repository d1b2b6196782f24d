"""One cohort: its size over time, its members, its overlap with another, and what can be done with it."""

from __future__ import annotations

from functools import partial
from typing import Any

import streamlit as st

from pages.parts import filters, fmt, url
from pages.parts.cards import Table, card, chart
from pages.parts.charts import stages as charts
from pages.parts.cohort_asked import Asked
from pages.parts.guard import guarded
from pages.parts.i18n import _, text
from pages.parts.owner import owner
from pages.parts.palette import BRAND
from pages.parts.users_list import list_button, save_new
from ulm_core.documents import MAX_NAME, Saved
from ulm_core.lifecycle.cohorts.model import Cohort, read_rule
from ulm_core.lifecycle.cohorts.sentences import describe
from ulm_core.lifecycle.results import select


def _use(name: str) -> None:
    filters.add_cohort(name)


def _draw_actions(asked: Asked, name: str, saved: Saved[Cohort]) -> None:
    rule = saved.body.rule
    codes = select(asked.mask(rule))
    with st.container(horizontal=True, vertical_alignment="center"):
        list_button(asked.view.data, len(codes), name, "cohort_members", lambda: codes)
        st.button(
            _("Filter all pages to it"), icon=":material/filter_alt:", key="cohort_use", on_click=_use, args=(name,)
        )
        if saved.body.is_live and st.button(
            _("Fix its users"), icon=":material/lock:", key="cohort_freeze", help=_("Save today's users as a list.")
        ):
            frozen = Cohort(rule=asked.saved.freeze(asked.log, rule, asked.at_us), note=saved.body.note)
            copy = _("{name} on {day}").format(name=name, day=asked.view.filters.end.isoformat())[:MAX_NAME]
            save_new(asked.view.data, copy, frozen)
            url.put("show", copy)
            st.rerun()
        _draw_edit(asked, name, saved)
        with st.popover(_("Delete"), icon=":material/delete:", key="cohort_delete_box"):
            st.caption(_("The cohort and its history go. Saved views that use it will say so."))
            if st.button(_("Delete this cohort"), type="primary", key="cohort_delete"):
                asked.saved.delete(name)
                url.put("show", None)
                url.put("cohort", [kept for kept in url.get_all("cohort") if kept != name])
                st.rerun()


def _draw_edit(asked: Asked, name: str, saved: Saved[Cohort]) -> None:
    with st.popover(_("Edit"), icon=":material/edit:", key="cohort_edit_box", disabled=not saved.body.is_live):
        rule = st.text_area(
            _("Rule (JSON)"),
            saved.body.rule.model_dump_json(indent=1, exclude_none=True),
            height=260,
            key=f"cohort_edit_{name}_{saved.version}",
        )
        note = st.text_input(_("Note"), saved.body.note, max_chars=500, key=f"cohort_edit_note_{name}_{saved.version}")
        if st.button(_("Save as version {n}").format(n=saved.version + 1), type="primary", key="cohort_edit_save"):
            with guarded():
                changed = read_rule(rule)
                asked.mask(changed)  # an unknown event or stage is refused before anything is saved
                asked.saved.save(name, Cohort(rule=changed, note=note), owner())
                st.rerun()


def _draw_trend(asked: Asked, name: str, rule: Any) -> None:
    frame = asked.trend(rule)
    low, high = int(frame["value"].min()), int(frame["value"].max())
    chart(
        charts.trend(frame, unit=_("users"), colors={_("users"): BRAND}, height=260),
        alt=_("Between {low} and {high} users over these {n} intervals.").format(
            low=fmt.number(low), high=fmt.number(high), n=len(frame)
        ),
        key="cohort_trend",
        table=Table(frame[["period", "value", "is_complete"]], f"cohort-size_{name}_{asked.view.filters.slug}"),
    )


def _draw_overlap(asked: Asked, name: str, rule: Any, others: list[str]) -> None:
    st.markdown(f"**{_('Overlap')}**")
    if not others:
        st.caption(_("Save a second cohort to see how many users they share."))
        return
    other = st.selectbox(_("With"), others, key="cohort_other", width=320)
    here, there = asked.mask(rule), asked.mask(asked.saved.rule(str(other)))
    groups = {
        _("only “{name}”").format(name=name): here & ~there,
        _("both"): here & there,
        _("only “{name}”").format(name=other): there & ~here,
    }
    union = int((here | there).sum())
    with st.container(horizontal=True):
        for number, (label, mask) in enumerate(groups.items()):
            n = int(mask.sum())
            list_button(
                asked.view.data,
                n,
                f"{label}: {name} / {other}",
                f"overlap_{number}",
                partial(select, mask),
                label=f"{label}: {fmt.number(n)}",
            )
    if union:
        st.caption(
            _("{share} of the users of either belong to both.").format(
                share=fmt.percent(int((here & there).sum()) / union)
            )
        )


def draw_detail(asked: Asked, name: str, cohorts: dict[str, Saved[Cohort]]) -> None:
    """Draw the card of one cohort."""
    saved = cohorts[name]
    rule = saved.body.rule
    with card(
        name,
        how=_("Definition: {rule}.\n\nEvaluated at the end of {day}, from events before it only.").format(
            rule=text(describe(rule)), day=fmt.day(asked.view.filters.end)
        )
        + f"\n\n```json\n{rule.model_dump_json(indent=1, exclude_none=True)}\n```",
    ):
        st.markdown(text(describe(rule)))
        if saved.body.note:
            st.caption(saved.body.note)
        _draw_actions(asked, name, saved)
        left, right = st.columns([3, 2], gap="medium")
        with left:
            _draw_trend(asked, name, rule)
        with right:
            _draw_overlap(asked, name, rule, [other for other in cohorts if other != name])
