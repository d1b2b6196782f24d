"""What comes: the forecast of the mix, how wrong such forecasts were, and what other rates would bring."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import date

import pandas as pd
import streamlit as st

from pages.parts import fmt
from pages.parts.cards import Kpi, Table, card, chart, kpi
from pages.parts.charts import flow as flow_charts
from pages.parts.charts import stages as charts
from pages.parts.frame import View
from pages.parts.guard import guarded
from pages.parts.i18n import _, term, text
from ulm_core.lifecycle.backtest import LEAST_ORIGINS
from ulm_core.lifecycle.stage_flow import StageFlow, StageFlowSpec, compute_stage_flow
from ulm_core.lifecycle.stage_forecast import (
    RateChange,
    StageForecast,
    StageForecastSpec,
    forecast_flow,
    with_changes,
)

AHEAD = {"day": 28, "week": 8, "month": 3}
WINDOW = {"day": 28, "week": 12, "month": 6}
PAST_SHOWN = 26
MOST_POINTS = 20.0
_CHANGES = "_what_if"


@dataclass(frozen=True)
class Asked:
    """A forecast with the flows it was learnt from."""

    flow: StageFlow
    forecast: StageForecast

    @property
    def ahead(self) -> int:
        """How many periods ahead."""
        return len(self.forecast.labels)

    def past_active(self) -> pd.DataFrame:
        """Return active users at the end of the periods that are over: period (its last moment's date), users."""
        over = self.flow.n_complete
        active = self.flow.active_at_ends()[:over]
        frame = pd.DataFrame({"period": self.flow.periods.iso_labels()[:over], "users": active})
        return frame.iloc[self.forecast.n_skipped :].tail(PAST_SHOWN)

    def mix_frame(self) -> pd.DataFrame:
        """Return period, stage, users, is_complete: what was, and (not complete) what is forecast."""
        over = self.flow.n_complete
        first = max(over - 2 * self.ahead, 0)
        rows = [
            (self.flow.periods.iso_labels()[k], stage, float(users), True)
            for k in range(first, over)
            for stage, users in zip(self.flow.stages, self.flow.ends[k], strict=True)
        ]
        rows += [
            (label.isoformat(), stage, float(round(users)), False)
            for label, line in zip(self.forecast.labels, self.forecast.users_ahead, strict=True)
            for stage, users in zip(self.flow.stages, line, strict=True)
        ]
        return pd.DataFrame(rows, columns=["period", "stage", "users", "is_complete"])


def ask(view: View, ahead: int, window: int) -> Asked:
    """Return the forecast, learnt from all periods up to the end of the chosen one."""
    interval, data = view.filters.interval, view.data
    high = view.range_us[1]
    flow = view.ask(compute_stage_flow, StageFlowSpec(to_us=high, interval=interval))
    spec = StageForecastSpec(to_us=high, interval=interval, ahead=ahead, window=window)
    question = f"{spec.model_dump_json(exclude={'users'})} {view.people}"
    forecast = data.remember("forecast_flow", question, lambda: forecast_flow(data.index, data.config, flow, spec))
    return Asked(flow, forecast)


def _controls(view: View) -> tuple[int, int]:
    interval = view.filters.interval
    with st.container(horizontal=True, vertical_alignment="bottom"):
        ahead = st.number_input(
            _("Periods ahead"), 1, 104, AHEAD[interval], key=f"forecast_ahead_{interval}", width=160
        )
        window = st.number_input(
            _("Learnt from the last … periods"),
            2,
            520,
            WINDOW[interval],
            key=f"forecast_window_{interval}",
            width=230,
            help=_("Few follow a change quickly and are shaky; many are steady and slow."),
        )
    return int(ahead), int(window)


def _interval_text(low: float, high: float) -> str:
    return _("no interval: too short a past") if math.isnan(low) else f"{fmt.number(low)} – {fmt.number(high)}"


def _draw_kpis(asked: Asked) -> None:
    forecast, k = asked.forecast, asked.ahead - 1
    now = float(asked.flow.active_at_ends()[asked.flow.n_complete - 1])
    then = float(forecast.active[k])
    test = forecast.test
    with st.grid(4, min_column_width=170, gap="small"):
        kpi(
            Kpi(
                _("Active now"),
                fmt.number(now),
                _("Users in a stage that counts as active, at the end of the last period that is over ({day}).").format(
                    day=fmt.day(forecast.start_label)
                ),
            )
        )
        kpi(
            Kpi(
                _("Active in {n} periods").format(n=asked.ahead),
                fmt.number(then),
                _("Forecast; in 80% of past forecasts the truth lay within {span}.").format(
                    span=_interval_text(float(forecast.active_lower[k]), float(forecast.active_upper[k]))
                ),
                delta=(then - now) / now if now else None,
                against=_("n/a"),
            )
        )
        for label, what, ours, theirs in (
            (
                _("Error of the mix"),
                _(
                    "Share of users put into the wrong stage by {n} past forecasts at this distance; "
                    "“no change”: {theirs}."
                ),
                test.mix_error[k],
                test.mix_error_unchanged[k],
            ),
            (
                _("Error of active users"),
                _("By how much {n} past forecasts at this distance missed on average; “no change”: {theirs}."),
                test.active_error[k],
                test.active_error_unchanged[k],
            ),
        ):
            unchanged = fmt.percent(float(theirs))
            kpi(
                Kpi(
                    label,
                    fmt.percent(float(ours)),
                    what.format(n=int(test.n_origins[k]), theirs=unchanged),
                    against=_("no change: {share}").format(share=unchanged),
                )
            )


def _verdict(asked: Asked) -> None:
    test, ahead = asked.forecast.test, asked.ahead
    said = dict.fromkeys(text(sentence) for sentence in (test.sentence(ahead), test.active_sentence(ahead)))
    k = ahead - 1
    is_better = test.n_origins[k] >= LEAST_ORIGINS and test.skill[k] > 0 and test.active_skill[k] > 0
    st.info(
        "\n\n".join(said), icon=":material/verified:" if is_better else ":material/balance:", title=_("How good is it?")
    )


def draw_mix(view: View) -> Asked:
    """Draw the forecast of the mix with its verdict and return it."""
    with card(
        _("Forecast of the mix"),
        how=_(
            "A Markov chain: the shares that moved from stage to stage in the last periods are applied again and again "
            "to today's mix; users first seen come in as they did on average. Stages a user stays in for a fixed time, "
            "seasons and campaigns are unknown to it. The first churn horizon of the log is left out. The same "
            "forecast was made at every past period from the periods before it; its errors are shown beside those of "
            "“the mix stays as it is”, and make the interval."
        ),
    ):
        asked = ask(view, *_controls(view))
        _draw_kpis(asked)
        _verdict(asked)
        frame = asked.mix_frame()
        columns = frame.pivot(index="period", columns="stage", values="users").reset_index()
        chart(
            charts.stage_mix(frame, order=asked.flow.stages, share=True),
            alt=_("Columns in full colour are what was, pale ones the forecast."),
            key="forecast_mix",
            table=Table(columns, f"forecast-mix_{view.filters.slug}"),
        )
        errors = pd.DataFrame(
            {
                "ahead": range(1, asked.ahead + 1),
                "forecast": asked.forecast.test.mix_error,
                "no_change": asked.forecast.test.mix_error_unchanged,
            }
        )
        with st.expander(_("Error by distance"), icon=":material/show_chart:"):
            alt = _("Share of users whose stage was forecast wrongly, by periods ahead.")
            figure = flow_charts.error_by_distance(errors, unit=_("users in the wrong stage"))
            chart(figure, alt=alt, key="forecast_errors", table=Table(errors, "forecast-errors"))
    return asked


def _set_change(source: str, target: str, key: str) -> None:
    changes = st.session_state.setdefault(_CHANGES, {})
    changes.pop((source, target), None)
    if st.session_state[key]:
        changes[source, target] = float(st.session_state[key])


def _changes(forecast: StageForecast) -> list[RateChange]:
    """Return the what-if of this session, without stages that are gone."""
    kept: dict[tuple[str, str], float] = st.session_state.get(_CHANGES, {})
    return [
        RateChange(source=source, target=target, points=points)
        for (source, target), points in kept.items()
        if source in forecast.stages and target in forecast.stages
    ]


def _sliders(forecast: StageForecast) -> None:
    quiet = [stage for stage in forecast.rules.quiet_stages if forecast.start[forecast.rules.code(stage)]]
    populated = [stage for stage, users in zip(forecast.stages, forecast.start, strict=True) if users]
    source = st.selectbox(
        _("Users who are now"),
        populated,
        index=populated.index(quiet[0]) if quiet else 0,
        format_func=term,
        key="what_if_source",
        width=260,
    )
    rates = dict(zip(forecast.stages, forecast.chain.rates[forecast.rules.code(source)], strict=True))
    st.caption(_("Move a slider to change the share that goes there in each period (percent points)."))
    kept = st.session_state.get(_CHANGES, {})
    with st.grid(3, min_column_width=220, gap="small"):
        for target in forecast.stages:
            key = f"what_if_{source}_{target}"
            st.session_state[key] = kept.get((source, target), 0.0)
            st.slider(
                f"{term(target)} · " + _("{share} a period").format(share=fmt.percent(float(rates[target]))),
                -MOST_POINTS,
                MOST_POINTS,
                step=0.5,
                format="%+.1f",
                key=key,
                on_change=_set_change,
                args=(source, target, key),
            )


def _reset() -> None:
    st.session_state[_CHANGES] = {}


def _sentence(forecast: StageForecast, changes: list[RateChange]) -> str:
    base = float(forecast.active[-1])
    if forecast.changed_active is None:
        return _("Active users in {n} periods: {users}.").format(n=len(forecast.labels), users=fmt.number(base))
    difference = float(forecast.changed_active[-1]) - base
    moved = _(", ").join(f"{term(c.source)} → {term(c.target)} {c.points:+.1f}" for c in changes)
    return _("{moved} points: {sign}{n} active users in {ahead} periods ({base} → {then}).").format(
        moved=moved,
        sign="+" if difference >= 0 else "−",
        n=fmt.number(abs(difference)),
        ahead=len(forecast.labels),
        base=fmt.number(base),
        then=fmt.number(base + difference),
    )


def _period_ends(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(period=[date.fromisoformat(str(label)[:10]) for label in frame["period"]])


@st.fragment
def draw_what_if(view: View, asked: Asked) -> None:
    """Draw the sliders and what they would bring; only this card runs again when one moves."""
    with card(
        _("What if"),
        how=_(
            "A changed share is applied in every period to come; the other moves of that stage shrink in proportion, "
            "so that they still add up to 100%. It says what would follow if the share changed and all else stayed as "
            "it was, not what would make it change: for that, run a campaign with a control group."
        ),
    ):
        _sliders(asked.forecast)
        changes = _changes(asked.forecast)
        forecast = asked.forecast
        with guarded():
            forecast = with_changes(asked.forecast, changes)
        what_if = forecast.changed_active
        ahead = pd.DataFrame(
            {
                "period": [label.isoformat() for label in forecast.labels],
                "users": forecast.active,
                "lower": forecast.active_lower,
                "upper": forecast.active_upper,
                "what_if": math.nan if what_if is None else what_if,
            }
        )
        figure = flow_charts.active_forecast(_period_ends(asked.past_active()), _period_ends(ahead))
        chart(figure, alt=_sentence(forecast, changes), key="what_if", table=Table(ahead, "what-if"))
        if changes:
            st.button(
                _("Reset sliders"), icon=":material/restart_alt:", type="tertiary", key="what_if_reset", on_click=_reset
            )
