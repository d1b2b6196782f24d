"""Keep the catalogues in step with the code: ``python ulm_core/locale/update.py``.

Every literal given to ``_()`` or ``N_()`` in `app.py`, `pages` and `ulm_core` is a message. Reading the
syntax tree instead of the tokens also finds calls inside f-strings.
"""

from __future__ import annotations

import ast
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.pofile import read_po, write_po

LOCALES = Path(__file__).resolve().parent
ROOT = LOCALES.parents[1]
MARKERS = {"_", "N_"}
DESCRIBED = ("ulm_core/training/config.py",)  # settings whose descriptions a form shows


def sources() -> list[Path]:
    """Return every file that may hold messages."""
    return [ROOT / "app.py", *sorted((ROOT / "pages").rglob("*.py")), *sorted((ROOT / "ulm_core").rglob("*.py"))]


def _candidates(node: ast.Call, markers: set[str]) -> list[ast.expr]:
    """Return the expressions of a call that may be a message."""
    if not isinstance(node.func, ast.Name):
        return []
    if node.func.id == "Field" and "Field" in markers:
        return [keyword.value for keyword in node.keywords if keyword.arg == "description"]
    return node.args[:1] if node.func.id in markers else []


def messages_of(path: Path) -> list[str]:
    """Return the messages of one file."""
    is_described = path.relative_to(ROOT).as_posix() in DESCRIBED
    markers = MARKERS | ({"Field"} if is_described else set())
    calls = [node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Call)]
    found = [expression for call in calls for expression in _candidates(call, markers)]
    return [text.value for text in found if isinstance(text, ast.Constant) and isinstance(text.value, str)]


def extract() -> dict[str, list[str]]:
    """Return every message of the product with the files it stands in."""
    messages: dict[str, list[str]] = {}
    for path in sources():
        name = path.relative_to(ROOT).as_posix()
        for text in messages_of(path):
            places = messages.setdefault(text, [])
            if name not in places:
                places.append(name)
    return messages


def catalogue_path(language: str) -> Path:
    """Return where the catalogue of a language lies."""
    return LOCALES / language / "LC_MESSAGES" / "ulm.po"


def read(language: str) -> Catalog:
    """Return the catalogue of a language; an empty one when there is none yet."""
    path = catalogue_path(language)
    if not path.exists():
        return Catalog(locale=language, domain="ulm")
    with path.open("rb") as source:
        return read_po(source, locale=language, domain="ulm")


def update(language: str, translations: dict[str, str] | None = None) -> list[str]:
    """Rewrite the catalogue of a language from the code and return what is not translated yet."""
    old = read(language)
    fresh = Catalog(locale=language, domain="ulm", project="ULM Studio", copyright_holder="ULM Studio", charset="utf-8")
    missing = []
    for text, places in sorted(extract().items(), key=lambda item: (item[1][0], item[0])):
        known = (translations or {}).get(text) or (old[text].string if text in old else "")
        fresh.add(text, str(known), locations=[(place, 0) for place in places[:3]])
        if not known:
            missing.append(text)
    path = catalogue_path(language)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as target:
        write_po(target, fresh, width=110, include_lineno=False, sort_output=False, omit_header=False)
    return missing


if __name__ == "__main__":
    for text in update("zh"):
        print(text)
