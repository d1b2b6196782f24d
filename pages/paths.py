"""Paths: what users do before and after an event, as a flow, a matrix, whole paths and loops."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from pages.parts import fmt
from pages.parts.cards import Table, card, chart, clicked
from pages.parts.charts import paths as charts
from pages.parts.controls import choose, choose_number
from pages.parts.events import pick_event
from pages.parts.frame import View, begin_page
from pages.parts.i18n import N_, _, term
from pages.parts.rows import pick_row
from pages.parts.states import draw_nothing
from pages.parts.users_list import open_list
from ulm_core.lifecycle.paths import MAX_STEPS, NOTHING, Paths, PathsSpec, compute_paths

CONTROLS = ("period", "stage", "segment")
OCCURRENCES = {"first": N_("First"), "last": N_("Last"), "every": N_("Every")}
REPEATS = {"once": N_("One step"), "each": N_("Step each")}
CUTS = {"never": N_("Never"), "30": N_("30 min"), "1440": N_("1 day"), "10080": N_("7 days")}
CUT_HELP = N_("A longer pause ends the path: what lies beyond it is another visit.")


def default_event(view: View) -> str:
    """Return the conversion most people know of, else the most frequent event."""
    names = list(view.data.summary.events)
    return next((name for name in names if name in view.data.config.conversion_events), names[0])


def ask(view: View) -> Paths:
    """Draw the question and return its answer."""
    box = st.container(border=True, key="paths_question")
    with box, st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        around = pick_event(view, "around", _("Around"), default=default_event(view), any_event=False)
        before = choose_number("before", _("Steps before"), 2, 0, MAX_STEPS, width=130)
        after = choose_number("after", _("Steps after"), 3, 0, MAX_STEPS, width=130)
        occurrence = choose("occurrence", _("Occurrence"), OCCURRENCES, "first")
        repeats = choose("repeats", _("The same again"), REPEATS, "once")
        cut = choose("cut", _("Cut at a pause of"), CUTS, "never", help_text=_(CUT_HELP))
    low, high = view.range_us
    spec = PathsSpec.checked(
        around=around,
        before=before,
        after=after,
        occurrence=occurrence,
        collapse=repeats == "once",
        gap_seconds=None if cut == "never" else int(cut) * 60,
        from_us=low,
        to_us=high,
    )
    return view.ask(compute_paths, spec)


def sentence(paths: Paths) -> str:
    """Return the takeaway: the most frequent whole path."""
    best = paths.top(1)
    if best.empty:
        return _("Nobody did this event in this period.")
    path, users = best.iloc[0]
    return _("The most frequent path, of {n} of {all} users: {path}").format(
        n=fmt.number(int(users)), all=fmt.number(paths.n_users), path=spelled(path)
    )


def spelled(path: tuple[str, ...]) -> str:
    """Return a path as one line; that there was nothing before or after is said once."""
    shown = [
        name for name, following in zip(path, (*path[1:], None), strict=True) if name != following or name != NOTHING
    ]
    return " → ".join(term(name) for name in shown)


def draw_flow(view: View, paths: Paths) -> None:
    with card(
        _("Flow"),
        how=_(
            "Users by event at each step around the chosen occurrence of the event; a ribbon counts those who went "
            "from one to the next. Grey: nothing came before or after. Events done to a user are no steps. The event "
            "lies in the period, steps may lie outside it. With every occurrence a user may be in several ribbons. "
            "Time zone {zone}. Computed in {ms} ms."
        ).format(zone=view.timezone, ms=fmt.number(paths.elapsed_seconds * 1000)),
    ):
        links = paths.links()
        if links.empty:
            draw_nothing(_("Choose at least one step before or after."))
            return
        chart(
            charts.flow(links, NOTHING),
            alt=sentence(paths),
            key="paths_flow",
            table=Table(links, f"path-links_{view.filters.slug}"),
        )


def draw_matrix(view: View, paths: Paths) -> None:
    with card(
        _("Step matrix"),
        how=_("Users with that event at that step / all users with the event. A click opens them."),
    ):
        frame = paths.to_pandas()
        alt = _("{n} users in {k} steps.").format(n=fmt.number(paths.n_users), k=len(paths.offsets))
        state = chart(
            charts.step_matrix(frame),
            alt=alt,
            key="step_matrix",
            clickable=True,
            table=Table(frame, f"step-matrix_{view.filters.slug}"),
        )
        point = clicked(state, "step_matrix")
        if point:
            offset, event = int(str(point[0])), str(point[1])
            title = f"{term(event)} · {charts.step_label(offset)}"
            open_list(view.data, paths.users(("step", offset, event)), title, f"step-{offset}-{event}")


def draw_top(view: View, paths: Paths) -> None:
    with card(_("Most frequent paths"), how=_("Whole paths with all their steps; select a row to open its users.")):
        top = paths.top()
        shown = pd.DataFrame(
            {
                _("Path"): [spelled(path) for path in top["path"]],
                _("Users"): top["users"],
                _("Share"): [fmt.percent(users / paths.n_users) for users in top["users"]],
            }
        )
        row = pick_row(shown, "top_paths", alt=sentence(paths))
        if row is not None:
            path = top["path"].iloc[row]
            open_list(view.data, paths.users(("path", path)), spelled(path), f"path-{row}")


def draw_loops(view: View, paths: Paths) -> None:
    with card(_("Loops"), how=_("Events that come again later in the same path; select a row to open its users.")):
        loops = paths.loops()
        if loops.empty:
            st.caption(_("No event comes again within these steps."))
            return
        shown = pd.DataFrame(
            {
                _("Event"): [term(name) for name in loops["event"]],
                _("Users"): loops["users"],
                _("Share"): [fmt.percent(users / paths.n_users) for users in loops["users"]],
            }
        )
        row = pick_row(shown, "loops", alt=_("Events that come again"))
        if row is not None:
            event = str(loops["event"].iloc[row])
            open_list(view.data, paths.users(("loop", event)), term(event), f"loop-{event}")


with begin_page("paths", controls=CONTROLS) as view:
    paths = ask(view)
    if not paths.n_users:
        draw_nothing(_("Nobody did this event in this period. Choose another event or a longer period."))
    else:
        draw_flow(view, paths)
        draw_matrix(view, paths)
        left, right = st.columns([5, 3], gap="medium")
        with left:
            draw_top(view, paths)
        with right:
            draw_loops(view, paths)
