"""Behind every number: the list of exactly that many users, each a click away from their page."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd
import streamlit as st

from pages.parts import fmt, navigation
from pages.parts.cards import download
from pages.parts.charts.stages import stage_label
from pages.parts.data import Data
from pages.parts.guard import guarded
from pages.parts.i18n import _, term
from ulm_core.lifecycle.periods import local_datetime
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


def _draw(data: Data, codes: UserCodes, name: str) -> None:
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
    download(rows if len(codes) <= SHOWN else user_rows(data, codes), f"users-{name}", key=f"csv_users_{name}")


def open_list(data: Data, codes: UserCodes, title: str, name: str) -> None:
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
    """

    @st.dialog(title, width="large", icon=":material/group:")
    def dialog() -> None:
        with guarded():
            if len(codes):
                _draw(data, codes, name)
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
