"""The ways in which an id can stand in a file's bytes."""

from __future__ import annotations

import json
import mmap
import re
from pathlib import Path

_ENCODINGS = ("utf-8", "cp1252", "gb18030")
_WIDE = ("utf-16-le", "utf-16-be")
_MARKS = (b"\xff\xfe", b"\xfe\xff")  # a text that begins like this is UTF-16


class Spelling:
    """What a user's ids look like in bytes.

    Parameters
    ----------
    ids
        The id and, where there is one, its pseudonym.
    """

    def __init__(self, ids: set[str]) -> None:
        self.ids = set(ids)
        # JSON may write a letter beyond ASCII, a quote or a backslash as an escape.
        escaped = {json.dumps(name, ensure_ascii=ascii_only)[1:-1] for name in ids for ascii_only in (True, False)}
        self.texts = tuple(sorted(self.ids | escaped))
        self.pattern = _standing_alone(_encoded(self.texts, _ENCODINGS))
        self._wide = re.compile(b"|".join(map(re.escape, _encoded(self.texts, _WIDE))))

    def is_in(self, data: mmap.mmap) -> bool:
        """Return whether any spelling stands in `data`."""
        if data[:2] in _MARKS:
            return bool(self._wide.search(data))
        return bool(self.pattern.search(data))

    @staticmethod
    def is_wide(path: Path) -> bool:
        """Return whether a file is a text in UTF-16, whose lines cannot be told by bytes."""
        with path.open("rb") as handle:
            return handle.read(2) in _MARKS


def _encoded(texts: tuple[str, ...], encodings: tuple[str, ...]) -> list[bytes]:
    found = {text.encode(name, errors="ignore") for text in texts for name in encodings}
    return sorted(found - {b""})


def _standing_alone(names: list[bytes]) -> re.Pattern[bytes]:
    """Return what finds any of `names`, but not inside a longer word or number."""
    return re.compile(rb"(?<![0-9A-Za-z_])(?:" + b"|".join(map(re.escape, names)) + rb")(?![0-9A-Za-z_])")
