"""What a load did and found: counts, examples, and what another choice would have changed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ulm_core.events.cleaning import CleaningRules
from ulm_core.messages import N_, Message, message
from ulm_core.warehouse.cleaning import Counts
from ulm_core.warehouse.database import Database

EXAMPLES_PER_REASON = 3


@dataclass(frozen=True)
class Example:
    """One rejected row."""

    source: str
    row_number: int
    reason: str
    original: str | None


@dataclass(frozen=True)
class Choice:
    """One rule, what was chosen, and what an alternative would have done to the number of events.

    Attributes
    ----------
    rule
        Field of `CleaningRules`.
    chosen, alternative
        Values of that field.
    events
        Events the log would have more (or, negative, fewer).
    """

    rule: str
    chosen: str
    alternative: str
    events: int

    @property
    def sentence(self) -> Message:
        """What the alternative would have changed, as a sentence."""
        # A row beyond a limit may have other faults, which were not looked for any more.
        more = _UP_TO if self.rule in LIMITS else _MORE
        template = more if self.events >= 0 else _FEWER
        return message(
            template,
            rule=message(RULES.get(self.rule, self.rule)),
            alternative=message(self.alternative),
            n=f"{abs(self.events):,}",
        )


RULES = {
    "duplicates": N_("exact duplicates"),
    "missing_user": N_("rows without a user"),
    "returns": N_("returns and cancellations"),
    "robots": N_("event storms"),
    "earliest, latest": N_("times outside the plausible range"),
    "max_value, max_quantity": N_("impossible values and quantities"),
}
# Reasons that a limit causes -> the fields of `CleaningRules` that hold it.
LIMITS = {
    "earliest, latest": ("implausible time",),
    "max_value, max_quantity": ("impossible value", "impossible quantity"),
}
_UP_TO = N_("{rule}: with “{alternative}” there would be up to {n} events more.")
_MORE = N_("{rule}: with “{alternative}” there would be {n} events more.")
_FEWER = N_("{rule}: with “{alternative}” there would be {n} events fewer.")
ALTERNATIVES = (
    N_("drop"),
    N_("keep"),
    N_("quarantine"),
    N_("session"),
    N_("event"),
    N_("flag"),
    N_("off"),
    N_("no limit"),
)


@dataclass(frozen=True)
class LoadReport:
    """What one load did.

    ``rows_read == rows_overlapping + rows_loaded + rows_quarantined`` always holds. A row of a wide log counts
    once for each of its events.

    Attributes
    ----------
    rows_overlapping
        Rows that stood in the warehouse already and were counted once.
    reasons
        Rejected rows by reason.
    events
        Loaded events by name.
    examples
        A few rejected rows of each reason.
    choices
        What other cleaning rules would have changed.
    returns, returns_linked
        Returns and cancellations, and those linked to what they take back.
    robots
        Users flagged for event storms.
    files
        Rows read per file; files passed over are in `skipped`.
    ids
        How the ids of log, users table and items table meet (`ulm_core.warehouse.tables`).
    """

    load_id: int
    source: str
    fingerprint: str
    rows_read: int
    rows_loaded: int
    rows_quarantined: int
    is_new: bool
    rows_overlapping: int = 0
    reasons: Mapping[str, int] = field(default_factory=dict)
    events: Mapping[str, int] = field(default_factory=dict)
    examples: tuple[Example, ...] = ()
    choices: tuple[Choice, ...] = ()
    returns: int = 0
    returns_linked: int = 0
    robots: int = 0
    files: Mapping[str, int] = field(default_factory=dict)
    skipped: tuple[str, ...] = ()
    ids: Mapping[str, Any] = field(default_factory=dict)

    @property
    def rows_new(self) -> int:
        """Rows that no earlier source held, before any cleaning rule."""
        return self.rows_read - self.rows_overlapping

    def to_json(self) -> dict[str, object]:
        """Return the report as plain values."""
        return {
            **vars(self),
            "rows_new": self.rows_new,
            "reasons": dict(self.reasons),
            "events": dict(self.events),
            "files": dict(self.files),
            "ids": dict(self.ids),
            "skipped": list(self.skipped),
            "examples": [vars(example) for example in self.examples],
            "choices": [{**vars(choice), "sentence": str(choice.sentence)} for choice in self.choices],
        }


def to_text(report: LoadReport) -> str:
    """Return a report as JSON text."""
    return json.dumps(report.to_json(), ensure_ascii=False, default=str)


def report_from_json(text: str) -> LoadReport:
    """Return the report that `LoadReport.to_json` was made of."""
    values: dict[str, Any] = json.loads(text)
    values.pop("rows_new", None)
    values["examples"] = tuple(Example(**example) for example in values.get("examples", ()))
    values["choices"] = tuple(
        Choice(**{name: value for name, value in choice.items() if name != "sentence"})
        for choice in values.get("choices", ())
    )
    values["skipped"] = tuple(values.get("skipped", ()))
    return LoadReport(**values)


@dataclass
class Tally:
    """Counts of a load while it runs, added up over its sources."""

    files: dict[str, int] = field(default_factory=dict)
    loaded: int = 0
    quarantined: int = 0
    overlapping: int = 0
    duplicates: int = 0
    returns: int = 0
    storms: int = 0
    storm_users: int = 0
    rescued: int = 0

    @property
    def read(self) -> int:
        """All rows so far."""
        return self.loaded + self.quarantined + self.overlapping

    def add(self, name: str, moved: tuple[int, int], overlapping: int, counts: Counts) -> None:
        """Add one source."""
        loaded, quarantined = moved
        self.loaded += loaded
        self.quarantined += quarantined
        self.overlapping += overlapping
        self.duplicates += counts.duplicates
        self.returns += counts.returns
        self.storms += counts.storms
        self.storm_users += counts.storm_users
        self.files[name] = self.files.get(name, 0) + loaded + quarantined + overlapping


def _choices(tally: Tally, rules: CleaningRules, nameless: int, reasons: Mapping[str, int]) -> tuple[Choice, ...]:
    found = []
    if tally.duplicates:
        other, sign = ("keep", 1) if rules.duplicates == "drop" else ("drop", -1)
        found.append(Choice("duplicates", rules.duplicates, other, sign * tally.duplicates))
    if rules.missing_user == "quarantine" and tally.rescued:
        found.append(Choice("missing_user", "quarantine", "session", tally.rescued))
    if rules.missing_user == "session" and nameless:
        found.append(Choice("missing_user", "session", "quarantine", -nameless))
    if tally.returns:
        other, sign = ("event", 1) if rules.returns == "drop" else ("drop", -1)
        found.append(Choice("returns", rules.returns, other, sign * tally.returns))
    if tally.storms:
        other, sign = ("flag", 1) if rules.robots == "drop" else ("drop", -1)
        found.append(Choice("robots", rules.robots, other, sign * tally.storms))
    for rule, caused in LIMITS.items():
        beyond = sum(reasons.get(reason, 0) for reason in caused)
        if beyond:
            found.append(Choice(rule, "limit", "no limit", beyond))
    return tuple(found)


def _pairs(database: Database, sql: str, load_id: int) -> dict[str, int]:
    table = database.query(sql, [load_id])
    return dict(zip(table.column(0).to_pylist(), table.column(1).to_pylist(), strict=True))


def make_report(
    database: Database, load_id: int, source: str, fingerprint: str, tally: Tally, rules: CleaningRules
) -> LoadReport:
    """Return the report of a load whose rows are in the warehouse."""
    examples = database.query(
        f"""SELECT source, row_number, reason, original FROM quarantine WHERE load_id = ?
        QUALIFY row_number() OVER (PARTITION BY reason ORDER BY source, row_number) <= {EXAMPLES_PER_REASON}
        ORDER BY reason, source, row_number""",
        [load_id],
    ).to_pylist()
    nameless = int(
        str(database.scalar("SELECT count(*) FROM events WHERE load_id = ? AND user_id LIKE 'session:%'", [load_id]))
    )
    linked = database.query("SELECT count(*), count(bought_at) FROM returns WHERE load_id = ?", [load_id])
    reasons = _pairs(
        database, "SELECT reason, count(*) FROM quarantine WHERE load_id = ? GROUP BY 1 ORDER BY 2 DESC, 1", load_id
    )
    return LoadReport(
        load_id,
        source,
        fingerprint,
        tally.read,
        tally.loaded,
        tally.quarantined,
        is_new=True,
        rows_overlapping=tally.overlapping,
        reasons=reasons,
        events=_pairs(
            database, "SELECT event, count(*) FROM events WHERE load_id = ? GROUP BY 1 ORDER BY 2 DESC, 1", load_id
        ),
        examples=tuple(Example(**row) for row in examples),
        choices=_choices(tally, rules, nameless, reasons),
        returns=linked.column(0)[0].as_py(),
        returns_linked=linked.column(1)[0].as_py(),
        robots=int(str(database.scalar("SELECT count(DISTINCT user_id) FROM user_flags WHERE load_id = ?", [load_id]))),
        files=tally.files,
    )
