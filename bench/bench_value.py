"""Lifetime value on CDNOW, 39 weeks to learn and 39 to be tested (the protocol of the project's baselines).

The published figures are those of the reference implementation on the same customers, days and holdout.
Usage: python bench/bench_value.py
"""

from __future__ import annotations

import time

from common import sample_workspace

from ulm_core.lifecycle.value.lifetime import ValueSpec, compute_value
from ulm_core.timeline.index import TimelineIndex
from ulm_core.training.churn_metrics import auc, brier

BASELINES = {  # MAE, RMSE, aggregate error, AUC and Brier of "buys again"
    "bg": (0.819, 1.733, -0.14, 0.763, 0.163),
    "mbg": (0.795, 1.740, -0.19, 0.765, 0.161),
}


def main() -> None:
    """Print ours beside the baseline, for both models."""
    workspace = sample_workspace("cdnow")
    index, config = TimelineIndex.open(workspace), workspace.config
    print(f"{'':22}{'customers':>10}{'MAE':>8}{'RMSE':>8}{'total':>8}{'AUC':>8}{'Brier':>8}{'seconds':>9}")
    for kind, baseline in BASELINES.items():
        started = time.perf_counter()
        value = compute_value(index, config, ValueSpec(model=kind))
        seconds, held = time.perf_counter() - started, value.holdout
        assert held is not None
        bought = (held.actual > 0).astype(float)
        ours = (
            held.mean_absolute_error,
            held.root_mean_squared_error,
            held.aggregate_error,
            auc(bought, held.buys_again),
            brier(bought, held.buys_again),
        )
        for name, row in (("ours", ours), ("baseline", baseline)):
            figures = "".join(f"{figure:8.3f}" for figure in row)
            print(f"{kind + ' ' + name:22}{len(held.purchases):10,}{figures}{seconds if name == 'ours' else 0:9.2f}")
        print(f"  the same number for everyone: MAE {held.constant_error:.3f}; {held.weeks:g} weeks of holdout")
        alive = held.model.still_there(held.purchases.frequency, held.purchases.recency, held.purchases.age)
        print(f"  P(alive) as a score of coming back, for the record: AUC {auc(bought, alive):.3f}")
        print(f"  whole log: {value.buying}, {value.spending}")


if __name__ == "__main__":
    main()
