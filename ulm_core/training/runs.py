"""Fine-tuning runs: their records, and which one is promoted.

A run is a folder ``runs/<id>/`` with ``run.json`` and ``model/``. Pages read these files; MLflow (its own
database, see `ulm_core.training.tracking`) gets the same numbers, and takes seconds to import, which
is why nothing here needs it (ADR 0007).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, TypeAdapter

from ulm_core.errors import InputError, NotFoundError
from ulm_core.lifecycle.rules import DEFAULT_RULES, StageRules
from ulm_core.messages import N_, Message, message
from ulm_core.timeline.stale import Stale, stale_mark
from ulm_core.training.config import FineTuneConfig
from ulm_core.workspace import Workspace, write_atomically

RunState = Literal["running", "finished", "killed", "failed"]
Verdict = Literal["better", "not distinguishable", "worse", "unknown"]

VERDICTS: dict[str, str] = {
    "better": N_("Beats the best baseline ({baseline}) by {mean:+.3f} NDCG@10 [{low:+.3f}, {high:+.3f}]."),
    "not distinguishable": N_(
        "Cannot be told from the best baseline ({baseline}): {mean:+.3f} NDCG@10 [{low:+.3f}, {high:+.3f}]."
    ),
    "worse": N_("Worse than the best baseline ({baseline}) by {mean:+.3f} NDCG@10 [{low:+.3f}, {high:+.3f}]."),
    "unknown": N_("Was not compared with the baselines."),
}


class Comparison(BaseModel):
    """NDCG@10 of a run minus that of the best baseline, over the same users, with a 95% interval."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    baseline: str
    mean: float
    low: float
    high: float

    @property
    def verdict(self) -> Verdict:
        """Say honestly what the interval allows."""
        if self.low > 0:
            return "better"
        return "worse" if self.high < 0 else "not distinguishable"


class RunRecord(BaseModel):
    """Everything a page says about a run.

    Attributes
    ----------
    run_id, name, state, started_at, ended_at, error
        Identity and fate; times in UTC.
    config
        The settings, whole.
    data_version, data_from, data_cut, data_until
        Published version; first purchase, test cut and last event.
    churn_days
        The churn horizon used.
    stage_rules
        The stage rules it was trained under, not resolved; None: the default ones, as before they could be edited.
    metrics, baselines
        Test metrics of the run and of each baseline, same users, items and cut.
    stages, baseline_stages
        Test metrics per lifecycle stage at the cut: of the run, and of the best baseline.
    comparison
        Against the best baseline.
    curve
        Losses and validation metrics by step.
    judged_by
        Digest of the users, items and cut it was judged by; only runs with the same one are comparable.
    best_step, seconds, n_parameters
        Step of the best validation; wall seconds by part; trained parameters.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    run_id: str
    name: str
    state: RunState
    started_at: datetime
    ended_at: datetime | None = None
    error: str | None = None
    config: FineTuneConfig
    data_version: str = ""
    data_from: datetime | None = None
    data_cut: datetime | None = None
    data_until: datetime | None = None
    churn_days: int = 0
    stage_rules: StageRules | None = None
    metrics: dict[str, float] = {}
    baselines: dict[str, dict[str, float]] = {}
    stages: dict[str, dict[str, float]] = {}
    baseline_stages: dict[str, dict[str, float]] = {}
    comparison: Comparison | None = None
    judged_by: str = ""
    curve: list[dict[str, float]] = []
    best_step: int = 0
    seconds: dict[str, float] = {}
    n_parameters: int = 0

    def has_other_stages(self, in_force: StageRules) -> bool:
        """Return whether the run is conditioned on stages that meant something else than `in_force` does."""
        return self.config.use_stages and not (self.stage_rules or DEFAULT_RULES).means_the_same_as(in_force)

    @property
    def verdict(self) -> Verdict:
        """Whether the run beats the best baseline on NDCG@10."""
        return self.comparison.verdict if self.comparison else "unknown"

    @property
    def verdict_message(self) -> Message:
        """The verdict as a sentence."""
        if self.comparison is None:
            return message(VERDICTS["unknown"])
        return message(VERDICTS[self.verdict], **self.comparison.model_dump())


class Promotion(BaseModel):
    """One entry of the history of what was in use; `run_id` took over at `at` (UTC)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    run_id: str
    at: datetime


class RunStore:
    """The runs of a workspace."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._pointer = workspace.runs_dir / "PROMOTED"
        self._history = workspace.runs_dir / "promotions.json"

    def directory(self, run_id: str) -> Path:
        """Return the folder of a run."""
        return self._workspace.runs_dir / run_id

    def list(self) -> list[RunRecord]:
        """Return the runs, newest first; folders without a readable record are passed over."""
        records = [self._read(path.name) for path in self._workspace.runs_dir.glob("*/") if path.is_dir()]
        found = [record for record in records if record is not None]
        return sorted(found, key=lambda record: (record.started_at, record.run_id), reverse=True)

    def get(self, run_id: str) -> RunRecord:
        """Return one run; raises NotFoundError with near matches."""
        record = self._read(run_id)
        if record is None:
            raise NotFoundError.for_name("run", run_id, [known.run_id for known in self.list()])
        return record

    def save(self, record: RunRecord) -> RunRecord:
        """Write a record atomically and return it."""
        directory = self._workspace.runs_dir / record.run_id
        directory.mkdir(parents=True, exist_ok=True)
        write_atomically(directory / "run.json", record.model_dump_json(indent=1))
        return record

    def promote(self, run_id: str) -> RunRecord:
        """Make a run the one that recommends; mirrored as the alias “promoted” in MLflow's registry.

        Raises
        ------
        InputError
            When the run left no model, or was never compared with anything.
        """
        record = self.get(run_id)
        if not (self.directory(run_id) / "model" / "model.json").exists():
            raise InputError(N_("Run {run} did not finish, so there is no model to promote."), run=run_id)
        if record.comparison is None:
            raise InputError(
                N_("Run {run} was stopped before it was compared with the baselines, so nobody knows what it is worth. "
                   "Let a run finish to put it into use."),
                run=run_id,
            )  # fmt: skip
        before = self.promoted()
        if before is None or before.run_id != run_id:
            entries = [*self.promotions(), Promotion(run_id=run_id, at=datetime.now(UTC))]
            write_atomically(self._history, _PROMOTIONS.dump_json(entries, indent=1).decode())
        write_atomically(self._pointer, run_id)
        from ulm_core.training.tracking import mirror_promotion

        mirror_promotion(self._workspace, record)
        return record

    def promoted(self) -> RunRecord | None:
        """Return the promoted run, or None before one was chosen."""
        try:
            return self._read(self._pointer.read_text(encoding="utf-8").strip())
        except FileNotFoundError:
            return None

    def promotions(self) -> Sequence[Promotion]:
        """Return what was in use, oldest first."""
        try:
            return _PROMOTIONS.validate_json(self._history.read_bytes())
        except FileNotFoundError:
            return []

    def before_promoted(self) -> RunRecord | None:
        """Return the run that was in use before the promoted one and still has its record, else None."""
        promoted = self.promoted()
        for entry in reversed(self.promotions()):
            run = self._read(entry.run_id)
            if run is not None and promoted is not None and run.run_id != promoted.run_id:
                return run
        return None

    def roll_back(self) -> RunRecord:
        """Put the run back into use that was in use before; raises InputError when there is none."""
        before = self.before_promoted()
        if before is None:
            raise InputError(N_("No other run was in use before, so there is nothing to go back to."))
        return self.promote(before.run_id)

    def stale(self, run_id: str) -> Stale | None:
        """Return the mark of a run whose training data have been erased in part since, else None."""
        return stale_mark(self._workspace, run_id)

    def _read(self, run_id: str) -> RunRecord | None:
        path = self._workspace.runs_dir / run_id / "run.json"
        try:
            return RunRecord.model_validate_json(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None


_PROMOTIONS = TypeAdapter(list[Promotion])


def new_run_id(now: datetime | None = None) -> str:
    """Return an id that sorts by time: ``20261124-134500-a1b2``."""
    import secrets

    return f"{now or datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"
