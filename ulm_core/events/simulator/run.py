"""Running a simulation: into a folder of files, or as a log bundle that is generated while it is loaded."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from ulm_core.errors import InputError
from ulm_core.events.samples import LogBundle
from ulm_core.events.simulator.chunks import chunks, event_table, people_chunks, user_table
from ulm_core.events.simulator.config import SimulatorConfig
from ulm_core.events.simulator.output import EventFiles
from ulm_core.events.simulator.shop import build_shop
from ulm_core.events.simulator.truth import Counts, TruthWriter, truth_json
from ulm_core.messages import N_
from ulm_core.workspace import WorkspaceConfig

VERSION = 1  # raised whenever the same configuration gives other rows
SAMPLE_NAME = "simulated-shop"
TRUTH_FOLDER = "simulation"  # inside a workspace

Progress = Callable[[int, int], None]


def _quiet(_done: int, _total: int) -> None:
    return None


@dataclass(frozen=True)
class SimulationReport:
    """What was written; `truth` is the content of `truth/truth.json`."""

    directory: Path
    files: tuple[Path, ...]
    rows: int
    users: int
    seconds: float
    truth: dict[str, object]

    @property
    def rows_per_second(self) -> float:
        """Rows written in a second of wall time, compiling included."""
        return self.rows / max(self.seconds, 1e-9)

    def to_json(self) -> dict[str, object]:
        """Return the report as plain values, paths relative to the folder."""
        files = [str(path.relative_to(self.directory)) for path in self.files]
        return {**vars(self), "directory": str(self.directory), "files": files}


def simulate(config: SimulatorConfig, directory: Path, progress: Progress = _quiet) -> SimulationReport:
    """Write a simulated log and the truth about it into `directory`.

    Layout: `events/`, `items.parquet`, `users.parquet` (what a shop knows), `truth/` (what it cannot know).
    Memory is bounded by `chunk_rows`, not by the length of the log.

    Parameters
    ----------
    config
        What to simulate.
    directory
        New or empty folder.
    progress
        Called with (users done, users in all) after every chunk.

    Raises
    ------
    InputError
        When the folder holds something already or cannot be written.
    """
    started = time.perf_counter()
    _prepare(directory)
    shop, counts = build_shop(config), Counts(config)
    truth = TruthWriter(config, shop, directory)
    with EventFiles(config, directory) as files:
        for chunk in chunks(config, shop):
            files.write(chunk, event_table(config, shop, chunk))
            truth.add(chunk)
            counts.add(chunk)
            progress(chunk.last, config.users)
    truth.finish(counts)
    return SimulationReport(
        directory, tuple(sorted(files.paths)), counts.rows, config.users, time.perf_counter() - started,
        truth_json(config, shop, counts),
    )  # fmt: skip


def _prepare(directory: Path) -> None:
    try:
        directory.mkdir(parents=True, exist_ok=True)
        is_used = any(directory.iterdir())
    except OSError as error:
        raise InputError(
            N_("{path} cannot be written: {reason}. Name a new or empty folder."),
            path=directory,
            reason=error.strerror or error,
        ) from error
    if is_used:
        raise InputError(N_("{path} is not empty. Name a new or empty folder."), path=directory)


def workspace_config(config: SimulatorConfig) -> WorkspaceConfig:
    """Return how a simulated log is read."""
    return WorkspaceConfig(
        name=f"Simulated shop (seed {config.seed})",
        sample=SAMPLE_NAME,
        currency="EUR",
        conversion_events=("purchase",),
        passive_events=("campaign received", "campaign held out"),
    )


def fingerprint(config: SimulatorConfig) -> str:
    """Return a text that changes when, and only when, the rows do."""
    content = config.model_dump_json(exclude={"chunk_rows", "part_rows", "delivery_days", "format"})
    return f"{SAMPLE_NAME}-{VERSION}-{hashlib.sha256(content.encode()).hexdigest()[:16]}"


def simulated_bundle(
    config: SimulatorConfig, truth_directory: Path | None = None, progress: Progress = _quiet
) -> LogBundle:
    """Return the log as a bundle: its events are generated while they are read, nothing lies on disk.

    Parameters
    ----------
    config
        What to simulate.
    truth_directory
        Where the ground truth is written when the events have been read; None for nowhere.
    progress
        Called with (users done, users in all) while events are read.
    """
    shop = build_shop(config)

    def events() -> Iterator[pa.Table]:
        counts = Counts(config)
        truth = TruthWriter(config, shop, truth_directory) if truth_directory else None
        for chunk in chunks(config, shop):
            counts.add(chunk)
            if truth:
                truth.add(chunk)
            yield event_table(config, shop, chunk)
            progress(chunk.last, config.users)
        if truth:
            truth.finish(counts)

    users = pa.concat_tables(user_table(config, chunk) for chunk in people_chunks(config, shop))
    return LogBundle(
        source=workspace_config(config).name,
        fingerprint=fingerprint(config),
        config=workspace_config(config),
        events=events,
        items=shop.items,
        users=users,
    )


def warm_simulator() -> None:
    """Compile the simulator's kernels into numba's cache on disk, so that no first simulation waits for it."""
    for _ in simulated_bundle(SimulatorConfig(users=1, items=60, shilling_share=0, robot_share=0)).events():
        pass


def read_simulated_shop() -> LogBundle:
    """Return the sample "simulated-shop": 2,000 accounts over 180 days, the same for everybody."""
    return simulated_bundle(SimulatorConfig())
