"""What is right and wrong with the log that is loaded: plain SQL over a snapshot, every number countable by hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import groupby, pairwise

import pyarrow as pa

from ulm_core.warehouse.load_report import Choice, LoadReport, report_from_json
from ulm_core.warehouse.snapshot import Snapshot

EXAMPLES = 5
EVENT_FIELDS = ("item_id", "value", "quantity", "session_id", "properties")


@dataclass(frozen=True)
class Gap:
    """Days in a row on which no user did anything, between the first and the last day one did."""

    first: date
    last: date

    @property
    def days(self) -> int:
        """How many days it lasts."""
        return (self.last - self.first).days + 1


@dataclass(frozen=True)
class Day:
    """One day of the workspace's time zone.

    `late` counts events that came when an earlier load already held a later day; `done_by_users` leaves out what was
    done to them.
    """

    day: date
    events: int
    late: int
    done_by_users: int


@dataclass(frozen=True)
class Bin:
    """Users with `least` to `most` events."""

    least: int
    most: int
    users: int


@dataclass(frozen=True)
class Match:
    """How the ids of the log meet a table that describes them.

    Attributes
    ----------
    in_log, described, both
        Ids that occur in the log, ids that the table describes, ids that do both.
    only_in_log, only_in_table
        A few ids of each kind that meet nothing.
    """

    in_log: int
    described: int
    both: int
    only_in_log: tuple[str, ...]
    only_in_table: tuple[str, ...]


@dataclass(frozen=True)
class Fill:
    """How many rows of a table (or of one kind of event) hold something in a column."""

    table: str
    column: str
    filled: int
    rows: int

    @property
    def share(self) -> float:
        """Share of rows that are filled."""
        return self.filled / self.rows if self.rows else 0.0


@dataclass(frozen=True)
class Reason:
    """Why rows were set aside, how many, and a few of them: source, row_number, original."""

    reason: str
    rows: int
    examples: tuple[dict[str, object], ...]


@dataclass(frozen=True)
class Quality:
    """The quality of what is loaded.

    ``rows_read == rows_loaded + rows_quarantined + rows_overlapping``: what the loads did when they ran. Events
    erased since are in `rows_erased`; they make the log smaller than `rows_loaded`.

    Attributes
    ----------
    days, gaps
        Events per day (days without one are left out), and the spans in which no user did anything.
    late, first_load_rows
        Late events, and how many events could not be late because no load came before theirs.
    duplicates_set_aside, duplicates_kept
        Exact duplicates in the quarantine, and those that a rule let in.
    activity, events_median, events_most
        Users by their number of events (bins double), the median user, the busiest one.
    users, items
        How ids of the log and of the tables meet.
    fill
        Per kind of event and column, and per column of users and items.
    quarantine
        Rows set aside by reason.
    choices
        What other cleaning rules would have changed, over all loads.
    returns, returns_linked, flagged_users
        Returns and cancellations, those linked to what they take back, users flagged for event storms.
    """

    version: str
    rows_read: int
    rows_loaded: int
    rows_quarantined: int
    rows_overlapping: int
    rows_erased: int
    days: tuple[Day, ...]
    gaps: tuple[Gap, ...]
    late: int
    first_load_rows: int
    duplicates_set_aside: int
    duplicates_kept: int
    activity: tuple[Bin, ...]
    events_median: float
    events_most: int
    users: Match
    items: Match
    fill: tuple[Fill, ...]
    quarantine: tuple[Reason, ...]
    choices: tuple[Choice, ...]
    returns: int
    returns_linked: int
    flagged_users: int

    @property
    def late_share(self) -> float:
        """Share of late events among all events."""
        return self.late / self.rows if self.rows else 0.0

    @property
    def rows(self) -> int:
        """Events that are loaded now."""
        return sum(day.events for day in self.days)

    def to_arrow(self) -> pa.Table:
        """Return events per day: day, events, late."""
        return pa.table(
            {
                "day": pa.array([day.day for day in self.days], pa.date32()),
                "events": pa.array([day.events for day in self.days], pa.int64()),
                "late": pa.array([day.late for day in self.days], pa.int64()),
            }
        )

    def to_json(self) -> dict[str, object]:
        """Return the report as plain values, days in ISO 8601."""
        return {
            **vars(self),
            "rows": self.rows,
            "late_share": self.late_share,
            "days": [{**vars(day), "day": day.day.isoformat()} for day in self.days],
            "gaps": [{"first": g.first.isoformat(), "last": g.last.isoformat(), "days": g.days} for g in self.gaps],
            "activity": [vars(bin_) for bin_ in self.activity],
            "users": vars(self.users),
            "items": vars(self.items),
            "fill": [{**vars(fill), "share": fill.share} for fill in self.fill],
            "quarantine": [vars(reason) for reason in self.quarantine],
            "choices": [{**vars(choice), "sentence": str(choice.sentence)} for choice in self.choices],
        }


def load_reports(snapshot: Snapshot) -> dict[int, LoadReport]:
    """Return the report of each load, newest first; a load of an older program has none."""
    rows = snapshot.query("SELECT load_id, report FROM loads WHERE report IS NOT NULL ORDER BY load_id DESC")
    return {row["load_id"]: report_from_json(row["report"]) for row in rows.to_pylist()}


def measure_quality(snapshot: Snapshot, timezone: str, passive: Sequence[str] = ()) -> Quality:
    """Return what is right and wrong with the log.

    Parameters
    ----------
    snapshot
        A published version.
    timezone
        Where days begin and end.
    passive
        Events done to the user: a campaign sent before the log begins opens no gap.
    """
    days, late, first_rows = _days(snapshot, timezone, passive)
    reasons = _reasons(snapshot)
    choices = _choices(tuple(load_reports(snapshot).values()))
    activity, median, most = _activity(snapshot)
    aside = next((each.rows for each in reasons if each.reason == "exact duplicate"), 0)
    kept = -sum(choice.events for choice in choices if (choice.rule, choice.alternative) == ("duplicates", "drop"))
    totals = snapshot.query(
        """SELECT sum(rows_read)::BIGINT AS read, sum(rows_loaded)::BIGINT AS loaded,
        sum(rows_quarantined)::BIGINT AS quarantined, coalesce(sum(rows_overlapping), 0)::BIGINT AS overlapping,
        (SELECT coalesce(sum(events), 0)::BIGINT FROM erasures) AS erased,
        (SELECT count(*) FROM returns) AS returns, (SELECT count(bought_at) FROM returns) AS linked,
        (SELECT count(DISTINCT user_id) FROM user_flags) AS flagged FROM loads"""
    ).to_pylist()[0]
    return Quality(
        version=snapshot.version,
        rows_read=totals["read"],
        rows_loaded=totals["loaded"],
        rows_quarantined=totals["quarantined"],
        rows_overlapping=totals["overlapping"],
        rows_erased=totals["erased"],
        days=days,
        gaps=find_gaps([day.day for day in days if day.done_by_users]),
        late=late,
        first_load_rows=first_rows,
        duplicates_set_aside=aside,
        duplicates_kept=kept,
        activity=activity,
        events_median=median,
        events_most=most,
        users=_match(snapshot, "users", "user_id"),
        items=_match(snapshot, "items", "item_id"),
        fill=(*_event_fill(snapshot), *_table_fill(snapshot)),
        quarantine=reasons,
        choices=choices,
        returns=totals["returns"],
        returns_linked=totals["linked"],
        flagged_users=totals["flagged"],
    )


def find_gaps(days: Sequence[date]) -> tuple[Gap, ...]:
    """Return the gaps between ascending days.

    Examples
    --------
    >>> find_gaps([date(2024, 1, 1), date(2024, 1, 2), date(2024, 1, 5)])[0].days
    2
    """
    one = timedelta(days=1)
    return tuple(Gap(a + one, b - one) for a, b in pairwise(days) if b - a > one)


def _days(snapshot: Snapshot, timezone: str, passive: Sequence[str]) -> tuple[tuple[Day, ...], int, int]:
    """Return the days, the late events, and the events of the first load."""
    # Quarters of an hour first: every zone's day begins on one, and a calendar is slow per row.
    rows = snapshot.query(
        """WITH quarters AS (SELECT load_id, time_bucket(INTERVAL 15 MINUTES, time) AS quarter, count(*) AS n,
                count(*) FILTER (NOT list_contains(?, event)) AS done FROM arrivals GROUP BY ALL)
        SELECT load_id, CAST(timezone(?, timezone('UTC', quarter)) AS DATE) AS day, sum(n)::BIGINT AS n,
            sum(done)::BIGINT AS done FROM quarters GROUP BY ALL ORDER BY load_id, day""",
        [list(passive), timezone],
    ).to_pylist()
    days: dict[date, list[int]] = {}
    first_rows, reached = 0, date.min
    for place, (_, group) in enumerate(groupby(rows, key=lambda row: row["load_id"])):
        own = list(group)
        for row in own:
            late = row["n"] if row["day"] < reached else 0
            before = days.get(row["day"], [0, 0, 0])
            days[row["day"]] = [before[0] + row["n"], before[1] + late, before[2] + row["done"]]
        first_rows += sum(row["n"] for row in own) if place == 0 else 0
        reached = max(reached, own[-1]["day"])
    found = tuple(Day(day, *days[day]) for day in sorted(days))
    return found, sum(day.late for day in found), first_rows


def _activity(snapshot: Snapshot) -> tuple[tuple[Bin, ...], float, int]:
    rows = snapshot.query(
        """WITH per_user AS (SELECT count(*) AS n FROM events GROUP BY user_id),
        facts AS (SELECT median(n) AS median, max(n) AS most FROM per_user)
        SELECT floor(log2(n))::INTEGER AS power, count(*) AS users, any_value(median) AS median,
            any_value(most) AS most FROM per_user, facts GROUP BY power ORDER BY power"""
    ).to_pylist()
    bins = tuple(Bin(2 ** row["power"], 2 ** (row["power"] + 1) - 1, row["users"]) for row in rows)
    return bins, float(rows[0]["median"]), int(rows[0]["most"])


def _match(snapshot: Snapshot, table: str, key: str) -> Match:
    row = snapshot.query(
        f"""WITH log AS (SELECT DISTINCT {key} AS id FROM events WHERE {key} IS NOT NULL),
        named AS (SELECT {key} AS id FROM {table})
        SELECT (SELECT count(*) FROM log) AS in_log, (SELECT count(*) FROM named) AS described,
            (SELECT count(*) FROM log SEMI JOIN named USING (id)) AS both,
            (SELECT list(id) FROM (FROM log ANTI JOIN named USING (id) ORDER BY id LIMIT {EXAMPLES})) AS only_in_log,
            (SELECT list(id) FROM (FROM named ANTI JOIN log USING (id) ORDER BY id LIMIT {EXAMPLES})) AS only_in_table
        """
    ).to_pylist()[0]
    return Match(
        row["in_log"], row["described"], row["both"], tuple(row["only_in_log"] or ()), tuple(row["only_in_table"] or ())
    )


def _event_fill(snapshot: Snapshot) -> tuple[Fill, ...]:
    counts = ", ".join(f"count({name}) AS {name}" for name in EVENT_FIELDS)
    rows = snapshot.query(f"SELECT event, count(*) AS n, {counts} FROM events GROUP BY event ORDER BY n DESC, event")
    return tuple(Fill(row["event"], name, row[name], row["n"]) for row in rows.to_pylist() for name in EVENT_FIELDS)


_TABLE_FIELDS = {
    "users": ("signed_up_at", "consent"),
    "items": ("text", "category", "price", "tags", "image_path"),
}


def _table_fill(snapshot: Snapshot) -> tuple[Fill, ...]:
    """Return the columns of users and items, attributes among them; a column nobody gave is left out."""
    found = []
    for table, fields in _TABLE_FIELDS.items():
        counts = ", ".join(f"count({name}) AS {name}" for name in fields)
        row = snapshot.query(f"SELECT count(*) AS n, {counts} FROM {table}").to_pylist()[0]
        named = snapshot.query(
            f"""SELECT entry.key AS name, count(entry.value) AS n FROM
            (SELECT unnest(map_entries(attributes)) AS entry FROM {table}) GROUP BY 1 ORDER BY 1"""
        ).to_pylist()
        pairs = [(name, row[name]) for name in fields] + [(each["name"], each["n"]) for each in named]
        found += [Fill(table, name, filled, row["n"]) for name, filled in pairs if filled]
    return tuple(found)


def _reasons(snapshot: Snapshot) -> tuple[Reason, ...]:
    rows = snapshot.query(
        f"""SELECT reason, source, row_number, original, count(*) OVER (PARTITION BY reason) AS n FROM quarantine
        QUALIFY row_number() OVER (PARTITION BY reason ORDER BY load_id, source, row_number) <= {EXAMPLES}
        ORDER BY n DESC, reason, load_id, source, row_number"""
    ).to_pylist()
    return tuple(
        Reason(
            reason,
            own[0]["n"],
            tuple({name: row[name] for name in ("source", "row_number", "original")} for row in own),
        )
        for reason, own in ((reason, list(group)) for reason, group in groupby(rows, key=lambda row: row["reason"]))
    )


def _choices(reports: Sequence[LoadReport]) -> tuple[Choice, ...]:
    """Return the choices of all loads, those of the same rule and alternative added up."""
    total: dict[tuple[str, str, str], int] = {}
    for report in reports:
        for choice in report.choices:
            key = (choice.rule, choice.chosen, choice.alternative)
            total[key] = total.get(key, 0) + choice.events
    return tuple(Choice(*key, events) for key, events in total.items())
