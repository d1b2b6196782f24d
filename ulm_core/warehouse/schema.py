"""Tables of the warehouse and the migrations that lead to them."""

from __future__ import annotations

from ulm_core.errors import UlmError
from ulm_core.messages import N_
from ulm_core.warehouse.database import Database

# Append only: a migration that has shipped is never edited, a change is a new entry.
MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        "CREATE SEQUENCE load_ids",
        """CREATE TABLE loads (
            load_id INTEGER PRIMARY KEY, loaded_at TIMESTAMP NOT NULL, source VARCHAR NOT NULL,
            fingerprint VARCHAR NOT NULL, rows_read BIGINT NOT NULL, rows_loaded BIGINT NOT NULL,
            rows_quarantined BIGINT NOT NULL)""",
        """CREATE TABLE events (
            user_id VARCHAR NOT NULL, time TIMESTAMP NOT NULL, event VARCHAR NOT NULL, item_id VARCHAR,
            value DOUBLE, quantity DOUBLE, session_id VARCHAR, properties VARCHAR, load_id INTEGER NOT NULL)""",
        """CREATE TABLE items (
            item_id VARCHAR PRIMARY KEY, text VARCHAR, category VARCHAR, attributes MAP(VARCHAR, VARCHAR))""",
        "CREATE TABLE users (user_id VARCHAR PRIMARY KEY, attributes MAP(VARCHAR, VARCHAR))",
        """CREATE TABLE quarantine (
            load_id INTEGER NOT NULL, source VARCHAR NOT NULL, row_number BIGINT NOT NULL,
            reason VARCHAR NOT NULL, original VARCHAR)""",
    ),
    (  # readers and cleaning: overlap between loads, typed attributes, returns, flagged users
        "ALTER TABLE loads ADD COLUMN rows_overlapping BIGINT DEFAULT 0",
        "ALTER TABLE loads ADD COLUMN report VARCHAR",
        "ALTER TABLE quarantine ADD COLUMN identity UBIGINT",
        "ALTER TABLE users ADD COLUMN signed_up_at TIMESTAMP",
        "ALTER TABLE users ADD COLUMN consent BOOLEAN",
        "ALTER TABLE items ADD COLUMN price DOUBLE",
        "ALTER TABLE items ADD COLUMN tags VARCHAR[]",
        "ALTER TABLE items ADD COLUMN image_path VARCHAR",
        """CREATE TABLE attributes (
            target VARCHAR NOT NULL, name VARCHAR NOT NULL, type VARCHAR NOT NULL, n_values BIGINT NOT NULL,
            is_breakdown BOOLEAN NOT NULL)""",
        """CREATE TABLE returns (
            load_id INTEGER NOT NULL, user_id VARCHAR NOT NULL, time TIMESTAMP NOT NULL, event VARCHAR NOT NULL,
            item_id VARCHAR, session_id VARCHAR, quantity DOUBLE, bought_at TIMESTAMP, bought_session_id VARCHAR)""",
        """CREATE TABLE user_flags (
            load_id INTEGER NOT NULL, user_id VARCHAR NOT NULL, flag VARCHAR NOT NULL, rows BIGINT NOT NULL,
            detail VARCHAR)""",
    ),
    (  # crash safety and erasure (ADR 0008)
        """CREATE TABLE head (
            version VARCHAR, epoch INTEGER NOT NULL, config VARCHAR, must_rewrite BOOLEAN NOT NULL)""",
        "CREATE TABLE erasures (erased_at TIMESTAMP NOT NULL, events BIGINT NOT NULL)",
    ),
)


def migrate(database: Database) -> None:
    """Bring the schema up to date, each migration in a transaction of its own.

    Raises
    ------
    UlmError
        When the file was written by a newer version of the product.
    """
    database.execute("CREATE TABLE IF NOT EXISTS schema_version (version INTEGER NOT NULL)")
    done = int(str(database.scalar("SELECT coalesce(max(version), 0) FROM schema_version")))
    if done > len(MIGRATIONS):
        raise UlmError(
            N_("This workspace was written by a newer version of ULM Studio. Update the program to open it."),
            code="newer_schema",
        )
    for number, statements in enumerate(MIGRATIONS[done:], start=done + 1):
        database.execute("BEGIN")
        for statement in statements:
            database.execute(statement)
        database.execute("INSERT INTO schema_version VALUES (?)", [number])
        database.execute("COMMIT")
