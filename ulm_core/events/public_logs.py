"""Two smaller public logs: MovieLens-100K (ratings with titles) and CDNOW (purchases without items)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pyarrow as pa

from ulm_core.events.columns import Columns
from ulm_core.events.samples import LogBundle, package_dir
from ulm_core.workspace import WorkspaceConfig


def _recbole(suffix: str) -> pd.DataFrame:
    path = package_dir("recbole") / "dataset_example" / "ml-100k" / f"ml-100k.{suffix}"
    frame = pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False)
    frame.columns = pd.Index([name.split(":")[0] for name in frame.columns])  # "user_id:token" -> "user_id"
    return frame


def _ratings() -> Iterator[pa.Table]:
    raw = _recbole("inter")
    yield pa.Table.from_pandas(
        pd.DataFrame(
            {
                Columns.USER: raw["user_id"],
                Columns.TIME: pd.to_datetime(raw["timestamp"].astype("int64"), unit="s"),
                Columns.EVENT: "rate",
                Columns.ITEM: raw["item_id"],
                Columns.VALUE: raw["rating"].astype(float),
            }
        ),
        preserve_index=False,
    )


def _films() -> pa.Table:
    films = _recbole("item")
    text = films["movie_title"] + " (" + films["release_year"] + "), " + films["class"].str.lower()
    return pa.Table.from_pandas(
        pd.DataFrame(
            {
                "item_id": films["item_id"],
                "text": text,
                "category": films["class"].str.split().str[0].str.lower(),
                "year": films["release_year"],
            }
        ),
        preserve_index=False,
    )


def read_movielens() -> LogBundle:
    """Return MovieLens-100K: 100,000 ratings as the event *rate*, the stars as its value."""
    people = _recbole("user")[["user_id", "age", "gender", "occupation"]]
    return LogBundle(
        source="MovieLens 100K",
        fingerprint="movielens-100k-recbole-1.2.1",
        config=WorkspaceConfig(name="MovieLens 100K", sample="movielens-100k", conversion_events=("rate",)),
        events=_ratings,
        items=_films(),
        users=pa.Table.from_pandas(people, preserve_index=False),
    )


def _cdnow_path() -> Path:
    return package_dir("lifetimes") / "datasets" / "CDNOW_master.txt"


def _cdnow_events() -> Iterator[pa.Table]:
    raw = pd.read_csv(_cdnow_path(), sep=r"\s+", header=0, names=["user", "day", "n", "dollars"], dtype=str)
    yield pa.Table.from_pandas(
        pd.DataFrame(
            {
                Columns.USER: raw["user"],
                Columns.TIME: pd.to_datetime(raw["day"], format="%Y%m%d"),
                Columns.EVENT: "purchase",
                Columns.VALUE: raw["dollars"].astype(float),
                Columns.QUANTITY: raw["n"].astype(float),
            }
        ),
        preserve_index=False,
    )


def read_cdnow() -> LogBundle:
    """Return CDNOW: every purchase is an event with dollars and number of discs; the source names no items."""
    return LogBundle(
        source="CDNOW",
        fingerprint="cdnow-lifetimes-0.11.3",
        config=WorkspaceConfig(name="CDNOW", sample="cdnow", currency="USD", conversion_events=("purchase",)),
        events=_cdnow_events,
    )
