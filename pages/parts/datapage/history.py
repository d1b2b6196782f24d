"""History of loads with the report of each, undo of the last one, and the erasures."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from pages.parts import fmt, jobs
from pages.parts.cards import card
from pages.parts.data import Data
from pages.parts.datapage.summary import sum_in_words
from pages.parts.i18n import _, term, text
from ulm_core.timeline.undo import UndoPlan, plan_undo
from ulm_core.warehouse.load_report import LoadReport
from ulm_core.warehouse.quality import load_reports
from ulm_core.warehouse.reports import LoadRow, erasure_rows


def draw(data: Data) -> None:
    """Draw the section."""
    _history(data)
    _report(data)
    _erasures(data)


def _history(data: Data) -> None:
    loads = data.summary.loads
    with card(_("History of loads"), how=_("For each load: read = loaded + set aside + seen before.")):
        frame = pd.DataFrame(
            [
                {
                    _("Loaded at (UTC)"): load.loaded_at,
                    _("Source"): load.source,
                    _("Rows read"): load.rows_read,
                    _("Loaded"): load.rows_loaded,
                    _("Set aside"): load.rows_quarantined,
                    _("Seen before"): load.rows_overlapping,
                }
                for load in loads
            ]
        )
        counts = (_("Rows read"), _("Loaded"), _("Set aside"), _("Seen before"))
        st.dataframe(
            frame,
            hide_index=True,
            alt=_("History of loads"),
            column_config={
                _("Loaded at (UTC)"): st.column_config.DatetimeColumn(format="YYYY-MM-DD HH:mm"),
                **{name: st.column_config.NumberColumn(format="localized") for name in counts},
            },
        )
        summary = data.summary
        st.caption(
            _("All loads")
            + ": "
            + sum_in_words(summary.rows_read, summary.rows_loaded, summary.rows_quarantined, summary.rows_overlapping)
        )
        plan = plan_undo(data.workspace)
        if (
            st.button(
                _("Undo the last load"),
                icon=":material/undo:",
                key="undo_load",
                disabled=plan is None or jobs.is_active(jobs.LOADS),
                help=_("The state before it is kept for one step.")
                if plan
                else _("There is nothing to undo: the state before is not kept (one load can be undone, once)."),
            )
            and plan is not None
        ):
            _confirm(plan, loads)


def what_is_lost(plan: UndoPlan, loads: tuple[LoadRow, ...]) -> str:
    """Return what an undo takes away and brings back, in words."""
    names = {load.load_id: load.source for load in loads}
    gone = ", ".join(f"“{names.get(load, load)}”" for load in plan.loads)
    if plan.returning:
        return _(
            "{sources} goes, with its {now} events. What it replaced comes back: {then} events and their settings."
        ).format(sources=gone, now=fmt.number(plan.rows_now), then=fmt.number(plan.rows_then))
    if not plan.loads:
        return _("The last change described users or items; these descriptions go. No event is lost.")
    return _("{sources} goes, with its {n} events and the rows it set aside. {then} events are left.").format(
        sources=gone, n=fmt.number(plan.rows_now - plan.rows_then), then=fmt.number(plan.rows_then)
    )


def _undo() -> None:
    st.session_state["_undo_confirmed"] = True


def _confirm(plan: UndoPlan, loads: tuple[LoadRow, ...]) -> None:
    @st.dialog(_("Undo the last load?"), width="small", icon=":material/undo:")
    def dialog() -> None:
        st.markdown(what_is_lost(plan, loads))
        st.caption(_("The same file can be loaded again. Models trained meanwhile stay, but know data that is gone."))
        with st.container(horizontal=True):
            if st.button(_("Undo it"), type="primary", icon=":material/undo:", key="undo_yes", on_click=_undo):
                st.rerun()
            if st.button(_("Keep it"), key="undo_no"):
                st.rerun()

    dialog()


def start_confirmed_undo() -> None:
    """Start the undo that was confirmed in the dialog."""
    if st.session_state.pop("_undo_confirmed", False):
        jobs.begin_load("undo-load", {})


def _report(data: Data) -> None:
    reports = data.remember("load_reports", "", lambda: load_reports(data.snapshot))
    loads = {load.load_id: load for load in data.summary.loads}
    with card(_("Report of a load")):
        chosen = st.selectbox(
            _("Load"),
            list(loads),
            format_func=lambda number: f"{fmt.moment(loads[number].loaded_at)} · {loads[number].source}",
            key="report_of",
        )
        load = loads[chosen]
        st.markdown(
            "**" + sum_in_words(load.rows_read, load.rows_loaded, load.rows_quarantined, load.rows_overlapping) + "**"
        )
        report = reports.get(chosen)
        if report is None:
            st.caption(_("An older version of the program loaded this and kept no further report."))
        else:
            _details(report)


def _details(report: LoadReport) -> None:
    lines = []
    if report.events:
        events = ", ".join(f"{term(name)} {fmt.number(n)}" for name, n in list(report.events.items())[:8])
        lines.append(":material/bolt: " + _("Events: {events}").format(events=events))
    if report.reasons:
        reasons = ", ".join(f"{_(name)} {fmt.number(n)}" for name, n in report.reasons.items())
        lines.append(":material/rule: " + _("Set aside: {reasons}").format(reasons=reasons))
    if report.returns:
        lines.append(
            ":material/assignment_return: "
            + _("{n} returns and cancellations, {linked} of them linked to what they take back.").format(
                n=fmt.number(report.returns), linked=fmt.number(report.returns_linked)
            )
        )
    if report.robots:
        lines.append(
            ":material/smart_toy: " + _("{n} users flagged for event storms.").format(n=fmt.number(report.robots))
        )
    lines += [f":material/alt_route: {text(choice.sentence)}" for choice in report.choices]
    for target, found in report.ids.items():
        lines.append(
            ":material/join: "
            + _("{table}: {n} ids of the log are not described, {m} described ids are not in the log.").format(
                table=_("Users") if target == "users" else _("Items"),
                n=fmt.number(found["only_in_log"]),
                m=fmt.number(found["only_in_table"]),
            )
        )
    if report.skipped:
        lines.append(":material/skip_next: " + _("passed over: {files}").format(files=", ".join(report.skipped[:8])))
    st.markdown("  \n".join(lines) or _("Nothing else to say."))
    if len(report.files) > 1:
        frame = pd.DataFrame({_("File"): list(report.files), _("Rows read"): list(report.files.values())})
        st.dataframe(frame, hide_index=True, alt=_("Rows by file"), height=min(36 * (len(frame) + 1) + 3, 220))
    if report.examples:
        frame = pd.DataFrame(
            [
                {
                    _("File"): each.source,
                    _("Row"): each.row_number,
                    _("Reason"): _(each.reason),
                    _("Original text"): each.original,
                }
                for each in report.examples
            ]
        )
        st.dataframe(frame, hide_index=True, alt=_("Examples of rows left out"))


def _erasures(data: Data) -> None:
    with card(
        _("Erasures"),
        how=_(
            "People who asked to be forgotten: when, and how many events went with them. Who it was is not recorded. "
            "`python -m ulm_core erase --user ID` erases one."
        ),
    ):
        frame = erasure_rows(data.snapshot).to_pandas()
        if frame.empty:
            st.caption(_("Nobody was erased."))
            return
        st.dataframe(
            frame.rename(columns={"erased_at": _("Erased at (UTC)"), "events": _("Events")}),
            hide_index=True,
            alt=_("Erasures"),
            column_config={_("Erased at (UTC)"): st.column_config.DatetimeColumn(format="YYYY-MM-DD HH:mm")},
        )
