"""Whatever a file holds: a clear error or a quarantine, never a crash, never a lost row."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import os
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.feather as pf
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from ulm_core.errors import UlmError
from ulm_core.events.cleaning import CleaningRules
from ulm_core.events.mapping import ColumnMapping
from ulm_core.events.sources import ReadOptions
from ulm_core.warehouse.loading import LoadOptions, frame_source, load_log
from ulm_core.warehouse.preview import preview
from ulm_core.workspace import Workspace

EXAMPLES = int(os.environ.get("ULM_FUZZ_EXAMPLES", "12"))  # more for a long night
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
        json.dumps(preview(folder / name, options).to_json(), default=str)
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


@pytest.mark.parametrize("size", [3_000_000, 20_000_000])
def test_a_huge_field_of_json_is_loaded_or_set_aside(tmp_path: Path, size: int) -> None:
    rows = [{"user": "ann", "time": "2024-01-01", "event": "view", "item": text} for text in ("a", "x" * size)]
    content = "".join(json.dumps(row) + "\n" for row in rows).encode()
    assert attempt(tmp_path, "log.jsonl", content) == (2, 2)


NUMBERS = st.one_of(
    st.integers(-(10**20), 10**20), st.floats(), st.sampled_from([0, -1, 1e308, 2**63, 1_704_067_200, 253_402_300_800])
).map(str)
MOMENTS = st.one_of(
    CELL, NUMBERS, st.datetimes().map(str), st.dates().map(lambda day: f"{day:%d/%m/%Y}"),
    st.sampled_from(["9999-12-31", "0000-00-00", "-infinity", "24:00", "2024-02-30", "1/1/1",
                     "2024-01-01T00:00:00+99:99"]),
)  # fmt: skip
HOW = st.fixed_dictionaries(
    {
        "time_kind": st.sampled_from(["auto", "epoch_s", "epoch_ms", "epoch_us", "day_first", "month_first",
                                      "relative_days", "pattern"]),
        "time_pattern": st.sampled_from(["%Y-%m-%d", "%d %b", "%s", "no pattern"]),
        "timezone": st.sampled_from(["UTC", "Europe/Berlin", "Asia/Kathmandu"]),
        "decimal_comma": st.booleans(), "whole_ids": st.booleans(),
        "value_is": st.sampled_from(["amount", "unit price"]), "cancelled_prefix": st.sampled_from([None, "C"]),
        "properties": st.sampled_from([(), ("*",), ("v",), ("v", "q.x")]),
        "item_text": st.sampled_from([(), ("v", "i")]), "item_price": st.sampled_from([(), ("q",)]),
        "item_attributes": st.sampled_from([(), ("v", "absent")]),
    },
    optional={"wide": st.just({"v": "seen", "q": "liked"}), "wide_kind": st.sampled_from(["flag", "time"])},
)  # fmt: skip


@FUZZ
@given(st.lists(st.tuples(CELL, MOMENTS, CELL, CELL, NUMBERS | MOMENTS, NUMBERS), max_size=6), HOW)
def test_any_mapping_of_any_cells(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, ...]], how: dict[str, object]
) -> None:
    text = io.StringIO()
    writer = csv.writer(text, quoting=csv.QUOTE_ALL)
    writer.writerows([["u", "t", "e", "i", "v", "q"], *rows])
    roles = {"user": "u", "time": "t", "event": "e", "item": "i", "value": "v", "quantity": "q", "event_name": "seen"}
    mapping = ColumnMapping.model_validate(how | roles)
    options = LoadOptions(mapping=mapping, rules=AS_IS, read=ReadOptions(delimiter=",", encoding="utf-8"))
    done = attempt(tmp_path_factory.mktemp("fuzz"), "log.csv", text.getvalue().encode(), options)
    assert done is None or done[0] == done[1] >= len(rows)  # of a wide log a row counts once an event


OBJECT = st.one_of(st.none(), st.integers(), st.floats(), st.booleans(), CELL, st.binary(max_size=6), st.dates())


@FUZZ
@given(st.lists(st.tuples(OBJECT, OBJECT, OBJECT, OBJECT), min_size=1, max_size=8))
def test_a_frame_of_mixed_types(tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[object, ...]]) -> None:
    frame = pd.DataFrame(rows, columns=["user", "time", "event", "value"], dtype=object)
    frame.loc[len(frame)] = [*ANCHOR, None]
    with frame_source(frame, "frame") as source:
        try:
            report = load_log(Workspace(tmp_path_factory.mktemp("fuzz")), source, options=LoadOptions(rules=AS_IS))
        except UlmError:
            return
    assert report.rows_read == report.rows_loaded + report.rows_quarantined == len(frame)


TYPED = [
    pa.array([1, None, 3]), pa.array([1.5, float("nan"), 2e300]), pa.array([b"\xff", b"a", None]),
    pa.array([True, False, None]), pa.array([["a"], [], None]), pa.array([{"x": 1}, None, {"x": None}]),
    pa.array(["a", None, "b"]).dictionary_encode(), pa.array([0, 10**17, -(10**17)], pa.timestamp("us")),
    pa.array([0, 1, None], pa.timestamp("ns", "Europe/Berlin")), pa.array([0, 20_000, -5], pa.date32()),
    pa.array([1, 2, None], pa.time32("s")), pa.array([1, 2, None], pa.duration("s")), pa.array(["2024-01-01"] * 3),
    pa.array([None, None, None]), pa.array([10**30, 1, None], pa.decimal128(38, 4)),
]  # fmt: skip


@FUZZ
@given(st.tuples(*[st.sampled_from(TYPED)] * 5), st.sampled_from(["log.parquet", "log.feather"]))
def test_columns_of_any_type(
    tmp_path_factory: pytest.TempPathFactory, columns: tuple[pa.Array, ...], name: str
) -> None:
    table = pa.table(dict(zip(("user", "time", "event", "value", "quantity"), columns, strict=True)))
    sink = pa.BufferOutputStream()
    try:
        pq.write_table(table, sink) if name.endswith("parquet") else pf.write_feather(table, sink)
    except pa.ArrowException:
        return  # a type the format does not know
    options = LoadOptions(rules=AS_IS)
    done = attempt(tmp_path_factory.mktemp("fuzz"), name, sink.getvalue().to_pybytes(), options)
    assert done in {None, (3, 3)}
