"""DuckDB extensions that come as PyPI packages, loaded from their own folder: nothing is downloaded at run time."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from ulm_core.errors import UlmError
from ulm_core.messages import N_
from ulm_core.warehouse.database import Database, literal

# Name of the extension as DuckDB knows it -> the package that carries the file of that name.
PACKAGES = {
    "httpfs": "duckdb-extension-httpfs",
    "sqlite_scanner": "duckdb-extension-sqlite-scanner",
    "postgres_scanner": "duckdb-extension-postgres-scanner",
}


def extension_path(name: str) -> Path:
    """Return the file of a DuckDB extension inside its installed package.

    Raises
    ------
    UlmError
        When the package is not installed, or was built for another version of DuckDB.
    """
    package = PACKAGES[name]
    spec = importlib.util.find_spec(package.replace("-", "_"))
    folders = list(spec.submodule_search_locations or ()) if spec else []
    found = [path for folder in folders for path in Path(folder).glob(f"extensions/*/{name}.duckdb_extension")]
    if not found:
        raise UlmError(
            N_("The package “{package}” that reads this kind of source is not installed. Run “make setup”."),
            code="missing_package",
            package=package,
        )
    return found[0]


def load_extension(database: Database, name: str) -> None:
    """Load an extension ("httpfs", "sqlite_scanner", "postgres_scanner") from its package; offline."""
    database.execute(f"LOAD {literal(str(extension_path(name)))}")
