"""What is read how: from a place and the options of a load to one plan per source."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from fnmatch import fnmatch
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from ulm_core.errors import InputError, NotFoundError
from ulm_core.events.cleaning import CleaningRules
from ulm_core.events.columns import STANDARD
from ulm_core.events.mapping import EVERYTHING_ELSE, ColumnMapping, is_complete, require_complete, standard_mapping
from ulm_core.events.presets import Elapsed, Join, Preset, TableHint, get_preset
from ulm_core.events.recognise import recognise, with_content
from ulm_core.events.sources import FileSource, FrameSource, ReadOptions, Source, files_among, find_sources
from ulm_core.events.tables import TableMapping, Target
from ulm_core.messages import N_
from ulm_core.warehouse.database import Database, quote
from ulm_core.warehouse.readers import Relation, forget_rejects, open_relation
from ulm_core.warehouse.remote import list_addresses, open_network
from ulm_core.warehouse.sampling import sample_rows
from ulm_core.workspace import Workspace

CONFIDENT = 0.6


class LoadOptions(BaseModel):
    """How a log is read; whatever is left out is found out.

    Attributes
    ----------
    preset
        Name of a preset; its mapping, cleaning rules and tables are the starting point.
    mapping
        The whole mapping; wins over the preset's.
    roles
        Single roles given to other columns (``{"user": "member_no"}``), on top of preset, mapping or recognition.
    rules
        Cleaning rules; win over the preset's.
    read
        How files are written.
    table
        The table, where the place is a database.
    users, items
        Files that describe users and items, and what their columns mean.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    preset: str | None = None
    mapping: ColumnMapping | None = None
    roles: dict[str, str] = {}
    rules: CleaningRules | None = None
    read: ReadOptions = ReadOptions()
    table: str | None = None
    users: str | None = None
    items: str | None = None
    users_mapping: TableMapping | None = None
    items_mapping: TableMapping | None = None


@dataclass(frozen=True)
class Plan:
    """One source of events and how it is read; `mapping` None means: recognise the columns."""

    source: Source
    read: ReadOptions
    mapping: ColumnMapping | None = None
    join: tuple[Source, Join] | None = None
    elapsed: Elapsed | None = None


@dataclass(frozen=True)
class TablePlan:
    """One source that describes users or items."""

    target: Target
    source: Source
    read: ReadOptions
    mapping: TableMapping | None = None


@dataclass(frozen=True)
class Plans:
    """Everything one load reads."""

    events: tuple[Plan, ...]
    tables: tuple[TablePlan, ...]
    rules: CleaningRules
    preset: Preset | None
    skipped: tuple[str, ...]


def make_plans(workspace: Workspace | None, place: str | Path | FrameSource, options: LoadOptions) -> Plans:
    """Return what a load of `place` reads.

    Raises
    ------
    NotFoundError
        When the place or the preset does not exist.
    InputError
        When the place holds no file the preset knows.
    """
    sources: Sequence[Source] = [place] if isinstance(place, FrameSource) else sources_at(place, options.table)
    preset = get_preset(options.preset, workspace) if options.preset else None
    events, tables, skipped = [], [], []
    for source in sources:
        table = _as_table(source, preset)
        plan = None if table else _as_plan(source, preset, options, sources)
        if table:
            tables.append(table)
        elif plan:
            events.append(plan)
        else:
            skipped.append(source.name)
    if not events:
        raise InputError(
            N_("The preset “{preset}” knows none of these files: {files}."),
            preset=options.preset or "-",
            files=", ".join(source.name for source in sources[:8]),
        )
    tables += named_tables(options)
    rules = options.rules or (preset.rules if preset else CleaningRules())
    return Plans(tuple(events), tuple(tables), rules, preset, tuple(skipped))


def sources_at(place: str | Path, table: str | None = None) -> list[Source]:
    """Return what `place` names (`ulm_core.events.sources.find_sources`), patterns behind ``s3://`` listed."""
    sources = find_sources(place, table)
    first = sources[0]
    if not isinstance(first, FileSource) or not first.is_pattern:
        return sources
    return files_among(list_addresses(first.path), first.path)


def named_tables(options: LoadOptions) -> Iterator[TablePlan]:
    """Return what the users and items files of the options are."""
    named: tuple[tuple[Target, str | None, TableMapping | None], ...] = (
        ("users", options.users, options.users_mapping),
        ("items", options.items, options.items_mapping),
    )
    for target, place, mapping in named:
        for source in sources_at(place) if place else ():
            yield TablePlan(target, source, ReadOptions(), mapping)


def _as_table(source: Source, preset: Preset | None) -> TablePlan | None:
    hints: tuple[tuple[Target, TableHint | None], ...] = (
        ("users", preset.users if preset else None),
        ("items", preset.items if preset else None),
    )
    for target, hint in hints:
        if hint and isinstance(source, FileSource) and _fits(source.name, hint.files):
            mapping = TableMapping.model_validate(hint.columns) if hint.columns else None
            return TablePlan(target, source, hint.read, mapping)
    return None


def _fits(name: str, pattern: str) -> bool:
    lowered = name.lower().removesuffix(".gz").removesuffix(".zst")
    return fnmatch(lowered, pattern.lower())


def _as_plan(source: Source, preset: Preset | None, options: LoadOptions, sources: Sequence[Source]) -> Plan | None:
    if preset is None:
        return Plan(source, options.read, options.mapping)
    variant = preset.variant_for(source.name)
    if variant is None:
        return None
    read = variant.read.model_copy(update=options.read.model_dump(exclude_unset=True))
    mapping = options.mapping or variant.mapping
    return Plan(source, read, mapping, _joined(source, variant.join, sources), variant.elapsed)


def _joined(source: Source, join: Join | None, sources: Sequence[Source]) -> tuple[Source, Join] | None:
    if join is None or not isinstance(source, FileSource):
        return None
    beside = [other for other in sources if isinstance(other, FileSource)]
    if not source.is_remote:
        beside += [FileSource(str(path), path.name) for path in sorted(Path(source.path).parent.iterdir())]
    for other in beside:
        if _fits(other.name, join.file):
            return other, join
    raise NotFoundError(
        N_("{file} needs {other} beside it. Give the folder that holds both."), file=source.name, other=join.file
    )


@contextmanager
def open_plan(database: Database, plan: Plan) -> Iterator[Relation]:
    """Open the rows of a plan: the source, with what a second file adds, and moments made of relative days."""
    with ExitStack() as stack:
        relation = stack.enter_context(open_relation(database, plan.source, plan.read))
        if plan.join:
            other, join = plan.join
            added = stack.enter_context(open_relation(database, other, rejects="ulm_join_rejects"))
            stack.callback(forget_rejects, database, added)
            if plan.elapsed:
                added = _with_elapsed(added, plan.elapsed)
            relation = _with_join(relation, added, join)
        elif plan.elapsed:
            relation = _with_elapsed(relation, plan.elapsed)
        yield relation


def _with_join(relation: Relation, added: Relation, join: Join) -> Relation:
    new = [name for name in added.columns if name not in relation.columns]
    columns = ", ".join(f"b.{quote(name)}" for name in new)
    # Ordered again: a row's place is its number in the quarantine.
    sql = (
        f"(SELECT a.* EXCLUDE (ulm_row), {columns} FROM "
        f"(SELECT *, row_number() OVER () AS ulm_row FROM {relation.sql}) a "
        f"LEFT JOIN {added.sql} b USING ({quote(join.on)}) ORDER BY a.ulm_row)"
    )
    together = {**relation.columns, **{name: added.columns[name] for name in new}}
    return replace(relation, sql=sql, parameters=(*relation.parameters, *added.parameters), columns=together)


def _with_elapsed(relation: Relation, elapsed: Elapsed) -> Relation:
    days = f"coalesce(TRY_CAST({quote(elapsed.days)} AS DOUBLE), 0)"
    hour = f"coalesce(TRY_CAST({quote(elapsed.hour)} AS DOUBLE), 0) / 24" if elapsed.hour else "0"
    total = (
        f"sum({days}) OVER (PARTITION BY {quote(elapsed.user)} ORDER BY TRY_CAST({quote(elapsed.order)} AS DOUBLE) "
        f"ROWS UNBOUNDED PRECEDING) + {hour}"
    )
    sql = f"(SELECT *, CAST({total} AS VARCHAR) AS elapsed_days FROM {relation.sql})"
    return replace(relation, sql=sql, columns={**relation.columns, "elapsed_days": "VARCHAR"})


def mapping_for(database: Database, plan: Plan, relation: Relation, options: LoadOptions) -> ColumnMapping:
    """Return the mapping of a source: the given one, the standard names, or what is recognised.

    Raises
    ------
    InputError
        When user, time or event is neither given nor recognised with some confidence.
    """
    if plan.mapping is not None:
        mapping = plan.mapping.with_roles(options.roles)
    else:
        mapping = standard_mapping(relation.columns).with_roles(options.roles)
        sample = sample_rows(database, relation)
        if not is_complete(mapping):
            mapping = recognise(sample).mapping_above(CONFIDENT).with_roles(options.roles)
        mapping = _with_the_rest(with_content(mapping, sample), relation)
    require_complete(mapping, relation.columns)
    return mapping


def _with_the_rest(mapping: ColumnMapping, relation: Relation) -> ColumnMapping:
    """Return the mapping with the columns that play no role kept as properties: an account, a plan, a device."""
    used = {name for role in STANDARD for name in mapping.references(role)}
    names = {name for name in relation.columns if not any(name.startswith(f"{parent}.") for parent in used)}
    if used >= names:
        return mapping
    return mapping.model_copy(update={"properties": (*mapping.properties, EVERYTHING_ELSE)})


def fingerprint_of(database: Database, sources: Sequence[Source]) -> str:
    """Return what changes when, and only when, the content does.

    Of a remote file the address, size and time of change count, not the bytes: they would have to be fetched
    twice. A database has no fingerprint of its own: each load of it is compared row by row.
    """
    parts = sorted(_fingerprint(database, source) for source in sources)
    return parts[0] if len(parts) == 1 else hashlib.sha256("\n".join(parts).encode()).hexdigest()


def file_fingerprint(path: Path) -> str:
    """Return the SHA-256 of a file's bytes."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def _fingerprint(database: Database, source: Source) -> str:
    if isinstance(source, FileSource) and not source.is_remote:
        return file_fingerprint(Path(source.path))
    if isinstance(source, FileSource):
        open_network(database, source.path)
        facts = database.query("SELECT size, last_modified FROM read_blob(?)", [source.path]).to_pylist()
        return hashlib.sha256(f"{source.path} {facts}".encode()).hexdigest()
    import secrets  # a table or stream can change at any moment: rows decide, not the name

    return secrets.token_hex(32)
