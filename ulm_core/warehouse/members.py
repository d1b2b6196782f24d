"""Lists of user ids that readers keep: one Parquet file a list, encrypted where the workspace is.

Ids are stored as the workspace has them: pseudonyms where it is pseudonymised. An erasure takes a user out of
every list (`ulm_core.timeline.mentions`).
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa

from ulm_core.errors import InputError
from ulm_core.messages import N_
from ulm_core.warehouse import parquet
from ulm_core.workspace import Workspace

MAX_MEMBERS = 5_000_000
MEMBERS = "members"
_COLUMN = "user_id"


def _folder(workspace: Workspace) -> Path:
    return workspace.root / MEMBERS


def keep_members(workspace: Workspace, ids: Sequence[str]) -> str:
    """Keep a list of ids (as the workspace has them) and return its token.

    Raises
    ------
    InputError
        When there are too many.
    """
    if len(ids) > MAX_MEMBERS:
        raise InputError(N_("A list holds at most {n} users."), n=f"{MAX_MEMBERS:,}")
    token = secrets.token_hex(12)
    _folder(workspace).mkdir(exist_ok=True)
    table = pa.table({_COLUMN: pa.array(sorted(ids), pa.string())})
    parquet.write_table(_folder(workspace) / f"{token}.parquet", table, workspace.file_keys())
    return token


def read_members(workspace: Workspace, token: str) -> list[str]:
    """Return the ids of a list, sorted.

    Raises
    ------
    InputError
        When the file is missing.
    """
    path = _folder(workspace) / f"{token}.parquet"
    if not path.exists():
        raise InputError(N_("The list of users of this cohort is missing from the workspace: {path}."), path=path.name)
    return [str(name) for name in parquet.read_table(path, workspace.file_keys())[_COLUMN].to_pylist()]


def drop_members(workspace: Workspace, token: str) -> None:
    """Delete a list; one that is gone is no error."""
    (_folder(workspace) / f"{token}.parquet").unlink(missing_ok=True)
