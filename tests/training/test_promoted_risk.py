from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.training.conftest import TINY
from ulm_core.errors import NotFoundError
from ulm_core.lifecycle.rules import workspace_rules
from ulm_core.lifecycle.stages import stages_at
from ulm_core.timeline.index import TimelineIndex
from ulm_core.timeline.publish import VERSION_CACHES
from ulm_core.training import tracking
from ulm_core.training.artifact import load_scorer
from ulm_core.training.finetune import fine_tune
from ulm_core.training.promoted_risk import FOLDER, promoted_run, saved_risks, score_risks
from ulm_core.training.risk_model import RiskLog
from ulm_core.training.runs import RunStore
from ulm_core.workspace import Workspace, write_atomically


@pytest.fixture(scope="module")
def promoted(shop: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Return the shop with one tiny run promoted (as in MLflow, which is not asked here)."""
    root = tmp_path_factory.mktemp("promoted") / "workspace"
    shutil.copytree(shop.root, root, ignore=shutil.ignore_patterns("runs", "mlflow*"))
    workspace = Workspace(Path(root))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tracking, "_track", lambda workspace, record: None)  # seconds a run
        run = fine_tune(workspace, TINY)
    write_atomically(workspace.runs_dir / "PROMOTED", run.run_id)
    return workspace


def test_without_a_promoted_run_there_are_none(workspace: Workspace):
    assert promoted_run(workspace) is None
    assert saved_risks(workspace) is None
    with pytest.raises(NotFoundError, match="Promote"):
        score_risks(workspace)


def test_scored_once_and_kept(promoted: Workspace):
    assert saved_risks(promoted) is None
    scored = score_risks(promoted)
    kept = saved_risks(promoted)
    assert kept is not None
    assert kept.risk.tolist() == scored.risk.tolist()
    assert kept.said.tolist() == scored.said.tolist()


def test_equal_to_the_scorers_own(promoted: Workspace):
    index, run = TimelineIndex.open(promoted), RunStore(promoted).promoted()
    assert run is not None
    scored = score_risks(promoted)
    log = RiskLog(index, index.active_mask(promoted.config), run.churn_days)
    end = index.manifest.last_us + 1
    assert scored.users.tolist() == log.with_us(end).tolist()
    stages = stages_at(index, promoted.config, end, workspace_rules(index, promoted.config))
    scorer = load_scorer(promoted, run)
    user = int(scored.users[0])
    found = scorer.score([index.history(user)], np.array([end]), stages[[user]])
    assert scored.risk[0] == pytest.approx(float(found.churn[0]), abs=1e-5)


def test_kept_beside_the_version_and_pruned_with_it():
    assert FOLDER in VERSION_CACHES
