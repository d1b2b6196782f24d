"""The promoted model's churn risks: scored once in the background, kept beside the version they are of."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ulm_core.errors import NotFoundError
from ulm_core.lifecycle.periods import to_us
from ulm_core.lifecycle.rules import workspace_rules
from ulm_core.lifecycle.stages import stages_at
from ulm_core.messages import N_
from ulm_core.model.histories import F64, I64, Histories
from ulm_core.timeline.index import TimelineIndex
from ulm_core.training.progress import Progress, Silent
from ulm_core.training.risk_model import RiskLog
from ulm_core.training.runs import RunRecord, RunStore
from ulm_core.workspace import Workspace

FOLDER = "risk"
CHUNK = 256


@dataclass(frozen=True, eq=False)
class PromotedRisks:
    """Risks by the promoted run.

    Attributes
    ----------
    name, horizon_days
        Of the run.
    users, risk
        int64[n] and float64[n], users with us at the end of the log.
    cut_us
        The run's test cut (UTC us); nothing at or after it taught the run.
    tested, said
        int64[m] and float64[m], users with us at the test cut, and their risks then.
    """

    name: str
    horizon_days: int
    users: I64
    risk: F64
    cut_us: int
    tested: I64
    said: F64


def _path(workspace: Workspace, run: RunRecord) -> Path:
    return workspace.cache_dir / FOLDER / workspace.version_dir().name / f"{run.run_id}.npz"


def promoted_run(workspace: Workspace) -> RunRecord | None:
    """Return the promoted run if it can say risks: it knows its churn horizon and test cut."""
    run = RunStore(workspace).promoted()
    return run if run is not None and run.churn_days and run.data_cut is not None else None


def saved_risks(workspace: Workspace) -> PromotedRisks | None:
    """Return what `score_risks` has kept for the promoted run and the published version; None where it has not."""
    run = promoted_run(workspace)
    if run is None or run.data_cut is None:
        return None
    try:
        with np.load(_path(workspace, run)) as kept:
            arrays = {name: kept[name] for name in ("users", "risk", "tested", "said")}
    except (OSError, ValueError, KeyError):
        return None
    return PromotedRisks(run.name, run.churn_days, cut_us=to_us(run.data_cut), **arrays)


def score_risks(workspace: Workspace, progress: Progress | None = None) -> PromotedRisks:
    """Score every user who is with us by the promoted run, and keep the risks.

    Raises
    ------
    NotFoundError
        When no run is promoted.
    UlmError
        When the run was trained on other data.
    """
    run = promoted_run(workspace)
    if run is None or run.data_cut is None:
        raise NotFoundError(N_("No model is promoted. Promote a run on the page Training."))
    from ulm_core.training.artifact import load_scorer  # torch is slow to import

    progress = progress or Silent()
    index, config = TimelineIndex.open(workspace), workspace.config
    log, rules = RiskLog(index, index.active_mask(config), run.churn_days), workspace_rules(index, config)
    moments = {"serving": index.manifest.last_us + 1, "test": to_us(run.data_cut)}
    users = {name: log.with_us(at_us) for name, at_us in moments.items()}
    total, done, found = sum(map(len, users.values())), 0, {}
    for name, at_us in moments.items():
        scorer = load_scorer(workspace, run, "test" if name == "test" else "serving")
        stages, parts = stages_at(index, config, at_us, rules), []
        for start in range(0, len(users[name]), CHUNK):
            rows = users[name][start : start + CHUNK]
            logits = scorer.churn_logits(Histories.from_index(index, rows, at_us), stages[rows])
            parts.append(scorer.churn_probability(logits))
            done += len(rows)
            progress.report(done, total)
        found[name] = np.concatenate(parts) if parts else np.empty(0)
    path = _path(workspace, run)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".part.npz")
    np.savez(partial, users=users["serving"], risk=found["serving"], tested=users["test"], said=found["test"])
    partial.replace(path)
    return PromotedRisks(
        run.name, run.churn_days, users["serving"], found["serving"], moments["test"], users["test"], found["test"]
    )
