"""Data frames from Python, of whichever library, as Arrow."""

from __future__ import annotations

import pandas as pd
import pyarrow as pa

from ulm_core.errors import InputError
from ulm_core.messages import N_


def arrow_of(frame: object, name: str) -> pa.Table | pa.RecordBatchReader:
    """Return a frame as an Arrow table or stream.

    Parameters
    ----------
    frame
        A pandas frame, an Arrow table, a stream of record batches, or anything that hands itself over by the Arrow
        PyCapsule interface (a polars frame, a DuckDB relation).
    name
        What it is called in a complaint.

    Raises
    ------
    InputError
        When it is none of these.
    """
    if isinstance(frame, pa.Table | pa.RecordBatchReader):
        return frame
    if isinstance(frame, pd.DataFrame):
        return _from_pandas(frame)
    if hasattr(frame, "__arrow_c_stream__"):
        return pa.RecordBatchReader.from_stream(frame)
    raise InputError(
        N_("{name} is no data frame ({kind}). Give a pandas, polars or Arrow table, or a stream of record batches."),
        name=name,
        kind=type(frame).__name__,
    )


def _from_pandas(frame: pd.DataFrame) -> pa.Table:
    named = frame.set_axis([str(column) for column in frame.columns], axis=1)
    columns = [_column(named.iloc[:, place]) for place in range(named.shape[1])]
    return pa.table(columns, names=_once(list(named.columns)))


def _column(values: pd.Series) -> pa.Array | pa.ChunkedArray:
    try:
        return pa.Array.from_pandas(values)
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, OverflowError):
        # An object column may mix numbers, texts and bytes: its texts are what a file would have held.
        return pa.array([None if value is None else _text(value) for value in values.tolist()], pa.string())


def _text(value: object) -> str:
    if isinstance(value, bytes):
        return value.decode("utf-8", errors="replace")
    return str(value).encode("utf-8", errors="replace").decode()


def _once(names: list[str]) -> list[str]:
    """Return the names, a repeated one numbered; DuckDB compares them without case."""
    taken: dict[str, int] = {}
    found = []
    for name in names:
        count = taken[name.lower()] = taken.get(name.lower(), 0) + 1
        found.append(name if count == 1 else f"{name}_{count}")
    return found
