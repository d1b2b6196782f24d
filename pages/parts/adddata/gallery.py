"""Sample gallery: real logs that ship with the product, and a shop that is simulated to order."""

from __future__ import annotations

import streamlit as st

from pages.parts import jobs
from pages.parts.i18n import _, text
from ulm_core.events.samples import Sample, samples
from ulm_core.events.simulator import SimulatorConfig, campaigns_that_fit

SIMULATED = "simulated-shop"
ICONS = {
    "complete-journey": ":material/shopping_basket:",
    "movielens-100k": ":material/movie:",
    "cdnow": ":material/album:",
    SIMULATED: ":material/storefront:",
}
DAYS_AT_LEAST = 30


def draw() -> None:
    """Draw one card a sample."""
    st.caption(_("A sample replaces what is loaded; you can take it back once with undo. Models stay as they are."))
    with st.grid(2, min_column_width=300, gap="small") as grid:
        for sample in samples().values():
            with grid.cell(), st.container(border=True, height="stretch"):
                _card(sample)


def _card(sample: Sample) -> None:
    icon = ICONS.get(sample.name, ":material/science:")
    st.markdown(f"**{icon} {sample.title}**")
    st.markdown(text(sample.description))
    st.markdown(
        f":material/database: {text(sample.size)}  \n"
        f":material/target: {_('Good for')}: {text(sample.good_for)}  \n"
        f":gray[:material/balance: {text(sample.licence)}]"
    )
    if sample.name == SIMULATED:
        _simulator()
        return
    st.space("stretch")
    if st.button(_("Load"), key=f"load_{sample.name}", icon=":material/download:"):
        jobs.begin_load("load-sample", {"name": sample.name})


def _simulator() -> None:
    fields = SimulatorConfig.model_fields
    with st.form("simulator", border=False):
        with st.grid(3, min_column_width=90, gap="small"):
            users = st.number_input(
                _("Users"), 10, 5_000_000, int(fields["users"].default), step=500, key="simulate_users"
            )
            days = st.number_input(
                _("Days"), DAYS_AT_LEAST, 3_660, int(fields["days"].default), step=30, key="simulate_days"
            )
            seed = st.number_input(
                _("Seed"), 0, 2**31, int(fields["seed"].default), key="simulate_seed",
                help=_("The same seed gives the same shop."),
            )  # fmt: skip
        go = st.form_submit_button(_("Simulate and load"), icon=":material/play_arrow:")
    st.caption(
        _(
            "2,000 users over 180 days make about 123,000 events. "
            "The truth (tastes, churn, effect of campaigns) is written beside the data."
        )
    )
    if go:
        chosen = {"users": int(users), "days": int(days), "seed": int(seed)}
        jobs.begin_load("simulate", {**chosen, "campaigns": campaigns_that_fit(int(days))})
