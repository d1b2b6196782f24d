"""The dialect of a delimited text: delimiter, header, column names, found from its first lines."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from ulm_core.errors import InputError
from ulm_core.events.sources import ReadOptions
from ulm_core.messages import N_

_DELIMITERS = (",", "\t", ";", "|", "::")
_SAMPLE_LINES = 200
_NUMBER_OR_TIME = re.compile(r"[-+]?[0-9][0-9.,:/TZ +-]*(e[-+]?[0-9]+)?", re.IGNORECASE)


@dataclass(frozen=True)
class Dialect:
    """What the CSV reader has to know; `columns` in file order, each name once."""

    delimiter: str
    quote: str
    has_header: bool
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def find_dialect(head: str, options: ReadOptions, name: str) -> Dialect:
    r"""Return the dialect of a text from its first characters.

    Raises
    ------
    InputError
        When the text is binary or has no row.

    Examples
    --------
    >>> find_dialect("user;time\nann;2024-01-01\n", ReadOptions(), "log.csv").columns
    ('user', 'time')
    """
    if "\x00" in head:
        raise InputError(
            N_("{file} cannot be read as a table: {reason} Give a CSV or Parquet file with a header."),
            file=name,
            reason="it holds bytes that are no text.",
        )
    text = head.lstrip("\ufeff")
    quote = '"' if options.quote is None else options.quote
    delimiter = options.delimiter or _find_delimiter(text)
    rows = _split(text, delimiter, quote)
    if not rows:
        raise InputError(N_("{file} holds no rows. Nothing was changed."), file=name)
    has_header = _has_header(rows, options)
    columns = options.columns if options.columns and not has_header else _names(rows[0], has_header)
    body = rows[1:] if has_header else rows
    return Dialect(delimiter, quote, has_header, tuple(columns), tuple(tuple(row) for row in body))


def _find_delimiter(text: str) -> str:
    """Return the delimiter that splits most lines into the same, highest number of cells."""
    best, best_score = ",", 0.0
    for delimiter in _DELIMITERS:
        widths = Counter(len(row) for row in _split(text, delimiter, '"'))
        if not widths:
            continue
        width, count = max(widths.items(), key=lambda entry: (entry[1], entry[0]))
        score = count / widths.total() * min(width - 1, 50) ** 0.5 if width > 1 else 0.0
        if score > best_score + 1e-9:
            best, best_score = delimiter, score
    return best


def _split(text: str, delimiter: str, quote: str) -> list[list[str]]:
    lines = text.splitlines()[:_SAMPLE_LINES]
    if len(delimiter) > 1:
        return [line.split(delimiter) for line in lines if line]
    csv.field_size_limit(1 << 26)
    try:
        quoting: Literal[0, 3] = csv.QUOTE_MINIMAL if quote else csv.QUOTE_NONE
        parsed = csv.reader(lines, delimiter=delimiter, quotechar=quote or None, quoting=quoting)
        return [row for row in parsed if row]
    except csv.Error:
        return [line.split(delimiter) for line in lines if line]


def _has_header(rows: Sequence[Sequence[str]], options: ReadOptions) -> bool:
    if options.header is not None:
        return options.header
    # Names given for columns mean the file has none of its own, unless its first row is just these names.
    first = [cell.strip() for cell in rows[0]]
    if options.columns:
        return first == list(options.columns)
    return not any(_NUMBER_OR_TIME.fullmatch(cell) for cell in first)


def _names(first: Sequence[str], has_header: bool) -> list[str]:
    if not has_header:
        return [f"column{position}" for position in range(1, len(first) + 1)]
    names: list[str] = []
    taken: set[str] = set()  # DuckDB compares column names without case
    for position, cell in enumerate(first, start=1):
        base = cell.strip() or f"column{position}"
        name, again = base, 1
        while name.lower() in taken:
            again += 1
            name = f"{base}_{again}"
        taken.add(name.lower())
        names.append(name)
    return names
