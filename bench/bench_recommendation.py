"""The default fine-tuning against the baselines on The Complete Journey, several seeds, one split.

Every run is judged with its baselines on the same users, items and cut (BASELINES.md, CJ *time*): full
ranking, ties broken with a seed. Usage: python bench/bench_recommendation.py [--seeds 3] [--tower cnn] ...
"""

from __future__ import annotations

import argparse
import statistics
import time

from common import sample_workspace

from ulm_core.training.config import FineTuneConfig
from ulm_core.training.finetune import fine_tune
from ulm_core.training.progress import Silent
from ulm_core.training.runs import RunRecord

SHOWN = ("ndcg10", "recall10", "hit_rate10", "recall10_new", "coverage10", "churn_auc", "churn_brier")


def spread(values: list[float]) -> str:
    """Return mean and standard deviation over seeds."""
    deviation = statistics.stdev(values) if len(values) > 1 else 0.0
    return f"{statistics.mean(values):.4f} ± {deviation:.4f}"


def show(runs: list[RunRecord]) -> None:
    """Print the model's mean and spread beside every baseline, and the paired differences."""
    print(f"\n{'':28}" + "".join(f"{name:>20}" for name in SHOWN))
    values = {name: [run.metrics[name] for run in runs] for name in SHOWN}
    print(f"{'model, ' + str(len(runs)) + ' seeds':28}" + "".join(f"{spread(values[name]):>20}" for name in SHOWN))
    for baseline, metrics in runs[0].baselines.items():
        cells = (f"{metrics[name]:.4f}" if name in metrics else "-" for name in SHOWN)
        print(f"{baseline:28}" + "".join(f"{cell:>20}" for cell in cells))
    for run in runs:
        if run.comparison is not None:
            against = run.comparison
            ours = run.metrics["ndcg10"]
            print(f"seed {run.config.seed}: {against.mean:+.4f} [{against.low:+.4f}, {against.high:+.4f}] NDCG@10 "
                  f"against {against.baseline}, ratio {ours / (ours - against.mean):.3f}")  # fmt: skip


def main() -> None:
    """Run the seeds one after the other."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--tower", default="transformer")
    parser.add_argument("--steps", type=int, default=FineTuneConfig().max_steps)
    parser.add_argument("--no-stages", action="store_true", help="ablation: do not tell the model the stage")
    options = parser.parse_args()
    workspace = sample_workspace()
    runs = []
    for seed in range(options.seeds):
        config = FineTuneConfig(
            tower=options.tower, max_steps=options.steps, use_stages=not options.no_stages, seed=seed
        )
        began, used = time.perf_counter(), time.process_time()
        runs.append(fine_tune(workspace, config, Silent()))
        wall, cpu = time.perf_counter() - began, time.process_time() - used
        print(f"seed {seed}: NDCG@10 {runs[-1].metrics['ndcg10']:.4f}, {wall:.0f} s wall, {cpu:.0f} s CPU", flush=True)
    show(runs)


if __name__ == "__main__":
    main()
