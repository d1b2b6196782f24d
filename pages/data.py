"""Data: what is loaded, what was left out, and loading something else."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from pages.parts import fmt, jobs, loading
from pages.parts.cards import Kpi, Table, card, chart, download, kpi
from pages.parts.charts.data import event_bars
from pages.parts.data import Data
from pages.parts.frame import begin_admin_page
from pages.parts.i18n import _, term
from ulm_core.warehouse.reports import quarantine_rows


def draw_kpis(data: Data) -> None:
    summary = data.summary
    with st.grid(4, min_column_width=150, gap="small"):
        kpi(
            Kpi(
                _("Events"),
                fmt.compact(summary.rows),
                _("Rows of the log that were loaded: one thing one user did (or received) at one time."),
                exact=fmt.number(summary.rows),
            )
        )
        kpi(Kpi(_("Users"), fmt.number(summary.users), _("Users with at least one event.")))
        kpi(
            Kpi(
                _("Items"),
                fmt.compact(summary.items),
                _("Items that occur in the log; {n} are described in the item table.").format(
                    n=fmt.number(summary.items_known)
                ),
                exact=fmt.number(summary.items),
            )
        )
        kpi(
            Kpi(
                _("Left out"),
                fmt.number(summary.rows_quarantined),
                _("Rows that could not be read; each stands in the quarantine with its reason."),
            )
        )


def draw_events(data: Data) -> None:
    summary = data.summary
    frame = pd.DataFrame(
        {
            "event": [term(name) for name in summary.events],
            "rows": list(summary.events.values()),
            "counts as": [
                _("done to the user")
                if name in data.config.passive_events
                else (_("conversion") if name in data.config.conversion_events else _("activity"))
                for name in summary.events
            ],
        }
    )
    top = next(iter(summary.events), "")
    with card(
        _("Events by type"),
        how=_(
            "Rows of the log by event name. What is done *to* a user (a campaign received) stands in the timeline "
            "but never counts as activity."
        ),
    ):
        chart(
            event_bars(frame),
            alt=_("{n} of {all} events are “{event}”.").format(
                n=fmt.number(summary.events.get(top)), all=fmt.number(summary.rows), event=term(top)
            ),
            key="events_by_type",
            table=Table(
                frame.rename(columns={"event": _("Event"), "rows": _("Rows"), "counts as": _("Counts as")}),
                "events-by-type",
            ),
        )


def draw_coverage(data: Data) -> None:
    summary = data.summary
    absent = summary.users - summary.users_described
    with card(
        _("What is known beside the log"),
        how=_("Users and items are described in tables of their own. A missing description is shown as absent."),
    ):
        st.progress(
            summary.users_described / max(summary.users, 1),
            text=_("**User attributes** · absent for {n} of {all} users").format(
                n=fmt.number(absent), all=fmt.number(summary.users)
            ),
        )
        described = min(summary.items_known, summary.items)
        st.progress(
            described / max(summary.items, 1),
            text=_("**Item texts** · {n} items described, {all} occur in the log").format(
                n=fmt.number(summary.items_known), all=fmt.number(summary.items)
            ),
        )
        st.markdown(
            _("**Period** · {period}").format(period=fmt.day_range(*data.local_days))
            + "  \n"
            + _("**Time zone** · {zone}, weeks start on {day}").format(
                zone=data.config.timezone,
                day=_("Monday") if data.config.week_start == "monday" else _("Sunday"),
            )
            + "  \n"
            + _("**Currency** · {currency}").format(currency=data.config.currency or _("none"))
        )


def draw_quarantine(data: Data) -> None:
    summary = data.summary
    with card(
        _("Quarantine"),
        how=_("Every row read is either loaded or kept here with the reason: read = loaded + quarantined, always."),
    ):
        if not summary.quarantine:
            st.success(
                _("Nothing was left out: {n} of {all} rows are loaded.").format(
                    n=fmt.number(summary.rows), all=fmt.number(summary.rows_read)
                ),
                icon=":material/verified:",
            )
            return
        reasons = pd.DataFrame(
            {
                _("Reason"): [_(reason) for reason in summary.quarantine],
                _("Rows"): list(summary.quarantine.values()),
            }
        )
        st.dataframe(reasons, hide_index=True, alt=_("Rows left out by reason"))
        rows = quarantine_rows(data.snapshot, 100).to_pandas()
        with st.expander(_("First {n} rows").format(n=len(rows)), icon=":material/table_rows:"):
            st.dataframe(rows, hide_index=True, alt=_("Examples of rows left out"))
            download(rows, "quarantine", key="csv_quarantine")


def draw_history(data: Data) -> None:
    with card(_("History of loads")):
        frame = pd.DataFrame(
            [
                {
                    _("Loaded at (UTC)"): load.loaded_at,
                    _("Source"): load.source,
                    _("Rows read"): load.rows_read,
                    _("Loaded"): load.rows_loaded,
                    _("Left out"): load.rows_quarantined,
                }
                for load in data.summary.loads
            ]
        )
        st.dataframe(
            frame,
            hide_index=True,
            alt=_("History of loads"),
            column_config={
                _("Loaded at (UTC)"): st.column_config.DatetimeColumn(format="YYYY-MM-DD HH:mm"),
                **{
                    name: st.column_config.NumberColumn(format="localized")
                    for name in (_("Rows read"), _("Loaded"), _("Left out"))
                },
            },
        )


with begin_admin_page("data") as data:
    jobs.draw_running_loads(remember_failure=True)
    if data is not None:
        draw_kpis(data)
        left, right = st.columns([3, 2], gap="medium")
        with left:
            draw_events(data)
        with right:
            draw_coverage(data)
        draw_quarantine(data)
        draw_history(data)
    loading.draw_load_form(has_data=data is not None)
