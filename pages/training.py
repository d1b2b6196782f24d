"""Training: start a fine-tuning in the background, watch it, compare it honestly, put it into use."""

from __future__ import annotations

import streamlit as st

from pages.parts import fmt, jobs, live, runs, versus
from pages.parts.cards import card
from pages.parts.config_form import draw_form
from pages.parts.data import Data, open_workspace
from pages.parts.frame import begin_page
from pages.parts.guard import guarded
from pages.parts.i18n import _
from pages.parts.states import draw_nothing
from ulm_core.jobs.records import JobRecord
from ulm_core.settings import get_settings
from ulm_core.timeline.stale import Stale
from ulm_core.training.config import FineTuneConfig
from ulm_core.training.runs import RunRecord, RunStore

KINDS = ("train",)
FALLBACK_SECONDS_PER_STEP = 0.35


@st.cache_resource(show_spinner=False)
def device_name() -> str:
    """Return where a fine-tuning runs; imports torch, so it is asked once a process."""
    from ulm_core.training.artifact import pick_device

    return str(pick_device(get_settings().device).type)


def expected_minutes(records: list[RunRecord]) -> int:
    """Return how long the default settings take: from the quickest finished run here, else a cautious guess."""
    default = FineTuneConfig()
    steps = default.max_steps * (1 + default.refit_share)
    guesses = []
    for run in records:
        if run.state == "finished" and run.curve:
            learning = run.seconds.get("train", 0.0) + run.seconds.get("refit", 0.0)
            fixed = sum(run.seconds.values()) - learning
            guesses.append(fixed + steps * learning / len(run.curve))
    return max(1, round(min(guesses, default=FALLBACK_SECONDS_PER_STEP * steps) / 60))


def draw_device(records: list[RunRecord]) -> None:
    """State the device as a fact with its consequence, not as a failure."""
    minutes = expected_minutes(records)
    if device_name() == "cuda":
        st.caption(":material/memory: " + _("GPU: about {n} min with the default settings.").format(n=minutes))
    else:
        st.caption(
            ":material/memory: " + _("CPU, no GPU found: about {n} min with the default settings.").format(n=minutes)
        )


def draw_start(records: list[RunRecord], *, columns: int) -> None:
    with card(
        _("Start a fine-tuning"),
        how=_(
            "A user tower reads a user's last events, item texts go through a pretrained encoder, the lifecycle "
            "stage conditions both; one head ranks the next items, one gives the churn risk. "
            "Loss = alpha · churn + beta · recommendation. The last part of the time span is kept for the test."
        ),
    ):
        draw_device(records)
        with guarded():
            config = draw_form(columns=columns)
            if config is not None and jobs.start("train", config.model_dump(mode="json")) is not None:
                st.rerun()


def draw_work(records: list[RunRecord], active: JobRecord | None) -> None:
    """Draw the form, and beside it what is training."""
    if active is None or active.state.is_over:
        draw_start(records, columns=3)
        if active is not None:
            live.draw_ended(active)
        return
    left, right = st.columns([2, 3], gap="medium")
    with right:
        live.watch(active.id)
    with left:
        draw_start(records, columns=1)


def draw_in_use(store: RunStore, promoted: RunRecord | None, stale: Stale | None) -> None:
    name = st.session_state.pop("_promoted_now", None)
    if name:
        st.toast(_("“{name}” is in use now.").format(name=name), icon=":material/rocket_launch:")
    if promoted is None:
        st.info(
            _("Recommendations come from the stage-aware frequency baseline until a model is put into use."),
            icon=":material/info:",
            title=_("No model is in use yet"),
        )
    else:
        st.success(
            _("Recommendations on the page User come from “{name}”, trained {when} (UTC).").format(
                name=promoted.name, when=fmt.moment(promoted.started_at)
            ),
            icon=":material/verified:",
            title=_("In use"),
        )
        runs.draw_stale(stale)
        runs.draw_roll_back(store)


def draw_finished(store: RunStore, records: list[RunRecord], promoted: str | None, *, is_training: bool) -> None:
    with card(
        _("Runs"),
        how=_(
            "Global temporal split: nothing after the cut is learnt from. Full ranking over all items. Baselines are "
            "measured on the same users, items and cut. The verdict compares NDCG@10 with the best baseline, "
            "user by user, with a 95% bootstrap interval."
        ),
    ):
        if not records:
            draw_nothing(_("No run yet. Start one with the form above; the defaults are a good first choice."))
            return
        stale = {run.run_id for run in records if store.stale(run.run_id)}
        run = runs.draw_runs(records, promoted, stale, is_training=is_training)
        with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
            st.subheader(run.name, anchor=False, width="content")
            runs.draw_promote(store, run, promoted)
        if run.run_id != promoted:  # of the one in use it is said above
            runs.draw_stale(store.stale(run.run_id))
        if run.metrics:
            runs.draw_verdict(run)
            runs.draw_comparison(run)
            runs.draw_card(run)
        with st.expander(_("Settings and curves"), icon=":material/show_chart:"):
            runs.draw_details(run)


def draw(data: Data) -> None:
    store = RunStore(open_workspace())
    records = store.list()
    promoted = store.promoted()
    active = jobs.latest(KINDS)
    draw_in_use(store, promoted, store.stale(promoted.run_id) if promoted else None)
    draw_work(records, active)
    is_training = active is not None and not active.state.is_over
    shown = [run for run in records if not (is_training and run.state == "running")]
    draw_finished(store, shown, promoted.run_id if promoted else None, is_training=is_training)
    versus.draw(store, shown, promoted.run_id if promoted else None)


with begin_page("training") as view:
    draw(view.data)
