"""Runs in MLflow: parameters, curves, test metrics, registry. Imported lazily; its import takes seconds."""

from __future__ import annotations

import logging
import math
import os
from pathlib import Path
from typing import Any

from ulm_core.training.runs import RunRecord
from ulm_core.workspace import Workspace

EXPERIMENT = "fine-tuning"
REGISTERED = "ulm-recommender"
ALIAS = "promoted"
_LOG = logging.getLogger(__name__)


def _client(workspace: Workspace) -> Any:
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("DO_NOT_TRACK", "true")
    logging.getLogger("alembic").setLevel(logging.WARNING)
    logging.getLogger("mlflow").setLevel(logging.WARNING)
    from mlflow import MlflowClient

    return MlflowClient(workspace.mlflow_uri, workspace.mlflow_uri)


def _experiment(client: Any, workspace: Workspace) -> str:
    found = client.get_experiment_by_name(EXPERIMENT)
    if found is not None:
        return str(found.experiment_id)
    return str(client.create_experiment(EXPERIMENT, artifact_location=workspace.runs_dir.as_uri()))


def track(workspace: Workspace, record: RunRecord) -> None:
    """Write a finished record to MLflow. A tracking server that fails never fails a training."""
    try:
        _track(workspace, record)
    except Exception:
        _LOG.warning("MLflow did not take run %s", record.run_id, exc_info=True)


def _track(workspace: Workspace, record: RunRecord) -> None:
    from mlflow.entities import Metric, Param, RunTag

    client = _client(workspace)
    started = int(record.started_at.timestamp() * 1000)
    tags = {"ulm.run_id": record.run_id, "ulm.verdict": record.verdict, "ulm.data_version": record.data_version}
    run = client.create_run(
        _experiment(client, workspace), start_time=started, tags=tags, run_name=record.name or record.run_id
    )
    run_id = run.info.run_id
    params = [Param(name, str(value)) for name, value in record.config.model_dump().items() if str(value)]
    metrics = [Metric(f"test.{name}", value, started, 0) for name, value in record.metrics.items()]
    metrics += [
        Metric(f"baseline.{baseline}.{name}", value, started, 0)
        for baseline, values in record.baselines.items()
        for name, value in values.items()
    ]
    for point in record.curve:
        step = int(point["step"])
        metrics += [Metric(name, value, started, step) for name, value in point.items() if name != "step"]
    finite = [metric for metric in metrics if math.isfinite(metric.value)]
    client.log_batch(run_id, params=params, tags=[RunTag("ulm.directory", _directory(workspace, record).as_posix())])
    for start in range(0, len(finite), 1000):  # MLflow takes at most 1000 metrics at once
        client.log_batch(run_id, metrics=finite[start : start + 1000])
    client.set_terminated(run_id, {"finished": "FINISHED", "killed": "KILLED"}.get(record.state, "FAILED"))


def mirror_promotion(workspace: Workspace, record: RunRecord) -> None:
    """Register the run's model and move the alias “promoted” to it; failures are logged only."""
    try:
        _mirror(workspace, record)
    except Exception:
        _LOG.warning("MLflow's registry did not take run %s", record.run_id, exc_info=True)


def _mirror(workspace: Workspace, record: RunRecord) -> None:
    from mlflow.exceptions import MlflowException

    client = _client(workspace)
    try:
        client.get_registered_model(REGISTERED)
    except MlflowException:
        client.create_registered_model(REGISTERED)
    known = {v.tags.get("ulm.run_id"): v.version for v in client.search_model_versions(f"name='{REGISTERED}'")}
    version = known.get(record.run_id)
    if version is None:
        source = (_directory(workspace, record) / "model").as_uri()
        version = client.create_model_version(REGISTERED, source, tags={"ulm.run_id": record.run_id}).version
    client.set_registered_model_alias(REGISTERED, ALIAS, version)


def _directory(workspace: Workspace, record: RunRecord) -> Path:
    return workspace.runs_dir / record.run_id
