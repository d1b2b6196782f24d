"""What each kind of job does. A new kind is one function and one line in `TASKS`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ulm_core.errors import NotFoundError
from ulm_core.jobs.records import JobProgress
from ulm_core.warehouse.progress import LoadProgress, LoadWatch, Phase
from ulm_core.workspace import Workspace

Task = Callable[[Workspace, Mapping[str, Any], JobProgress], dict[str, Any]]


def _watch(progress: JobProgress) -> LoadWatch:
    """Return what a load reports to: a line of progress several times a second, and the wish to stop."""
    phases = tuple(Phase)

    def measure(now: LoadProgress) -> None:
        known = {"rows": now.rows, "rows_expected": now.rows_expected, "share": now.share, "seconds": now.seconds}
        metrics = {name: float(value) for name, value in known.items() if value is not None}
        progress.report(phases.index(now.phase) + 1, len(phases), **metrics)

    return LoadWatch(lambda text: progress.log(str(text)), measure, progress.should_stop)


def load_sample(workspace: Workspace, parameters: Mapping[str, Any], progress: JobProgress) -> dict[str, Any]:
    """Replace the workspace's data by a sample."""
    from ulm_core.events.samples import get_sample
    from ulm_core.timeline.publish import import_bundle

    bundle = get_sample(str(parameters["name"])).read()
    return import_bundle(workspace, bundle, report=_watch(progress)).to_json()


def simulate(workspace: Workspace, parameters: Mapping[str, Any], progress: JobProgress) -> dict[str, Any]:
    """Replace the workspace's data by a simulated shop; `parameters` are fields of `SimulatorConfig`."""
    from ulm_core.events.simulator import TRUTH_FOLDER, simulated_bundle, simulator_config
    from ulm_core.timeline.publish import import_bundle

    watch = _watch(progress)
    config = simulator_config(**parameters)
    bundle = simulated_bundle(config, workspace.root / TRUTH_FOLDER, lambda done, total: watch.made(done / total))
    return import_bundle(workspace, bundle, report=watch).to_json()


def load_file(workspace: Workspace, parameters: Mapping[str, Any], progress: JobProgress) -> dict[str, Any]:
    """Load a log from `path` (any place `import_log` knows) by `options`; uploaded copies are removed afterwards."""
    from ulm_core.timeline.publish import import_log
    from ulm_core.warehouse.loading import LoadOptions

    place = str(parameters["path"])
    options = LoadOptions.model_validate(parameters.get("options") or {})
    report = import_log(workspace, place, parameters.get("mode", "append"), _watch(progress), options)
    # Kept after a failure: who corrects a choice does not upload again. `clear_uploads` takes what is left.
    for path in (place, options.users, options.items):
        if path and workspace.uploads_dir in Path(path).parents:
            Path(path).unlink(missing_ok=True)
    return report.to_json()


def undo_load(workspace: Workspace, _parameters: Mapping[str, Any], progress: JobProgress) -> dict[str, Any]:
    """Take the last load back."""
    from ulm_core.timeline.undo import undo_last_load

    return {"loads": list(undo_last_load(workspace, _watch(progress)))}


def train(workspace: Workspace, parameters: Mapping[str, Any], progress: JobProgress) -> dict[str, Any]:
    """Fine-tune a model; `parameters` is a `FineTuneConfig` as a mapping."""
    from ulm_core.training.config import FineTuneConfig
    from ulm_core.training.finetune import fine_tune

    record = fine_tune(workspace, FineTuneConfig.model_validate(dict(parameters)), progress)
    return {"run_id": record.run_id}


def score_churn(workspace: Workspace, parameters: Mapping[str, Any], progress: JobProgress) -> dict[str, Any]:
    """Score the churn risk of every user by the promoted model."""
    from ulm_core.training.promoted_risk import score_risks

    return {"users": len(score_risks(workspace, progress).users)}


def _then_alerts(load: Task) -> Task:
    """Return a load after which the alerts are checked."""

    def run(workspace: Workspace, parameters: Mapping[str, Any], progress: JobProgress) -> dict[str, Any]:
        from ulm_core.alerts.check import check_after_load

        done = load(workspace, parameters, progress)
        check_after_load(workspace)
        return done

    return run


TASKS: dict[str, Task] = {
    "load-sample": _then_alerts(load_sample),
    "load-file": _then_alerts(load_file),
    "simulate": _then_alerts(simulate),
    "undo-load": _then_alerts(undo_load),
    "train": train,
    "score-churn": score_churn,
}
TRAINING_KINDS = frozenset({"train"})


def task_for(kind: str) -> Task:
    """Return the function of a job kind; raises NotFoundError for an unknown one."""
    if kind not in TASKS:
        raise NotFoundError.for_name("job", kind, TASKS)
    return TASKS[kind]
