"""Two runs against each other: the finding first, then what was set differently, equal settings folded away."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from pages.parts.cards import card
from pages.parts.config_form import label_of, option_of
from pages.parts.i18n import _, text
from ulm_core.training.comparing import RunsCompared, compare_runs
from ulm_core.training.runs import RunRecord, RunStore


def _pick(runs: Sequence[RunRecord], promoted: str | None) -> tuple[RunRecord, RunRecord]:
    """Draw the two choices: by default the newest against the one in use."""
    names = {run.run_id: run for run in runs}
    ids = list(names)
    other = promoted if promoted in names and promoted != ids[0] else ids[1]
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        first = st.selectbox(
            _("Run"), ids, key="versus_first", width=330, format_func=lambda run_id: _label(names[run_id])
        )
        second = st.selectbox(
            _("Against"),
            ids,
            index=ids.index(other),
            key="versus_second",
            width=330,
            format_func=lambda run_id: _label(names[run_id]),
        )
    return names[first], names[second]


def _label(run: RunRecord) -> str:
    return f"{run.name} · {run.started_at:%m-%d %H:%M}"


def _draw_settings(found: RunsCompared) -> None:
    if not found.differing:
        st.caption(_("Both were made with the same settings."))
        return
    rows = [
        {_("Setting"): label_of(name), _("Run"): option_of(first), _("Against"): option_of(second)}
        for name, (first, second) in found.differing.items()
    ]
    st.dataframe(pd.DataFrame(rows), hide_index=True, alt=_("Settings that differ between the two runs"))


def draw(store: RunStore, records: Sequence[RunRecord], promoted: str | None) -> None:
    """Draw the card once there are two runs that were judged."""
    judged = [run for run in records if run.judged_by]
    if len(judged) < 2:
        return
    with card(
        _("Run against run"),
        how=_(
            "The difference of NDCG@10, user by user, for users both were judged on; the interval is the 95% bootstrap "
            "interval over users. An interval that holds 0 is no difference."
        ),
    ):
        first, second = _pick(judged, promoted)
        if first.run_id == second.run_id:
            st.caption(_("Choose two different runs."))
            return
        found = compare_runs(store, first, second)
        draw_as = st.success if found.ndcg.low > 0 else st.warning if found.ndcg.high < 0 else st.info
        draw_as(text(found.sentence()), icon=":material/compare_arrows:")
        _draw_settings(found)
