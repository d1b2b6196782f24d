"""Columns are recognised by name and content, with a confidence that says how sure that is."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ulm_core.errors import InputError
from ulm_core.events.mapping import ColumnMapping, is_complete, require_complete, standard_mapping
from ulm_core.events.recognise import recognise, time_kind_of


def table(**columns: list[str | None]) -> pa.Table:
    return pa.table({name: pa.array(values, pa.string()) for name, values in columns.items()})


@pytest.mark.parametrize(
    ("columns", "roles"),
    [
        ({"timestamp": "1433221332117", "visitorid": "25", "event": "view", "itemid": "35"}, "time user event item"),
        ({"household_id": "1", "ts": "2024-01-01T10:00", "action": "buy", "sku": "a7", "qty": "2", "amount": "3.5"},
         "user time event item quantity value"),
        ({"CustomerID": "17850", "InvoiceDate": "2010-12-01", "StockCode": "85123A", "UnitPrice": "2.55",
          "InvoiceNo": "536365"}, "user time item value session"),
        ({"t_dat": "2018-09-20", "customer_id": "00a1", "article_id": "0663713001", "price": "0.05"},
         "time user item value"),
        ({"reviewerID": "A1V6", "asin": "0143026860", "overall": "5.0", "unixReviewTime": "1424304000"},
         "user item value time"),
    ],
)  # fmt: skip
def test_names_of_well_known_logs(columns: dict[str, str], roles: str) -> None:
    found = recognise(table(**{name: [value] * 3 for name, value in columns.items()}))
    assert [guess.role for guess in found.guesses] == roles.split()
    assert all(guess.confidence > 0.8 for guess in found.guesses)


def test_content_against_the_name_lowers_the_confidence() -> None:
    found = recognise(table(user=["a", "b"], time=["soon", "later"], event=["view", "buy"]))
    sure = {guess.column: guess.confidence for guess in found.guesses}
    assert sure["time"] <= 0.3 < sure["user"]


def test_moments_are_found_without_a_name() -> None:
    found = recognise(table(a=["2024-01-01 10:00", "2024-01-02 11:00"], b=["x1", "x2"]))
    guess = found.guesses[0]
    assert (guess.role, guess.confidence) == ("time", 0.7)
    assert str(guess.why) == "The content looks like it; the name does not say."


def test_unsure_roles_are_left_out_on_demand() -> None:
    found = recognise(table(member=["a", "b"], day=["2024-01-01", "2024-01-02"], status=["new", "old"]))
    assert not is_complete(found.mapping_above(0.95))


@pytest.mark.parametrize(
    ("texts", "kind"),
    [
        (("01/02/2024", "13/02/2024"), "day_first"), (("01/13/2024", "02/01/2024"), "month_first"),
        (("01.02.2024 10:00",), "day_first"), (("2024-01-13",), "auto"), (("1700000000",), "auto"), ((), "auto"),
    ],
)  # fmt: skip
def test_how_moments_are_written(texts: tuple[str, ...], kind: str) -> None:
    assert time_kind_of(texts) == kind


def test_spreadsheet_ids_and_decimal_commas_are_noticed() -> None:
    mapping = recognise(table(user_id=["17850.0", "13047.0"], time=["2024-01-01"] * 2, price=["1,50", "2,75"])).mapping
    assert (mapping.whole_ids, mapping.decimal_comma) == (True, True)


def test_a_mapping_can_be_edited() -> None:
    mapping = standard_mapping(["User_ID", "timestamp", "what"]).with_roles({"event": "what"})
    assert (mapping.user, mapping.event) == (("User_ID",), ("what",))
    require_complete(mapping, [])
    with pytest.raises(InputError, match="no role of a column"):
        mapping.with_roles({"usr": "x"})


def test_a_mapping_without_its_musts_says_what_is_missing() -> None:
    with pytest.raises(InputError, match="lacks the column time, event"):
        require_complete(ColumnMapping(user="u"), ["u", "x"])
    require_complete(ColumnMapping(user="u", time="t", event_name="buy"), ["u", "t"])


@given(
    st.dictionaries(
        st.text(max_size=12), st.lists(st.one_of(st.none(), st.text(max_size=30)), min_size=3, max_size=3), max_size=6
    )
)
def test_any_table_is_recognised_somehow(columns: dict[str, list[str | None]]) -> None:
    found = recognise(pa.table({name: pa.array(values, pa.string()) for name, values in columns.items()}))
    assert [guess.column for guess in found.guesses] == list(columns)
    assert all(0 <= guess.confidence <= 1 for guess in found.guesses)
    roles = [guess.role for guess in found.guesses if guess.role]
    assert len(roles) == len(set(roles))
