"""The quality report with its pictures."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from pages.parts import fmt
from pages.parts.cards import Kpi, Table, card, chart, download, kpi
from pages.parts.charts import quality as charts
from pages.parts.data import Data
from pages.parts.i18n import N_, _, term, text
from ulm_core.warehouse.quality import Match, Quality, measure_quality
from ulm_core.warehouse.reports import quarantine_rows

FIELDS = {
    "item_id": N_("Item"), "value": N_("Value"), "quantity": N_("Quantity"), "session_id": N_("Session"),
    "properties": N_("Properties"), "signed_up_at": N_("Sign-up time"), "consent": N_("Consent"),
    "text": N_("Text of the item"), "category": N_("Category"), "price": N_("Price"), "tags": N_("Tags"),
    "image_path": N_("Image path"), "users": N_("Users"), "items": N_("Items"),
}  # fmt: skip
EVENTS_SHOWN = 12
REASONS_SHOWN = 10


def of(data: Data) -> Quality:
    """Return the quality of the data, measured once a version."""
    config = data.config
    return data.remember(
        "measure_quality",
        f"{config.timezone} {config.passive_events}",
        lambda: measure_quality(data.snapshot, config.timezone, config.passive_events),
    )


def field(name: str) -> str:
    """Return a column or table in words; an attribute keeps its own name."""
    return _(FIELDS[name]) if name in FIELDS else name


def draw(data: Data) -> None:
    """Draw the section."""
    quality = of(data)
    _kpis(quality)
    _days(data, quality)
    left, right = st.columns(2, gap="medium")
    with left:
        _activity(quality)
    with right:
        _ids(quality)
    _fill(quality)
    _quarantine(data, quality)
    _choices(quality)


def _kpis(quality: Quality) -> None:
    missing = sum(gap.days for gap in quality.gaps)
    duplicates = quality.duplicates_set_aside + quality.duplicates_kept
    with st.grid(5, min_column_width=150, gap="small"):
        kpi(
            Kpi(
                _("Set aside"),
                fmt.percent(quality.rows_quarantined / max(quality.rows_read, 1)),
                _("Share of all rows read that stand in the quarantine."),
                exact=fmt.number(quality.rows_quarantined),
            )
        )
        kpi(
            Kpi(
                _("Exact duplicates"),
                fmt.number(duplicates),
                _("Rows equal to an earlier one in every mapped column: {aside} set aside, {kept} kept.").format(
                    aside=fmt.number(quality.duplicates_set_aside), kept=fmt.number(quality.duplicates_kept)
                ),
            )
        )
        kpi(
            Kpi(
                _("Late events"),
                fmt.percent(quality.late_share),
                _("Events that came when an earlier load already held a later day."),
                exact=fmt.number(quality.late),
            )
        )
        kpi(
            Kpi(
                _("Days without events"),
                fmt.number(missing),
                _("Days between the first and the last on which no user did anything."),
            )
        )
        kpi(
            Kpi(
                _("Flagged users"),
                fmt.number(quality.flagged_users),
                _("Users with event storms: too fast or too regular to be people. Kept unless a rule says otherwise."),
            )
        )


def _days(data: Data, quality: Quality) -> None:
    with card(
        _("Events per day"),
        how=_(
            "Loaded events by calendar day in the workspace's time zone. *Late*: the event's day lies before the last "
            "day that an earlier load already held; events of the first load cannot be late. *Gap*: days on which no "
            "user did anything, between the first and the last on which one did."
        ),
    ):
        frame = quality.to_arrow().to_pandas()
        longest = charts.longest_gap(quality.gaps)
        words = [
            _("No gap: every day has events.")
            if longest is None
            else _("Days without events: {n}; the longest gap: {period}.").format(
                n=fmt.number(sum(gap.days for gap in quality.gaps)),
                period=fmt.day(longest[0]) if longest[0] == longest[1] else fmt.day_range(*longest),
            ),
            _("One load so far, so nothing could come late.")
            if quality.first_load_rows == quality.rows
            else _("{n} events ({share}) came late.").format(
                n=fmt.number(quality.late), share=fmt.percent(quality.late_share)
            ),
        ]
        shown = frame.rename(columns={"day": _("Day"), "events": _("Events"), "late": _("Late")})
        chart(
            charts.events_per_day(frame, quality.gaps),
            alt=" ".join(words),
            key="quality_days",
            table=Table(shown, f"events-per-day-{data.version}"),
        )


def _activity(quality: Quality) -> None:
    with card(
        _("How active users are"),
        how=_("Users by their number of events in the whole log; each bin is twice as wide as the one before."),
    ):
        frame = pd.DataFrame(
            {
                _("Events"): [charts.bin_label(each) for each in quality.activity],
                _("Users"): [each.users for each in quality.activity],
            }
        )
        chart(
            charts.activity(quality.activity),
            alt=_("The median user has {median} events, the busiest {most}.").format(
                median=fmt.number(quality.events_median), most=fmt.number(quality.events_most)
            ),
            key="quality_activity",
            table=Table(frame, "activity-per-user"),
        )


def _ids(quality: Quality) -> None:
    matches = {_("Users"): quality.users, _("Items"): quality.items}
    with card(
        _("Do the ids meet?"),
        how=_(
            "Ids of the log against those of the users and items tables, as shares of all ids of both. Ids only in the "
            "log have no description; ids only in a table did nothing in the log."
        ),
    ):
        alt = _("{users} of {all_users} users and {items} of {all_items} items of the log are described.").format(
            users=fmt.number(quality.users.both),
            all_users=fmt.number(quality.users.in_log),
            items=fmt.number(quality.items.both),
            all_items=fmt.number(quality.items.in_log),
        )
        chart(charts.id_overlap(matches), alt=alt, key="quality_ids", table=Table(_ids_frame(matches), "ids"))
        for name, match in matches.items():
            _unmatched(name, match)


def _ids_frame(matches: dict[str, Match]) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {
                _("Table"): name,
                _("In the log"): match.in_log,
                _("In the table"): match.described,
                _("In both"): match.both,
            }
            for name, match in matches.items()
        ]
    )


def _unmatched(name: str, match: Match) -> None:
    if not match.described:
        st.caption(f"**{name}** · " + _("No table describes them."))
        return
    words = []
    if match.only_in_log:
        words.append(
            _("only in the log, e.g. {ids}").format(ids=", ".join(f"`{each}`" for each in match.only_in_log[:3]))
        )
    if match.only_in_table:
        words.append(
            _("only in the table, e.g. {ids}").format(ids=", ".join(f"`{each}`" for each in match.only_in_table[:3]))
        )
    st.caption(f"**{name}** · " + ("; ".join(words) or _("all meet")))


def _fill(quality: Quality) -> None:
    with card(
        _("How full the columns are"),
        how=_(
            "Share of rows that hold something: of the events by kind (the {n} most frequent), and of the users and "
            "items tables with their attributes."
        ).format(n=EVENTS_SHOWN),
    ):
        rows = [
            {"table": term(fill.table) if fill.table not in {"users", "items"} else field(fill.table),
             "column": field(fill.column), "share": fill.share, "filled": fill.filled, "rows": fill.rows}
            for fill in quality.fill
        ]  # fmt: skip
        frame = pd.DataFrame(rows)
        tables = list(dict.fromkeys(frame["table"]))
        events = [name for name in tables if name not in {field("users"), field("items")}][:EVENTS_SHOWN]
        groups = [(_("Events"), events), *((name, [name]) for name in tables if name not in events and name in
                                           {field("users"), field("items")})]  # fmt: skip
        for position, (_name, names) in enumerate(groups):
            part = frame[frame["table"].isin(names)]
            wide = part.pivot_table(index="table", columns="column", values="share", sort=False)
            chart(
                charts.fill_map(wide.reindex(names)),
                alt=_fill_words(part),
                key=f"quality_fill_{position}",
                caption=False,
            )
        shown = frame.rename(
            columns={"table": _("Table"), "column": _("Column"), "share": _("Share"), "filled": _("Filled"),
                     "rows": _("Rows")}
        )  # fmt: skip
        with st.expander(_("Show as table"), icon=":material/table_rows:"):
            st.dataframe(
                shown, hide_index=True, alt=_("How full the columns are"),
                column_config={_("Share"): st.column_config.ProgressColumn(format="percent", min_value=0, max_value=1)},
            )  # fmt: skip
            download(shown, "fill-rates", key="csv_fill")


def _fill_words(part: pd.DataFrame) -> str:
    least = part.loc[part["share"].idxmin()]
    return _("The emptiest column is {column} of {table}: {share} filled.").format(
        column=least["column"], table=least["table"], share=fmt.percent(float(str(least["share"])), 0)
    )


def _quarantine(data: Data, quality: Quality) -> None:
    with card(
        _("Rows set aside"),
        how=_(
            "Rows that could not be used, by the first reason that holds. Row numbers count from 1, the header left "
            "out. In a workspace with pseudonyms the original text is not kept."
        ),
    ):
        if not quality.quarantine:
            st.success(
                _("Nothing was set aside: {n} of {all} rows read are loaded or were there before.").format(
                    n=fmt.number(quality.rows_read), all=fmt.number(quality.rows_read)
                ),
                icon=":material/verified:",
            )
            return
        frame = pd.DataFrame(
            {
                "reason": [_(each.reason) for each in quality.quarantine],
                "rows": [each.rows for each in quality.quarantine],
            }
        )
        alt = _("{n} rows were set aside; the most frequent reason: {reason}.").format(
            n=fmt.number(quality.rows_quarantined), reason=frame["reason"].iloc[0]
        )
        table = Table(frame.rename(columns={"reason": _("Reason"), "rows": _("Rows")}), "quarantine-by-reason")
        chart(charts.reason_bars(frame.head(REASONS_SHOWN)), alt=alt, key="quality_reasons", table=table)
        examples = pd.DataFrame(
            [
                {
                    _("Reason"): _(each.reason),
                    _("File"): example["source"],
                    _("Row"): example["row_number"],
                    _("Original text"): example["original"],
                }
                for each in quality.quarantine
                for example in each.examples
            ]
        )
        st.markdown(f"**{_('Examples')}**")
        st.dataframe(examples, hide_index=True, height=min(36 * (len(examples) + 1) + 3, 320), alt=_("Rows set aside"))
        rows = quarantine_rows(data.snapshot, 100_000).to_pandas()
        download(rows, "quarantine", key="csv_quarantine", label=_("Download the rows set aside (CSV)"))


def _choices(quality: Quality) -> None:
    with card(
        _("What another choice would have changed"),
        how=_("Counted while loading, for each cleaning rule that mattered, over all loads that are there."),
    ):
        if quality.returns:
            st.markdown(
                ":material/assignment_return: "
                + _("{n} returns and cancellations, {linked} of them linked to what they take back.").format(
                    n=fmt.number(quality.returns), linked=fmt.number(quality.returns_linked)
                )
            )
        for choice in quality.choices:
            st.markdown(f":material/alt_route: {text(choice.sentence)}")
        if not quality.choices:
            st.caption(_("No cleaning rule had anything to decide."))
