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


def sources() -> list[Path]:
    """Return every file that may hold messages."""
    return [ROOT / "app.py", *sorted((ROOT / "pages").rglob("*.py")), *sorted((ROOT / "ulm_core").rglob("*.py"))]


def messages_of(path: Path) -> list[tuple[str, int]]:
    """Return the messages of one file with their lines."""
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in MARKERS):
            continue
        first = node.args[0] if node.args else None
        if isinstance(first, ast.Constant) and isinstance(first.value, str):
            found.append((first.value, node.lineno))
    return found


def extract() -> dict[str, list[str]]:
    """Return every message of the product with the files it stands in."""
    messages: dict[str, list[str]] = {}
    for path in sources():
        name = path.relative_to(ROOT).as_posix()
        for text, _line in messages_of(path):
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
