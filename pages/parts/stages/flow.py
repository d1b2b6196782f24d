"""How users flow between stages over several periods, and the transition rates of any one of them."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from pages.parts import fmt, moves
from pages.parts.cards import Table, card, chart, clicked
from pages.parts.charts import flow as flow_charts
from pages.parts.charts import stages as charts
from pages.parts.frame import View
from pages.parts.i18n import _, term
from pages.parts.states import draw_nothing
from pages.parts.users_list import open_list
from ulm_core.lifecycle.stage_flow import StageFlow, StageFlowSpec, compute_stage_flow
from ulm_core.lifecycle.transitions import TransitionSpec, compute_transitions

SHOWN, MOST_SHOWN = 5, 10


def flow_frame(flow: StageFlow, period: int) -> pd.DataFrame:
    """Return users by stage at the start (rows) and at the end (columns) of one period; empty ones left out."""
    frame = pd.DataFrame(flow.counts[period], index=list(flow.sources), columns=list(flow.stages))
    return frame.loc[frame.sum(axis=1) > 0, frame.sum(axis=0) > 0]


def _n_shown(n_periods: int) -> int:
    if n_periods == 1:
        return 1
    return int(
        st.slider(
            _("Periods shown"),
            min_value=1,
            max_value=min(n_periods, MOST_SHOWN),
            value=min(n_periods, SHOWN),
            width=260,
            key="flow_shown",
            help=_("The last ones of the chosen period."),
        )
    )


def _largest_net(frames: list[pd.DataFrame]) -> str:
    """Return the takeaway: the largest move between two different stages, over all periods shown."""
    total = pd.concat(frames).groupby(level=0).sum()
    return moves.biggest_move(total)


def draw_flow(view: View) -> None:
    """Draw the Sankey."""
    low, high = view.range_us
    flow = view.ask(compute_stage_flow, StageFlowSpec(from_us=low, to_us=high, interval=view.filters.interval))
    with card(
        _("Flow between stages"),
        how=_(
            "The stage of every user at the start and at the end of each period, in time zone {zone}. The height of a "
            "block is its users; a ribbon is who went from one stage to the next. Who joins in a period comes out of "
            "“not yet seen”. The last period ends with the last event."
        ).format(zone=view.timezone),
    ):
        n = _n_shown(len(flow.periods))
        first = len(flow.periods) - n
        frames = [flow_frame(flow, k) for k in range(first, len(flow.periods))]
        if not any(frame.size for frame in frames):
            draw_nothing(_("No user is seen in this period yet."))
            return
        starts = [fmt.day(flow.periods.labels[k]) for k in range(first, len(flow.periods))]
        table = flow.to_pandas()
        shown = table[table["period"].isin(flow.periods.iso_labels()[first:])]
        chart(
            flow_charts.flow_over_periods(frames, [*starts, _("end")]),
            alt=_largest_net(frames),
            key="stage_flow",
            table=Table(shown, f"stage-flow_{view.filters.slug}"),
        )


def draw_rates(view: View) -> None:
    """Draw the transition matrix of one period, each cell a list of users."""
    low, high = view.range_us
    flow = view.ask(compute_stage_flow, StageFlowSpec(from_us=low, to_us=high, interval=view.filters.interval))
    with card(
        _("Transition rates"),
        how=_(
            "Of the users in a stage at the start of the period (row), the share in each stage at its end (column). "
            "A row adds up to 100%. The interval is Wilson's, 95%, each cell for itself: few users make it wide. "
            "Click a cell for its users."
        ),
    ):
        last = max(flow.n_complete - 1, 0)
        labels = flow.periods.iso_labels()
        period = st.selectbox(
            _("Period"),
            range(len(labels)),
            index=last,
            format_func=lambda k: fmt.day(flow.periods.labels[k]) + ("" if flow.periods.is_complete[k] else " …"),
            width=240,
            key="rates_period",
        )
        ends = flow.periods.starts_us
        until = min(int(ends[period + 1]), view.data.index.manifest.last_us + 1)
        if until <= int(ends[period]):
            draw_nothing(_("No user is seen in this period yet."))
            return
        matrix = view.ask(compute_transitions, TransitionSpec(from_us=int(ends[period]), to_us=until))
        frame = moves.matrix_frame(matrix)
        low_frame, high_frame = moves.bound_frames(matrix)
        state = chart(
            charts.matrix_heatmap(frame, bounds=(low_frame, high_frame)),
            alt=moves.biggest_move(frame),
            key="rates",
            table=Table(_rate_table(frame, low_frame, high_frame), f"transition-rates_{labels[period]}"),
            clickable=True,
        )
        point = clicked(state, "rates")
        if point:
            before, after = str(point[1]), str(point[2])
            title = f"{term(before)} → {term(after)} · {fmt.day(flow.periods.labels[period])}"
            open_list(view.data, matrix.users((before, after)), title, f"{before}-{after}-{labels[period]}")


def _rate_table(frame: pd.DataFrame, low: pd.DataFrame, high: pd.DataFrame) -> pd.DataFrame:
    """Return one row a move that somebody made: users, rate, interval."""
    sums = frame.sum(axis=1)
    rows = [
        {
            _("From"): term(str(source)),
            _("To"): term(str(target)),
            _("Users"): int(frame.at[source, target]),
            _("Rate"): float(frame.at[source, target] / sums[source]),
            _("Lower"): float(low.at[source, target]),
            _("Upper"): float(high.at[source, target]),
        }
        for source in frame.index
        for target in frame.columns
        if frame.at[source, target]
    ]
    return pd.DataFrame(rows)
