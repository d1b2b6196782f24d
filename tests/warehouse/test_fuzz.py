"""Whatever a file holds: a clear error or a quarantine, never a crash, never a lost row."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from ulm_core.errors import UlmError
from ulm_core.events.cleaning import CleaningRules
from ulm_core.events.mapping import ColumnMapping
from ulm_core.events.sources import ReadOptions
from ulm_core.warehouse.loading import LoadOptions, load_log
from ulm_core.warehouse.preview import preview
from ulm_core.workspace import Workspace

EXAMPLES = int(os.environ.get("ULM_FUZZ_EXAMPLES", "25"))  # more for a long night
FUZZ = settings(
    max_examples=EXAMPLES, deadline=None, derandomize=True, phases=[Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)  # fmt: skip
AS_IS = CleaningRules(duplicates="keep", returns="keep", robots="off")
ANCHOR = ["ann", "2024-01-01", "view"]
SUFFIXES = ["log.csv", "log.tsv", "log.jsonl", "log.json", "log.parquet", "log.feather", "log.xml", "log.csv.gz", "log"]


def attempt(folder: Path, name: str, content: bytes, options: LoadOptions | None = None) -> tuple[int, int] | None:
    """Load and return (rows read, rows accounted for), or None for a clear error; preview never crashes either."""
    (folder / name).write_bytes(content)
    with contextlib.suppress(UlmError):
        preview(folder / name, options)
    try:
        report = load_log(Workspace(folder / "workspace"), folder / name, options=options)
    except UlmError:
        return None
    return report.rows_read, report.rows_loaded + report.rows_quarantined + report.rows_overlapping


@FUZZ
@given(
    st.sampled_from(SUFFIXES),
    st.binary(max_size=400),
    st.sampled_from([b"", b"user,time,event\n", b"PAR1", b"{", b"["]),
)
def test_any_bytes(tmp_path_factory: pytest.TempPathFactory, name: str, content: bytes, start: bytes) -> None:
    done = attempt(tmp_path_factory.mktemp("fuzz"), name, start + content)
    assert done is None or done[0] == done[1]


CELL = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=12)
TABLE = st.lists(st.lists(CELL, min_size=3, max_size=3), max_size=8)


@FUZZ
@given(TABLE, st.sampled_from([",", ";", "\t", "|"]), st.sampled_from(["\n", "\r\n"]))
def test_every_row_of_a_well_formed_file_is_read(
    tmp_path_factory: pytest.TempPathFactory, rows: list[list[str]], delimiter: str, ends: str
) -> None:
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter, lineterminator=ends, quoting=csv.QUOTE_ALL)
    writer.writerows([["user", "time", "event"], ANCHOR, *rows])
    options = LoadOptions(
        mapping=ColumnMapping(user="user", time="time", event="event"), rules=AS_IS,
        read=ReadOptions(delimiter=delimiter, encoding="utf-8"),
    )  # fmt: skip
    done = attempt(tmp_path_factory.mktemp("fuzz"), "log.csv", text.getvalue().encode(), options)
    assert done == (len(rows) + 1, len(rows) + 1)


@FUZZ
@given(TABLE, st.sampled_from(["latin-1", "cp1252", "utf-16", "gb18030", "shift-jis", "utf-8"]))
def test_any_encoding(tmp_path_factory: pytest.TempPathFactory, rows: list[list[str]], encoding: str) -> None:
    lines = ["user,time,event", ",".join(ANCHOR), *(",".join("".join(cell.split()) for cell in row) for row in rows)]
    content = "\n".join(lines).encode(encoding, errors="replace")
    done = attempt(tmp_path_factory.mktemp("fuzz"), "log.csv", content)
    assert done is None or done[0] == done[1] >= 1


VALUE = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), CELL),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(CELL, inner, max_size=3)),
    max_leaves=6,
)


@FUZZ
@given(
    st.lists(
        st.fixed_dictionaries({"user": VALUE, "time": VALUE}, optional={"event": VALUE, "value": VALUE}), max_size=8
    )
)
def test_mixed_types_in_json_lines(tmp_path_factory: pytest.TempPathFactory, rows: list[dict[str, object]]) -> None:
    anchor = dict(zip(("user", "time", "event"), ANCHOR, strict=True))
    content = "".join(json.dumps(row) + "\n" for row in [anchor, *rows]).encode()
    options = LoadOptions(rules=AS_IS)
    done = attempt(tmp_path_factory.mktemp("fuzz"), "log.jsonl", content, options)
    assert done == (len(rows) + 1, len(rows) + 1)


@pytest.mark.parametrize("size", [100_000, 3_000_000, 20_000_000])
def test_a_huge_field_is_loaded_or_set_aside(tmp_path: Path, size: int) -> None:
    content = f"user,time,event,item\n{','.join(ANCHOR)},a\nbob,2024-01-01,view,{'x' * size}\n".encode()
    assert attempt(tmp_path, "log.csv", content) == (2, 2)
