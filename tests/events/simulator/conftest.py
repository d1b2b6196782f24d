"""One simulated log that several tests read."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest

from ulm_core.events.simulator import SimulationReport, SimulatorConfig, simulate


@pytest.fixture(scope="session")
def clean_shop(tmp_path_factory: pytest.TempPathFactory) -> SimulationReport:
    """Return a log without dirty rows: 3,000 users, 200 days."""
    config = SimulatorConfig(users=3_000, days=200, seed=7, dirty_share=0, campaign_lift=0.3, delivery_days=10)
    return simulate(config, tmp_path_factory.mktemp("simulator") / "clean")


@pytest.fixture(scope="session")
def clean_log(clean_shop: SimulationReport) -> pd.DataFrame:
    """Return the events of `clean_shop`, with the file of each."""
    return read_events(clean_shop.files)


def read_events(files: tuple[Path, ...]) -> pd.DataFrame:
    """Return all rows of event files with a column `file`, in the order of the files."""
    return pd.concat([pq.read_table(path).to_pandas().assign(file=path.name) for path in files], ignore_index=True)


def truth(report: SimulationReport, name: str) -> pd.DataFrame:
    """Return a table of the ground truth."""
    return pq.read_table(report.directory / "truth" / f"{name}.parquet").to_pandas()
