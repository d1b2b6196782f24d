"""The rules of the house hold: arrows, the one door to DuckDB, sizes, nothing of one machine in the files."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SOURCES = sorted([*(ROOT / "ulm_core").rglob("*.py"), *(ROOT / "pages").rglob("*.py"), ROOT / "app.py"])


def imported(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module.split(".")[0])
    return names


def test_imports_run_one_way() -> None:
    done = subprocess.run(
        [Path(sys.executable).with_name("lint-imports")], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout


def test_only_one_module_imports_the_raw_driver() -> None:
    doors = [path for path in SOURCES if "duckdb" in imported(path)]
    assert doors == [ROOT / "ulm_core" / "warehouse" / "database.py"]


def test_the_product_imports_no_screen() -> None:
    screens = [path for path in (ROOT / "ulm_core").rglob("*.py") if imported(path) & {"streamlit", "plotly"}]
    assert screens == []


def test_pages_hold_no_sql_and_no_tensors() -> None:
    sql = re.compile(r"\b(SELECT\s.+\sFROM|INSERT\s+INTO|CREATE\s+TABLE)\b", re.DOTALL)
    pages = [path for path in SOURCES if path.is_relative_to(ROOT / "pages")]
    assert pages
    assert [path for path in pages if sql.search(path.read_text())] == []
    assert [path for path in pages if imported(path) & {"torch", "transformers", "shap", "duckdb"}] == []


def test_no_pickle_of_any_kind() -> None:
    assert [path for path in SOURCES if imported(path) & {"pickle", "joblib", "dill", "cloudpickle"}] == []
    assert [path for path in SOURCES if "torch.load(" in path.read_text()] == []


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_stay_readable(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 500
