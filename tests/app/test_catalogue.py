from __future__ import annotations

import ast
import importlib.util
import string

import pytest
from babel.messages.pofile import read_po

from tests.app.conftest import ROOT
from ulm_core.i18n import LANGUAGES, catalogue_path, translator

spec = importlib.util.spec_from_file_location("update", ROOT / "ulm_core" / "locale" / "update.py")
assert spec is not None
assert spec.loader is not None
update = importlib.util.module_from_spec(spec)
spec.loader.exec_module(update)

MESSAGES = update.extract()


def fields(text: str) -> list[str]:
    return sorted({name for _, name, _, _ in string.Formatter().parse(text) if name})


def has_fields(text: str) -> bool:
    try:
        return bool(fields(text))
    except ValueError:
        return False


def test_messages_are_found() -> None:
    assert len(MESSAGES) > 300
    assert "Where do users drop out on the way to a goal?" in MESSAGES


@pytest.mark.parametrize("language", [code for code in LANGUAGES if code != "en"])
def test_every_message_is_translated(language: str) -> None:
    with catalogue_path(language).open("rb") as source:
        catalogue = read_po(source, locale=language)
    missing = [text for text in MESSAGES if text not in catalogue or not catalogue[text].string]
    assert missing == [], "run: python ulm_core/locale/update.py"
    obsolete = [message.id for message in catalogue if message.id and message.id not in MESSAGES]
    assert obsolete == []


@pytest.mark.parametrize("language", [code for code in LANGUAGES if code != "en"])
def test_translations_keep_the_named_fields(language: str) -> None:
    translate = translator(language)
    wrong = [text for text in MESSAGES if has_fields(text) and fields(text) != fields(translate(text))]
    assert wrong == []


def test_no_message_is_built_from_pieces() -> None:
    """A call of _() with an f-string or a sum would never be found by a translator."""
    calls = [
        (path, node)
        for path in update.sources()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in {"_", "N_"}
    ]
    pieces = [(path, node) for path, node in calls if node.args and isinstance(node.args[0], ast.JoinedStr | ast.BinOp)]
    assert [f"{path.name}:{node.lineno}" for path, node in pieces] == []
