"""Column files of an index: raw and memory-mapped, or sealed page by page where the workspace is encrypted.

A sealed file is a run of pages, each ``nonce (12 bytes) | ciphertext | tag (16 bytes)`` of AES-256-GCM over at most
`PAGE` bytes. Name, place and whether it is the last are authenticated with a page, so that pages cannot be exchanged,
left out or cut off unnoticed. A sealed column is decrypted into the memory of the process that opens it; no clear
byte reaches a disk.
"""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from ulm_core.errors import UlmError
from ulm_core.keys import Keys
from ulm_core.messages import N_

PAGE = 4 << 20
_NONCE, _TAG = 12, 16


def column_path(directory: Path, name: str, keys: Keys | None) -> Path:
    """Return where a column of an index folder lies."""
    return directory / f"{name}.{'sealed' if keys else 'bin'}"


class ColumnFile:
    """One file of an index being written."""

    def __init__(self, directory: Path, name: str, dtype: npt.DTypeLike, keys: Keys | None = None) -> None:
        self._name, self._dtype = name, np.dtype(dtype)
        self._cipher = AESGCM(keys.columns) if keys else None
        self._file = column_path(directory, name, keys).open("wb")
        self._pages, self._rest = 0, b""

    def write(self, values: npt.NDArray[np.generic]) -> None:
        """Add values at the end."""
        data = np.ascontiguousarray(values, self._dtype).view(np.uint8).data
        if self._cipher is None:
            self._file.write(data)
        else:
            self._write_sealed(self._cipher, bytes(data))

    def _write_sealed(self, cipher: AESGCM, data: bytes) -> None:
        waiting = self._rest + data
        first = 0
        while len(waiting) - first > PAGE:  # what may be the last page waits for `close`
            self._seal(cipher, waiting[first : first + PAGE], is_last=False)
            first += PAGE
        self._rest = waiting[first:]

    def _seal(self, cipher: AESGCM, page: bytes, *, is_last: bool) -> None:
        nonce = os.urandom(_NONCE)
        self._file.write(nonce + cipher.encrypt(nonce, page, _mark(self._name, self._pages, is_last)))
        self._pages += 1

    def close(self) -> None:
        """Write what is left and close the file."""
        if self._cipher is not None:
            self._seal(self._cipher, self._rest, is_last=True)
        self._file.close()


def _mark(name: str, page: int, is_last: bool) -> bytes:
    return f"ulm column {name} {page} {'last' if is_last else 'more'}".encode()


class OpenColumn:
    """A column whose file is open: it can be read after its folder is gone."""

    def __init__(self, directory: Path, name: str, dtype: npt.DTypeLike, keys: Keys | None) -> None:
        self._path, self._name, self._dtype, self._keys = column_path(directory, name, keys), name, dtype, keys
        self._file = self._path.open("rb")
        self._lock = threading.Lock()
        self._values: npt.NDArray[Any] | None = None

    def read(self) -> npt.NDArray[Any]:
        """Return the values: a map of the file, or decrypted, each once.

        Raises
        ------
        UlmError
            When a sealed file was changed, or belongs to another key.
        """
        with self._lock:
            if self._values is None:
                self._values = self._unseal(self._keys).view(self._dtype) if self._keys else self._map()
                self._file.close()
            return self._values

    def _map(self) -> npt.NDArray[Any]:
        if os.fstat(self._file.fileno()).st_size == 0:  # an empty file cannot be mapped
            return np.empty(0, self._dtype)
        # A plain array over the map: np.memmap costs microseconds at every slice.
        return np.asarray(np.memmap(self._file, self._dtype, mode="r"))

    def _unseal(self, keys: Keys) -> npt.NDArray[np.uint8]:
        cipher, whole = AESGCM(keys.columns), PAGE + _NONCE + _TAG
        size = os.fstat(self._file.fileno()).st_size
        n_pages = max(-(-size // whole), 1)
        values = np.empty(max(size - n_pages * (_NONCE + _TAG), 0), np.uint8)
        for page in range(n_pages):
            sealed = self._file.read(whole)
            try:
                clear = cipher.decrypt(sealed[:_NONCE], sealed[_NONCE:], _mark(self._name, page, page == n_pages - 1))
                values[page * PAGE : page * PAGE + len(clear)] = np.frombuffer(clear, np.uint8)
            except (InvalidTag, ValueError) as error:
                raise _changed(self._path) from error
        return values


def write_text(path: Path, text: str, keys: Keys | None) -> None:
    """Write a small text of an index folder, sealed where the workspace is encrypted."""
    data = text.encode()
    if keys is not None:
        nonce = os.urandom(_NONCE)
        data = nonce + AESGCM(keys.columns).encrypt(nonce, data, path.name.encode())
    path.write_bytes(data)


def read_text(path: Path, keys: Keys | None) -> str:
    """Return what `write_text` wrote; raises like `read_column`."""
    data = path.read_bytes()
    if keys is None:
        return data.decode()
    try:
        return AESGCM(keys.columns).decrypt(data[:_NONCE], data[_NONCE:], path.name.encode()).decode()
    except (InvalidTag, ValueError) as error:
        raise _changed(path) from error


def _changed(path: Path) -> UlmError:
    return UlmError(
        N_("{path} was changed or belongs to another key. Load the data again."), code="bad_index", path=path
    )
