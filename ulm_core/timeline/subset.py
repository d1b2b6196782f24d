"""An index with some of another's events, for questions about a log that never was (held-out data)."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ulm_core.timeline.build import write_columns
from ulm_core.timeline.index import COLUMNS, TimelineIndex

BATCH = 4_000_000


def subset_index(index: TimelineIndex, keep: npt.NDArray[np.bool_], directory: Path) -> TimelineIndex:
    """Write an index of the events marked in `keep` into `directory`, with the same codes.

    Parameters
    ----------
    index
        Of a workspace without encryption: the copy is plain.
    keep
        bool[n_events].
    directory
        An empty folder.
    """
    directory.mkdir(parents=True, exist_ok=True)
    for name in ("users", "items"):
        if (index.directory / f"{name}.parquet").exists():
            shutil.copy(index.directory / f"{name}.parquet", directory)
    users = np.repeat(np.arange(index.n_users, dtype=np.int32), np.diff(index.offsets))
    rows = np.flatnonzero(keep)
    parts = np.split(rows, range(BATCH, len(rows), BATCH))
    batches = ({"user": users[part], **{name: getattr(index, name)[part] for name in COLUMNS}} for part in parts)
    manifest = index.manifest
    write_columns(
        batches,
        directory,
        version=f"{manifest.version}-subset",
        sizes=(manifest.n_users, manifest.n_items),
        event_names=manifest.event_names,
        partition_events=max(1, manifest.n_events // max(len(manifest.partitions), 1)),
    )
    return TimelineIndex(directory)
