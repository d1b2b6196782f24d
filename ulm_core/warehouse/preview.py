"""A look at a source before it is loaded: columns recognised, the mapping they make, the first events it gives."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow as pa

from ulm_core.errors import UlmError
from ulm_core.events.cleaning import CleaningRules
from ulm_core.events.mapping import ColumnMapping, standard_mapping
from ulm_core.events.presets import list_presets
from ulm_core.events.recognise import Guess, recognise
from ulm_core.events.sources import FrameSource, find_sources
from ulm_core.events.tables import TableMapping, Target, suggest_table_mapping
from ulm_core.messages import Message
from ulm_core.warehouse.database import Database
from ulm_core.warehouse.fields import Fields
from ulm_core.warehouse.plans import LoadOptions, make_plans, mapping_for, open_plan
from ulm_core.warehouse.readers import SAMPLE_ROWS, Relation, open_relation
from ulm_core.warehouse.sampling import sample_rows
from ulm_core.warehouse.staging import EVENT_COLUMNS, stage
from ulm_core.workspace import Workspace


@dataclass(frozen=True)
class Preview:
    """What a load would make of the first rows of a source.

    Attributes
    ----------
    source
        Name of the file or table looked at (the first of a folder).
    guesses
        One per column: the role it seems to play, how sure that is, examples.
    mapping
        What a load would use; what is recognised, as far as it is complete, where nothing was given.
    raw
        First rows as text, as the file has them.
    events
        The same rows as events, with `reason` where a row would be rejected; empty while `problem` says why.
    problem
        What keeps the source from being loaded as it is, or None.
    presets
        Names of presets whose columns this source has.
    files, skipped
        Files that would be read, and those passed over.
    """

    source: str
    guesses: tuple[Guess, ...]
    mapping: ColumnMapping
    raw: pa.Table
    events: pa.Table
    problem: Message | None
    presets: tuple[str, ...]
    files: tuple[str, ...]
    skipped: tuple[str, ...]

    def to_json(self) -> dict[str, object]:
        """Return the preview as plain values."""
        return {
            "source": self.source,
            "columns": [
                {"name": guess.column, "role": guess.role, "confidence": guess.confidence, "why": str(guess.why),
                 "examples": list(guess.examples)}
                for guess in self.guesses
            ],
            "mapping": self.mapping.model_dump(mode="json", exclude_defaults=True),
            "rows": self.raw.slice(0, 10).to_pylist(),
            "events": self.events.slice(0, 10).to_pylist(),
            "problem": None if self.problem is None else str(self.problem),
            "presets": list(self.presets),
            "files": list(self.files),
            "skipped": list(self.skipped),
        }  # fmt: skip


def preview(
    place: str | Path | FrameSource,
    options: LoadOptions | None = None,
    workspace: Workspace | None = None,
    rows: int = 100,
) -> Preview:
    """Return what a load of `place` would see; nothing is written anywhere.

    Parameters
    ----------
    place, options
        As for `ulm_core.timeline.publish.import_log`.
    workspace
        Where saved presets are looked for.
    rows
        How many rows are shown as events.

    Raises
    ------
    UlmError
        When there is nothing to read; a mapping that is not complete is no error but the preview's `problem`.
    """
    options = options or LoadOptions()
    plans = make_plans(workspace, place, options)
    plan = plans.events[0]
    with Database.private() as database, open_plan(database, plan) as relation:
        raw = sample_rows(database, relation, SAMPLE_ROWS)
        found = recognise(raw)
        problem: Message | None = None
        events = pa.table({})
        mapping = options.mapping or standard_mapping(relation.columns)
        try:
            mapping = mapping_for(database, plan, relation, options)
            events = _as_events(database, relation, mapping, plans.rules, rows)
        except UlmError as error:
            problem = error.message
            mapping = found.mapping if plan.mapping is None else plan.mapping
            mapping = mapping.with_roles(options.roles)
        return Preview(
            relation.name, found.guesses, mapping, raw, events, problem, _fitting(relation, workspace),
            tuple(each.source.name for each in plans.events), plans.skipped,
        )  # fmt: skip


@dataclass(frozen=True)
class TablePreview:
    """What a load would make of a users or items file.

    Attributes
    ----------
    source
        Name of the file looked at.
    columns
        Its columns.
    mapping
        Which column plays which role; None where no column looks like an id.
    raw
        First rows as text.
    """

    source: str
    columns: tuple[str, ...]
    mapping: TableMapping | None
    raw: pa.Table


def preview_table(place: str | Path, target: Target) -> TablePreview:
    """Return what a load would see in a file that describes users or items; nothing is written.

    Raises
    ------
    UlmError
        When there is nothing to read.
    """
    source = find_sources(place)[0]
    with Database.private() as database, open_relation(database, source) as relation:
        columns = tuple(relation.columns)
        raw = sample_rows(database, relation)
        return TablePreview(relation.name, columns, suggest_table_mapping(columns, target), raw)


def _as_events(
    database: Database, relation: Relation, mapping: ColumnMapping, rules: CleaningRules, rows: int
) -> pa.Table:
    first = replace(relation, sql=f"(SELECT * FROM {relation.sql} LIMIT {int(rows)})")
    stage(database, first, mapping, rules)
    # DuckDB knows years that Python does not; such a time is implausible and shown as none.
    shown = "CASE WHEN time BETWEEN TIMESTAMP '0001-01-01' AND TIMESTAMP '9999-12-31' THEN time END AS time"
    columns = ", ".join(shown if name == "time" else name for name in EVENT_COLUMNS)
    return database.query(f"SELECT {columns}, reason FROM staging")


def _fitting(relation: Relation, workspace: Workspace | None) -> tuple[str, ...]:
    """Return the presets of which a variant for this file finds all its roles among the columns."""
    fitting = []
    for name, preset in list_presets(workspace).items():
        variant = preset.variant_for(relation.name)
        if variant is None or (variant.read.columns and not relation.name.lower().startswith(name.split("-")[0])):
            continue
        fields = Fields(relation, variant.mapping)
        roles = [variant.mapping.references(role) for role in ("user", "time", "event", "item", "value")]
        if all(any(map(fields.knows, references)) for references in roles if references):
            fitting.append(name)
    return tuple(fitting)
