"""Presets: layouts of well-known sources (`data/presets/*.toml`), and those people save themselves."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable
from fnmatch import fnmatch
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ulm_core.errors import InputError, NotFoundError
from ulm_core.events.cleaning import CleaningRules
from ulm_core.events.mapping import ColumnMapping
from ulm_core.events.sources import ReadOptions
from ulm_core.messages import N_
from ulm_core.workspace import Workspace, write_atomically

SHIPPED = Path(__file__).resolve().parents[2] / "data" / "presets"


class Elapsed(BaseModel):
    """Moments of a log that only knows how long after the previous order an order came.

    The column ``elapsed_days`` becomes the days since the user's first order (plus the hour of the day).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    user: str
    order: str
    days: str
    hour: str | None = None


class Join(BaseModel):
    """A second file that holds what the first one lacks, looked up by one column."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    file: str = Field(description="Name or pattern, in the same folder.")
    on: str


class TableHint(BaseModel):
    """Which files describe users or items, and their columns."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    files: str
    read: ReadOptions = ReadOptions()
    columns: dict[str, str] = Field(default_factory=dict, description="Field -> column, as in `TableMapping`.")


class Variant(BaseModel):
    """One layout of a preset: which files have it, and what their columns mean."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    files: str = "*"
    read: ReadOptions = ReadOptions()
    mapping: ColumnMapping
    join: Join | None = None
    elapsed: Elapsed | None = None


class Preset(BaseModel):
    """A named layout with one or more variants; the first whose file pattern fits is taken."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    title: str
    description: str = ""
    variants: tuple[Variant, ...] = Field(min_length=1)
    rules: CleaningRules = CleaningRules()
    users: TableHint | None = None
    items: TableHint | None = None
    conversion_events: tuple[str, ...] = ()
    passive_events: tuple[str, ...] = ()
    currency: str | None = None

    def variant_for(self, file_name: str) -> Variant | None:
        """Return the variant for a file, None when the preset knows no such file."""
        plain = re.sub(r"\.(gz|zst)$", "", file_name.lower())
        for hint in (self.users, self.items):
            if hint and fnmatch(plain, hint.files.lower()):
                return None
        joined = {variant.join.file.lower() for variant in self.variants if variant.join}
        if any(fnmatch(plain, pattern) for pattern in joined):
            return None
        return next((variant for variant in self.variants if fnmatch(plain, variant.files.lower())), None)


def _read(path: Path) -> Preset:
    try:
        return Preset.model_validate({"name": path.stem, **tomllib.loads(path.read_text(encoding="utf-8"))})
    except (ValidationError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(
            N_("The preset {file} is not valid: {reason}."), file=path.name, reason=str(error).split("\n")[0]
        ) from error


def _folder(workspace: Workspace | None) -> Path | None:
    return workspace.root / "presets" if workspace else None


def list_presets(workspace: Workspace | None = None) -> dict[str, Preset]:
    """Return every preset by name: those shipped, then those saved in the workspace (which win).

    Raises
    ------
    InputError
        When a preset's file is not valid; the message names it.
    """
    own = _folder(workspace)
    files = [*sorted(SHIPPED.glob("*.toml")), *(sorted(own.glob("*.toml")) if own and own.is_dir() else ())]
    return {preset.name: preset for preset in map(_read, files)}


def get_preset(name: str, workspace: Workspace | None = None) -> Preset:
    """Return the preset called `name`.

    Raises
    ------
    NotFoundError
        When there is none; the message lists the names.
    """
    known = list_presets(workspace)
    if name not in known:
        raise NotFoundError.for_name("preset", name, known)
    return known[name]


def save_preset(
    workspace: Workspace,
    name: str,
    mapping: ColumnMapping,
    *,
    rules: CleaningRules | None = None,
    read: ReadOptions | None = None,
) -> Path:
    """Save a mapping as a preset of the workspace; returns its file.

    Raises
    ------
    InputError
        When the name has other characters than letters, digits, ``-`` and ``_``.
    """
    if not re.fullmatch(r"[\w-]{1,60}", name):
        raise InputError(N_("“{name}” is no name for a preset: use letters, digits, - and _."), name=name)
    folder = workspace.root / "presets"
    folder.mkdir(exist_ok=True)
    preset = Preset(
        name=name,
        title=name,
        variants=(Variant(mapping=mapping, read=read or ReadOptions()),),
        rules=rules or CleaningRules(),
    )
    path = folder / f"{name}.toml"
    write_atomically(path, to_toml(preset))
    return path


def to_toml(preset: Preset) -> str:
    """Return a preset as TOML, without what equals the default."""
    values = preset.model_dump(mode="json", exclude_defaults=True, exclude={"name"})
    return "\n".join(_toml_lines(values)) + "\n"


def _toml_lines(values: dict[str, object], prefix: str = "") -> Iterable[str]:
    plain = {key: value for key, value in values.items() if not isinstance(value, dict) and not _is_tables(value)}
    for key, value in plain.items():
        yield f"{_toml_value(key)} = {_toml_value(value)}"
    for key, value in values.items():
        place = f"{prefix}{_toml_value(key)}"
        if isinstance(value, dict):
            yield f"\n[{place}]"
            yield from _toml_lines(value, f"{place}.")
        elif _is_tables(value) and isinstance(value, list):
            for entry in value:
                yield f"\n[[{place}]]"
                yield from _toml_lines(entry, f"{place}.")


def _is_tables(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(entry, dict) for entry in value)


def _toml_value(value: object) -> str:
    import json  # a TOML string, number, boolean or array of these is written as in JSON

    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
