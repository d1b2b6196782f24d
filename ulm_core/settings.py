"""One typed settings object: defaults, then `ulm.toml`, then environment variables `ULM_*`."""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from ulm_core.errors import InputError
from ulm_core.messages import N_


class Settings(BaseSettings):
    """Everything that can be configured outside a workspace."""

    model_config = SettingsConfigDict(env_prefix="ULM_", toml_file="ulm.toml", extra="forbid", frozen=True)

    workspace: Path = Field(Path("data/workspace"), description="Folder of the workspace that pages and CLI open.")
    key_file: Path | None = Field(
        None, description="File with the secret of a protected workspace; outside the workspace, readable by you only."
    )
    threads: int = Field(
        default_factory=lambda: min(8, os.cpu_count() or 1),
        ge=1,
        le=256,
        description="Threads for kernels, DuckDB and PyTorch on the CPU.",
    )
    memory_limit_gb: float = Field(4.0, gt=0, description="Memory DuckDB may use, in GB; beyond it spills to disk.")
    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="Where models run; auto takes CUDA if present.")
    host: str = Field("127.0.0.1", description="Address the dashboard listens on; loopback unless changed.")
    port: int = Field(8501, ge=1, le=65535, description="Port of the dashboard.")
    upload_limit_mb: int = Field(512, ge=1, le=4096, description="Largest file accepted by upload, in MB.")
    query_rows_limit: int = Field(100_000, ge=1, description="Most rows a table on a page or an export holds.")
    sql_timeout_seconds: float = Field(20.0, gt=0, le=600, description="Longest a query of the SQL page may run, in s.")
    sql_memory_gb: float = Field(
        1.0, gt=0, description="Memory a query of the SQL page may use, in GB; it never spills."
    )
    webhook_private_addresses: bool = Field(
        False,
        description="Whether alerts may be posted to private or loopback addresses; off, so that a webhook cannot "
        "reach what only this machine can.",
    )
    webhook_timeout_seconds: float = Field(
        5.0, gt=0, le=60, description="Longest an alert waits for its webhook, in s."
    )
    partition_events: int = Field(
        250_000, ge=1_000, description="Events per partition of the timeline index; more partitions, more parallel."
    )
    text_encoder: str = Field(
        "minilm", description="Item text encoder: 'minilm' (inside a package) or a local folder / Hugging Face name."
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Read `ulm.toml` below the environment; no .env files, no secret folders."""
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls)


@lru_cache(maxsize=1)
def get_settings() -> Settings:
    """Return the settings of this process.

    Raises
    ------
    InputError
        When `ulm.toml` or an environment variable holds an unknown name or a bad value.
    """
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        raise InputError(
            N_("Setting “{name}” is not valid: {reason}. Correct it in ulm.toml or in the environment (ULM_…)."),
            name=name,
            reason=first["msg"],
        ) from error
