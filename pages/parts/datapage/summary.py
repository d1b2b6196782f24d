"""What is loaded: headline numbers, events by type, what is known beside the log."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from pages.parts import fmt
from pages.parts.cards import Kpi, Table, card, chart, kpi
from pages.parts.charts.data import event_bars
from pages.parts.charts.quality import sum_bar
from pages.parts.data import Data
from pages.parts.i18n import _, term


def draw(data: Data) -> None:
    """Draw the section."""
    _kpis(data)
    _sum(data)
    left, right = st.columns([3, 2], gap="medium")
    with left:
        _events(data)
    with right:
        _coverage(data)


def _kpis(data: Data) -> None:
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
                _("Set aside"),
                fmt.number(summary.rows_quarantined),
                _("Rows that could not be used; each stands in the quarantine with its reason and original text."),
            )
        )


def sum_in_words(read: int, loaded: int, aside: int, seen: int) -> str:
    """Return where every row went, as a sum."""
    return _("{read} rows read = {loaded} loaded + {aside} set aside + {seen} seen before").format(
        read=fmt.number(read), loaded=fmt.number(loaded), aside=fmt.number(aside), seen=fmt.number(seen)
    )


def _sum(data: Data) -> None:
    summary = data.summary
    with card(
        _("Every row is accounted for"),
        how=_(
            "Each row of each source is loaded, set aside with a reason, or was there before (files that overlap are "
            "counted once). The sum holds for every load and for all of them together. Events erased since are not "
            "in it: it says what the loads did."
        ),
    ):
        words = sum_in_words(summary.rows_read, summary.rows_loaded, summary.rows_quarantined, summary.rows_overlapping)
        chart(
            sum_bar(summary.rows_loaded, summary.rows_quarantined, summary.rows_overlapping), alt=words, key="rows_sum"
        )
        if summary.rows != summary.rows_loaded:
            st.caption(
                _("{n} of the loaded events were erased since; {left} are left.").format(
                    n=fmt.number(summary.rows_loaded - summary.rows), left=fmt.number(summary.rows)
                )
            )


def _events(data: Data) -> None:
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


def _coverage(data: Data) -> None:
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
