"""SQL: read-only questions to the published tables, for analysts."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from pages.parts import fmt, url
from pages.parts.cards import card, download
from pages.parts.frame import View, begin_page
from pages.parts.i18n import _
from ulm_core.settings import get_settings
from ulm_core.warehouse.adhoc import EXAMPLES, Analyst, Answer
from ulm_core.warehouse.adhoc_process import ask_apart

IN_ADDRESS = 1_500
SHOWN = 1_000


def _choose_example() -> None:
    chosen = st.session_state["sql_example"]
    if chosen is not None:
        st.session_state["sql_text"] = EXAMPLES[chosen][1]


def draw_schema(view: View) -> None:
    def read() -> dict[str, list[tuple[str, str]]]:
        with Analyst(view.data.snapshot) as analyst:
            return analyst.schema()

    schema = view.data.remember("sql_schema", "", read)
    with card(
        _("Tables"), how=_("The published version of the data; every query sees the same one until the next load.")
    ):
        for table, columns in schema.items():
            with st.expander(f"{table} · {len(columns)}"):
                rows = pd.DataFrame(columns, columns=[_("Column"), _("Type")])
                st.dataframe(rows, hide_index=True, alt=_("Columns of {table}").format(table=table))


def ask(view: View, sql: str) -> Answer:
    """Return the answer to a query, asked once a version."""
    answer: Answer = view.data.remember("sql", sql, lambda: ask_apart(view.data.workspace, sql))
    return answer


def draw_answer(view: View, sql: str) -> None:
    with st.spinner(_("Asking …")):
        answer = ask(view, sql)
    frame = answer.table.to_pandas()
    n = len(frame)
    said = _("{n} rows in {seconds} s").format(n=fmt.number(n), seconds=fmt.number(answer.elapsed_seconds, 2))
    if answer.is_cut:
        said += " · " + _("there are more; only the first {n} were fetched").format(n=fmt.number(n))
    elif n > SHOWN:
        said += " · " + _("the first {n} are shown, the file holds all").format(n=fmt.number(SHOWN))
    st.caption(said)
    st.dataframe(frame.head(SHOWN), hide_index=True, alt=said)
    if view.data.workspace.protection.pseudonymised:
        st.caption(
            ":material/shield: " + _("Ids are pseudonyms in this workspace; nothing here leads back to a person.")
        )
    download(frame, f"sql_{view.data.version}", key="csv_sql")


def draw_editor(view: View) -> None:
    settings = get_settings()
    with card(
        _("Query"),
        how=_(
            "One SELECT over the tables beside. The connection can read them and do nothing else: no file, no network, "
            "no setting, no writing. At most {rows} rows, {seconds:g} seconds and {gb:g} GB of memory. Times are UTC."
        ).format(
            rows=fmt.number(settings.query_rows_limit), seconds=settings.sql_timeout_seconds, gb=settings.sql_memory_gb
        ),
    ):
        titles = [_(title) for title, _sql in EXAMPLES]
        st.pills(
            _("Examples"),
            range(len(titles)),
            format_func=titles.__getitem__,
            key="sql_example",
            on_change=_choose_example,
        )
        if "sql_text" not in st.session_state:
            st.session_state["sql_text"] = url.get("sql") or EXAMPLES[0][1]
        sql = st.text_area(_("SQL"), key="sql_text", height=220, label_visibility="collapsed")
        if st.button(_("Run"), type="primary", icon=":material/play_arrow:", key="sql_run", shortcut="Ctrl+Enter"):
            st.session_state["_sql_asked"] = sql
            url.put("sql", sql if len(sql) <= IN_ADDRESS else None)
        asked = st.session_state.get("_sql_asked")
        if asked is not None:
            draw_answer(view, asked)


with begin_page("sql") as view:
    left, right = st.columns([3, 1], gap="medium")
    with right:
        draw_schema(view)
    with left:
        draw_editor(view)
