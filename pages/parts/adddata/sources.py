"""Where the data come from: an upload, a path or address, a database, a sample."""

from __future__ import annotations

import streamlit as st

from pages.parts import fmt, url
from pages.parts.adddata import draft, gallery, uploads
from pages.parts.guard import guarded
from pages.parts.i18n import N_, _
from ulm_core.errors import InputError
from ulm_core.settings import get_settings
from ulm_core.warehouse.others import TableName, list_tables

SOURCES = {
    "upload": (N_("Upload"), ":material/upload_file:"),
    "path": (N_("Path or address"), ":material/folder_open:"),
    "database": (N_("Database"), ":material/database:"),
    "sample": (N_("Sample gallery"), ":material/science:"),
}
_TABLES = "_tables"


def draw(*, has_data: bool) -> None:
    """Draw the choice of a source and what belongs to it."""
    first = "upload" if has_data else "sample"
    if url.get("source") in SOURCES and "source_kind" not in st.session_state:
        first = str(url.get("source"))
    kind = st.segmented_control(
        _("Where are the data?"),
        list(SOURCES),
        format_func=lambda name: f"{SOURCES[name][1]} {_(SOURCES[name][0])}",
        default=first,
        required=True,
        key="source_kind",
        width="stretch",
    )
    with guarded():
        {"upload": _upload, "path": _path, "database": _database, "sample": gallery.draw}[str(kind)]()


def _upload() -> None:
    limit = get_settings().upload_limit_mb
    uploaded = st.file_uploader(
        _("File with events"),
        type=uploads.SUFFIXES,
        key="upload_file",
        max_upload_size=limit,
        help=_("CSV, TSV, JSON lines, Parquet, Arrow or XML rows, also packed (.gz, .zst)."),
    )
    st.caption(
        _("Up to {n} MB. One row per event: who, when, what. Column names do not matter, they are recognised.").format(
            n=fmt.number(limit)
        )
    )
    new = uploads.fresh(uploaded, "_upload_seen")
    if new is not None:
        draft.choose(str(uploads.save_upload(new)))
        st.rerun()


def _path() -> None:
    with st.form("path_form", border=False):
        with st.container(horizontal=True, vertical_alignment="bottom"):
            place = st.text_input(
                _("Path, folder, pattern or address"),
                placeholder="/data/events/2024-*.csv.gz",
                key="path_place",
            )
            chosen = st.form_submit_button(_("Look at it"), type="primary", icon=":material/search:")
        st.caption(
            _(
                "It is read where the product runs, not on your computer. Examples: {examples}. "
                "A folder or pattern is loaded file by file."
            ).format(
                examples="`/data/log.parquet`, `/data/logs/`, `s3://bucket/day.parquet`, `https://host/log.csv.gz`"
            )
        )
    if chosen:
        if not place.strip():
            raise InputError(N_("Give a path or an address first."))
        draft.choose(place.strip())
        st.rerun()


def _database() -> None:
    with st.form("database_form", border=False):
        with st.container(horizontal=True, vertical_alignment="bottom"):
            place = st.text_input(
                _("Database file or address"),
                placeholder="/data/shop.duckdb  ·  postgresql://reader@host/shop",
                key="database_place",
            )
            listed = st.form_submit_button(_("List tables"), icon=":material/list:")
        st.caption(
            _(
                "DuckDB (.duckdb), SQLite (.sqlite, .db) or PostgreSQL; opened read-only. A password is better kept in "
                "PGPASSWORD or ~/.pgpass than typed here; it is never shown or stored after the load."
            )
        )
    if listed:
        st.session_state.pop(_TABLES, None)
        if not place.strip():
            raise InputError(N_("Give a path or an address first."))
        st.session_state[_TABLES] = (place.strip(), list_tables(place.strip()))
    found: tuple[str, list[TableName]] | None = st.session_state.get(_TABLES)
    if found:
        _pick_table(*found)


def _pick_table(place: str, tables: list[TableName]) -> None:
    if not tables:
        st.info(_("This database holds no table."), icon=":material/info:")
        return
    rows = {table.full: table.rows for table in tables}
    with st.container(horizontal=True, vertical_alignment="bottom"):
        table = st.selectbox(
            _("Table with the events"),
            list(rows),
            format_func=lambda name: (
                name if rows[name] is None else _("{table} · {n} rows").format(table=name, n=fmt.number(rows[name]))
            ),
            key="database_table",
        )
        if st.button(_("Look at it"), type="primary", icon=":material/search:", key="database_look"):
            draft.choose(place, table)
            st.rerun()
