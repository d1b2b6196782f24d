"""The secret of a protected workspace: kept outside it, and what is derived from it.

One master secret of 32 bytes lies in a file of its own (setting `key_file`, mode 0600). Every use has a
key of its own, derived with HMAC-SHA256 and a label, so that none reveals another.
"""

from __future__ import annotations

import base64
import hmac
import os
import secrets
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from ulm_core.errors import InputError
from ulm_core.messages import N_

SECRET_BYTES = 32
PSEUDONYM_DIGITS = 32  # 128 bits: two of 10 billion ids collide with a chance below 1e-18
Kind = Literal["user", "session"]


class Protection(BaseModel):
    """How a workspace protects its people; decided when it is created, never changed.

    `key_check` recognises the right key and says nothing about it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    pseudonymised: bool = False
    encrypted: bool = False
    key_check: str = ""


@dataclass(frozen=True)
class Keys:
    """Keys derived from one master secret; `repr` shows none of them."""

    secret: bytes = field(repr=False)

    def _derive(self, label: str) -> bytes:
        return hmac.digest(self.secret, label.encode(), "sha256")

    @property
    def check(self) -> str:
        """Text that tells whether a key is the one a workspace was created with."""
        return self._derive("ulm key check").hex()[:16]

    @property
    def database(self) -> str:
        """Key of the warehouse file (AES-256), base64."""
        return base64.b64encode(self._derive("ulm database")).decode()

    @property
    def parquet(self) -> str:
        """Key of Parquet files (AES-256), base64."""
        return base64.b64encode(self._derive("ulm parquet")).decode()

    @property
    def columns(self) -> bytes:
        """Key of the timeline index's columns (AES-256)."""
        return self._derive("ulm columns")

    def pseudonym(self, kind: Kind, text: str) -> str:
        """Return the pseudonym of an id: the first 128 bits of an HMAC-SHA256, in hexadecimal."""
        return hmac.digest(self._derive(f"ulm {kind} pseudonyms"), text.encode(), "sha256").hex()[:PSEUDONYM_DIGITS]


def read_keys(path: Path) -> Keys:
    """Return the keys derived from the secret in `path`.

    Raises
    ------
    InputError
        When there is no such file, others may read it, or it holds no secret.
    """
    try:
        mode = path.stat().st_mode
        text = path.read_text(encoding="ascii").strip()
        secret = bytes.fromhex(text)
    except OSError as error:
        raise InputError(
            N_("The key file {path} cannot be read: {reason}. Without its key this workspace stays closed."),
            code="no_key",
            path=path,
            reason=error.strerror or error,
        ) from error
    except ValueError:
        secret, mode = b"", 0
    if len(secret) != SECRET_BYTES:
        raise InputError(N_("{path} is not a key file of ULM Studio."), code="no_key", path=path)
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise InputError(
            N_("Others may read the key file {path}. Take that right away (chmod 600 {path}), then try again."),
            code="open_key",
            path=path,
        )
    return Keys(secret)


def ensure_key_file(path: Path) -> Keys:
    """Return the keys of `path`, which is created with a new secret (mode 0600) when it is missing."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(secrets.token_hex(SECRET_BYTES) + "\n")
            file.flush()
            os.fsync(file.fileno())
    return read_keys(path)
