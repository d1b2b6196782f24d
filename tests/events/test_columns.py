import pytest

from ulm_core.errors import InputError
from ulm_core.events.columns import match_columns


def test_standard_names_match_themselves() -> None:
    assert match_columns(["user", "time", "event"]) == {"user": "user", "time": "time", "event": "event"}


def test_aliases_case_and_byte_order_mark_are_understood() -> None:
    found = match_columns(["\ufeffUser_ID", "Timestamp", "event_type", "item_id", "colour"])
    assert found == {"user": "\ufeffUser_ID", "time": "Timestamp", "event": "event_type", "item": "item_id"}


def test_a_missing_column_is_named_beside_what_is_there() -> None:
    with pytest.raises(InputError, match=r"lacks the column time, event\. It holds: user, price"):
        match_columns(["user", "price"])
