"""Users and items tables: typed attributes, joined to the log by id, with what did not match on either side."""

from __future__ import annotations

from dataclasses import dataclass

from ulm_core.errors import InputError, NotFoundError
from ulm_core.events.mapping import ColumnMapping
from ulm_core.events.tables import TableMapping, Target, suggest_table_mapping
from ulm_core.messages import N_
from ulm_core.warehouse.database import Database, literal, quote
from ulm_core.warehouse.fields import Fields
from ulm_core.warehouse.privacy import pseudonymise
from ulm_core.warehouse.readers import Relation, forget_rejects
from ulm_core.workspace import Workspace

MAX_BREAKDOWN_VALUES = 50
EXAMPLE_IDS = 5

_ID = {"users": "user_id", "items": "item_id"}
_TYPED = {
    "users": {"signed_up_at": "TIMESTAMP", "consent": "BOOLEAN"},
    "items": {
        "text": "VARCHAR", "category": "VARCHAR", "price": "DOUBLE", "tags": "VARCHAR[]", "image_path": "VARCHAR",
    },
}  # fmt: skip


@dataclass(frozen=True)
class TableReport:
    """How a users or items table met the log.

    Attributes
    ----------
    rows_read, rows_without_id, rows_repeated
        Rows of the file; those without an id; those whose id came again later in the file (the last counts).
    only_in_log, only_in_table
        Ids of the log that the table does not describe, and described ids that the log never names; with a few
        of each in `examples_only_in_log` and `examples_only_in_table`.
    """

    target: Target
    source: str
    rows_read: int
    rows_without_id: int
    rows_repeated: int
    only_in_log: int = 0
    only_in_table: int = 0
    examples_only_in_log: tuple[str, ...] = ()
    examples_only_in_table: tuple[str, ...] = ()

    def to_json(self) -> dict[str, object]:
        """Return the report as plain values."""
        return dict(vars(self))


def _expression(fields: Fields, role: str, column: str) -> str:
    raw = fields.raw(column)
    if raw is None:
        raise NotFoundError.for_name("column", column, fields.relation.columns)
    text = fields.present(raw)
    if role == "signed_up_at":
        return fields.moment(text)
    if role == "consent":
        return (
            f"CASE WHEN lower({text}) IN ('1', '1.0', 'true', 't', 'yes', 'y', 'granted') THEN true "
            f"WHEN lower({text}) IN ('0', '0.0', 'false', 'f', 'no', 'n', 'denied') THEN false END"
        )
    if role == "price":
        return fields.as_number(text)
    if role == "tags":
        # A list written as JSON or Python loses its brackets and quotes first.
        bare = f"regexp_replace({text}, '^\\[|\\]$|[\"'']', '', 'g')"
        return f"list_filter(list_transform(regexp_split_to_array({bare}, '[|;,]'), e -> trim(e)), e -> e <> '')"
    return text


def load_table(
    database: Database, workspace: Workspace, target: Target, relation: Relation, mapping: TableMapping | None
) -> TableReport:
    """Add a users or items table to the warehouse; a described id that comes again is described anew.

    Raises
    ------
    InputError
        When no column looks like an id.
    """
    mapping = mapping or suggest_table_mapping(relation.columns, target)
    if mapping is None:
        raise InputError(
            N_("{file}: no column looks like an id. It holds: {found}."),
            file=relation.name,
            found=", ".join(list(relation.columns)[:20]),
        )
    fields = Fields(relation, ColumnMapping(user=(mapping.id,), whole_ids=mapping.whole_ids))
    _read(database, target, fields, mapping)
    if target == "users":
        pseudonymise(database, workspace, "described")
    rows = int(str(database.scalar("SELECT count(*) FROM described")))
    nameless = int(str(database.scalar("SELECT count(*) FROM described WHERE " + _ID[target] + " IS NULL")))
    repeated = _merge(database, target)
    _type_attributes(database, target)
    database.execute("DROP TABLE described")
    return TableReport(target, relation.name, rows, nameless, repeated)


def _read(database: Database, target: Target, fields: Fields, mapping: TableMapping) -> None:
    """Read the file into the temporary table ``described``."""
    key = fields.text("user")
    if key == "NULL::VARCHAR":
        raise NotFoundError.for_name("column", mapping.id, fields.relation.columns)
    roles = {role: getattr(mapping, role) for role in _TYPED[target] if getattr(mapping, role)}
    typed = [
        f"{_expression(fields, role, roles[role])} AS {role}" if role in roles else f"NULL::{kind} AS {role}"
        for role, kind in _TYPED[target].items()
    ]
    used = {mapping.id, *roles.values()}
    others = [name for name in fields.relation.columns if name not in used and name != "attributes"]
    entries = [
        f"{{'k': {literal(name)}, 'v': {fields.present(str(fields.raw(name)))}}}"
        for name in others
        if mapping.attributes
    ]
    attributes = (
        f"map_from_entries(list_filter([{', '.join(entries)}], e -> e.v IS NOT NULL))"
        if entries
        else "CAST(MAP {} AS MAP(VARCHAR, VARCHAR))"
    )
    database.execute(
        f"CREATE OR REPLACE TEMP TABLE described AS SELECT {key} AS {_ID[target]}, {', '.join(typed)}, "
        f"{attributes} AS attributes FROM {fields.source()}",
        fields.relation.parameters,
    )
    forget_rejects(database, fields.relation)


def _merge(database: Database, target: Target) -> int:
    """Move ``described`` into its table, the last row of an id; return how many rows an id's later row replaced."""
    key, columns = _ID[target], ", ".join((_ID[target], *_TYPED[target], "attributes"))
    repeated = int(
        str(database.scalar(f"SELECT count({key}) - count(DISTINCT {key}) FROM described WHERE {key} IS NOT NULL"))
    )
    database.execute(
        f"""INSERT OR REPLACE INTO {target} ({columns}) SELECT {columns} FROM described WHERE {key} IS NOT NULL
        QUALIFY row_number() OVER (PARTITION BY {key} ORDER BY rowid DESC) = 1"""
    )
    return repeated


def describe_items(database: Database) -> None:
    """Describe the items of ``staging`` by what the log itself says of them.

    Of texts, categories and attributes the most frequent counts, of prices the latest. What is known of an item
    already stays: an items table says more than a log, and the first part of a log as much as the next.
    """
    told = "SELECT item_id, {0} AS told, count(*) AS n FROM staging WHERE {0} IS NOT NULL AND {1} GROUP BY ALL"
    where = "reason IS NULL AND item_id IS NOT NULL"
    usual = "SELECT item_id, arg_max(told, {{'n': n, 'told': told}}) AS told FROM ({0}) GROUP BY item_id"
    found = {name: usual.format(told.format(name, where)) for name in ("item_text", "item_category", "item_attributes")}
    database.execute(
        f"""INSERT INTO items (item_id, text, category, price, attributes)
        SELECT item_id, t.told, c.told, p.price, coalesce(a.told, MAP {{}})
        FROM (SELECT DISTINCT item_id FROM staging WHERE {where})
        LEFT JOIN ({found["item_text"]}) t USING (item_id)
        LEFT JOIN ({found["item_category"]}) c USING (item_id)
        LEFT JOIN ({found["item_attributes"]}) a USING (item_id)
        LEFT JOIN (SELECT item_id, arg_max(item_price, {{'time': time, 'price': item_price}}) AS price FROM staging
            WHERE {where} AND isfinite(item_price) GROUP BY item_id) p USING (item_id)
        ON CONFLICT DO UPDATE SET text = coalesce(text, excluded.text),
            category = coalesce(category, excluded.category), price = coalesce(price, excluded.price),
            attributes = map_concat(excluded.attributes, attributes)"""
    )
    _type_attributes(database, "items")


def _type_attributes(database: Database, target: Target) -> None:
    """Find the type of every attribute, and whether it has few enough values to break a number down by."""
    database.execute("DELETE FROM attributes WHERE target = ?", [target])
    database.execute(
        f"""INSERT INTO attributes
        WITH pairs AS (SELECT unnest(map_entries(attributes), recursive := true) FROM {target})
        SELECT ?, key, CASE
                WHEN count(*) = count(*) FILTER (lower(value) IN ('true', 'false', 'yes', 'no')) THEN 'boolean'
                WHEN count(*) = count(TRY_CAST(value AS BIGINT)) THEN 'integer'
                WHEN count(*) = count(TRY_CAST(value AS DOUBLE)) THEN 'number'
                WHEN count(*) = count(TRY_CAST(value AS TIMESTAMP)) THEN 'time'
                ELSE 'text' END,
            count(DISTINCT value), count(DISTINCT value) BETWEEN 2 AND {MAX_BREAKDOWN_VALUES}
        FROM pairs GROUP BY key""",
        [target],
    )


def match_ids(database: Database, report: TableReport) -> TableReport:
    """Return the report with the ids that stand on one side only."""
    key = _ID[report.target]
    log = f"(SELECT DISTINCT {key} AS id FROM events WHERE {key} IS NOT NULL)"
    known = f"(SELECT {key} AS id FROM {report.target})"
    counts: list[int] = []
    examples: list[tuple[str, ...]] = []
    for left, right in ((log, known), (known, log)):
        missing = f"SELECT id FROM {left} a ANTI JOIN {right} b USING (id)"
        counts.append(int(str(database.scalar(f"SELECT count(*) FROM ({missing})"))))
        ids = database.query(f"{missing} ORDER BY id LIMIT {EXAMPLE_IDS}")["id"].to_pylist()
        examples.append(tuple(str(name) for name in ids))
    return TableReport(
        report.target, report.source, report.rows_read, report.rows_without_id, report.rows_repeated,
        counts[0], counts[1], examples[0], examples[1],
    )  # fmt: skip


def has_table(database: Database, target: Target) -> bool:
    """Return whether anything is described."""
    return bool(database.scalar(f"SELECT count(*) > 0 FROM {quote(target)}"))
