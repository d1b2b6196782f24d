"""What a draft of the rules would change: users per stage before and after, and who would move."""

from __future__ import annotations

from functools import partial

import pandas as pd
import streamlit as st

from pages.parts import fmt
from pages.parts.cards import Table, card, chart, clicked
from pages.parts.charts import flow as flow_charts
from pages.parts.charts import stages as charts
from pages.parts.frame import View
from pages.parts.i18n import _, term
from pages.parts.users_list import list_button, open_list
from ulm_core.lifecycle.rule_change import RuleChange, RuleChangeSpec, compute_rule_change
from ulm_core.lifecycle.rules import StageRules

WIDTHS = (2, 1.3, 1.3, 1)


def _draw_rows(view: View, change: RuleChange, frame: pd.DataFrame) -> None:
    heads = (_("Stage"), _("In force"), _("Draft"), _("Change"))
    for column, head in zip(st.columns(WIDTHS), heads, strict=True):
        column.caption(head)
    for stage, before, after, difference in frame.itertuples(index=False):
        name, left, right, moved = st.columns(WIDTHS, vertical_alignment="center")
        name.markdown(f"**{charts.stage_label(stage)}**")
        for place, n, which, codes in (
            (left, before, _("in force"), change.users_before),
            (right, after, _("draft"), change.users_after),
        ):
            with place:
                title = f"{term(stage)} · {which}"
                list_button(view.data, n, title, f"change_{which}_{stage}", partial(codes, stage), label=fmt.number(n))
        moved.markdown(f"{difference:+,}" if difference else ":gray[0]")


def _draw_moves(view: View, change: RuleChange) -> None:
    frame = pd.DataFrame(change.counts, index=list(change.rules.stages), columns=list(change.draft.stages))
    frame = frame.loc[frame.sum(axis=1) > 0, frame.sum(axis=0) > 0]
    spelled = frame.rename(index=term, columns=term).rename_axis(_("in force \\ draft")).reset_index()
    state = chart(
        charts.matrix_heatmap(frame, share=False),
        alt=_("Rows: stage under the rules in force; columns: under the draft. Click a cell for its users."),
        key="rule_moves",
        table=Table(spelled, "stage-rule-change"),
        clickable=True,
    )
    point = clicked(state, "rule_moves")
    if point:
        before, after = str(point[1]), str(point[2])
        title = f"{term(before)} ({_('in force')}) → {term(after)} ({_('draft')})"
        open_list(view.data, change.users((before, after)), title, f"change-{before}-{after}")


def draw(view: View, draft: StageRules, *, is_changed: bool) -> None:
    """Draw the card; a draft that changes nothing shows the mix as it is."""
    change = view.ask(compute_rule_change, RuleChangeSpec(draft=draft, at_us=view.range_us[1]))
    with card(
        _("What the draft would change"),
        how=_(
            "Every user's stage at the end of the chosen period, under the rules in force and under the draft. Nothing "
            "is saved by looking."
        ),
    ):
        frame = change.to_arrow().to_pandas()
        list_button(
            view.data,
            change.n_moved,
            _("Users whose stage would change"),
            "change_moved",
            change.moved,
            label=_("{n} of {all} users would change stage").format(
                n=fmt.number(change.n_moved), all=fmt.number(int(change.counts.sum()))
            ),
        )
        figure = flow_charts.mix_change(frame)
        st.plotly_chart(
            figure, key="mix_change", alt=_("Users by stage, under the rules in force and under the draft.")
        )
        _draw_rows(view, change, frame)
        if is_changed:
            _draw_moves(view, change)
