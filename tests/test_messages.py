from ulm_core.errors import InputError, NotFoundError, UlmError
from ulm_core.messages import Message, message


def test_fields_fill_the_template() -> None:
    assert Message("{n} users", {"n": 3}).render() == "3 users"


def test_a_message_inside_a_message_is_translated_too() -> None:
    table = {"There is no {kind}.": "没有{kind}。", "user": "用户"}
    assert message("There is no {kind}.", kind=message("user")).render(lambda text: table[text]) == "没有用户。"


def test_text_without_fields_may_hold_braces() -> None:
    assert str(Message("a {brace}")) == "a {brace}"


def test_an_unknown_name_gets_a_near_match() -> None:
    error = NotFoundError.for_name("event", "purchse", ["purchase", "view"])
    assert str(error) == "There is no event “purchse”. Did you mean: purchase?"
    assert error.code == "not_found"


def test_an_unknown_name_without_a_near_match_lists_what_exists() -> None:
    assert str(NotFoundError.for_name("event", "xyz", ["purchase"])).endswith("Known: purchase.")


def test_every_error_shares_one_base_and_has_a_code() -> None:
    assert isinstance(InputError("bad {x}", x=1), UlmError)
    assert InputError("bad {x}", x=1).code == "invalid_input"
