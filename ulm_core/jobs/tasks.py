"""What each kind of job does. A new kind is one function and one line in `TASKS`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ulm_core.errors import NotFoundError
from ulm_core.jobs.records import JobProgress
from ulm_core.messages import Message
from ulm_core.workspace import Workspace

Task = Callable[[Workspace, Mapping[str, Any], JobProgress], dict[str, Any]]

LOAD_STEPS = 6  # rough: what a sample load reports; a file load reports fewer and ends early


def _steps(progress: JobProgress) -> Callable[[Message], None]:
    step = 0

    def report(text: Message) -> None:
        nonlocal step
        step += 1
        progress.report(min(step, LOAD_STEPS), LOAD_STEPS)
        progress.log(str(text))

    return report


def load_sample(workspace: Workspace, parameters: Mapping[str, Any], progress: JobProgress) -> dict[str, Any]:
    """Replace the workspace's data by a sample."""
    from ulm_core.events.samples import get_sample
    from ulm_core.timeline.publish import import_bundle

    bundle = get_sample(str(parameters["name"])).read()
    return import_bundle(workspace, bundle, report=_steps(progress)).to_json()


def load_file(workspace: Workspace, parameters: Mapping[str, Any], progress: JobProgress) -> dict[str, Any]:
    """Load a log from `path` (any place `import_log` knows) by `options`; an uploaded copy is removed afterwards."""
    from ulm_core.timeline.publish import import_log
    from ulm_core.warehouse.loading import LoadOptions

    place = str(parameters["path"])
    path = Path(place)
    options = LoadOptions.model_validate(parameters.get("options") or {})
    try:
        return import_log(workspace, place, parameters.get("mode", "append"), _steps(progress), options).to_json()
    finally:
        if workspace.uploads_dir in path.parents:
            path.unlink(missing_ok=True)


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


TASKS: dict[str, Task] = {
    "load-sample": load_sample,
    "load-file": load_file,
    "train": train,
    "score-churn": score_churn,
}
TRAINING_KINDS = frozenset({"train"})


def task_for(kind: str) -> Task:
    """Return the function of a job kind; raises NotFoundError for an unknown one."""
    if kind not in TASKS:
        raise NotFoundError.for_name("job", kind, TASKS)
    return TASKS[kind]
