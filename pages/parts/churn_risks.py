"""Risk of churn per user: how honest it was before, and who has how much of it."""

from __future__ import annotations

from functools import partial

import pandas as pd
import streamlit as st

from pages.parts import fmt, jobs, navigation, url
from pages.parts.cards import Kpi, Table, card, chart, clicked, download, kpi
from pages.parts.charts import risk as charts
from pages.parts.charts.stages import stage_label
from pages.parts.frame import View
from pages.parts.i18n import _, text
from pages.parts.rows import pick_row
from pages.parts.states import draw_nothing
from pages.parts.users_list import list_button, open_list
from ulm_core.jobs.records import JobState
from ulm_core.lifecycle.periods import local_datetime
from ulm_core.training.churn_risk import ChurnRisk, RiskSpec, RiskTest, compute_churn_risk
from ulm_core.training.promoted_risk import promoted_run, saved_risks

BANDS = ((0.5, 1.0), (0.3, 0.5), (0.1, 0.3), (0.0, 0.1))
SHOWN = 300
SCORING = ("score-churn",)
BROKEN = (JobState.FAILED, JobState.CRASHED)


def answer(view: View) -> ChurnRisk:
    """Return everyone's risks, computed once a version and model, narrowed to the filtered users."""
    data = view.data
    run = promoted_run(data.workspace)
    promoted = saved_risks(data.workspace) if run is not None else None
    question = run.run_id if run is not None and promoted is not None else "tabular"
    with st.spinner(_("Learning from earlier cuts")):
        everyone = data.remember(
            "churn_risk", question, lambda: compute_churn_risk(data.index, data.config, RiskSpec(), promoted)
        )
    if run is not None and promoted is None:
        _offer_scoring(run.name)
    return everyone.only(view.mask)


def _offer_scoring(run: str) -> None:
    """Say that the promoted model has not scored these users yet, and let it."""
    with st.container(horizontal=True, vertical_alignment="center"):
        if jobs.is_active(SCORING):
            st.caption(
                ":material/progress_activity: "
                + _("“{run}” is scoring users; reload to see its risks.").format(run=run)
            )
            return
        st.caption(
            ":material/info: "
            + _("The promoted model “{run}” has not scored these users yet; a smaller model answers.").format(run=run)
        )
        last = jobs.latest(SCORING)
        if last is not None and last.state in BROKEN:
            st.caption(":material/error: " + jobs.error_text(last))
        if st.button(
            _("Score with the promoted model"), key="risk_score", type="tertiary", icon=":material/play_arrow:"
        ):
            jobs.start("score-churn", {})
            st.rerun()


def draw_kpis(risk: ChurnRisk) -> None:
    """Draw the headline figures."""
    test = risk.tests[0] if risk.tests else None
    n_users = len(risk.scored)
    with st.grid(4, min_column_width=150, gap="small"):
        kpi(
            Kpi(
                _("Users with us"), fmt.number(n_users), _("Active within the churn horizon before the end of the log.")
            )
        )
        kpi(
            Kpi(
                _("Expected to churn"),
                fmt.number(risk.expected_churners()),
                _("Sum of the risks: how many will do nothing in the next {days} days.").format(days=risk.horizon_days),
                exact=fmt.percent(risk.expected_churners() / n_users if n_users else None),
            )
        )
        kpi(
            Kpi(
                _("Calibration error"),
                fmt.percent(test.calibration_error) if test else fmt.MISSING,
                _("Mean distance between risk said and share that churned, at the latest cut that can be checked."),
            )
        )
        kpi(
            Kpi(
                _("Order (AUC)"),
                fmt.number(test.auc, 3) if test else fmt.MISSING,
                _("How often a churner had the higher risk than a stayer. 0.5 is chance."),
                exact=_("{auc} by the silence alone").format(auc=fmt.number(test.silence_auc, 3)) if test else "",
            )
        )


def day_of(view: View, test: RiskTest) -> str:
    """Return the day of a test in words."""
    return fmt.day(local_datetime(test.cut_us, view.timezone))


def tests_frame(view: View, risk: ChurnRisk) -> pd.DataFrame:
    """Return one row per test."""
    return pd.DataFrame(
        {
            _("Cut"): [day_of(view, test) for test in risk.tests],
            _("Users"): [len(test.users) for test in risk.tests],
            _("Churned"): [int(test.churned.sum()) for test in risk.tests],
            _("AUC"): [fmt.number(test.auc, 3) for test in risk.tests],
            _("AUC of silence alone"): [fmt.number(test.silence_auc, 3) for test in risk.tests],
            _("Brier score"): [fmt.number(test.brier, 4) for test in risk.tests],
            _("Brier of a constant"): [fmt.number(test.constant_brier, 4) for test in risk.tests],
            _("Calibration error"): [fmt.percent(test.calibration_error) for test in risk.tests],
        }
    )


def draw_honesty(view: View, risk: ChurnRisk) -> None:
    """Draw the reliability curve; a point opens its users."""
    with card(
        _("Said against seen"),
        how=_(
            "Risks come from {source}. The test repeats the whole way of learning at earlier cuts, with nothing but "
            "what was known then; labels come from windows that had ended. Each point is a tenth of the users by risk, "
            "with a 95% interval of the share that churned. On the dotted line risk said and share seen are the same. "
            "Brier score: mean squared error of the risk. The chance of still being alive of lifetime value models is "
            "no churn score and is not used here."
        ).format(source=text(risk.source)),
    ):
        st.caption(_("Risks by {source}.").format(source=text(risk.source)))
        if not risk.is_calibrated:
            st.caption(":material/info: " + _("Not calibrated: the log holds a single cut to learn from."))
        if not risk.tests:
            draw_nothing(_("The log is too short to check risks at an earlier cut."))
            return
        test = risk.tests[0]
        alt = _("At {day} {said} of {n} users were expected to churn; {seen} did.").format(
            day=day_of(view, test),
            said=fmt.number(float(test.risk.sum())),
            n=fmt.number(len(test.users)),
            seen=fmt.number(float(test.churned.sum())),
        )
        table = test.reliability().to_pandas()
        state = chart(
            charts.reliability(table), alt=alt, key="reliability", table=Table(table, "reliability"), clickable=True
        )
        st.dataframe(tests_frame(view, risk), hide_index=True, alt=_("Tests of the risks at earlier cuts"))
        point = clicked(state, "reliability")
        if point:
            title = _("Group {n} of 10 by risk, {day}").format(n=point[0], day=day_of(view, test))
            open_list(view.data, risk.users(("bin", int(str(point[0])))), title, f"bin_{point[0]}")


def band_text(low: float, high: float) -> str:
    """Return a range of risks in words."""
    return f"{fmt.percent(low, 0)} – {fmt.percent(high, 0)}"


def _pick_band() -> tuple[float, float] | None:
    options = {f"{low:g}-{high:g}": (low, high) for low, high in BANDS}
    asked = url.get("band")
    st.session_state["risk_band"] = asked if asked in options else None
    word = st.segmented_control(
        _("Risk"),
        list(options),
        format_func=lambda name: band_text(*options[name]),
        key="risk_band",
        on_change=lambda: url.put("band", st.session_state["risk_band"]),
    )
    return options[word] if word else None


def draw_users(view: View, risk: ChurnRisk) -> None:
    """Draw the bands, each a list, and the users by risk."""
    with card(
        _("Users by risk"),
        how=_(
            "Probability of no activity in the {days} days after the end of the log, for users active in the {days} "
            "days before it. Who was silent for longer has churned already and has no risk."
        ).format(days=risk.horizon_days),
    ):
        with st.container(horizontal=True):
            for low, high in BANDS:
                codes = risk.users(("between", (low, high)))
                list_button(
                    view.data,
                    len(codes),
                    _("Risk {band}").format(band=band_text(low, high)),
                    f"band_{low:g}",
                    partial(risk.users, ("between", (low, high))),
                    label=_("{n} users · {band}").format(n=fmt.number(len(codes)), band=band_text(low, high)),
                )
        band = _pick_band()
        frame = risk.to_pandas()
        if band is not None:
            low, high = band
            frame = frame[(frame["risk"] >= low) & ((frame["risk"] < high) | (high >= 1))]
        if frame.empty:
            draw_nothing(_("Nobody has such a risk."))
            return
        alt = _("{n} users, the highest risk first.").format(n=fmt.number(len(frame)))
        st.caption(alt + " " + _("Select a row to open the user."))
        row = _table(frame.head(SHOWN), alt)
        download(frame, "users-by-churn-risk", key="csv_risk")
        if row is not None:
            navigation.go("user", user=str(frame.iloc[row]["user_id"]))


def _table(frame: pd.DataFrame, alt: str) -> int | None:
    shown = frame.assign(stage=[stage_label(str(name)) if name else fmt.MISSING for name in frame["stage"]])
    return pick_row(
        shown,
        "risk_users",
        alt=alt,
        column_config={
            "user_id": st.column_config.TextColumn(_("User")),
            "risk": st.column_config.ProgressColumn(_("Risk"), format="percent", min_value=0, max_value=1),
            "stage": st.column_config.TextColumn(_("Stage now")),
            "days_since_last": st.column_config.NumberColumn(_("Silent for (days)"), format="%.0f"),
            "value": st.column_config.NumberColumn(_("Value so far"), format="localized"),
        },
    )


def draw(view: View) -> None:
    """Draw the tab."""
    risk = answer(view)
    draw_kpis(risk)
    draw_honesty(view, risk)
    draw_users(view, risk)
