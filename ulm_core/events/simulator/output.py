"""Event files: one writer a delivery, fed chunk by chunk, continued in a next part when a file gets long."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from ulm_core.events.simulator.chunks import Chunk, delivery_of
from ulm_core.events.simulator.config import SimulatorConfig


class EventFiles:
    """The files below `events/`: `<first day of the delivery>.part-<n>.<format>`.

    A row stands in the file of the day it *arrived*; late rows are therefore in a later file than their time says.
    """

    def __init__(self, config: SimulatorConfig, directory: Path) -> None:
        self.config, self.directory = config, directory / "events"
        self.directory.mkdir(parents=True, exist_ok=True)
        self.paths: list[Path] = []
        self._open: dict[int, Any] = {}
        self._rows = np.zeros(config.deliveries, np.int64)
        self._parts = np.zeros(config.deliveries, np.int64)

    def __enter__(self) -> EventFiles:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for writer in self._open.values():
            writer.close()

    def write(self, chunk: Chunk, table: pa.Table) -> None:
        """Append a chunk's rows, which are in order of arrival, to the files of their deliveries."""
        delivery = delivery_of(self.config, chunk.rows["arrival"])
        bounds = np.searchsorted(delivery, np.arange(self.config.deliveries + 1))
        for number in range(self.config.deliveries):
            first, last = int(bounds[number]), int(bounds[number + 1])
            if last > first:
                self._append(number, table.slice(first, last - first))

    def _append(self, delivery: int, table: pa.Table) -> None:
        if delivery not in self._open:
            self._open[delivery] = self._create(delivery, table.schema)
        self._open[delivery].write_table(table)
        self._rows[delivery] += table.num_rows
        if self._rows[delivery] >= self.config.part_rows:
            self._open.pop(delivery).close()
            self._rows[delivery] = 0

    def _create(self, delivery: int, schema: pa.Schema) -> Any:
        day = self.config.start + dt.timedelta(days=delivery * self.config.delivery_days)
        path = self.directory / f"{day}.part-{self._parts[delivery]:03d}.{self.config.format}"
        self._parts[delivery] += 1
        self.paths.append(path)
        if self.config.format == "csv":
            return pacsv.CSVWriter(path, schema)
        # Without Arrow's own schema, so that every reader sees plain text columns.
        return pq.ParquetWriter(path, schema, compression="zstd", compression_level=1, store_schema=False)
