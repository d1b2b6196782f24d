"""How analyses name events: a name of the log, or ``*`` for anything a user does."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ulm_core.timeline.index import TimelineIndex
from ulm_core.workspace import WorkspaceConfig

ANY_EVENT = "*"


def event_flags(index: TimelineIndex, config: WorkspaceConfig, name: str) -> npt.NDArray[np.bool_]:
    """Return bool per event code for one event name; ``*`` is every event but the passive ones.

    Passive events are done to a user (a campaign received); counting them as "any event" would make
    every addressee look active. They can still be named.

    Raises
    ------
    NotFoundError
        When the log has no such event.
    """
    if name == ANY_EVENT:
        return index.active_mask(config)
    index.event_code(name)
    return index.event_mask([name])
