"""Pseudonyms on the way into the warehouse, and the erasure of one user's rows in it.

In a pseudonymised workspace an id is replaced, before anything is kept, by an HMAC-SHA256 with a key that lies
outside the workspace: the same person keeps one pseudonym, and without the key nobody can compute it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import pyarrow as pa

from ulm_core.keys import Keys, Kind
from ulm_core.warehouse.database import Database, quote
from ulm_core.warehouse.head import Head, read_head, write_head
from ulm_core.warehouse.parquet import mention
from ulm_core.workspace import Workspace

# Column of the log or of a table -> whose pseudonyms stand in it.
COLUMNS: dict[str, Kind] = {"user_id": "user", "session_id": "session", "bought_session_id": "session"}
ERASED = "[erased]"


def pseudonymise(database: Database, workspace: Workspace, table: str) -> None:
    """Replace the ids in `table` by pseudonyms where the workspace wants it; call it before rows are kept.

    Columns named in `COLUMNS` are replaced; a column ``original`` (the text of a rejected row) is emptied,
    because nobody can tell what it says about a person.

    Raises
    ------
    InputError
        When the workspace's key is missing or another one: nothing is loaded without it.
    """
    if not workspace.protection.pseudonymised:
        return
    keys = workspace.keys()
    if keys is None:  # protection.json was written by `create_workspace`; this cannot be
        raise AssertionError("a pseudonymised workspace has a key")
    names = {str(name) for name in database.query(f"DESCRIBE {table}")["column_name"].to_pylist()}
    for column in sorted(names & set(COLUMNS)):
        _replace(database, keys, table, column)
    if "original" in names:
        database.execute(f"UPDATE {table} SET original = NULL")


def _replace(database: Database, keys: Keys, table: str, column: str) -> None:
    """Replace one column; every distinct id is hashed once."""
    name, kind = quote(column), COLUMNS[column]
    known = database.query(f"SELECT DISTINCT {name} AS id FROM {table} WHERE {name} IS NOT NULL")["id"]
    pairs = pa.table({"id": known, "pseudonym": [keys.pseudonym(kind, str(value)) for value in known.to_pylist()]})
    database.register("pseudonyms", pairs)
    database.execute(f"UPDATE {table} SET {name} = p.pseudonym FROM pseudonyms p WHERE {table}.{name} = p.id")
    database.unregister("pseudonyms")


def pseudonymise_users(workspace: Workspace, users: pa.Table | None) -> pa.Table | None:
    """Return a table of users with pseudonyms in `user_id`, where the workspace wants them."""
    keys = workspace.keys() if users is not None and workspace.protection.pseudonymised else None
    if users is None or keys is None:
        return users
    place = users.column_names.index("user_id")
    names = [None if name is None else keys.pseudonym("user", str(name)) for name in users["user_id"].to_pylist()]
    return users.set_column(place, "user_id", pa.array(names, pa.string()))


def stored_id(workspace: Workspace, user_id: str) -> str:
    """Return the id a user has inside the workspace: its pseudonym where ids are pseudonyms.

    A text that already has the form of a pseudonym is taken as one.
    """
    if not workspace.protection.pseudonymised or re.fullmatch(r"[0-9a-f]{32}", user_id):
        return user_id
    keys = workspace.keys()
    return keys.pseudonym("user", user_id) if keys else user_id


def count_rows(database: Database, user_id: str) -> int:
    """Return in how many rows of the warehouse a user stands: own rows, and rejected ones that name them."""
    found = [
        database.scalar(f"SELECT count(*) FROM {table} WHERE user_id = ?", [user_id]) for table in _with_user(database)
    ]
    named = database.scalar("SELECT count(*) FROM quarantine WHERE regexp_matches(original, ?)", [mention(user_id)])
    return sum(int(str(count)) for count in (*found, named))


def erase_rows(database: Database, user_id: str) -> int:
    """Delete a user's rows, and their id where other rows mention it; return how many events went.

    One transaction: the erasure itself (when, how many events, not who) and the need to rewrite the file are
    recorded with it. The loads' row counts stay as they were: they say what happened then.
    """
    database.execute("BEGIN")
    events = int(str(database.scalar("SELECT count(*) FROM events WHERE user_id = ?", [user_id])))
    for table in _with_user(database):
        database.execute(f"DELETE FROM {table} WHERE user_id = ?", [user_id])
    database.execute(
        "UPDATE quarantine SET original = NULL, identity = NULL WHERE regexp_matches(original, ?)", [mention(user_id)]
    )
    pattern, blank = _blanking(user_id)
    for table, column in _texts(database):
        name = quote(column)
        for _ in range(2):  # neighbours share a border, which the first pass takes with the first of them
            database.execute(
                f"UPDATE {table} SET {name} = regexp_replace({name}, ?, ?, 'g') WHERE regexp_matches({name}, ?)",
                [pattern, blank, pattern],
            )
    database.execute("INSERT INTO erasures VALUES (now() AT TIME ZONE 'UTC', ?)", [events])
    head = read_head(database)
    count = int(str(database.scalar("SELECT count(*) FROM erasures")))
    version = f"{str(head.version).split('-')[0]}-erased{count:04d}"
    write_head(database, Head(version, head.epoch + 1, must_rewrite=True))
    database.execute("COMMIT")
    return events


def _blanking(user_id: str) -> tuple[str, str]:
    """Return what finds an id in the JSON of other people's rows, and what is put there instead.

    An id made of digits counts in quotes only: most bare numbers are none, and one blanked is no JSON any more.
    """
    if user_id.isdigit():
        return f'"{user_id}"', f'"{ERASED}"'
    return mention(user_id), rf"\1{ERASED}\3"


def _with_user(database: Database) -> list[str]:
    return [table for table, column in _columns(database) if column == "user_id"]


def _texts(database: Database) -> Iterator[tuple[str, str]]:
    """Yield the columns of free text in which other people's rows may mention a user."""
    for table, column in _columns(database):
        if (table, column) in {
            ("events", "properties"),
            ("loads", "report"),
            ("loads", "source"),
            ("user_flags", "detail"),
        }:
            yield table, column


def _columns(database: Database) -> list[tuple[str, str]]:
    rows = database.query(
        "SELECT table_name, column_name FROM duckdb_columns() WHERE NOT internal AND database_name = current_database()"
        " AND schema_name = current_schema() ORDER BY 1, 2"
    )
    return list(zip(rows["table_name"].to_pylist(), rows["column_name"].to_pylist(), strict=True))
