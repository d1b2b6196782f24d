"""Commands about models: train one, evaluate one or the baselines, promote one."""

from __future__ import annotations

import time
from typing import Annotated, Any

import typer
from pydantic import ValidationError

from ulm_core.cli.common import JsonOption, WorkspaceOption, emit, note, open_workspace, table_lines
from ulm_core.errors import InputError, NotFoundError
from ulm_core.jobs.queue import submit
from ulm_core.messages import N_
from ulm_core.training.config import PRESETS, FineTuneConfig
from ulm_core.training.runs import RunRecord, RunStore

COLUMNS = (
    "ndcg10", "recall10", "hit_rate10", "coverage10", "recall10_repeat", "recall10_new", "churn_auc", "churn_brier"
)  # fmt: skip


def register(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    app.command()(train)
    app.command()(evaluate)
    app.command()(runs)


class _Terminal:
    """Progress on stderr, at most one line a second."""

    def __init__(self) -> None:
        self._next = 0.0

    def report(self, step: int, total: int, **metrics: float) -> None:
        """Print the step and its metrics."""
        now = time.monotonic()
        if now >= self._next or step == total or "validation_ndcg10" in metrics:
            self._next = now + 1.0
            note(f"step {step} of {total}  " + "  ".join(f"{name} {value:.4f}" for name, value in metrics.items()))

    def log(self, text: str) -> None:
        """Print the line."""
        note(text)

    def should_stop(self) -> bool:
        """Return False: Ctrl-C ends the process."""
        return False


def _config(pairs: list[str], preset: str) -> FineTuneConfig:
    """Return the settings named by ``name=value`` pairs over those of a preset."""
    if preset not in PRESETS:
        raise NotFoundError.for_name("preset", preset, PRESETS)
    values: dict[str, object] = dict(PRESETS[preset])
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals:
            raise InputError(N_("“{pair}” is not a setting. Write name=value."), pair=pair)
        if name not in FineTuneConfig.model_fields:
            raise NotFoundError.for_name("setting", name, FineTuneConfig.model_fields)
        values[name] = value
    try:
        return FineTuneConfig.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"]) or "settings"
        raise InputError(N_("Setting “{name}” is not valid: {reason}."), name=name, reason=first["msg"]) from error


def train(
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", "-s", metavar="NAME=VALUE", help="A setting of the fine-tuning; repeat as needed."),
    ] = None,
    preset: Annotated[str, typer.Option("--preset", help="Starting point: quick, balanced or best.")] = "balanced",
    background: Annotated[bool, typer.Option("--background", help="Queue it for the worker and return.")] = False,
    promote: Annotated[bool, typer.Option("--promote", help="Promote the run if it beats the baselines.")] = False,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Fine-tune a model and judge it beside the baselines; settings are listed in docs/training-settings.md."""
    from ulm_core.training.finetune import fine_tune

    config, place = _config(settings or [], preset), open_workspace(workspace)
    if background:
        job = submit(place, "train", config.model_dump(mode="json"))
        emit({"job": job.id}, as_json, [f"queued as job {job.id}; watch it with: jobs {job.id}"])
        return
    record = fine_tune(place, config, _Terminal())
    if promote and record.verdict == "better":
        RunStore(place).promote(record.run_id)
    emit(run_json(record), as_json, run_lines(record))


def evaluate(
    run: Annotated[str | None, typer.Argument(help="A run; without it, the promoted one.")] = None,
    baselines: Annotated[bool, typer.Option("--baselines", help="Measure the baselines now; needs no run.")] = False,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Test metrics of a run beside the baselines: same users, items and cut, full ranking."""
    place = open_workspace(workspace)
    if baselines:
        from ulm_core.training.baselines import measure_baselines

        found = measure_baselines(place, FineTuneConfig())
        emit({"baselines": found}, as_json, metric_lines(found))
        return
    store = RunStore(place)
    record = store.get(run) if run else store.promoted()
    if record is None:
        raise InputError(N_("No run is promoted yet. Name one, or measure the baselines with --baselines."))
    emit(run_json(record), as_json, run_lines(record))


def runs(
    promote: Annotated[str | None, typer.Option("--promote", metavar="RUN", help="Promote this run.")] = None,
    roll_back: Annotated[bool, typer.Option("--roll-back", help="Promote the run that was in use before.")] = False,
    compare: Annotated[
        tuple[str, str] | None, typer.Option("--compare", metavar="RUN RUN", help="Compare two runs, user by user.")
    ] = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """List fine-tuning runs, compare two, promote one, or go back to the one before."""
    store = RunStore(open_workspace(workspace))
    if compare:
        _compare(store, *compare, as_json)
        return
    if promote:
        store.promote(promote)
    if roll_back:
        store.roll_back()
    promoted = store.promoted()
    chosen = promoted.run_id if promoted else None
    records = store.list()
    marks = ["promoted" if record.run_id == chosen else "" for record in records]
    rows = [
        (record.run_id, record.state, mark, _figure(record.metrics.get("ndcg10")), record.verdict, record.name)
        for record, mark in zip(records, marks, strict=True)
    ]
    answer = {"promoted": chosen, "runs": [run_json(record) for record in records]}
    emit(answer, as_json, table_lines(("run", "state", "", "ndcg10", "against the baselines", "name"), rows))


def _compare(store: RunStore, first: str, second: str, as_json: bool) -> None:
    from ulm_core.training.comparing import compare_runs

    found = compare_runs(store, store.get(first), store.get(second))
    answer = {"first": first, "second": second, "ndcg10": vars(found.ndcg), "users": found.n_users,
              "differing": found.differing}  # fmt: skip
    rows = [(name, *map(str, pair)) for name, pair in found.differing.items()]
    emit(answer, as_json, [str(found.sentence()), "", *table_lines(("setting", first, second), rows)])


def run_json(record: RunRecord) -> dict[str, Any]:
    """Return a run as the CLI contract shows it: the record without its curve, with its verdict."""
    return {**record.model_dump(mode="json", exclude={"curve"}), "verdict": record.verdict}


def run_lines(record: RunRecord) -> list[str]:
    """Return a run for people: metrics beside the baselines, the verdict in a sentence."""
    head = [f"run {record.run_id} ({record.name}), {record.state}"]
    return [*head, *metric_lines({record.name: record.metrics, **record.baselines}), str(record.verdict_message)]


def metric_lines(rows: dict[str, dict[str, float]]) -> list[str]:
    """Return metrics as a table, one row a model or baseline."""
    cells = [(name, *(_figure(values.get(column)) for column in COLUMNS)) for name, values in rows.items()]
    return table_lines(("", *COLUMNS), cells)


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"
