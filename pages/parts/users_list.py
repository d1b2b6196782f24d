"""Behind every number: the list of exactly that many users, each a click away from their page."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import pandas as pd
import streamlit as st

from pages.parts import filters, fmt, navigation
from pages.parts.cards import download
from pages.parts.charts.stages import stage_label
from pages.parts.data import Data
from pages.parts.guard import guarded
from pages.parts.i18n import N_, _, term
from pages.parts.owner import owner, owner_input
from ulm_core.documents import MAX_NAME
from ulm_core.errors import InputError
from ulm_core.lifecycle.cohorts.model import Cohort, InStage, Moment
from ulm_core.lifecycle.cohorts.store import Cohorts
from ulm_core.lifecycle.periods import Periods, local_datetime
from ulm_core.lifecycle.results import UserCodes
from ulm_core.lifecycle.rules import UNSEEN
from ulm_core.lifecycle.stages import stages_at

SHOWN = 500


def user_rows(data: Data, codes: UserCodes) -> pd.DataFrame:
    """Return one row a user: id, stage at the end of the data, last event, events.

    Parameters
    ----------
    data
        The data the codes belong to.
    codes
        int32[n] user codes.
    """
    index = data.index
    rules = data.rules
    end = index.manifest.last_us + 1
    stages = data.remember("stages_at", str(end), lambda: stages_at(index, data.config, end, rules))
    rows = []
    for code in codes.tolist():
        first, stop = int(index.offsets[code]), int(index.offsets[code + 1])
        stage = int(stages[code])
        rows.append(
            {
                "user": str(index.user_ids[code]),
                "stage": "" if stage == UNSEEN else rules.stages[stage],
                "last_seen": local_datetime(int(index.time[stop - 1]), data.config.timezone),
                "events": stop - first,
            }
        )
    return pd.DataFrame(rows, columns=["user", "stage", "last_seen", "events"])


def _draw(data: Data, codes: UserCodes, title: str, name: str, rule: Any | None) -> None:
    if len(codes) > SHOWN:
        st.caption(
            _("{n} users; the first {shown} are shown, the file holds all.").format(
                n=fmt.number(len(codes)), shown=fmt.number(SHOWN)
            )
        )
    else:
        st.caption(_("{n} users. Select a row to open the user.").format(n=fmt.number(len(codes))))
    rows = user_rows(data, codes[:SHOWN])
    shown = rows.assign(stage=[stage_label(stage) if stage else fmt.MISSING for stage in rows["stage"]])
    state = st.dataframe(
        shown,
        hide_index=True,
        on_select="rerun",
        selection_mode="single-row",
        key=f"users_{name}",
        alt=_("{n} users").format(n=fmt.number(len(codes))),
        height=460 if len(rows) > 12 else "auto",
        column_config={
            "user": st.column_config.TextColumn(_("User")),
            "stage": st.column_config.TextColumn(_("Stage now")),
            "last_seen": st.column_config.DatetimeColumn(_("Last event"), format="YYYY-MM-DD HH:mm"),
            "events": st.column_config.NumberColumn(_("Events"), format="localized"),
        },
    )
    if state.selection.rows:
        navigation.go("user", user=str(rows.iloc[state.selection.rows[0]]["user"]))
    _actions(data, codes, title, name, rule, rows)


def _listed(data: Data, codes: UserCodes) -> Any:
    """Return these users as a fixed list, kept once however often it is asked for."""
    question = hashlib.sha256(codes.tobytes()).hexdigest()
    saved = Cohorts(data.workspace)
    return data.remember("list_of_users", question, lambda: saved.from_codes(data.index, codes))


def _save_as_cohort(data: Data, codes: UserCodes, title: str, name: str) -> None:
    with st.popover(_("Save as cohort"), icon=":material/group_add:", key=f"save_cohort_box_{name}"):
        chosen = st.text_input(_("Name of the cohort"), value=title[:MAX_NAME], key=f"save_cohort_name_{name}")
        owner_input(f"save_cohort_owner_{name}")
        st.caption(_("These {n} users are fixed; who joins later does not change the list.").format(n=len(codes)))
        if st.button(_("Save"), type="primary", key=f"save_cohort_{name}"):
            with guarded():
                save_new(data, chosen, Cohort(rule=_listed(data, codes), note=title))
                st.success(_("Saved. It is a filter and a breakdown now, and stands on the page Cohorts."))


def save_new(data: Data, name: str, cohort: Cohort) -> None:
    """Save a cohort under a name that is still free.

    Raises
    ------
    InputError
        When there is one of that name.
    """
    saved = Cohorts(data.workspace)
    if name.strip() in saved.names():
        raise InputError(N_("There is already a cohort called “{name}”. Choose another name."), name=name.strip())
    saved.save(name, cohort, owner())


def _actions(data: Data, codes: UserCodes, title: str, name: str, rule: Any | None, rows: pd.DataFrame) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        if st.button(_("Filter to these users"), icon=":material/filter_alt:", key=f"filter_to_{name}"):
            chosen = rule if rule is not None else _listed(data, codes)
            filters.add_cohort(chosen.model_dump_json(exclude_none=True))
            st.rerun()
        _save_as_cohort(data, codes, title, name)
        download(rows if len(codes) <= SHOWN else user_rows(data, codes), f"users-{name}", key=f"csv_users_{name}")


def open_list(data: Data, codes: UserCodes, title: str, name: str, rule: Any | None = None) -> None:
    """Open the list of these users over the page.

    Parameters
    ----------
    data
        The data the codes belong to.
    codes
        int32[n] user codes; exactly as many as the number that was clicked.
    title
        What they have in common.
    name
        Unique on the page; part of the CSV's name.
    rule
        The cohort these users are, where a rule says so; else filtering keeps a list of their ids.
    """

    @st.dialog(title, width="large", icon=":material/group:")
    def dialog() -> None:
        with guarded():
            if len(codes):
                _draw(data, codes, title, name, rule)
            else:
                st.caption(_("Nobody is behind this number."))

    dialog()


def list_button(
    data: Data,
    n: int,
    title: str,
    name: str,
    codes: Callable[[], UserCodes],
    *,
    label: str = "",
    icon: str = ":material/group:",
) -> None:
    """Draw a number as a button that opens the list of that many users."""
    shown = label or _("{n} users").format(n=fmt.number(n))
    if st.button(shown, key=f"list_{name}", type="tertiary", icon=icon, disabled=n == 0):
        open_list(data, codes(), title, name)


def stage_title(stage: str) -> str:
    """Return the title of a list of users in a stage."""
    return _("Users in stage “{stage}”").format(stage=term(stage))


def stage_rule(periods: Periods, period: str, stage: str, timezone: str) -> InStage | None:
    """Return the cohort of users in a stage at the end of a period; None while the period still runs."""
    place = periods.position(period)
    if not periods.is_complete[place]:
        return None  # it is looked at in the middle of a day, which no rule says
    end = local_datetime(int(periods.starts_us[place + 1]) - 1, timezone).date()
    return InStage(stages=(stage,), at=Moment(day=end))
