"""The files: same configuration, same rows; whatever the chunks; nothing of the log is held back or lost."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.events.simulator.conftest import read_events, truth
from ulm_core.errors import InputError
from ulm_core.events.samples import get_sample
from ulm_core.events.simulator import (
    DIRTY_REASONS,
    SimulationReport,
    SimulatorConfig,
    simulate,
    simulated_bundle,
    simulator_config,
    warm_simulator,
)
from ulm_core.events.simulator.chunks import chunks
from ulm_core.events.simulator.fakes import SLACK, draw_people, simulate_users
from ulm_core.events.simulator.records import emit
from ulm_core.events.simulator.sessions import pick_item
from ulm_core.events.simulator.shop import build_shop
from ulm_core.events.simulator.streams import below
from ulm_core.timeline.publish import import_bundle, import_file
from ulm_core.warehouse.reports import dataset_summary
from ulm_core.workspace import Workspace

SMALL = SimulatorConfig(users=300, days=100, campaigns=3, seed=3, dirty_share=0.05, late_share=0.05, delivery_days=20)
COLUMNS = ["user", "time", "event", "item", "value", "quantity", "session", "properties"]


def rows_of(report: SimulationReport) -> pd.DataFrame:
    """Return the rows in an order of their own, with the file they arrived in."""
    log = read_events(report.files).fillna({"quantity": -1}).fillna("")
    return log.sort_values([*COLUMNS, "file"]).reset_index(drop=True)


def test_the_same_seed_gives_the_same_bytes(tmp_path: Path) -> None:
    first, second = simulate(SMALL, tmp_path / "a"), simulate(SMALL, tmp_path / "b")
    names = sorted(str(path.relative_to(tmp_path / "a")) for path in (tmp_path / "a").rglob("*.*"))
    assert len(names) == 5 + 6
    for name in names:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes(), name
    assert first.truth == second.truth


def test_another_seed_gives_another_log(tmp_path: Path) -> None:
    reports = [simulate(SMALL.model_copy(update={"seed": seed}), tmp_path / str(seed)) for seed in (1, 2, 1 + 2**33)]
    assert len({report.rows for report in reports}) == 3


def test_rows_do_not_depend_on_the_chunks(tmp_path: Path) -> None:
    whole = simulate(SMALL, tmp_path / "whole")
    pieces = simulate(SMALL.model_copy(update={"chunk_rows": 1_000}), tmp_path / "pieces")
    pd.testing.assert_frame_equal(rows_of(whole), rows_of(pieces))
    for name in ("users", "items", "campaigns"):
        pd.testing.assert_frame_equal(truth(whole, name), truth(pieces, name))
    config = {"config": None}
    assert whole.truth | config == pieces.truth | config


def test_noise_does_not_change_what_happened(tmp_path: Path) -> None:
    noisy = simulate(SMALL, tmp_path / "noisy")
    quiet = simulate(SMALL.model_copy(update={"dirty_share": 0.0, "late_share": 0.0}), tmp_path / "quiet")
    assert noisy.truth["rows_by_event"] == quiet.truth["rows_by_event"]
    pd.testing.assert_frame_equal(truth(noisy, "users"), truth(quiet, "users"))


def test_memory_is_one_chunk_whatever_the_length() -> None:
    config = SMALL.model_copy(update={"chunk_rows": 1_000})
    sizes = [len(chunk.rows) for chunk in chunks(config, build_shop(config))]
    assert len(sizes) > 5
    assert max(sizes) <= config.chunk_rows + SLACK


def test_long_files_are_continued_in_parts(tmp_path: Path) -> None:
    config = SimulatorConfig(users=600, days=60, campaigns=0, part_rows=10_000, chunk_rows=4_000, delivery_days=60)
    report = simulate(config, tmp_path / "x")
    lengths = [pq.read_metadata(path).num_rows for path in report.files]
    assert len(lengths) > 1
    assert sum(lengths) == report.rows
    assert [path.name for path in report.files][:2] == ["2025-01-01.part-000.parquet", "2025-01-01.part-001.parquet"]


def test_csv_holds_the_same_rows_as_parquet(tmp_path: Path) -> None:
    csv = simulate(SMALL.model_copy(update={"format": "csv"}), tmp_path / "csv")
    parquet = simulate(SMALL, tmp_path / "parquet")
    written = pd.concat([pd.read_csv(path, dtype=str, keep_default_na=False) for path in csv.files])
    expected = read_events(parquet.files)
    assert len(written) == len(expected) == csv.rows
    for name in ("user", "time", "event", "item", "value", "session", "properties"):
        assert sorted(written[name]) == sorted(expected[name].fillna("")), name


def test_late_rows_are_in_a_later_file(clean_shop: SimulationReport, clean_log: pd.DataFrame) -> None:
    first = pd.to_datetime(clean_log["file"].str[:10])
    happened = (clean_log["time"] - pd.Timestamp("2025-01-01")).dt.days // 10
    arrived = (first - pd.Timestamp("2025-01-01")).dt.days // 10
    assert (arrived >= happened).all()
    assert int((arrived > happened).sum()) == clean_shop.truth["rows_in_later_delivery"] > 0
    assert clean_shop.truth["late_rows"] == pytest.approx(0.01 * clean_shop.rows, rel=0.1)


def test_times_are_typed_and_inside_the_log(clean_log: pd.DataFrame) -> None:
    assert clean_log["time"].between("2025-01-01", pd.Timestamp("2025-01-01") + pd.Timedelta(days=200)).all()
    assert clean_log["value"].dtype == np.float64
    assert not clean_log.duplicated(COLUMNS).any()


@pytest.mark.parametrize("way", ["bundle", "files"])
def test_the_quarantine_of_a_load_is_the_truth(workspace: Workspace, tmp_path: Path, way: str) -> None:
    if way == "bundle":
        import_bundle(workspace, simulated_bundle(SMALL, tmp_path / "sim"))
        written = json.loads((tmp_path / "sim/truth/truth.json").read_text())
    else:
        report = simulate(SMALL, tmp_path / "sim")
        for path in report.files:
            import_file(workspace, path)
        written = report.truth
    summary = dataset_summary(workspace)
    assert summary.rows_read == written["rows"]
    assert min(written["dirty_rows"].values()) > 0
    found = {reason: summary.quarantine.get(reason, 0) for reason in DIRTY_REASONS.values()}
    assert found == written["quarantine"]
    # A duplicate is loaded or set aside, as the load decides; it is never lost.
    assert summary.rows - written["rows_clean"] in (0, written["duplicates"])
    assert summary.users == written["users_with_rows"]


def test_the_bundle_is_generated_while_it_is_read() -> None:
    bundle = simulated_bundle(SMALL.model_copy(update={"chunk_rows": 1_000}))
    first = next(iter(bundle.events()))
    assert first.column_names == COLUMNS
    assert first.num_rows <= 1_000 + SLACK
    assert bundle.users is not None
    assert bundle.users.num_rows == SMALL.users
    assert bundle.fingerprint == simulated_bundle(SMALL).fingerprint
    assert bundle.fingerprint != simulated_bundle(SMALL.model_copy(update={"seed": 4})).fingerprint


def test_users_of_the_bundle_are_those_of_the_files(tmp_path: Path) -> None:
    simulate(SMALL, tmp_path / "x")
    written = pq.read_table(tmp_path / "x/users.parquet")
    assert simulated_bundle(SMALL).users == written.cast(simulated_bundle(SMALL).users.schema)
    assert {"signed_up_at", "consent"} <= set(written.column_names)


def test_the_sample_is_what_it_says() -> None:
    bundle = get_sample("simulated-shop").read()
    events = pa.concat_tables(table.unify_dictionaries() for table in bundle.events())
    assert 122_500 < events.num_rows < 123_500  # "about 123,000"
    assert bundle.items is not None
    assert {"item_id", "text", "category", "price"} <= set(bundle.items.column_names)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"users": 0}, "users"),
        ({"days": 3}, "days"),
        ({"seed": -1}, "seed"),
        ({"items": 10}, "clusters x categories = 60"),
        ({"days": 30}, "campaign windows"),
        ({"days": 3_000, "delivery_days": 1}, "3000 files"),
        ({"holdout_share": 0}, "holdout_share"),
        ({"churn_hazard": float("nan")}, "churn_hazard"),
        ({"dirt": 1}, "dirt"),
        ({"shilling_share": 0.5, "robot_share": 0.6}, "robot_share"),
    ],
)
def test_nonsense_is_refused_with_the_parameter(values: dict[str, object], expected: str) -> None:
    with pytest.raises(InputError, match=expected):
        simulator_config(**values)


def test_a_folder_in_use_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "note.txt").write_text("mine")
    with pytest.raises(InputError, match="not empty"):
        simulate(SMALL, tmp_path)
    with pytest.raises(InputError, match="cannot be written"):
        simulate(SMALL, tmp_path / "note.txt")
    assert [path.name for path in tmp_path.iterdir()] == ["note.txt"]


def test_the_report_is_plain_values(clean_shop: SimulationReport) -> None:
    assert json.loads(json.dumps(clean_shop.to_json()))["rows"] == clean_shop.rows
    assert json.loads((clean_shop.directory / "truth/truth.json").read_text()) == asdict(clean_shop)["truth"]


@pytest.mark.parametrize("change", [{"users": 1}, {"campaigns": 0}, {"clusters": 1, "categories": 1, "items": 1}])
def test_the_smallest_shops_work(tmp_path: Path, change: dict[str, int]) -> None:
    simulate(SMALL.model_copy(update=change), tmp_path / "x")


def test_every_parameter_is_in_the_docs_as_it_is() -> None:
    page = (Path(__file__).parents[3] / "docs/simulator.md").read_text()
    fields = SimulatorConfig.model_fields.items()
    shown = {name: f"{f.default:.4g}" if isinstance(f.default, float) else str(f.default) for name, f in fields}
    rows = [f"| `{name}` | {shown[name]} | {field.description} |" for name, field in fields]
    assert [row for row in rows if row not in page] == []


def test_warming_compiles_what_the_sample_needs() -> None:
    warm_simulator()
    kernels = (simulate_users, draw_people, emit, pick_item, below)
    before = [len(kernel.signatures) for kernel in kernels]
    bundle = get_sample("simulated-shop").read()
    assert next(iter(bundle.events())).num_rows > 0
    assert [len(kernel.signatures) for kernel in kernels] == before
    assert max(before) == 1  # numba compiles a function once more for every literal it is given
