"""Loading another log: a sample, an uploaded file, or a file on this machine."""

from __future__ import annotations

import re
import secrets
from pathlib import Path

import streamlit as st
from streamlit.typing import UploadedFile

from pages.parts import jobs
from pages.parts.data import open_workspace
from pages.parts.i18n import N_, _, text
from ulm_core.errors import InputError
from ulm_core.events.columns import STANDARD
from ulm_core.events.samples import samples
from ulm_core.settings import get_settings

MODES = {"append": N_("Add to what is loaded"), "replace": N_("Replace what is loaded")}
SUFFIXES = ["csv", "parquet", "pq", "tsv", "txt", "gz"]
CHUNK = 1 << 20


def draw_load_form(*, has_data: bool) -> None:
    """Draw the three ways in; each starts a background job."""
    with st.container(border=True, key="load_form"):
        st.subheader(_("Load data") if not has_data else _("Load something else"), anchor=False)
        if jobs.is_active(jobs.LOADS):
            st.caption(_("A load is running; the next one can start when it is done."))
            return
        ways = st.tabs([_("Sample data"), _("Upload a file"), _("A file on this machine")])
        with ways[0]:
            _draw_samples()
        with ways[1]:
            _draw_upload(has_data=has_data)
        with ways[2]:
            _draw_path(has_data=has_data)


def _begin(kind: str, parameters: dict[str, str]) -> None:
    if jobs.start(kind, parameters) is not None:
        st.session_state["_watched_load"] = None
        st.rerun()


def _draw_samples() -> None:
    st.caption(_("A sample replaces what is loaded. Training runs made with the data before stay as they are."))
    with st.grid(3, min_column_width=260, gap="small") as grid:
        for sample in samples().values():
            with grid.cell(), st.container(border=True, height="stretch"):
                st.markdown(f"**{sample.title}**")
                st.markdown(text(sample.description))
                st.caption(text(sample.licence))
                st.space("stretch")
                if st.button(_("Load"), key=f"load_{sample.name}", icon=":material/download:"):
                    _begin("load-sample", {"name": sample.name})


def _mode_control(key: str, *, has_data: bool) -> str:
    if not has_data:
        return "replace"
    return str(
        st.segmented_control(
            _("What to do with the data that is there"),
            list(MODES),
            format_func=lambda mode: _(MODES[mode]),
            default="append",
            required=True,
            key=key,
        )
    )


def _columns_hint() -> None:
    st.caption(
        _(
            "CSV or Parquet with a header. Columns: {required} (needed), {optional} (optional). "
            "Times in ISO 8601; without an offset they are UTC."
        ).format(
            required=", ".join(f"`{name}`" for name in STANDARD[:3]),
            optional=", ".join(f"`{name}`" for name in STANDARD[3:]),
        )
    )


def _draw_upload(*, has_data: bool) -> None:
    _columns_hint()
    limit = get_settings().upload_limit_mb
    uploaded = st.file_uploader(_("File with events"), type=SUFFIXES, key="upload_file", max_upload_size=limit)
    mode = _mode_control("upload_mode", has_data=has_data)
    if st.button(_("Load the file"), type="primary", disabled=uploaded is None, key="upload_start") and uploaded:
        _begin("load-file", {"path": str(save_upload(uploaded)), "mode": mode})


def _draw_path(*, has_data: bool) -> None:
    _columns_hint()
    path = st.text_input(
        _("Path of the file"), placeholder="/home/me/events.parquet", key="path_file", label_visibility="visible"
    )
    mode = _mode_control("path_mode", has_data=has_data)
    if st.button(_("Load the file"), type="primary", key="path_start"):
        chosen = Path(path.strip()).expanduser()
        if not path.strip() or not chosen.is_file():
            raise InputError(N_("There is no file “{path}”. Give the full path of a CSV or Parquet file."), path=path)
        _begin("load-file", {"path": str(chosen.resolve()), "mode": mode})


def save_upload(uploaded: UploadedFile) -> Path:
    """Write an uploaded file into the workspace and return where.

    Raises
    ------
    InputError
        When it is empty or larger than the settings allow.
    """
    limit = get_settings().upload_limit_mb
    if not 0 < uploaded.size <= limit << 20:
        raise InputError(
            N_("“{name}” is empty or larger than {limit} MB. Larger files: give their path instead."),
            name=uploaded.name,
            limit=limit,
        )
    folder = open_workspace().uploads_dir / secrets.token_hex(4)
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / (re.sub(r"[^\w.\-]+", "_", Path(uploaded.name).name)[-100:] or "events.csv")
    uploaded.seek(0)
    with target.open("wb") as out:
        while chunk := uploaded.read(CHUNK):
            out.write(chunk)
    return target
