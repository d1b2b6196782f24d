"""Documentation that is generated from code cannot drift from it."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def _generator() -> object:
    spec = importlib.util.spec_from_file_location("generate_docs", ROOT / "docs" / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", ["settings.md", "cli.md", "training-settings.md"])
def test_generated_pages_are_current(name: str) -> None:
    expected = _generator().PAGES[name]()  # type: ignore[attr-defined]
    assert (ROOT / "docs" / name).read_text() == expected, "run make docs"


def test_every_decision_record_is_listed() -> None:
    index = (ROOT / "docs" / "adr" / "README.md").read_text()
    records = sorted(path.name for path in (ROOT / "docs" / "adr").glob("0*.md"))
    assert records
    assert [name for name in records if name not in index] == []


def test_links_between_documents_lead_somewhere() -> None:
    pages = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md"), *(ROOT / "data").glob("*.md")]
    links = [(page, target) for page in pages for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text())]
    assert [(page.name, target) for page, target in links if not (page.parent / target).exists()] == []
