"""Creating a protected workspace: pseudonyms instead of ids, files encrypted; decided once."""

from __future__ import annotations

from pathlib import Path

from ulm_core.errors import InputError
from ulm_core.keys import Protection, ensure_key_file
from ulm_core.messages import N_
from ulm_core.settings import get_settings
from ulm_core.warehouse.access import unlock
from ulm_core.warehouse.database import Database
from ulm_core.workspace import Workspace


def create_workspace(
    root: Path, *, pseudonymised: bool = False, encrypted: bool = False, key_file: Path | None = None
) -> Workspace:
    """Create a workspace; with protection, its key file is created too when it is missing (mode 0600).

    Parameters
    ----------
    root
        An empty or new folder.
    pseudonymised
        Keep pseudonyms (HMAC-SHA256) instead of user and session ids.
    encrypted
        Encrypt the warehouse and every Parquet file (AES-256-GCM).
    key_file
        Where the secret lies, outside `root`; default: the setting `key_file`.

    Raises
    ------
    InputError
        When the folder is a workspace already, no key file is named, or it would lie inside.
    UlmError
        When files shall be encrypted and the extension that does it is not installed.
    """
    workspace = Workspace(root)
    if workspace.warehouse_path.exists() or (workspace.root / "protection.json").exists():
        raise InputError(
            N_("{path} holds a workspace already. Protection is decided when a workspace is created; "
               "name an empty folder."),
            path=workspace.root,
        )  # fmt: skip
    if not (pseudonymised or encrypted):
        return workspace
    path = key_file or get_settings().key_file
    if path is None:
        raise InputError(N_("Name the file for the key: --key-file, or the setting key_file (ULM_KEY_FILE)."))
    path = path.expanduser().resolve()
    if path.is_relative_to(workspace.root):
        raise InputError(
            N_("The key file must lie outside the workspace, or whoever copies the folder has the key too: {path}."),
            path=path,
        )
    keys = ensure_key_file(path)
    unlock(Database.private(), keys if encrypted else None).close()
    workspace.protect(Protection(pseudonymised=pseudonymised, encrypted=encrypted, key_check=keys.check))
    return workspace
