"""Map a kernel over partitions of whole users, merge the partials: one answer, whatever the partitions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from ulm_core.settings import get_settings
from ulm_core.timeline.index import Partition, TimelineIndex

P = TypeVar("P")
R = TypeVar("R")


def map_merge(
    index: TimelineIndex,
    kernel: Callable[[Partition], P],
    merge: Callable[[Sequence[P]], R],
    *,
    threads: int | None = None,
) -> R:
    """Return ``merge([kernel(partition) for every partition])``, kernels in parallel threads.

    Parameters
    ----------
    index
        The timelines.
    kernel
        Called once per partition; it should spend its time in compiled code that releases the GIL.
    merge
        Gets the partials in partition order, so that the result does not depend on timing.
    threads
        Default: the setting `threads`.
    """
    numbers = range(len(index.manifest.partitions))
    workers = min(threads or get_settings().threads, max(len(numbers), 1))
    if workers == 1:
        return merge([kernel(index.partition(number)) for number in numbers])
    with ThreadPoolExecutor(workers, thread_name_prefix="timeline") as pool:
        return merge(list(pool.map(lambda number: kernel(index.partition(number)), numbers)))
