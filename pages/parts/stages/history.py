"""Every version of the stage rules, who put it in force and when, and the way back."""

from __future__ import annotations

import streamlit as st

from pages.parts import fmt
from pages.parts.cards import card
from pages.parts.data import Data
from pages.parts.frame import View
from pages.parts.guard import guarded
from pages.parts.i18n import _, term, text
from pages.parts.owner import owner
from pages.parts.stages import editor
from ulm_core.documents import Saved
from ulm_core.lifecycle.rule_history import restore, rule_history
from ulm_core.lifecycle.rules import StageRules, rules_in_force

WIDTHS = (0.8, 1.6, 1.4, 4.4, 1.2)
SHOWN = 10


def _restore(data: Data, version: int) -> None:
    with guarded():
        restore(data.workspace, version, owner())
        editor.forget()


def _draw_version(view: View, saved: Saved[StageRules], *, in_force: bool, horizon_days: int) -> None:
    number, when, who, stages, button = st.columns(WIDTHS, vertical_alignment="center")
    number.markdown(f"**{saved.version}**" + (f" :green-badge[{_('in force')}]" if in_force else ""))
    when.markdown(fmt.moment(saved.saved_at))
    who.markdown(saved.owner or fmt.MISSING)
    stages.markdown(
        _(", ").join(term(name) for name in saved.body.stages),
        help="\n\n".join(f"- {text(sentence)}" for sentence in saved.body.resolve(horizon_days).sentences()),
    )
    button.button(
        _("Restore"),
        key=f"restore_{saved.version}",
        disabled=in_force,
        icon=":material/history:",
        type="tertiary",
        on_click=_restore,
        args=(view.data, saved.version),
    )


def draw(view: View, horizon_days: int) -> None:
    """Draw the card; nothing before the rules were first edited."""
    versions = rule_history(view.data.workspace)[::-1]
    if not versions:
        return
    current = rules_in_force(view.data.config).version
    with card(
        _("Versions"),
        how=_("Every list that was ever in force. Restoring one makes it a new version, so nothing is ever lost."),
    ):
        heads = (_("Version"), _("In force since (UTC)"), _("Who"), _("Stages"), "")
        for column, head in zip(st.columns(WIDTHS), heads, strict=True):
            column.caption(head)
        n_shown = len(versions) if st.session_state.get("all_versions") else SHOWN
        for saved in versions[:n_shown]:
            _draw_version(view, saved, in_force=saved.version == current, horizon_days=horizon_days)
        if len(versions) > SHOWN:
            st.toggle(_("Show all {n}").format(n=len(versions)), key="all_versions")
