"""One user on a page: who they are, what they did, which stages they went through."""

from __future__ import annotations

import math
from datetime import datetime

import pandas as pd
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from pages.parts import fmt
from pages.parts.cards import Table, card, draw_table
from pages.parts.charts import user as charts
from pages.parts.charts.base import CONFIG
from pages.parts.charts.stages import stage_label
from pages.parts.data import Data
from pages.parts.i18n import _, term
from pages.parts.states import draw_nothing
from ulm_core.lifecycle.periods import local_datetime, make_periods
from ulm_core.lifecycle.rules import UNSEEN, StageRules
from ulm_core.lifecycle.stages import StageContext, stages_of_history
from ulm_core.timeline.index import History
from ulm_core.warehouse.reports import describe_items, user_attributes

RECENT = 200
NAMED_ITEMS = 3


def history_frame(data: Data, history: History) -> pd.DataFrame:
    """Return one row an event: local time, event, item id, value, quantity."""
    index = data.index
    when = pd.to_datetime(history.time, unit="us", utc=True).tz_convert(data.config.timezone).tz_localize(None)
    return pd.DataFrame(
        {
            "time": when,
            "event": [index.manifest.event_names[code] for code in history.event],
            "item": ["" if code < 0 else str(index.item_ids[code]) for code in history.item],
            "value": history.value,
            "quantity": history.quantity,
        }
    )


def by_day(frame: pd.DataFrame) -> pd.DataFrame:
    """Return one row a day and event: how many, and what hovering shows."""
    days = frame.assign(day=frame["time"].dt.normalize())
    grouped = days.groupby(["day", "event"], sort=True)
    out = grouped.agg(n=("time", "size"), value=("value", "sum"), items=("item", "nunique")).reset_index()
    out["text"] = [
        _("{n} × {event}").format(n=count, event=term(str(event)))
        + (f"<br>{_('value')} {fmt.number(value, 2)}" if value and not math.isnan(value) else "")
        for count, event, value in zip(out["n"], out["event"], out["value"], strict=True)
    ]
    return out


def stage_changes(data: Data, history: History, rules: StageRules, context: StageContext) -> list[tuple[datetime, str]]:
    """Return when each stage of a user began, looked at once a day."""
    if not len(history):
        return []
    zone, manifest = data.config.timezone, data.index.manifest
    days = make_periods(int(history.time[0]), manifest.last_us + 1, "day", zone).starts_us[1:-1].tolist()
    times = [*days, manifest.last_us + 1]
    codes = stages_of_history(history, times, rules, context).tolist()
    changes: list[tuple[datetime, str]] = []
    for at, code in zip(times, codes, strict=True):
        if code == UNSEEN:
            continue
        stage = rules.stages[code]
        if not changes or changes[-1][1] != stage:
            changes.append((local_datetime(at, zone), stage))
    return changes


def draw_who(data: Data, user_id: str, stage: str, frame: pd.DataFrame) -> DeltaGenerator:
    """Draw the identity card: stage, last seen, value, attributes; return the place for the churn risk."""
    with st.container(border=True, key="who"):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.subheader(_("User {id}").format(id=user_id), anchor=False, width="content")
            st.badge(stage_label(stage) if stage else _("not yet seen"), color="blue")
        risk = _draw_figures(data, frame)
        _draw_attributes(user_attributes(data.snapshot, user_id))
    return risk


def _draw_figures(data: Data, frame: pd.DataFrame) -> DeltaGenerator:
    as_of = local_datetime(data.index.manifest.last_us, data.config.timezone)
    last, first = frame["time"].iloc[-1], frame["time"].iloc[0]
    conversions = frame[frame["event"].isin(data.config.conversion_events)]
    figures = (
        (_("Last event"), fmt.day(last), _("{n} days before the end").format(n=(as_of - last.to_pydatetime()).days)),
        (_("Events"), fmt.number(len(frame)), _("since {day}").format(day=fmt.day(first))),
        (
            _("Value so far"),
            fmt.money(conversions["value"].sum(), data.config.currency, short=True),
            _("{n} conversions").format(n=fmt.number(len(conversions))),
        ),
    )
    with st.grid(4, min_column_width=130, gap="small") as grid:
        for label, value, note in figures:
            st.metric(label, value, note, delta_color="off", delta_arrow="off")
        return grid.cell()


def draw_risk_figure(place: DeltaGenerator, risk: float) -> None:
    """Draw the churn risk into its place."""
    place.metric(
        _("Churn risk"),
        fmt.percent(risk),
        help=_("Probability of no activity within the churn horizon after the end of the data."),
    )


def _draw_attributes(attributes: dict[str, str]) -> None:
    if not attributes:
        st.caption(":material/help_outline: " + _("Attributes: absent. Nothing but the log is known of this user."))
        return
    words = [f"{name.replace('_', ' ')}: **{value}**" for name, value in attributes.items()]
    st.markdown(" · ".join(words))


def draw_timeline(data: Data, user_id: str, frame: pd.DataFrame, changes: list[tuple[datetime, str]]) -> None:
    """Draw events by day over the band of stages, with the latest events as a table."""
    with card(
        _("Timeline"),
        how=_(
            "One dot a day and kind of event; larger dots hold more events. The band below is the stage, looked at "
            "once a day with the rules of the page Lifecycle. Time zone {zone}."
        ).format(zone=data.config.timezone),
    ):
        if frame.empty:
            draw_nothing(_("This user has no events."))
            return
        end = local_datetime(data.index.manifest.last_us, data.config.timezone)
        spans = charts.stage_spans(changes, end)
        story = " → ".join(term(stage) for _start, stage in changes[-6:])
        alt = _("{n} events; stages: {story}.").format(n=fmt.number(len(frame)), story=story)
        st.plotly_chart(charts.timeline(by_day(frame), spans), key="timeline", alt=alt, config=CONFIG)
        st.caption(alt)
        recent = frame.iloc[::-1].head(RECENT)
        names = describe_items(data.snapshot, [item for item in recent["item"].unique() if item])
        table = pd.DataFrame(
            {
                _("Time"): recent["time"],
                _("Event"): [term(event) for event in recent["event"]],
                _("Item"): [names.get(item, {}).get("text") or item for item in recent["item"]],
                _("Value"): recent["value"],
                _("Quantity"): recent["quantity"],
            }
        )
        draw_table(Table(table, f"events_{user_id}"), alt=_("The latest events"), key="events")
