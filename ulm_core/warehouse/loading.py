"""Loading a log into the warehouse: cast, check, quarantine, count; nothing is dropped silently."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from ulm_core.errors import InputError
from ulm_core.events.cleaning import AS_IS, CleaningRules
from ulm_core.events.columns import Columns, match_columns
from ulm_core.events.mapping import ColumnMapping, standard_mapping
from ulm_core.events.samples import LogBundle
from ulm_core.events.sources import FrameSource
from ulm_core.events.tables import TableMapping
from ulm_core.messages import N_, Message, message
from ulm_core.warehouse.access import open_warehouse
from ulm_core.warehouse.cleaning import apply_rules, link_returns, mark_overlap, record_storms
from ulm_core.warehouse.database import Database
from ulm_core.warehouse.frames import arrow_of
from ulm_core.warehouse.head import advance_head
from ulm_core.warehouse.load_report import LoadReport, Tally, make_report, report_from_json, to_text
from ulm_core.warehouse.plans import (
    LoadOptions,
    Plans,
    TablePlan,
    file_fingerprint,
    fingerprint_of,
    make_plans,
    mapping_for,
    open_plan,
)
from ulm_core.warehouse.privacy import pseudonymise
from ulm_core.warehouse.progress import Phase, begin_reading, expecting, following, has_read
from ulm_core.warehouse.readers import Relation, open_relation
from ulm_core.warehouse.staging import EVENT_COLUMNS, IDENTITY, OVERLAP, PLACE, stage
from ulm_core.warehouse.tables import TableReport, describe_items, load_table, match_ids
from ulm_core.workspace import Workspace, WorkspaceConfig

Mode = Literal["append", "replace"]
Report = Callable[[Message], None]

_EMPTIED = ("events", "items", "users", "quarantine", "loads", "attributes", "returns", "user_flags")


@dataclass(frozen=True)
class _Opened:
    """A relation of events with its mapping; `compares_with_itself` also finds overlap inside this load."""

    relation: Relation
    mapping: ColumnMapping
    compares_with_itself: bool


@dataclass(frozen=True)
class _Job:
    """One load: what it is called, what it reads and by which rules."""

    name: str
    fingerprint: str
    rules: CleaningRules
    sources: Callable[[Database], Iterable[_Opened]]
    tables: tuple[TablePlan, ...] = ()
    config: WorkspaceConfig | None = None
    skipped: tuple[str, ...] = ()


def _quiet(_: Message) -> None:
    return None


def _clean_and_move(
    database: Database, opened: _Opened, load_id: int, rules: CleaningRules, tally: Tally, report: Report
) -> None:
    """Apply the rules to what is staged and move it where it belongs."""
    overlapping = mark_overlap(database, None if opened.compares_with_itself else load_id)
    counts = apply_rules(database, rules)
    tally.rescued += _count(
        database,
        "SELECT count(*) FROM staging WHERE reason = 'no user' AND session_id IS NOT NULL AND time IS NOT NULL",
    )
    if opened.mapping.describes_items:
        describe_items(database)
    report(message(Phase.STORING))
    moved = _move(database, opened.relation.name, load_id)
    record_storms(database, load_id)
    tally.add(opened.relation.name, moved, overlapping, counts)


def _protect(database: Database, workspace: Workspace) -> None:
    """Replace ids by pseudonyms where the workspace wants it; identities follow what will be kept."""
    if not workspace.protection.pseudonymised:
        return
    pseudonymise(database, workspace, "staging")
    # The identity of a rejected row was made of its plain text: it goes with it.
    database.execute(f"UPDATE staging SET identity = CASE WHEN reason IS NULL THEN {IDENTITY} END")


def _count(database: Database, sql: str) -> int:
    return int(str(database.scalar(sql)))


def _move(database: Database, source: str, load_id: int) -> tuple[int, int]:
    """Move ``staging`` into events and quarantine; return (rows loaded, rows quarantined)."""
    columns = ", ".join(EVENT_COLUMNS)
    # The order of events is the snapshot's business; writing them in any order is done on all threads.
    database.execute("SET preserve_insertion_order = false")
    database.execute(f"INSERT INTO events SELECT {columns}, ? FROM staging WHERE reason IS NULL", [load_id])
    database.execute("SET preserve_insertion_order = true")
    # A row that a later rule rejected has no original text any more: what was mapped stands for it.
    mapped = ", ".join(f"'{name}': {name}" for name in EVENT_COLUMNS)
    database.execute(
        f"""INSERT INTO quarantine SELECT ?, ?, coalesce(row_number, {PLACE}), reason,
            CASE WHEN ? THEN coalesce(original, CAST(to_json({{{mapped}}}) AS VARCHAR)) END, identity
        FROM staging WHERE reason IS NOT NULL AND reason <> '{OVERLAP}'""",
        [load_id, source, not _is_hidden(database)],
    )
    counts = database.query(
        f"SELECT count(*) FILTER (reason IS NULL), count(*) FILTER (reason <> '{OVERLAP}') FROM staging"
    )
    database.execute("DROP TABLE staging")
    return counts.column(0)[0].as_py(), counts.column(1)[0].as_py()


def _is_hidden(database: Database) -> bool:
    """Return whether rejected rows keep no text: their identities are gone only where ids are pseudonyms."""
    return bool(database.scalar("SELECT count(*) > 0 FROM staging WHERE reason IS NOT NULL AND identity IS NULL"))


def _known_load(database: Database, fingerprint: str) -> LoadReport | None:
    found = database.query(
        "SELECT load_id, source, rows_read, rows_loaded, rows_quarantined, coalesce(rows_overlapping, 0) AS "
        "rows_overlapping, report FROM loads WHERE fingerprint = ?",
        [fingerprint],
    )
    if not found.num_rows:
        return None
    row = found.slice(0, 1).to_pylist()[0]
    text = row.pop("report")
    if text:
        return replace(report_from_json(text), is_new=False)
    return LoadReport(**row, fingerprint=fingerprint, is_new=False)


def _run(workspace: Workspace, mode: Mode, job: _Job, report: Report) -> LoadReport:
    """Run one load in one transaction: it is there whole, with its configuration, or not at all."""
    with open_warehouse(workspace) as database:
        known = None if mode == "replace" else _known_load(database, job.fingerprint)
        if known:
            return known
        tally, load_id = Tally(), 0
        with following(report, database):
            for opened in job.sources(database):
                begin_reading(report, opened.relation)
                stage(database, opened.relation, opened.mapping, job.rules)
                report(message(Phase.CHECKING))
                _protect(database, workspace)
                # The transaction begins behind the first source: DuckDB reads rows that are not committed, such as
                # those of a later source's staging, on one thread and seven times slower.
                load_id = load_id or _begin(database, mode)
                _clean_and_move(database, opened, load_id, job.rules, tally, report)
                has_read(report, tally.read)
            if tally.loaded == 0 and not (tally.overlapping and tally.quarantined):
                return _without_new_rows(database, job, tally)
            done = _finish(database, workspace, job, load_id, tally)
        advance_head(database, load_id, job.fingerprint, job.config)
        database.execute("COMMIT")
        database.execute("CHECKPOINT")
    return done


def _begin(database: Database, mode: Mode) -> int:
    """Begin the transaction of a load; return the load's number."""
    database.execute("BEGIN")
    if mode == "replace":
        for table in _EMPTIED:
            database.execute(f"DELETE FROM {table}")
    return _count(database, "SELECT nextval('load_ids')")


def _finish(database: Database, workspace: Workspace, job: _Job, load_id: int, tally: Tally) -> LoadReport:
    """Link returns, load users and items, write the line of the history; the caller commits."""
    link_returns(database, load_id, job.rules)
    tables = _load_tables(database, workspace, job.tables)
    done = make_report(database, load_id, job.name, job.fingerprint, tally, job.rules)
    done = replace(done, skipped=job.skipped, ids={table.target: table.to_json() for table in tables})
    database.execute(
        """INSERT INTO loads (load_id, loaded_at, source, fingerprint, rows_read, rows_loaded, rows_quarantined,
            rows_overlapping, report) VALUES (?, now() AT TIME ZONE 'UTC', ?, ?, ?, ?, ?, ?, ?)""",
        [
            load_id, job.name, job.fingerprint, done.rows_read, done.rows_loaded, done.rows_quarantined,
            done.rows_overlapping, to_text(done),
        ],
    )  # fmt: skip
    return done


def _load_tables(database: Database, workspace: Workspace, plans: Iterable[TablePlan]) -> list[TableReport]:
    reports = []
    for plan in plans:
        with open_relation(database, plan.source, plan.read) as relation:
            reports.append(load_table(database, workspace, plan.target, relation, plan.mapping))
    return [match_ids(database, done) for done in reports]


def _without_new_rows(database: Database, job: _Job, tally: Tally) -> LoadReport:
    """Answer a load that adds nothing: known rows are no error, a source without one good row is."""
    if tally.overlapping:
        database.execute("ROLLBACK")
        return LoadReport(
            0, job.name, job.fingerprint, tally.read, 0, 0, is_new=False,
            rows_overlapping=tally.overlapping, files=tally.files,
        )  # fmt: skip
    raise _nothing_loaded(database, job.name, tally)


def _nothing_loaded(database: Database, name: str, tally: Tally) -> InputError:
    """Return the error for a load without one good row; leaving the block rolls everything back."""
    if not tally.quarantined:
        return InputError(N_("{file} holds no rows. Nothing was changed."), file=name)
    worst = database.query(
        "SELECT reason, count(*) AS n FROM quarantine WHERE load_id = (SELECT max(load_id) FROM quarantine) "
        "GROUP BY ALL ORDER BY n DESC, reason LIMIT 1"
    )
    return InputError(
        N_("None of the {n} rows of {file} can be loaded; the most frequent reason: {reason}. Nothing was changed."),
        n=f"{tally.quarantined:,}",
        file=name,
        reason=message(worst["reason"][0].as_py()),
    )


def load_bundle(workspace: Workspace, bundle: LogBundle, mode: Mode = "replace", report: Report = _quiet) -> LoadReport:
    """Load a sample or any other `LogBundle` into the warehouse.

    Publishing what was loaded is a step of its own (`ulm_core.timeline.publish`).
    """

    def sources(database: Database) -> Iterator[_Opened]:
        for table in bundle.events():
            match_columns(table.column_names)
            with open_relation(database, FrameSource(table, bundle.source)) as relation:
                yield _Opened(relation, standard_mapping(table.column_names), compares_with_itself=False)

    job = _Job(bundle.source, bundle.fingerprint, bundle.rules or AS_IS, sources, _bundle_tables(bundle), bundle.config)
    return _run(workspace, mode, job, report)


def _bundle_tables(bundle: LogBundle) -> tuple[TablePlan, ...]:
    plans = []
    if bundle.items is not None:
        named = {name: name for name in ("text", "category", "price", "tags", "image_path")}
        roles = {role: name for role, name in named.items() if name in bundle.items.column_names}
        mapping = TableMapping.model_validate({"id": "item_id", **roles})
        plans.append(TablePlan("items", FrameSource(bundle.items, bundle.source), LoadOptions().read, mapping))
    if bundle.users is not None:
        roles = {name: name for name in ("signed_up_at", "consent") if name in bundle.users.column_names}
        mapping = TableMapping.model_validate({"id": "user_id", **roles})
        plans.append(TablePlan("users", FrameSource(bundle.users, bundle.source), LoadOptions().read, mapping))
    return tuple(plans)


def load_log(
    workspace: Workspace,
    place: str | Path | FrameSource,
    mode: Mode = "append",
    report: Report = _quiet,
    options: LoadOptions | None = None,
) -> LoadReport:
    """Load a file, folder, pattern, address, database table or frame.

    A source whose content was loaded before changes nothing (`is_new` is False then); rows that stand in the
    warehouse already are counted once.

    Raises
    ------
    NotFoundError
        When there is no such place, preset or column.
    InputError
        When it is no table, lacks a column, or holds no row that can be loaded; nothing is changed then.
    """
    options = options or LoadOptions()
    plans = make_plans(workspace, place, options)
    name = place.name if isinstance(place, FrameSource) else _shown_name(plans, place)
    report(message(N_("Reading {file}"), file=name))
    expecting(report, [plan.source for plan in plans.events])
    with Database.in_memory() as outside:
        fingerprint = fingerprint_of(outside, [plan.source for plan in plans.events])

    def sources(database: Database) -> Iterator[_Opened]:
        for plan in plans.events:
            with open_plan(database, plan) as relation:
                mapping = mapping_for(database, plan, relation, options)
                yield _Opened(relation, mapping, compares_with_itself=True)

    config = _config(workspace, plans, name) if mode == "replace" else None
    return _run(
        workspace, mode, _Job(name, fingerprint, plans.rules, sources, plans.tables, config, plans.skipped), report
    )


def _shown_name(plans: Plans, place: str | Path) -> str:
    return plans.events[0].source.name if len(plans.events) == 1 else Path(str(place)).name


def _config(workspace: Workspace, plans: Plans, name: str) -> WorkspaceConfig:
    """Return the configuration of a workspace whose data are replaced; a preset knows a little about it."""
    preset = plans.preset
    if preset is None:
        return WorkspaceConfig(name=Path(name).stem)
    known: dict[str, object] = {"name": preset.title, "currency": preset.currency}
    if preset.conversion_events:
        known["conversion_events"] = preset.conversion_events
    known["passive_events"] = preset.passive_events
    return WorkspaceConfig.model_validate(known)


def load_file(workspace: Workspace, path: Path, mode: Mode = "append", report: Report = _quiet) -> LoadReport:
    """Load one file, its columns recognised; `load_log` with nothing said."""
    return load_log(workspace, path, mode, report)


def load_tables(
    workspace: Workspace,
    users: str | None = None,
    items: str | None = None,
    *,
    users_mapping: TableMapping | None = None,
    items_mapping: TableMapping | None = None,
    report: Report = _quiet,
) -> tuple[TableReport, ...]:
    """Describe users or items of a workspace that holds a log already; one transaction.

    Raises
    ------
    InputError
        When nothing is loaded yet, or a file has no id.
    """
    plans = make_table_plans(users, items, users_mapping, items_mapping)
    with open_warehouse(workspace) as database:
        last = database.query("SELECT load_id, fingerprint FROM loads ORDER BY load_id DESC LIMIT 1").to_pylist()
        if not last:
            raise InputError(N_("Load a log first; users and items describe what stands in it."))
        database.execute("BEGIN")
        reports = _load_tables(database, workspace, plans)
        tables = database.query(
            "SELECT users, items FROM (SELECT sum(hash(u)) users FROM users u), "
            "(SELECT sum(hash(i)) items FROM items i)"
        ).to_pylist()
        advance_head(database, last[0]["load_id"], f"{last[0]['fingerprint']} {tables}", None)
        database.execute("COMMIT")
        database.execute("CHECKPOINT")
    report(message(N_("{n} rows read"), n=f"{sum(done.rows_read for done in reports):,}"))
    return tuple(reports)


def make_table_plans(
    users: str | None, items: str | None, users_mapping: TableMapping | None, items_mapping: TableMapping | None
) -> list[TablePlan]:
    """Return what `load_tables` reads."""
    from ulm_core.warehouse.plans import named_tables

    return list(
        named_tables(LoadOptions(users=users, items=items, users_mapping=users_mapping, items_mapping=items_mapping))
    )


@contextmanager
def frame_source(frame: object, name: str) -> Iterator[FrameSource]:
    """Turn a pandas, polars or Arrow table, or a stream of record batches, into a source."""
    yield FrameSource(arrow_of(frame, name), name)


__all__ = [
    "Columns", "LoadOptions", "LoadReport", "Mode", "Report", "file_fingerprint", "frame_source", "load_bundle",
    "load_file", "load_log", "load_tables",
]  # fmt: skip
