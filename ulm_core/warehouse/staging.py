"""The first pass over a source: every row typed, with the reason why it cannot be loaded, if any."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from ulm_core.events.cleaning import CleaningRules
from ulm_core.events.columns import DESCRIBING, STANDARD, Columns
from ulm_core.events.mapping import ColumnMapping
from ulm_core.messages import N_
from ulm_core.warehouse.database import Database, literal, quote
from ulm_core.warehouse.fields import Fields
from ulm_core.warehouse.readers import Relation, forget_rejects

# What makes two rows the same row: all that is mapped. A part that could not be read counts by its text.
EVENT_COLUMNS = ("user_id", "time", "event", "item_id", "value", "quantity", "session_id", "properties")
IDENTITY = f"hash({', '.join(EVENT_COLUMNS)})"

BROKEN = N_("broken row")
ENCODING = N_("wrong encoding")
DUPLICATE = N_("exact duplicate")
RETURNED = N_("return or cancellation")
STORM = N_("event storm")
# Rows of a transaction that is not committed have row ids of their own kind, in order all the same.
PLACE = "rowid - (SELECT min(rowid) FROM staging) + 1"
OVERLAP = "overlap"  # a marker, no reason: the row is in the warehouse already, nothing is rejected


def reasons(rules: CleaningRules) -> tuple[tuple[str, str], ...]:
    """Return (reason, SQL condition); the first that holds is the one recorded."""
    latest = rules.latest or datetime.now(UTC).replace(tzinfo=None) + timedelta(days=1)
    span = f"time < TIMESTAMP {_stamp(rules.earliest)} OR time > TIMESTAMP {_stamp(latest)}"
    return (
        (N_("unreadable row"), "is_broken"),
        (N_("no user"), "user_id IS NULL"),
        (N_("no event"), "event IS NULL"),
        (N_("no time"), "raw_time IS NULL"),
        (N_("unreadable time"), "time IS NULL"),
        (N_("implausible time"), span),
        (N_("unreadable value"), "value IS NULL AND raw_value IS NOT NULL OR isinf(value) OR isnan(value)"),
        (
            N_("unreadable quantity"),
            "quantity IS NULL AND raw_quantity IS NOT NULL OR isinf(quantity) OR isnan(quantity)",
        ),
        (N_("impossible value"), f"abs(value) > {float(rules.max_value)!r}"),
        (N_("impossible quantity"), f"abs(quantity) > {float(rules.max_quantity)!r}"),
    )


def _stamp(moment: datetime) -> str:
    if moment.tzinfo is not None:
        moment = moment.astimezone(UTC).replace(tzinfo=None)
    return literal(moment.isoformat(sep=" "))


def stage(database: Database, relation: Relation, mapping: ColumnMapping, rules: CleaningRules) -> None:
    """Read a relation into the temporary table ``staging``.

    Columns: those of an event, `identity`, `reason` (NULL: it can be loaded), `original` (text of the row, only
    where there is a reason), `row_number` (counted from 1, header left out); where the mapping describes items,
    `item_text`, `item_category`, `item_price`, `item_attributes`.
    """
    fields = Fields(relation, mapping)
    fields.require()
    source = _wide(fields, rules) if mapping.wide else _narrow(fields, rules)
    whole = "CAST(to_json(original) AS VARCHAR)" if relation.kind == "columns" else "original"
    case = " ".join(f"WHEN {condition} THEN {literal(name)}" for name, condition in reasons(rules))
    database.execute("DROP TABLE IF EXISTS staging")
    database.execute(
        f"""CREATE TEMP TABLE staging AS
        WITH typed AS ({source}),
        judged AS (SELECT *, CASE {case} END AS reason FROM typed)
        SELECT {", ".join(EVENT_COLUMNS)},
            CASE WHEN reason IS NULL THEN {IDENTITY} ELSE hash({", ".join(EVENT_COLUMNS)}, reason,
                CASE WHEN time IS NULL THEN CAST(raw_time AS VARCHAR) END,
                CASE WHEN value IS NULL THEN raw_value END, CASE WHEN quantity IS NULL THEN raw_quantity END,
                CASE WHEN is_broken THEN {whole} END) END AS identity,
            reason, CASE WHEN reason IS NOT NULL THEN {whole} END AS original, row_number,
            is_return{"".join(f", {name}" for name in DESCRIBING if mapping.describes_items)}
        FROM judged""",
        relation.parameters,
    )
    _correct_row_numbers(database, relation, is_counted=bool(mapping.wide))


def _originals(fields: Fields) -> str:
    """Return SQL for what a row holds: its line; of a table, a struct of its columns (a text only where needed)."""
    if fields.relation.kind != "columns":
        return "line"
    columns = ", ".join(f"{literal(name)}: {quote(name)}" for name in fields.relation.columns)
    return f"{{{columns}}}" if columns else "NULL"


def _narrow(fields: Fields, rules: CleaningRules) -> str:
    """Return SQL of one event per row."""
    raw_time, time = fields.time()
    selected = [*_selected(fields)]
    selected += [f"{raw_time} AS raw_time", f"{fields.event()} AS raw_event", f"{fields.properties()} AS properties"]
    broken = "ulm_broken" if fields.relation.kind == "json" else "false"
    return f"""
        SELECT *, {_user(rules)} AS user_id, {time} AS time, {_event(fields.mapping, rules)} AS event,
            raw_item AS item_id, {_value(fields)} AS value, {_quantity(fields, rules)} AS quantity,
            raw_session AS session_id, {_is_return(fields.mapping)} AS is_return
        FROM (SELECT {", ".join(selected)}, {_originals(fields)} AS original, {broken} AS is_broken,
            NULL::BIGINT AS row_number FROM {fields.source()})"""


_OWN = (Columns.TIME, Columns.EVENT, Columns.PROPERTIES)


def _selected(fields: Fields) -> Iterator[str]:
    """Yield what both kinds of log read from a row."""
    for role in STANDARD:
        if role not in _OWN:
            yield f"{fields.text(role)} AS {quote('raw_' + role)}"
    if fields.mapping.describes_items:
        for name, sql in fields.description().items():
            yield f"{sql} AS {name}"


def _wide(fields: Fields, rules: CleaningRules) -> str:
    """Return SQL of a row's event, if it has one, and one event per column that says so."""
    mapping = fields.mapping
    raw_time, time = fields.time()
    selected = [*_selected(fields)]
    has_base = bool(mapping.event_name or mapping.event)
    base = fields.event() if has_base else "NULL::VARCHAR"
    entries = [_wide_entry(fields, name, event) for name, event in mapping.wide.items() if fields.knows(name)]
    entries += [f"{{'event': {base}, 'mark': NULL::VARCHAR}}"] if has_base else []
    broken = "ulm_broken" if fields.relation.kind == "json" else "false"
    # A row without any event stays as one row without event: it is counted and set aside, never lost.
    happened = f"list_filter([{', '.join(entries)}], e -> e.event IS NOT NULL)"
    moment = f"CASE WHEN mark IS NULL THEN {time} ELSE {fields.moment('mark')} END"
    time = moment if mapping.wide_kind == "time" else time
    raw = "coalesce(mark, CAST(raw_time AS VARCHAR))" if mapping.wide_kind == "time" else "raw_time"
    count = f"CASE WHEN {fields.as_number('mark')} > 1 THEN {fields.as_number('mark')} END"
    quantity = _quantity(fields, rules)
    if mapping.wide_kind == "flag":
        quantity = f"coalesce({count}, {quantity})"
    return f"""
        SELECT * REPLACE ({raw} AS raw_time), {_user(rules)} AS user_id, {time} AS time,
            {_event(mapping, rules)} AS event, raw_item AS item_id, {_value(fields)} AS value, {quantity} AS quantity,
            raw_session AS session_id, {_is_return(mapping)} AS is_return
        FROM (SELECT * EXCLUDE (happened), unnest(CASE WHEN len(happened) = 0
                THEN [{{'event': NULL::VARCHAR, 'mark': NULL::VARCHAR}}] ELSE happened END, recursive := true)
            FROM (SELECT {", ".join(selected)}, {raw_time} AS raw_time, {fields.properties()} AS properties,
                {happened} AS happened, {_originals(fields)} AS original, {broken} AS is_broken,
                row_number() OVER () AS row_number FROM {fields.source()}))""".replace("raw_event", "event")


def _wide_entry(fields: Fields, name: str, event: str) -> str:
    text = fields.present(str(fields.raw(name)))
    if fields.mapping.wide_kind == "time":
        holds = f"{text} IS NOT NULL"
    else:
        holds = f"coalesce({fields.as_number(text)} > 0, lower({text}) IN ('true', 't', 'yes', 'y'))"
    return f"{{'event': CASE WHEN {holds} THEN {literal(event)} END, 'mark': {text}}}"


def _user(rules: CleaningRules) -> str:
    return "coalesce(raw_user, 'session:' || raw_session)" if rules.missing_user == "session" else "raw_user"


def _is_return(mapping: ColumnMapping) -> str:
    return f"coalesce({_cancelled(mapping)} OR {_RETURNS}, false)"


_RETURNS = "TRY_CAST(raw_quantity AS DOUBLE) < 0"


def _cancelled(mapping: ColumnMapping) -> str:
    if not mapping.cancelled_prefix:
        return "false"
    return f"coalesce(starts_with(raw_session, {literal(mapping.cancelled_prefix)}), false)"


def _event(mapping: ColumnMapping, rules: CleaningRules) -> str:
    if rules.returns != "event":
        return "raw_event"
    return (
        f"CASE WHEN raw_event IS NULL THEN NULL WHEN {_cancelled(mapping)} THEN {literal(rules.cancel_event)} "
        f"WHEN {_RETURNS} THEN {literal(rules.return_event)} ELSE raw_event END"
    )


def _value(fields: Fields) -> str:
    value = fields.number(Columns.VALUE)
    if fields.mapping.value_is == "amount":
        return value
    # Rounded to a millionth: 3 * 1.1 is 3.3, not 3.3000000000000003.
    return f"round({value} * coalesce({fields.number(Columns.QUANTITY)}, 1), 6)"


def _quantity(fields: Fields, rules: CleaningRules) -> str:
    number = fields.number(Columns.QUANTITY)
    return f"abs({number})" if rules.returns == "event" else number


def _correct_row_numbers(database: Database, relation: Relation, *, is_counted: bool) -> None:
    """Count the rows as the file does; lines the reader could not split join as rejected rows.

    The temporary table keeps the order of the file, so that a row's place in it is its number: counting while
    reading would read on one thread only.
    """
    if not is_counted:
        database.execute(f"UPDATE staging SET row_number = {PLACE} WHERE reason IS NOT NULL")
    if relation.rejects is None:
        return
    shift = 1 if relation.has_header else 0
    database.execute(
        f"""CREATE OR REPLACE TEMP TABLE rejected AS SELECT line - {shift} AS row_number, original, reason,
            line - {shift} - row_number() OVER (ORDER BY line) AS before FROM (
            SELECT line, any_value(csv_line) AS original,
                CASE WHEN bool_or(error_type = 'INVALID ENCODING') THEN '{ENCODING}' ELSE '{BROKEN}' END AS reason
            FROM {relation.rejects} GROUP BY line)"""
    )
    if int(str(database.scalar("SELECT count(*) FROM rejected"))):
        # Rows behind a rejected line stand further down in the file than among the rows that were read.
        database.execute(
            """UPDATE staging SET row_number = staging.row_number
                + (SELECT count(*) FROM rejected r WHERE r.before < staging.row_number) WHERE reason IS NOT NULL"""
        )
        database.execute(
            "INSERT INTO staging BY NAME SELECT row_number, original, reason, hash(original, reason) AS identity, "
            "false AS is_return FROM rejected"
        )
    database.execute("DROP TABLE rejected")
    forget_rejects(database, relation)
