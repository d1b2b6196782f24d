"""The editor of the stage rules: a list read from top to bottom, one rule open at a time, and the way to save."""

from __future__ import annotations

from functools import partial

import streamlit as st

from pages.parts import fmt
from pages.parts.cards import card
from pages.parts.charts.stages import stage_label
from pages.parts.frame import View
from pages.parts.i18n import _, text
from pages.parts.owner import owner, owner_input
from pages.parts.palette import use_own_colors
from pages.parts.stages import horizon, preview, rule_form
from pages.parts.stages.draft import Draft, DraftRule
from ulm_core.lifecycle.rule_history import put_in_force, rule_history
from ulm_core.lifecycle.rules import StageRules, rules_in_force
from ulm_core.lifecycle.stage_presets import PRESETS, get_preset

_DRAFT, _OPEN = "_stage_draft", "_stage_open"


def read_draft(in_force: StageRules) -> Draft:
    """Return the draft of this session; a fresh one when there is none, or the rules changed meanwhile."""
    draft = st.session_state.get(_DRAFT)
    if not isinstance(draft, Draft) or draft.base != in_force:
        draft = Draft.of(in_force)
        st.session_state[_DRAFT] = draft
    return draft


def keep(draft: Draft) -> None:
    """Take a draft as the one that is edited."""
    st.session_state[_DRAFT] = draft


def forget() -> None:
    """Drop the edits of this session."""
    st.session_state.pop(_DRAFT, None)
    st.session_state.pop(_OPEN, None)


def _use_preset(in_force: StageRules) -> None:
    name = st.session_state["preset"]
    if name:
        keep(Draft.of(get_preset(name).rules, in_force))
        st.session_state.pop(_OPEN, None)
    st.session_state["preset"] = None


def _draw_presets(in_force: StageRules) -> None:
    st.selectbox(
        _("Start from a preset"),
        [preset.name for preset in PRESETS],
        index=None,
        placeholder=_("Choose one; nothing changes before you save"),
        format_func=lambda name: f"{_(get_preset(name).title)}: {_(get_preset(name).reason)}",
        key="preset",
        on_change=_use_preset,
        args=(in_force,),
    )


def _definition(rule: DraftRule, horizon_days: int) -> str:
    if not rule.rows:
        return _("everyone else")
    words = [text(row.condition().resolve(horizon_days).sentence()) for row in rule.rows]
    return _(" **and** ").join(words)


def _toggle(key: int) -> None:
    st.session_state[_OPEN] = None if st.session_state.get(_OPEN) == key else key


def _draw_buttons(draft: Draft, rule: DraftRule) -> None:
    key = rule.key
    is_last = rule is draft.rules[-1]
    with st.container(horizontal=True, gap="small", horizontal_alignment="right"):
        for label, icon, step in (
            (_("Up"), ":material/arrow_upward:", -1),
            (_("Down"), ":material/arrow_downward:", 1),
        ):
            st.button(
                "",
                icon=icon,
                help=label,
                type="tertiary",
                key=f"rule_move_{key}_{step}",
                disabled=not draft.can_move(key, step),
                on_click=partial(lambda step: keep(draft.move(key, step)), step),
            )
        st.button(
            _("Edit"), icon=":material/edit:", type="tertiary", key=f"rule_edit_{key}", on_click=_toggle, args=(key,)
        )
        st.button(
            "",
            icon=":material/delete:",
            help=_("Remove"),
            type="tertiary",
            key=f"rule_remove_{key}",
            disabled=is_last,
            on_click=lambda: keep(draft.remove(key)),
        )


def _draw_rules(draft: Draft, horizon_days: int) -> None:
    for k, rule in enumerate(draft.rules, start=1):
        number, name, definition, buttons = st.columns([0.3, 1.5, 4.6, 1.9], vertical_alignment="center")
        number.markdown(f":gray[{k}]")
        name.markdown(f"**{stage_label(rule.name)}**" + ("" if rule.active else f" :gray-badge[{_('not active')}]"))
        definition.markdown(_definition(rule, horizon_days))
        with buttons:
            _draw_buttons(draft, rule)
        if st.session_state.get(_OPEN) == rule.key:
            rule_form.draw(draft, rule, keep)


def _add(draft: Draft) -> None:
    names = {rule.name for rule in draft.rules}
    name = next(name for name in (_("my stage {n}").format(n=n) for n in range(1, 100)) if name not in names)
    longer = draft.add(name)
    keep(longer)
    st.session_state[_OPEN] = longer.rules[-2].key


def _save(view: View, rules: StageRules) -> None:
    saved = put_in_force(view.data.workspace, rules, owner())
    forget()
    st.session_state["_stage_saved"] = saved.version
    st.rerun()


def _draw_save(view: View, draft: Draft) -> None:
    rules = draft.stage_rules()
    is_changed = draft.is_changed()
    with st.container(horizontal=True, vertical_alignment="bottom", key="stage_save"):
        owner_input("stage_owner")
        if st.button(
            _("Put in force"), type="primary", icon=":material/check:", disabled=not is_changed, key="stage_rules_save"
        ):
            _save(view, rules)
        st.button(_("Discard"), type="tertiary", disabled=not is_changed, key="stage_rules_discard", on_click=forget)
        if not is_changed:
            st.caption(_("Nothing is changed yet."))


def _origin(view: View, in_force: StageRules) -> str:
    history = rule_history(view.data.workspace)
    if not history:
        return _("The default rules are in force; nobody has changed them yet.")
    saved = history[-1]
    who = f" · {saved.owner}" if saved.owner else ""
    return (
        _("Version {n}, in force since {when} (UTC)").format(n=in_force.version, when=fmt.moment(saved.saved_at)) + who
    )


def draw(view: View) -> None:
    """Draw the editor with its preview."""
    in_force = rules_in_force(view.data.config)
    draft = read_draft(in_force)
    days = horizon.ask(view).days
    version = st.session_state.pop("_stage_saved", None)
    if version is not None:
        st.toast(_("Saved as version {n}; every page follows.").format(n=version), icon=":material/check:")
    with card(
        _("Stage rules"),
        how=_(
            "Rules are read from top to bottom; the first one whose conditions all hold gives the stage, the last one "
            "is for everyone else. So every user has exactly one stage. Only activity counts, from the events before "
            "the moment looked at. A number of days can be a multiple of the learnt churn horizon ({days} days here): "
            "it then follows the data."
        ).format(days=days),
    ):
        st.caption(_origin(view, in_force))
        _draw_presets(in_force)
        use_own_colors({**in_force.colors, **{rule.name: rule.color for rule in draft.rules if rule.color}})
        _draw_rules(draft, days)
        st.button(_("Add a stage"), icon=":material/add:", key="rule_add", on_click=_add, args=(draft,))
        _draw_save(view, draft)
    preview.draw(view, draft.stage_rules().resolve(days), is_changed=draft.is_changed())
