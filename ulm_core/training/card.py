"""The model card of a run: what it was trained on, how it was judged, what it cannot do."""

from __future__ import annotations

from ulm_core.training.config import FineTuneConfig
from ulm_core.training.runs import RunRecord

# English, like a file that goes into a repository or a ticket; the page says the same in the reader's language.
LIMITS = (
    "It ranks what was bought before well, and recommends little that is new to a user: see recall10_new.",
    "It knows nothing of stock, prices or margins; those are for the policy that uses it.",
    "Its reasons say why the model scores an item so, not what causes a user to buy.",
    "Churn risk is calibrated on the validation period of this log; another log needs another run.",
)


def model_card(run: RunRecord) -> str:
    """Return the card as Markdown."""
    return "\n".join([
        f"# {run.name}",
        "",
        f"Run `{run.run_id}`, {run.state}, started {run.started_at:%Y-%m-%d %H:%M} UTC.",
        "",
        "## Data",
        f"- version `{run.data_version}`, purchases from {_day(run.data_from)}, test cut {_day(run.data_cut)}, "
        f"last event {_day(run.data_until)}",
        f"- churn: no activity for {run.churn_days} days",
        f"- judged on {int(run.metrics.get('users', 0)):,} users "
        f"(churn: {int(run.metrics.get('churn_users', 0)):,}), full ranking, nothing sampled",
        "",
        "## Result",
        str(run.verdict_message),
        "",
        *_table(run),
        "",
        "## Settings that differ from the defaults",
        *(_settings(run.config) or ["- none"]),
        "",
        f"{run.n_parameters:,} trained parameters; best validation at step {run.best_step} of {len(run.curve)}; "
        f"{sum(run.seconds.values()):.0f} s.",
        "",
        "## Limits",
        *(f"- {limit}" for limit in LIMITS),
        "",
    ])  # fmt: skip


def _day(moment: object) -> str:
    return f"{moment:%Y-%m-%d}" if moment else "-"


def _table(run: RunRecord) -> list[str]:
    names = [name for name in run.metrics if not name.endswith("users")]
    rows = {run.name: run.metrics, **run.baselines}
    body = [
        "| " + " | ".join([row, *(f"{values[name]:.4f}" if name in values else "-" for name in names)]) + " |"
        for row, values in rows.items()
    ]
    return ["| | " + " | ".join(names) + " |", "|---" * (len(names) + 1) + "|", *body]


def _settings(config: FineTuneConfig) -> list[str]:
    differing = config.differing(FineTuneConfig())
    return [f"- {name}: {own} (default {default})" for name, (own, default) in differing.items()]
