"""Events with conditions as text: what is written is what is read."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ulm_core.errors import InputError
from ulm_core.lifecycle.conditions import (
    NUMERIC,
    OPERATORS,
    WITHOUT_VALUE,
    EventMatch,
    Where,
    parse_match,
    split_matches,
)


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("purchase", EventMatch(event="purchase")),
        ("*", EventMatch(event="*")),
        (
            "purchase[item.category=MILK|BREAD][value>=5]",
            EventMatch(
                event="purchase",
                where=(
                    Where(field="item.category", op="=", values=("MILK", "BREAD")),
                    Where(field="event.value", op=">=", values=("5",)),
                ),
            ),
        ),
        ("a b[user.age!=25-34]", EventMatch(event="a b", where=(Where(field="user.age", op="!=", values=("25-34",)),))),
        ("a[property.q~tea]", EventMatch(event="a", where=(Where(field="property.q", op="~", values=("tea",)),))),
        ("a[property.q]", EventMatch(event="a", where=(Where(field="property.q", op="set"),))),
        ("a[!quantity]", EventMatch(event="a", where=(Where(field="event.quantity", op="unset"),))),
        ("[App] opened", EventMatch(event="[App] opened")),  # a bracket in front is part of the name
        (r"x\[1\]", EventMatch(event="x[1]")),
        (r"a[item.id=x\|y]", EventMatch(event="a", where=(Where(field="item.id", values=("x|y",)),))),
    ],
)
def test_texts(text: str, match: EventMatch) -> None:
    assert parse_match(text) == match
    assert parse_match(str(match)) == match


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a[category=x]", "is no field"),
        ("a[value>=x]", "needs one number"),
        ("a[value>=1|2]", "needs one number"),
        ("", "at least 1 character"),
    ],
)
def test_what_is_no_condition_says_so(text: str, says: str) -> None:
    with pytest.raises(InputError, match=says):
        parse_match(text)


def test_a_list_is_cut_at_commas_outside_brackets() -> None:
    assert split_matches(r"view, buy[item.id=a,b][value>1] ,x\,y") == ["view", "buy[item.id=a,b][value>1]", r"x\,y"]


TEXTS = st.text(st.sampled_from(r"ab \|,[]=<>~!."), min_size=1, max_size=6).filter(lambda text: text == text.strip())


@st.composite
def conditions(draw: st.DrawFn) -> Where:
    op = draw(st.sampled_from(OPERATORS))
    plain = st.text(st.sampled_from("ab_ "), min_size=1, max_size=4).filter(lambda text: text == text.strip())
    field = draw(st.sampled_from(["event.value", "event.quantity"]) | plain.map("item.{}".format))
    values = () if op in WITHOUT_VALUE else ("1.5",) if op in NUMERIC else tuple(draw(st.lists(TEXTS, min_size=1)))
    return Where(field=field, op=op, values=values)


@given(TEXTS, st.lists(conditions(), max_size=3))
def test_every_match_survives_being_written(event: str, where: list[Where]) -> None:
    match = EventMatch(event=event, where=tuple(where))
    assert parse_match(str(match)) == match
    assert split_matches(f"{match},{match}") == [str(match)] * 2
