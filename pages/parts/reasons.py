"""Recommendations of one user, each with its sentence and the waterfall of what made the score."""

from __future__ import annotations

import streamlit as st

from pages.parts import fmt, navigation
from pages.parts.cards import card
from pages.parts.charts import user as charts
from pages.parts.charts.base import CONFIG
from pages.parts.data import Data
from pages.parts.i18n import _, text
from pages.parts.states import draw_nothing
from ulm_core.explain.sentences import reason, risk_reason
from ulm_core.explain.shapley import BASE_VALUE, Explanation, UserExplanation
from ulm_core.recommend.recommender import ModelInfo, Recommendation, UserRecommendations


def parts_of(explanation: Explanation) -> list[charts.Contribution]:
    """Return the contributions in words, for the waterfall."""
    return [
        charts.Contribution(
            text(part.player.label),
            part.value,
            _("{n} events").format(n=part.player.n_events) if part.player.n_events else "",
        )
        for part in explanation.contributions
    ]


def draw_waterfall(explanation: Explanation, key: str, unit: str) -> None:
    """Draw from base value to score, and say that the sum holds."""
    alt = _("From the base value {base} to the score {score}.").format(
        base=f"{explanation.base_value:.3f}", score=f"{explanation.score:.3f}"
    )
    figure = charts.waterfall(explanation.base_value, parts_of(explanation), unit=unit)
    st.plotly_chart(figure, key=key, alt=alt, config=CONFIG)
    total = sum(part.value for part in explanation.contributions)
    st.caption(
        _("{base} (base value) {sum} (SHAP values) = {score} (score); difference {error}.").format(
            base=f"{explanation.base_value:.4f}",
            sum=f"{total:+.4f}",
            score=f"{explanation.score:.4f}",
            error=f"{explanation.additivity_error:.0e}" if explanation.additivity_error else "0",
        )
        + " "
        + (_("Every combination was run.") if explanation.is_exact else _("Estimated from sampled orders."))
    )


def draw_model(model: ModelInfo) -> None:
    """Say where the ranking comes from."""
    if model.is_baseline:
        st.badge(_("Frequency baseline by stage"), icon=":material/functions:", color="gray")
        navigation.link("training", _("No model is in use yet: train one"), icon=":material/arrow_forward:")
    else:
        st.badge(text(model.name), icon=":material/model_training:", color="green")
    if model.note is not None:
        st.caption(":material/info: " + text(model.note))


def _draw_item(rank: int, item: Recommendation, explanation: Explanation, recommended: UserRecommendations) -> None:
    with st.container(border=True, key=f"item_{rank}", gap="small"):
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.markdown(f"**{rank}. {item.text[:1].upper()}{item.text[1:]}**", width="content")
            if item.is_repeat:
                st.badge(_("had before"), icon=":material/replay:", color="blue")
            else:
                st.badge(_("new to the user"), icon=":material/auto_awesome:", color="violet")
        st.markdown(text(reason(explanation, recommended)))
        box = st.expander(
            _("What made the score {score}").format(score=f"{item.score:.3f}"),
            icon=":material/waterfall_chart:",
            expanded=rank == 1,
            on_change="rerun",
            key=f"why_{recommended.user_id}_{rank}",
        )
        if box.open:
            with box:
                draw_waterfall(explanation, f"waterfall_{rank}", _("score"))


def draw_recommendations(recommended: UserRecommendations, explained: UserExplanation) -> None:
    """Draw the ranked list; a waterfall is computed by then, and drawn when opened."""
    with card(
        _("Recommendations"),
        how=_(
            "The ten items with the highest score as of the end of the data. SHAP values share the score out over "
            "groups of the user's events and the stage: the model is run again without them, so base value + SHAP "
            "values = score. They say why the model scored it so, not what causes the user to buy."
        )
        + "\n\n"
        + text(BASE_VALUE),
    ):
        with st.container(horizontal=True, vertical_alignment="center"):
            draw_model(recommended.model)
        if not recommended.items:
            draw_nothing(_("This log has no items to recommend."))
            return
        for rank, (item, explanation) in enumerate(zip(recommended.items, explained.items, strict=True), start=1):
            _draw_item(rank, item, explanation, recommended)


def draw_risk(recommended: UserRecommendations, explained: UserExplanation, data: Data) -> None:
    """Draw what made the churn risk, in a sentence and as a waterfall."""
    with card(
        _("Churn risk"),
        how=_("Probability of no activity within the churn horizon. SHAP values as for recommendations."),
    ):
        st.markdown(
            _("The model expects a churn risk of **{risk}** as of {day}.").format(
                risk=fmt.percent(recommended.churn_risk), day=fmt.day(data.local_days[1])
            )
            + " "
            + text(risk_reason(explained.churn, recommended))
        )
        draw_waterfall(explained.churn, "waterfall_churn", _("churn risk"))
