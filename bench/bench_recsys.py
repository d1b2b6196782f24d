"""Next basket and leave-one-out on The Complete Journey and MovieLens-100K, several seeds, beside the baselines.

The logs, what is held out and the metrics are those of BASELINES.md: Complete Journey with the products of at
least 10 households, one event a household, basket and product, the order inside a basket shuffled with a seed;
MovieLens-100K with every rating as an event. Full ranking. The step is chosen on what is held out of the training
log; the test is looked at once, at the end.

Usage: python bench/bench_recsys.py [--log journey|movielens] [--protocol next-basket|leave-one-out] [--seeds 3]
       [--set name=value ...]
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import common  # noqa: F401  (puts the project on the path)
import numpy as np
import pandas as pd
import torch

from ulm_core.events.samples import LogBundle, get_sample
from ulm_core.model.text import TextFeatures
from ulm_core.settings import get_settings
from ulm_core.timeline.index import TimelineIndex
from ulm_core.timeline.testing import index_from_events
from ulm_core.training.config import FineTuneConfig
from ulm_core.training.preparation import ItemTexts
from ulm_core.training.protocols.evaluate import ProtocolReport, evaluate_protocol
from ulm_core.training.ranking import paired_difference
from ulm_core.workspace import WorkspaceConfig

SHOWN = ("ndcg10", "recall10", "hit_rate10", "recall10_repeat", "recall10_new", "coverage10")
CONFIG = WorkspaceConfig(name="protocol", conversion_events=("event",))
SETTINGS = {
    "journey": {"repeats": "on", "recommendation_loss": "softmax", "alpha": 0.0, "min_item_users": 1},
    "movielens": {
        "repeats": "off", "recommendation_loss": "softmax", "alpha": 0.0, "min_item_users": 1, "batch_size": 256,
        "length": 100, "dropout": 0.2, "warm_up_days": 1,
    },
}  # fmt: skip
GOALS = {("journey", "next-basket"): 0.230, ("journey", "leave-one-out"): 0.120, ("movielens", "leave-one-out"): 0.110}

SAMPLES = {"journey": "complete-journey", "movielens": "movielens-100k"}
TIE_US = 1  # events of one basket are told apart by a microsecond each, so that "the last event" is one event


def journey_events(bundle: LogBundle) -> pd.DataFrame:
    """Return one row a household, basket and product in the order of BASELINES: shuffled inside a basket."""
    frame = next(iter(bundle.events())).to_pandas().drop_duplicates(["user", "session", "item"])
    buyers = frame.groupby("item").user.nunique()
    frame = frame[frame.item.isin(buyers.index[buyers >= 10])].copy()
    # The source orders a basket by product, which would tell the answer.
    frame["order"] = np.random.RandomState(0).permutation(len(frame))
    frame["basket"] = frame.session.astype(np.int64)
    return frame.sort_values(["user", "time", "basket", "order"], kind="stable")


def movielens_events(bundle: LogBundle) -> pd.DataFrame:
    """Return every rating in the order of BASELINES: by time, ties as in the file; sessions are not used."""
    frame = pd.concat([table.to_pandas() for table in bundle.events()])
    return frame.sort_values(["user", "time"], kind="stable").assign(session=None)


def protocol_log(log: str, directory: Path) -> tuple[TimelineIndex, ItemTexts]:
    """Return the log of BASELINES as an index, and its item texts."""
    bundle = get_sample(SAMPLES[log]).read()
    frame = (journey_events if log == "journey" else movielens_events)(bundle)
    time_us = frame.time.to_numpy().astype("datetime64[us]").astype(np.int64)
    ties = frame.groupby(["user", "time"], sort=False).cumcount().to_numpy() * TIE_US
    events = pd.DataFrame({
        "user": frame.user, "time": time_us + ties, "event": "event", "item": frame.item, "session": frame.session,
    })  # fmt: skip
    index = index_from_events(events, directory)
    assert bundle.items is not None
    known = {row["item_id"]: row for row in bundle.items.select(["item_id", "text", "category"]).to_pylist()}
    rows = [known.get(str(item), {}) for item in index.item_ids]
    return index, ItemTexts(*(np.array([row.get(n) or "" for row in rows], object) for n in ("text", "category")))


def run(log: str, protocol: str, seeds: int, settings: dict[str, str]) -> None:
    """Train and judge every seed, then print mean and spread beside the baselines and the goal."""
    with tempfile.TemporaryDirectory() as folder:
        index, texts = protocol_log(log, Path(folder) / "log")
        features = TextFeatures(get_settings().text_encoder, Path(folder) / "text", torch.device("cpu"))
        reports = []
        for seed in range(seeds):
            config = FineTuneConfig.model_validate({**SETTINGS[log], **settings, "seed": seed})
            began, used = time.perf_counter(), time.process_time()
            report = evaluate_protocol(
                index, CONFIG, texts, config, protocol, Path(folder) / str(seed), text_features=features
            )
            reports.append(report)
            wall, cpu = time.perf_counter() - began, time.process_time() - used
            print(f"seed {seed}: NDCG@10 {report.model.summary()['ndcg10']:.4f}, best step {report.best_step}, "
                  f"{wall:.0f} s wall, {cpu:.0f} s CPU", flush=True)  # fmt: skip
    show(log, protocol, reports)


def show(log: str, protocol: str, reports: list[ProtocolReport]) -> None:
    """Print the table."""
    print(f"\n{log}, {protocol}: {len(reports[0].model.ndcg):,} users")
    print(f"{'':28}" + "".join(f"{name:>20}" for name in SHOWN))
    found = [report.model.summary() for report in reports]
    cells = [f"{statistics.mean(v):.4f} ± {statistics.stdev(v) if len(v) > 1 else 0:.4f}"
             for v in ([row[name] for row in found] for name in SHOWN)]  # fmt: skip
    print(f"{'model, ' + str(len(reports)) + ' seeds':28}" + "".join(f"{cell:>20}" for cell in cells))
    baselines = reports[0].baselines
    for name, metrics in baselines.items():
        print(f"{name:28}" + "".join(f"{metrics.summary()[column]:>20.4f}" for column in SHOWN))
    best = max(baselines, key=lambda name: baselines[name].ndcg.mean())
    for seed, report in enumerate(reports):
        difference = paired_difference(report.model.ndcg, baselines[best].ndcg)
        print(f"seed {seed}: {difference.mean:+.4f} [{difference.low:+.4f}, {difference.high:+.4f}] against {best}")
    goal, mean = GOALS.get((log, protocol)), statistics.mean(row["ndcg10"] for row in found)
    if goal:
        print(f"goal {goal:.3f}: " + ("met" if mean >= goal else f"missed by {goal - mean:.4f}"))


def main() -> None:
    """Read the options and run."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--log", choices=SAMPLES, default="journey")
    parser.add_argument("--protocol", choices=("next-basket", "leave-one-out"), default="next-basket")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--set", nargs="*", default=[], metavar="NAME=VALUE", help="settings of the fine-tuning")
    options = parser.parse_args()
    run(options.log, options.protocol, options.seeds, dict(pair.split("=", 1) for pair in options.set))


if __name__ == "__main__":
    main()
