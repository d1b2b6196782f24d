from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from ulm_core.errors import InputError, NotFoundError, UlmError
from ulm_core.warehouse.others import list_tables
from ulm_core.warehouse.preview import preview_table


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    path = tmp_path / "shop.sqlite"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE events (who TEXT, at TEXT, what TEXT)")
        connection.execute("CREATE TABLE items (sku TEXT)")
    return path


def test_tables_of_a_database_are_listed(shop: Path) -> None:
    assert [table.full for table in list_tables(str(shop))] == ["events", "items"]


def test_a_file_that_is_no_database_is_named_with_those_that_are(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text("a\n")
    with pytest.raises(InputError, match=r"log.csv is no database by its name.*\.duckdb"):
        list_tables(str(path))


def test_a_missing_file_and_a_server_nobody_answers_at_are_said_plainly(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="There is no file"):
        list_tables(str(tmp_path / "none.duckdb"))
    with pytest.raises(UlmError, match="shop cannot be opened") as raised:
        list_tables("postgresql://me:secret@127.0.0.1:1/shop")
    assert "secret" not in str(raised.value)


def test_what_a_table_of_users_would_be(tmp_path: Path) -> None:
    path = tmp_path / "people.csv"
    path.write_text("customer_id,joined,city\n1,2024-01-01,Oslo\n")
    seen = preview_table(path, "users")
    assert seen.mapping is not None
    assert (seen.mapping.id, seen.mapping.signed_up_at) == ("customer_id", "joined")
    assert seen.raw.num_rows == 1
    path.write_text("colour\nred\n")
    assert preview_table(path, "users").mapping is None
