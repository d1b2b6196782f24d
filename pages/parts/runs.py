"""Finished runs: side by side, beside their baselines, with the honest verdict; one can be promoted."""

from __future__ import annotations

import math
from collections.abc import Collection

import pandas as pd
import streamlit as st

from pages.parts import fmt
from pages.parts.cards import Table, chart, draw_table
from pages.parts.charts import training as charts
from pages.parts.config_form import label_of, option_of
from pages.parts.data import open_workspace
from pages.parts.i18n import N_, _, term, text
from pages.parts.live import draw_curves
from ulm_core.lifecycle.rules import rules_in_force
from ulm_core.timeline.stale import Stale
from ulm_core.training.card import model_card
from ulm_core.training.config import FineTuneConfig
from ulm_core.training.runs import RunRecord, RunStore, Verdict

METRICS = {
    "ndcg10": N_("NDCG@10"),
    "recall10": N_("Recall@10"),
    "hit_rate10": N_("Hit rate@10"),
    "recall10_new": N_("Recall@10, new items"),
    "mrr10": N_("MRR@10"),
    "coverage10": N_("Coverage@10"),
    "novelty10": N_("Novelty@10"),
    "diversity10": N_("Diversity@10"),
    "churn_auc": N_("Churn AUC"),
    "churn_ap": N_("Churn average precision"),
    "churn_lift": N_("Churn lift, top tenth"),
    "churn_brier": N_("Churn Brier"),
    "churn_ece": N_("Churn calibration error"),
}
METRIC_HELP = {
    "ndcg10": N_("Quality of the ten recommendations, hits at the top count more; 1 is perfect."),
    "recall10": N_("Share of what a user bought in the test period that is among the ten."),
    "hit_rate10": N_("Share of users who bought at least one of the ten."),
    "recall10_new": N_("Recall of items the user had never bought before."),
    "coverage10": N_("Share of the catalogue that is recommended to anybody."),
    "mrr10": N_("1 / place of the first hit; 0 where none of the ten hits."),
    "novelty10": N_("How little known what is recommended is: bits, one more for each halving of the buyers."),
    "diversity10": N_("Share of the pairs among the ten that lie in different categories."),
    "churn_ap": N_("Precision among the users ranked as likeliest to leave, averaged over those who left."),
    "churn_lift": N_("How many times as often the tenth with the highest risk left as users at large."),
    "churn_ece": N_("Mean gap between predicted and observed share of leavers, over ten groups; lower is better."),
    "churn_auc": N_("Chance that a user who left is ranked above one who stayed; 0.5 is guessing."),
    "churn_brier": N_("Mean squared error of the churn probability; lower is better."),
}
BASELINES = {
    "popularity": N_("Popularity"),
    "popularity_30d": N_("Popularity, last 30 days"),
    "personal_frequency": N_("Personal frequency"),
    "personal_frequency_90d": N_("Personal frequency, 90-day half-life"),
    "tifu_knn": N_("TIFU-KNN"),
    "item_knn": N_("Item-kNN"),
    "ease": N_("EASE"),
    "sessions_56d": N_("Sessions in the last 56 days"),
    "logistic_regression": N_("Logistic regression"),
}
LOWER_IS_BETTER = {"churn_brier", "churn_ece"}
VERDICT_BADGES: dict[Verdict, tuple[str, str, str]] = {
    "better": (N_("beats the baselines"), ":material/trending_up:", "green"),
    "not distinguishable": (N_("no clear difference"), ":material/drag_handle:", "gray"),
    "worse": (N_("worse than the baselines"), ":material/trending_down:", "red"),
    "unknown": (N_("not compared"), ":material/help:", "gray"),
}
VERDICT_TEXT_ICON = {"better": "▲", "not distinguishable": "≈", "worse": "▼", "unknown": "–"}


def baseline_name(name: str) -> str:
    """Return a baseline's name in words."""
    return _(BASELINES[name]) if name in BASELINES else name.replace("_", " ")


def state_of(run: RunRecord, is_training: bool) -> str:
    """Return a run's state; one that says "running" while nothing runs died without a word."""
    return "crashed" if run.state == "running" and not is_training else run.state


def runs_frame(
    runs: list[RunRecord], promoted: str | None, stale: Collection[str] = (), *, is_training: bool
) -> pd.DataFrame:
    """Return one row a run, newest first; `stale` names those trained on erased data."""
    return pd.DataFrame(
        [
            {
                "in_use": "✓" if run.run_id == promoted else "",
                "name": run.name,
                "state": " · ".join([term(state_of(run, is_training)), *([_("stale")] if run.run_id in stale else [])]),
                "started_at": run.started_at.replace(tzinfo=None),
                **{name: run.metrics.get(name, math.nan) for name in ("ndcg10", "recall10", "coverage10")},
                "churn_auc": run.metrics.get("churn_auc", math.nan),
                "verdict": f"{VERDICT_TEXT_ICON[run.verdict]} {_(VERDICT_BADGES[run.verdict][0])}",
                "minutes": sum(run.seconds.values()) / 60 if run.seconds else math.nan,
            }
            for run in runs
        ]
    )


def draw_runs(
    runs: list[RunRecord], promoted: str | None, stale: Collection[str] = (), *, is_training: bool
) -> RunRecord:
    """Draw the table of runs and return the selected one (the newest until one is chosen)."""
    frame = runs_frame(runs, promoted, stale, is_training=is_training)
    state = st.dataframe(
        frame,
        hide_index=True,
        on_select="rerun",
        selection_mode="single-row",
        key="runs",
        placeholder="–",
        alt=_("Fine-tuning runs, newest first"),
        column_config={
            "in_use": st.column_config.TextColumn(_("In use"), width="small"),
            "name": st.column_config.TextColumn(_("Run")),
            "state": st.column_config.TextColumn(_("State"), width="small"),
            "started_at": st.column_config.DatetimeColumn(_("Started (UTC)"), format="YYYY-MM-DD HH:mm"),
            "ndcg10": st.column_config.NumberColumn("NDCG@10", format="%.4f", help=_(METRIC_HELP["ndcg10"])),
            "recall10": st.column_config.NumberColumn("Recall@10", format="%.4f", help=_(METRIC_HELP["recall10"])),
            "coverage10": st.column_config.NumberColumn(_("Coverage"), format="%.3f"),
            "churn_auc": st.column_config.NumberColumn("AUC", format="%.3f", help=_(METRIC_HELP["churn_auc"])),
            "verdict": st.column_config.TextColumn(_("Against the best baseline")),
            "minutes": st.column_config.NumberColumn(_("Minutes"), format="%.1f"),
        },
    )
    chosen = state.selection.rows[0] if state.selection.rows else 0
    return runs[min(chosen, len(runs) - 1)]


def stale_sentence(mark: Stale) -> str:
    """Return why a run is stale and what to do about it."""
    known = _("It learnt from a user who was erased on {when} (UTC); its weights still carry what it learnt.")
    unknown = _("A user was erased on {when} (UTC), and nobody can tell any more whether it had learnt from them.")
    advice = _("Start a new fine-tuning and put that run into use.")
    return (known if mark.is_certain else unknown).format(when=fmt.moment(mark.at)) + " " + advice


def draw_stale(mark: Stale | None) -> None:
    """Warn of a run whose training data have been erased in part."""
    if mark is not None:
        st.warning(stale_sentence(mark), icon=":material/person_off:", title=_("Stale: trained on erased data"))


def side_by_side(run: RunRecord) -> pd.DataFrame:
    """Return one row a method, one column a metric; the best value of a column is marked."""
    rows = {run.name: run.metrics, **{baseline_name(name): values for name, values in run.baselines.items()}}
    frame = pd.DataFrame(
        {_(title): [values.get(name, math.nan) for values in rows.values()] for name, title in METRICS.items()},
        index=list(rows),
    )
    return frame.dropna(axis=1, how="all")


def mark_best(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the numbers as text, the best one of each column with a star."""
    lower = {_(METRICS[name]) for name in LOWER_IS_BETTER}
    marked = {}
    for column in frame:
        values = frame[column]
        best = values.min() if column in lower else values.max()
        marked[column] = [
            fmt.MISSING if math.isnan(value) else f"{value:.4f}" + (" ★" if value == best else "") for value in values
        ]
    return pd.DataFrame(marked, index=frame.index)


def differing(run: RunRecord) -> dict[str, str]:
    """Return the settings that differ from the defaults, in words."""
    found = run.config.differing(FineTuneConfig())
    return {label_of(name): option_of(own) for name, (own, _default) in found.items()}


def draw_verdict(run: RunRecord) -> None:
    """Draw the verdict as a sentence, in the colour of the news."""
    sentence = text(run.verdict_message)
    for name in BASELINES:
        sentence = (
            sentence.replace(name, baseline_name(name))
            if run.comparison and name == run.comparison.baseline
            else sentence
        )
    title, icon, _color = VERDICT_BADGES[run.verdict]
    draw = {"better": st.success, "worse": st.warning}.get(run.verdict, st.info)
    heading = _(title)
    draw(sentence, icon=icon, title=heading[:1].upper() + heading[1:])


def draw_comparison(run: RunRecord) -> None:
    """Draw the main metric as bars and all metrics as a table, model and baselines on the same users."""
    frame = side_by_side(run)
    column = _(METRICS["ndcg10"])
    if column in frame:
        bars = frame[column].dropna().rename_axis("name").reset_index(name="value")
        best = bars[bars["name"] != run.name]["value"].max()
        chart(
            charts.metric_bars(bars, model=run.name, unit=column),
            alt=_("NDCG@10 of the model is {ours}, of the best baseline {theirs}.").format(
                ours=f"{run.metrics.get('ndcg10', math.nan):.4f}", theirs=f"{best:.4f}"
            ),
            key="run_bars",
        )
    st.dataframe(mark_best(frame), alt=_("Test metrics of the model and its baselines; ★ is the best of a column"))
    n_users = int(run.metrics.get("users", 0))
    st.caption(
        _("★ best of its column. Test period {period}, {n} users, full ranking over all items, never sampled.").format(
            period=fmt.day_range(run.data_cut, run.data_until), n=fmt.number(n_users)
        )
    )
    if run.has_other_stages(rules_in_force(open_workspace().config)):
        st.caption(
            ":material/info: "
            + _(
                "Trained under other stage rules than those in force. In use, it matches stages by name; one it does "
                "not know counts as not yet seen."
            )
        )
    if run.stages:
        draw_table(
            Table(stage_table(run), f"stages_{run.run_id}"),
            alt=_("NDCG@10 by lifecycle stage"),
            key="stages",
            label=_("By lifecycle stage"),
        )


def stage_table(run: RunRecord) -> pd.DataFrame:
    """Return NDCG@10 by stage, of the model and of the best baseline."""
    best = baseline_name(run.comparison.baseline) if run.comparison else _("Best baseline")
    return pd.DataFrame(
        [
            {
                _("Stage"): term(stage),
                _("Users"): int(values.get("users", 0)),
                run.name: round(values.get("ndcg10", math.nan), 4),
                best: round(run.baseline_stages.get(stage, {}).get("ndcg10", math.nan), 4),
            }
            for stage, values in run.stages.items()
        ]
    )


def draw_promote(store: RunStore, run: RunRecord, promoted: str | None) -> None:
    """Offer to put a run into use; the page User recommends with it from then on."""
    if run.run_id == promoted:
        st.badge(_("In use: the page User recommends with it"), icon=":material/verified:", color="green")
        return
    if run.comparison is None:  # nobody knows what it is worth
        return
    label = _("Put into use")
    if st.button(label, type="primary", icon=":material/rocket_launch:", key=f"promote_{run.run_id}"):
        with st.spinner(_("Putting it into use")):
            store.promote(run.run_id)
        st.session_state["_promoted_now"] = run.name
        st.rerun()


def draw_roll_back(store: RunStore) -> None:
    """Offer to put the run back into use that was in use before."""
    before = store.before_promoted()
    if before is None:
        return
    label = _("Back to “{name}”").format(name=before.name)
    if st.button(label, icon=":material/undo:", type="tertiary", key="roll_back"):
        with st.spinner(_("Putting it into use")):
            store.roll_back()
        st.session_state["_promoted_now"] = before.name
        st.rerun()


def draw_card(run: RunRecord) -> None:
    """Offer the model card as a file."""
    st.download_button(
        _("Model card"),
        data=lambda: model_card(run).encode("utf-8"),
        file_name=f"model-card_{run.run_id}.md",
        mime="text/markdown",
        icon=":material/description:",
        on_click="ignore",
        key=f"card_{run.run_id}",
    )


def draw_details(run: RunRecord) -> None:
    """Draw settings and curves of a run."""
    changed = differing(run)
    if changed:
        st.markdown(f"**{_('Settings that differ from the defaults')}**")
        st.markdown(" · ".join(f"{name}: `{value}`" for name, value in changed.items()))
    else:
        st.caption(_("All settings are the defaults."))
    st.caption(
        _(
            "{n} trained parameters · best validation at step {step} · churn horizon {days} days · data {version}"
        ).format(n=fmt.number(run.n_parameters), step=run.best_step, days=run.churn_days, version=run.data_version)
    )
    if run.error:
        st.error(run.error, title=_("Why it failed"))
    draw_curves(run.curve, f"run_{run.run_id}")
