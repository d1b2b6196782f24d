"""Tiny indexes from data frames, for tests and docs; no DuckDB involved."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from ulm_core.events.columns import Columns
from ulm_core.timeline.build import write_columns
from ulm_core.timeline.index import TimelineIndex


def _codes(column: pd.Series) -> tuple[np.ndarray, list[str]]:
    names = sorted(column.dropna().astype(str).unique())
    codes = pd.Categorical(column.astype("string"), categories=names).codes
    return codes.astype(np.int64), names


def index_from_events(events: pd.DataFrame, directory: Path, n_partitions: int = 1) -> TimelineIndex:
    """Return an index over a small frame with standard columns (user, time, event are required).

    Rows keep their order where user and time tie. Times are naive UTC timestamps or int microseconds.
    """
    frame = events.copy()
    for name, default in (
        (Columns.ITEM, None),
        (Columns.VALUE, np.nan),
        (Columns.QUANTITY, np.nan),
        (Columns.SESSION, None),
    ):
        if name not in frame:
            frame[name] = default
    if not pd.api.types.is_integer_dtype(frame[Columns.TIME]):
        frame[Columns.TIME] = pd.to_datetime(frame[Columns.TIME]).astype("datetime64[us]").astype("int64")
    user, users = _codes(frame[Columns.USER])
    event, names = _codes(frame[Columns.EVENT])
    item, items = _codes(frame[Columns.ITEM])
    session, _ = _codes(frame[Columns.SESSION])
    order = np.lexsort((frame[Columns.TIME].to_numpy(), user))
    columns = {
        "user": user[order],
        "time": frame[Columns.TIME].to_numpy()[order],
        "event": event[order],
        "item": item[order],
        "value": frame[Columns.VALUE].astype(float).to_numpy()[order],
        "quantity": frame[Columns.QUANTITY].astype(float).to_numpy()[order],
        "session": session[order],
    }
    directory.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table({"id": pa.array(users, pa.string())}), directory / "users.parquet")
    pq.write_table(pa.table({"id": pa.array(items, pa.string())}), directory / "items.parquet")
    write_columns(
        [columns],
        directory,
        version="test",
        sizes=(len(users), len(items)),
        event_names=tuple(names),
        partition_events=max(1, -(-len(frame) // n_partitions)),
    )
    return TimelineIndex(directory)
