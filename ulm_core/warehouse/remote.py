"""Access to files behind s3:// and https://, with the credentials the environment already holds.

DuckDB's httpfs lists patterns and streams Parquet and UTF-8 text by itself. What it cannot read where it lies (Arrow,
other encodings) is copied to a temporary file, piece by piece.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

import pyarrow as pa

from ulm_core.errors import InputError, UlmError
from ulm_core.messages import N_
from ulm_core.warehouse.database import Database, literal
from ulm_core.warehouse.extensions import load_extension

# Option of DuckDB's S3 secret, and of pyarrow's file system -> the variable every S3 tool reads. Nothing is stored.
_VARIABLES = {
    ("KEY_ID", "access_key"): "AWS_ACCESS_KEY_ID",
    ("SECRET", "secret_key"): "AWS_SECRET_ACCESS_KEY",
    ("SESSION_TOKEN", "session_token"): "AWS_SESSION_TOKEN",
    ("REGION", "region"): "AWS_REGION",
}
TIMEOUT_SECONDS = 60


def _endpoint() -> str | None:
    return os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")


def open_network(database: Database, address: str) -> None:
    """Let `database` read `address`; an own S3 server is named by ``AWS_ENDPOINT_URL``."""
    load_extension(database, "httpfs")
    if not address.startswith("s3://"):
        return
    options = {name: os.environ[variable] for (name, _), variable in _VARIABLES.items() if os.environ.get(variable)}
    endpoint = _endpoint()
    if endpoint:
        parts = urlsplit(endpoint)
        options |= {"ENDPOINT": parts.netloc, "URL_STYLE": "path", "USE_SSL": str(parts.scheme == "https").lower()}
    listed = "".join(f", {name} {literal(value)}" for name, value in options.items())
    database.execute(f"CREATE OR REPLACE TEMPORARY SECRET ulm_s3 (TYPE s3{listed})")


def list_addresses(pattern: str) -> list[str]:
    """Return the addresses that an ``s3://`` pattern names, sorted; a pattern that ends with ``/`` means all below it.

    Raises
    ------
    InputError
        When the bucket cannot be listed.
    """
    with Database.private() as database:
        open_network(database, pattern)
        wanted = f"{pattern}**" if pattern.endswith("/") else pattern
        try:
            return [
                str(path)
                for path in database.query("SELECT file FROM glob(?) ORDER BY 1", [wanted])["file"].to_pylist()
            ]
        except UlmError as error:
            raise unreachable(pattern, error.message.fields.get("reason", error)) from error


def unreachable(name: str, reason: object) -> InputError:
    """Return the error for an address that cannot be read."""
    return InputError(
        N_("{file} cannot be read: {reason}. Check the address and the rights to it."),
        file=name,
        reason=str(reason).strip().rstrip("."),
    )


@contextmanager
def open_address(address: str) -> Iterator[Any]:
    """Open a file behind an address as a stream of bytes (`pyarrow.NativeFile`), read from its beginning.

    Raises
    ------
    InputError
        When nothing can be read there.
    """
    name = address.split("?")[0]
    try:
        with ExitStack() as stack:
            if address.startswith("s3://"):
                yield stack.enter_context(_s3().open_input_stream(address.removeprefix("s3://"), compression=None))
            else:
                answer: IO[bytes] = stack.enter_context(urllib.request.urlopen(address, timeout=TIMEOUT_SECONDS))  # noqa: S310 - only http and https come here
                yield stack.enter_context(pa.PythonFile(answer, mode="r"))
    except urllib.error.URLError as error:
        raise unreachable(name, error.reason) from error
    except OSError as error:
        raise unreachable(name, error) from error


def _s3() -> Any:
    from pyarrow.fs import S3FileSystem  # half a second, for those who need it

    options: dict[str, Any] = {
        name: os.environ[variable] for (_, name), variable in _VARIABLES.items() if os.environ.get(variable)
    }
    endpoint = _endpoint()
    if endpoint:
        parts = urlsplit(endpoint)
        options |= {"endpoint_override": parts.netloc, "scheme": parts.scheme}
    proxy = urllib.request.getproxies().get("https")
    if proxy and not endpoint:
        options["proxy_options"] = proxy
    return S3FileSystem(**options)


def fetch(address: str, name: str, stack: ExitStack) -> Path:
    """Copy a file from an address piece by piece; the copy goes when `stack` is closed."""
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ulm-")))
    target = folder / name
    with open_address(address) as source, target.open("wb") as out:
        shutil.copyfileobj(source, out, 1 << 20)
    return target
