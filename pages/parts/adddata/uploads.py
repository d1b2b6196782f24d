"""Uploaded files: a copy in the workspace until it is loaded or dropped."""

from __future__ import annotations

import contextlib
import re
import secrets
import shutil
import time
from pathlib import Path

import streamlit as st
from streamlit.typing import UploadedFile

from pages.parts.data import open_workspace
from pages.parts.i18n import N_
from ulm_core.errors import InputError
from ulm_core.settings import get_settings

CHUNK = 1 << 20
KEPT_SECONDS = 24 * 3600
SUFFIXES = [
    "csv", "tsv", "txt", "dat", "log", "jsonl", "ndjson", "json", "parquet", "pq", "arrow", "feather", "xml", "gz",
    "zst",
]  # fmt: skip


def save_upload(uploaded: UploadedFile) -> Path:
    """Write an uploaded file into the workspace and return where; the same upload is written once.

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
    _sweep()
    folder = open_workspace().uploads_dir / secrets.token_hex(4)
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / (re.sub(r"[^\w.\-]+", "_", Path(uploaded.name).name)[-100:] or "events.csv")
    uploaded.seek(0)
    with target.open("wb") as out:
        while chunk := uploaded.read(CHUNK):
            out.write(chunk)
    return target


def fresh(uploaded: UploadedFile | None, memory: str) -> UploadedFile | None:
    """Return an upload that was not seen before under this name of the session."""
    if uploaded is None:
        st.session_state.pop(memory, None)
        return None
    is_known = st.session_state.get(memory) == uploaded.file_id
    st.session_state[memory] = uploaded.file_id
    return None if is_known else uploaded


def _sweep() -> None:
    """Remove copies that nobody loaded for a day: they may hold personal data."""
    uploads = open_workspace().uploads_dir
    if uploads.is_dir():
        for folder in uploads.iterdir():
            with contextlib.suppress(OSError):
                if time.time() - folder.stat().st_mtime > KEPT_SECONDS:
                    shutil.rmtree(folder)
