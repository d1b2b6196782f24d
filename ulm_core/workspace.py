"""A workspace: one folder that holds the data, the index, the models and the jobs.

Layout::

    workspace.json      how the log is read: time zone, currency, which events count
    protection.json     whether ids are pseudonyms and files encrypted; never the key
    warehouse.duckdb    system of record; opened only by the process that loads (ADR 0003)
    versions/<id>/      one immutable published version: Parquet snapshot and timeline index
    CURRENT             name of the version everybody reads; replaced atomically
    documents/          what readers save: views, cohorts, stage rules, alerts
    members/            lists of user ids that cohorts are fixed to, a Parquet file each
    jobs/, queue.db     background work
    runs/, mlflow.db    fine-tuning runs and their registry
    cache/              what can be computed again (item text features)
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, field_validator

from ulm_core.errors import BusyError, EmptyWorkspaceError, InputError
from ulm_core.keys import Keys, Protection, read_keys
from ulm_core.messages import N_
from ulm_core.settings import get_settings

CONVERSION_NAMES = ("purchase", "buy", "order", "checkout", "transaction", "order completed", "subscribe")


class WorkspaceConfig(BaseModel):
    """How the log of one workspace is read.

    `passive_events` are done *to* a user (a campaign received): they stand in timelines but never
    count as activity. `conversion_events` are the ones a business lives on.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = "Workspace"
    sample: str | None = None
    timezone: str = "UTC"
    week_start: Literal["monday", "sunday"] = "monday"
    currency: str | None = None
    conversion_events: tuple[str, ...] = Field(CONVERSION_NAMES, description="Events that count as a conversion.")
    passive_events: tuple[str, ...] = ()
    stage_rules: dict[str, JsonValue] | None = Field(
        None, description="The stage rules in force, as `lifecycle.rules` checks them; none: the default ones."
    )

    @field_validator("timezone")
    @classmethod
    def _known_timezone(cls, value: str) -> str:
        from zoneinfo import ZoneInfo  # the check is the constructor; the object is not needed

        ZoneInfo(value)
        return value


def write_atomically(path: Path, text: str) -> None:
    """Write `text` to `path` so that readers see the old content or the new, never a part."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.part")
    with partial.open("w", encoding="utf-8") as handle:
        handle.write(text)
        handle.flush()
        os.fsync(handle.fileno())
    partial.replace(path)


class Workspace:
    """Paths, configuration and locks of one workspace folder.

    Parameters
    ----------
    root
        The folder; created when missing.

    Raises
    ------
    InputError
        When `root` is a file or cannot be created.
    """

    def __init__(self, root: Path | str) -> None:
        self.root = Path(root).expanduser().resolve()
        try:
            self.root.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(
                N_("{path} cannot be used as a workspace: {reason}. Name a folder you may write to."),
                path=self.root,
                reason=error.strerror or error,
            ) from error

    @property
    def warehouse_path(self) -> Path:
        """The DuckDB file."""
        return self.root / "warehouse.duckdb"

    @property
    def versions_dir(self) -> Path:
        """Published versions."""
        return self.root / "versions"

    @property
    def jobs_dir(self) -> Path:
        """One folder a job."""
        return self.root / "jobs"

    @property
    def queue_path(self) -> Path:
        """The job queue (SQLite)."""
        return self.root / "queue.db"

    @property
    def runs_dir(self) -> Path:
        """One folder a fine-tuning run: weights, configuration, metrics."""
        return self.root / "runs"

    @property
    def mlflow_uri(self) -> str:
        """Tracking and registry address for MLflow."""
        return f"sqlite:///{self.root / 'mlflow.db'}"

    @property
    def cache_dir(self) -> Path:
        """What can be computed again."""
        return self.root / "cache"

    @property
    def uploads_dir(self) -> Path:
        """Files handed over by the upload form, until they are loaded."""
        return self.root / "uploads"

    @property
    def config(self) -> WorkspaceConfig:
        """The workspace's configuration; defaults when none was saved."""
        path = self.root / "workspace.json"
        # A version may bring a configuration: pointer and configuration change in one instant.
        brought = self._pointer().get("config")
        if brought is None and not path.exists():
            return WorkspaceConfig()
        try:
            text = path.read_text(encoding="utf-8") if brought is None else json.dumps(brought)
            return WorkspaceConfig.model_validate_json(text)
        except ValueError as error:
            raise InputError(
                N_("{path} is not a valid workspace configuration: {reason}."), path=path, reason=error
            ) from error

    def save_config(self, config: WorkspaceConfig) -> None:
        """Replace the configuration atomically."""
        write_atomically(self.root / "workspace.json", config.model_dump_json(indent=2))
        if self._pointer().get("config") is not None:  # left by a process that was killed while publishing
            with contextlib.suppress(BusyError), self.lock("load"):
                self._point(str(self.current_version()))

    def _pointer(self) -> dict[str, object]:
        with contextlib.suppress(FileNotFoundError):
            return dict(json.loads((self.root / "CURRENT").read_text(encoding="utf-8")))
        return {}

    def _point(self, version: str, config: object = None) -> None:
        pointer = {"version": version} if config is None else {"version": version, "config": config}
        write_atomically(self.root / "CURRENT", json.dumps(pointer))

    def current_version(self) -> str | None:
        """Return the published version's name, or None while nothing is loaded."""
        version = self._pointer().get("version")
        return None if version is None else str(version)

    @property
    def protection(self) -> Protection:
        """How the workspace protects its people."""
        path = self.root / "protection.json"
        if not path.exists():
            return Protection()
        try:
            return Protection.model_validate_json(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise InputError(
                N_("{path} is not a valid workspace configuration: {reason}."), path=path, reason=error
            ) from error

    def protect(self, protection: Protection) -> None:
        """Write down how the workspace protects its people; done once, before anything is loaded."""
        write_atomically(self.root / "protection.json", protection.model_dump_json(indent=2))

    def keys(self) -> Keys | None:
        """Return the keys of a protected workspace, None for any other.

        Raises
        ------
        InputError
            When the key file is not named, missing, open to others, or of another workspace.
        """
        protection = self.protection
        if not (protection.pseudonymised or protection.encrypted):
            return None
        path = get_settings().key_file
        if path is None:
            raise InputError(
                N_("This workspace is protected. Name its key file in the setting key_file (ULM_KEY_FILE)."),
                code="no_key",
            )
        keys = read_keys(path.expanduser())
        if keys.check != protection.key_check:
            raise InputError(
                N_("The key in {path} is not the one this workspace was created with."), code="wrong_key", path=path
            )
        return keys

    def file_keys(self) -> Keys | None:
        """Return the keys that files are encrypted with, None when they are not; raises as `keys`."""
        return self.keys() if self.protection.encrypted else None

    def version_dir(self, version: str | None = None) -> Path:
        """Return the folder of `version` (default: the published one).

        Raises
        ------
        EmptyWorkspaceError
            When nothing was loaded yet.
        """
        name = version or self.current_version()
        if name is None or not (self.versions_dir / name).is_dir():
            raise EmptyWorkspaceError
        return self.versions_dir / name

    @staticmethod
    def of_version(directory: Path) -> Workspace:
        """Return the workspace that a version's folder lies in; the inverse of `version_dir`."""
        return Workspace(directory.parents[1])

    def publish(self, version: str, config: WorkspaceConfig | None = None) -> None:
        """Make `version` the one everybody reads, with the configuration it brings; its folder must be complete.

        Stage rules are the readers' own and not the data's: a load, or its undo, leaves them as they are.
        """
        if config is not None:
            config = config.model_copy(update={"stage_rules": self.config.stage_rules})
        self._point(version, config and config.model_dump(mode="json"))
        self.settle_config()

    def settle_config(self) -> None:
        """Move a configuration that the pointer brings to where it is kept; the caller holds the load lock."""
        pointer = self._pointer()
        if pointer.get("config") is not None:
            config = WorkspaceConfig.model_validate_json(json.dumps(pointer["config"]))
            write_atomically(self.root / "workspace.json", config.model_dump_json(indent=2))
            self._point(str(pointer["version"]))

    @contextlib.contextmanager
    def lock(self, name: str) -> Iterator[IO[str]]:
        """Hold an exclusive lock on the workspace; the kernel drops it when the process dies.

        Raises
        ------
        BusyError
            When another process holds it.
        """
        handle = (self.root / f".{name}.lock").open("a+", encoding="utf-8")
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            handle.seek(0)
            owner = handle.read().strip() or "?"
            handle.close()
            raise BusyError(_LOCK_MESSAGES[name], owner=owner, path=self.root) from error
        try:
            handle.truncate(0)
            handle.write(str(os.getpid()))
            handle.flush()
            yield handle
        finally:
            handle.truncate(0)
            handle.close()


_LOCK_MESSAGES = {
    "load": N_("Another load into this workspace is running (process {owner}). Wait until it ends, then try again."),
    "studio": N_("ULM Studio already runs on {path} (process {owner}). Open it in the browser, or stop it first."),
    "documents": N_("Somebody else is saving at this moment (process {owner}). Try again."),
    "worker": N_("A worker already serves {path} (process {owner})."),
}
