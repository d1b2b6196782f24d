"""Which events satisfy a match: hand-made cases of every field, and a naive oracle."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.lifecycle.logs import CONFIG, index_of, random_rows
from ulm_core.errors import InputError, NotFoundError
from ulm_core.lifecycle.matching import EventMatch, Where, parse_match, resolve
from ulm_core.timeline.index import TimelineIndex
from ulm_core.timeline.publish import import_file, import_tables
from ulm_core.warehouse.snapshot import Snapshot
from ulm_core.workspace import Workspace

LOG = """user,time,event,item,value,quantity,properties
ann,2024-01-01T10:00:00,view,tea,,,"{""query"": ""Green tea""}"
ann,2024-01-01T11:00:00,buy,tea,3.50,1,
ann,2024-01-01T12:00:00,buy,milk,1.20,2,"{""query"": ""milk""}"
bob,2024-01-01T10:00:00,buy,bread,2.00,1,
bob,2024-01-01T11:00:00,view,,,,
"""
USERS = "user_id,city\nann,Oslo\n"
ITEMS = "item_id,category,price,brand\ntea,drinks,3.5,X\nmilk,drinks,1.2,\nbread,food,2,X\n"


@pytest.fixture
def shop(workspace: Workspace, tmp_path: Path) -> Workspace:
    for name, text in (("log", LOG), ("users", USERS), ("items", ITEMS)):
        (tmp_path / f"{name}.csv").write_text(text)
    import_file(workspace, tmp_path / "log.csv")
    import_tables(workspace, users=str(tmp_path / "users.csv"), items=str(tmp_path / "items.csv"))
    return workspace


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("buy", [1, 2, 3]),
        ("*[value>=2]", [1, 3]),
        ("buy[value=1.2|2]", [2, 3]),
        ("*[value!=2]", [0, 1, 2, 4]),  # also where there is no value
        ("*[!value]", [0, 4]),
        ("*[quantity<2]", [1, 3]),
        ("*[item.id=tea]", [0, 1]),
        ("buy[item.category=drinks]", [1, 2]),
        ("*[item.category!=drinks]", [3, 4]),  # also the event without an item
        ("*[item.brand]", [0, 1, 3]),
        ("*[item.price>1.5][item.price<3]", [3]),
        ("*[user.city=Oslo]", [0, 1, 2]),
        ("view[!user.city]", [4]),
        ("*[property.query~TEA|MIL]", [0, 2]),
        ("*[property.query=milk]", [2]),
        ("buy[!property.query]", [1, 3]),
    ],
)
def test_cases(shop: Workspace, text: str, rows: list[int]) -> None:
    index = TimelineIndex.open(shop)
    match = parse_match(text)
    matcher = resolve([match], index, CONFIG, Snapshot.open(shop))
    found = np.concatenate([matcher.flags(match)[matcher.events(part)] for part in index.partitions()])
    assert np.flatnonzero(found).tolist() == rows


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("bui", "Did you mean: buy"),
        ("*[item.brands=X]", "Did you mean: brand"),
        ("*[user.town=Oslo]", "town"),
        ("*[property.querry]", "Did you mean: query"),
    ],
)
def test_what_the_log_lacks_is_named(shop: Workspace, text: str, says: str) -> None:
    with pytest.raises(NotFoundError, match=says):
        resolve([parse_match(text)], TimelineIndex.open(shop), CONFIG, Snapshot.open(shop))


def test_without_conditions_the_column_of_the_index_is_passed_through() -> None:
    index = index_of([("u", 0, "a"), ("u", 1, "mail")])
    matcher = resolve([EventMatch(event="a"), EventMatch()], index, CONFIG)
    part = index.partition(0)
    assert matcher.events(part) is part.event
    assert matcher.flags(EventMatch()).tolist() == [True, False]  # mail is passive: done to the user


def test_too_many_conditions_are_refused() -> None:
    matches = [parse_match(f"a[value>{k}]") for k in range(41)]
    with pytest.raises(InputError, match="At most 40"):
        resolve(matches, index_of([("u", 0, "a")]), CONFIG)


MATCHES = st.builds(
    lambda event, op, number: EventMatch(
        event=event, where=(Where(field="event.value", op=op, values=(str(number),)),) if op else ()
    ),
    st.sampled_from(["a", "b", "*", "mail"]),
    st.sampled_from([None, ">=", "<", "!="]),
    st.sampled_from([0, 1.5, 3]),
)


@settings(max_examples=60, deadline=None)
@given(random_rows(max_size=40), st.lists(MATCHES, min_size=1, max_size=5), st.sampled_from([1, 4]))
def test_equals_row_by_row(rows: list[tuple[str, int, str, float]], matches: list[EventMatch], cuts: int) -> None:
    rows = [*rows, *(("zz", 0, name, 1.0) for name in ("a", "b", "mail"))]
    index = index_of(rows, cuts)
    matcher = resolve(matches, index, CONFIG)
    compare = {">=": float.__ge__, "<": float.__lt__, "!=": float.__ne__}
    names = [index.manifest.event_names[code] for code in index.event]
    active = matcher.expand(index.active_mask(CONFIG))
    for part in index.partitions():
        begin = int(index.offsets[part.first_user])
        codes = matcher.events(part)
        assert active[codes].tolist() == [name != "mail" for name in names[begin : begin + len(codes)]]
        for match in matches:
            expected = [
                (name == match.event or (match.event == "*" and name != "mail"))
                and all(compare[w.op](float(value), float(w.values[0])) for w in match.where)
                for name, value in zip(names[begin:], part.value, strict=False)
            ]
            assert matcher.flags(match)[codes].tolist() == expected[: len(codes)]
