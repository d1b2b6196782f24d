"""Access to files behind s3:// and https://, with the credentials the environment already holds."""

from __future__ import annotations

import os
from urllib.parse import urlsplit

from ulm_core.warehouse.database import Database, literal
from ulm_core.warehouse.extensions import load_extension

# Option of DuckDB's S3 secret -> the variable every S3 tool reads. Nothing of it is stored.
_VARIABLES = {
    "KEY_ID": "AWS_ACCESS_KEY_ID",
    "SECRET": "AWS_SECRET_ACCESS_KEY",
    "SESSION_TOKEN": "AWS_SESSION_TOKEN",
    "REGION": "AWS_REGION",
}


def open_network(database: Database, address: str) -> None:
    """Let `database` read `address`; an own S3 server is named by ``AWS_ENDPOINT_URL``."""
    load_extension(database, "httpfs")
    if not address.startswith("s3://"):
        return
    options = {name: os.environ[variable] for name, variable in _VARIABLES.items() if os.environ.get(variable)}
    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    if endpoint:
        parts = urlsplit(endpoint)
        options |= {"ENDPOINT": parts.netloc, "URL_STYLE": "path", "USE_SSL": str(parts.scheme == "https").lower()}
    listed = "".join(f", {name} {literal(value)}" for name, value in options.items())
    database.execute(f"CREATE OR REPLACE TEMPORARY SECRET ulm_s3 (TYPE s3{listed})")
