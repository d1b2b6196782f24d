"""Queries of analysts: what they may ask, and a long list of what they may not."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from ulm_core.errors import InputError
from ulm_core.timeline.publish import import_file
from ulm_core.warehouse.adhoc import EXAMPLES, Analyst
from ulm_core.warehouse.adhoc_process import ask_apart
from ulm_core.warehouse.create import create_workspace
from ulm_core.warehouse.database import Database
from ulm_core.warehouse.privacy import stored_id
from ulm_core.warehouse.snapshot import Snapshot
from ulm_core.workspace import Workspace


@pytest.fixture
def analyst(small_workspace: Workspace) -> Iterator[Analyst]:
    with Analyst(Snapshot.open(small_workspace)) as opened:
        yield opened


def test_a_select_is_answered(analyst: Analyst) -> None:
    answer = analyst.ask("SELECT user_id, count(*) AS n FROM events GROUP BY user_id ORDER BY user_id;")
    assert answer.table.to_pydict() == {"user_id": ["ann", "bob", "cem"], "n": [3, 2, 1]}
    assert not answer.is_cut


@pytest.mark.parametrize(
    "sql",
    [
        "WITH x AS (SELECT * FROM events) SELECT count(*) FROM x",
        "FROM events",
        "SELECT * FROM range(3) t(i), unnest([1, 2]) u(j)",
        "SELECT (SELECT max(time) FROM events) AS last",
        "DESCRIBE events",
        "SUMMARIZE items",
        "WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r WHERE n < 5) SELECT * FROM r",
        "VALUES (1)",
        "SELECT 1 -- a comment; DROP TABLE events",
        *[sql for _, sql in EXAMPLES],
    ],
)
def test_reading_is_allowed(analyst: Analyst, sql: str) -> None:
    assert analyst.ask(sql).table.num_columns > 0


SECRET = "/etc/hostname"
REFUSED = [
    "SELECT 1; SELECT 2",
    "DROP VIEW events",
    "CREATE TABLE x AS SELECT 1",
    "INSERT INTO events VALUES (1)",
    "DELETE FROM events",
    "UPDATE events SET user_id = 'x'",
    "COPY events TO '/tmp/ulm-adhoc.csv'",
    "COPY (SELECT 1) TO '/tmp/ulm-adhoc.csv'",
    "EXPORT DATABASE '/tmp/ulm-adhoc'",
    "ATTACH '/tmp/ulm-adhoc.db'",
    "INSTALL httpfs",
    "LOAD httpfs",
    "PRAGMA database_list",
    "PRAGMA import_database('/tmp')",
    "SET memory_limit = '100GB'",
    "SET enable_external_access = true",
    "RESET lock_configuration",
    "CALL pragma_version()",
    "CHECKPOINT",
    "BEGIN",
    "PREPARE p AS SELECT 1",
    "EXPLAIN ANALYZE SELECT 1",
    "CREATE MACRO f() AS 1",
    "CREATE SECRET (TYPE s3)",
    "USE memory",
    "SHOW TABLES",
    "SHOW ALL TABLES",
    f"SELECT * FROM read_csv('{SECRET}')",
    f"SELECT * FROM read_text('{SECRET}')",
    f"SELECT * FROM read_blob('{SECRET}')",
    f"SELECT * FROM '{SECRET}'",
    "SELECT * FROM 'https://example.org/x.parquet'",
    "SELECT * FROM glob('/*')",
    "SELECT * FROM parquet_metadata('x')",
    "SELECT * FROM query('SELECT 1')",
    "SELECT * FROM query_table('events')",
    "SELECT * FROM duckdb_settings()",
    "SELECT * FROM duckdb_secrets()",
    "SELECT * FROM information_schema.tables",
    "SELECT * FROM pg_catalog.pg_class",
    "SELECT * FROM sqlite_master",
    "SELECT * FROM system.main.events",
    "SELECT current_setting('allowed_paths')",
    "SELECT getenv('HOME')",
    "SELECT 1 WHERE EXISTS (SELECT * FROM read_csv('x'))",
    "SELECT (SELECT count(*) FROM glob('*'))",
    "SELECT 1 UNION ALL SELECT * FROM glob('*')",
    "WITH x AS (SELECT * FROM read_csv('x')) SELECT * FROM x",
    f'WITH "{SECRET}" AS (SELECT 1) SELECT * FROM "{SECRET}"',
    "SELECT * FROM hostile_frame",
]


@pytest.mark.parametrize("sql", REFUSED)
def test_everything_else_is_refused(analyst: Analyst, sql: str) -> None:
    hostile_frame = pd.DataFrame({"secret": [1]})  # DuckDB would find a frame of this process by its name
    with pytest.raises(InputError) as caught:
        analyst.ask(sql)
    assert caught.value.code in ("refused_sql", "bad_sql"), str(caught.value)
    assert len(hostile_frame) == 1
    assert not list(Path("/tmp").glob("ulm-adhoc*"))


@pytest.mark.parametrize(
    "sql",
    [
        f"SELECT * FROM read_csv('{SECRET}')",
        f"SELECT * FROM read_text('{SECRET}')",
        "SELECT * FROM glob('/etc/*')",
        "COPY (SELECT 1) TO '/tmp/ulm-adhoc.csv'",
        "ATTACH '/tmp/ulm-adhoc.db'",
        "SET enable_external_access = true",
        "SET allowed_paths = ['/etc/hostname']",
        "SET memory_limit = '100GB'",
        "INSTALL httpfs",
        "SELECT * FROM hostile_frame",
    ],
)
def test_the_connection_alone_refuses_too(small_workspace: Workspace, sql: str) -> None:
    """The second wall: were the parser fooled, the connection still could not do it."""
    hostile_frame = pd.DataFrame({"secret": [1]})
    database = Database.private()
    files = Snapshot.open(small_workspace).files("events")
    database.lock_down(files)
    with pytest.raises(InputError):
        database.query(sql)
    assert database.scalar(f"SELECT count(*) FROM read_parquet('{files[0]}')") == 6
    assert len(hostile_frame) == 1


def test_a_syntax_error_is_explained(analyst: Analyst) -> None:
    with pytest.raises(InputError, match="syntax error") as caught:
        analyst.ask("SELEC 1")
    assert caught.value.code == "bad_sql"
    with pytest.raises(InputError, match="Write a query"):
        analyst.ask(" ; ")
    with pytest.raises(InputError, match="user_idd"):
        analyst.ask("SELECT user_idd FROM events")


def test_rows_beyond_the_limit_are_cut_and_said(analyst: Analyst) -> None:
    answer = analyst.ask("SELECT * FROM range(10)", rows=4)
    assert (answer.table.num_rows, answer.is_cut) == (4, True)
    whole = analyst.ask("SELECT * FROM range(4)", rows=4)
    assert (whole.table.num_rows, whole.is_cut) == (4, False)


def test_a_huge_join_is_stopped(analyst: Analyst) -> None:
    huge = "SELECT count(*) FROM range(1000000) a, range(1000000) b WHERE hash(a.range) = hash(b.range + a.range)"
    with pytest.raises(InputError) as caught:
        analyst.ask(huge, seconds=0.5)
    assert caught.value.code in ("slow_sql", "large_sql")


def test_what_cannot_be_interrupted_is_killed(small_workspace: Workspace) -> None:
    began = time.monotonic()
    with pytest.raises(InputError) as caught:
        ask_apart(small_workspace, "SELECT list(range(100000000)) FROM range(1000)", seconds=1)
    assert caught.value.code in ("slow_sql", "large_sql")
    assert time.monotonic() - began < 30  # alone it would run for minutes


def test_a_process_of_its_own_answers_the_same(small_workspace: Workspace, analyst: Analyst) -> None:
    sql = "SELECT * FROM events ORDER BY user_id, time"
    assert ask_apart(small_workspace, sql).table.equals(analyst.ask(sql).table)
    with pytest.raises(InputError, match="may not use “read_csv”"):
        ask_apart(small_workspace, "SELECT * FROM read_csv('x')")


def test_a_protected_workspace_shows_pseudonyms(tmp_path: Path, settings_environment: pytest.MonkeyPatch) -> None:
    settings_environment.setenv("ULM_KEY_FILE", str(tmp_path / "keys" / "secret.key"))
    workspace = create_workspace(tmp_path / "ws", pseudonymised=True, encrypted=True)
    (tmp_path / "log.csv").write_text("user,time,event\nmarie@example.org,2024-01-01,buy\n")
    import_file(workspace, tmp_path / "log.csv")
    answer = ask_apart(workspace, "SELECT user_id FROM events")
    assert answer.table["user_id"].to_pylist() == [stored_id(workspace, "marie@example.org")]
