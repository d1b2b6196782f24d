"""Two runs side by side: what was set differently, and whether one ranks better for the same users."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file

from ulm_core.errors import InputError
from ulm_core.messages import N_, Message, message
from ulm_core.training.judge import Judge
from ulm_core.training.ranking import Difference, RankingMetrics, paired_difference
from ulm_core.training.runs import RunRecord, RunStore

PER_USER = "per_user.safetensors"
_SENTENCES = {
    "better": N_("“{first}” is better than “{second}” by {mean:.3f} NDCG@10 [{low:.3f}, {high:.3f}] over {n} users."),
    "worse": N_("“{first}” is worse than “{second}” by {mean:.3f} NDCG@10 [{low:.3f}, {high:.3f}] over {n} users."),
    "even": N_(
        "“{first}” and “{second}” cannot be told apart: {mean:+.3f} NDCG@10 [{low:+.3f}, {high:+.3f}], {n} users."
    ),
}


@dataclass(frozen=True)
class RunsCompared:
    """The first run against the second.

    Attributes
    ----------
    first, second
        The runs.
    ndcg
        NDCG@10 of the first minus that of the second, paired by user, with a 95% bootstrap interval.
    n_users
        Users judged.
    differing
        Settings that differ: name -> (value of the first, value of the second).
    """

    first: RunRecord
    second: RunRecord
    ndcg: Difference
    n_users: int
    differing: dict[str, tuple[object, object]]

    def sentence(self) -> Message:
        """Return the finding in words; a difference whose interval holds 0 is none."""
        mean, low, high = self.ndcg.mean, self.ndcg.low, self.ndcg.high
        kind = "better" if low > 0 else "worse" if high < 0 else "even"
        if kind == "worse":  # "worse by 0.01" says it with the sign already
            mean, low, high = -mean, -high, -low
        return message(
            _SENTENCES[kind], first=self.first.name, second=self.second.name, mean=mean, low=low, high=high,
            n=self.n_users,
        )  # fmt: skip


def judged_by(judge: Judge) -> str:
    """Return what makes two runs comparable: the digest of cut, users, items and answers they were judged by."""
    parts = (np.array([judge.at_us]), judge.position, judge.users, judge.relevant.offsets, judge.relevant.columns)
    return hashlib.sha256(b"".join(np.ascontiguousarray(part).tobytes() for part in parts)).hexdigest()[:16]


def save_per_user(directory: Path, judge: Judge, metrics: RankingMetrics) -> None:
    """Keep each judged user's metrics beside the run: by user code, which names nobody without the index."""
    save_file(
        {"user": judge.users, "ndcg10": metrics.ndcg, "recall10": metrics.recall},
        directory / PER_USER,
    )


def compare_runs(store: RunStore, first: RunRecord, second: RunRecord) -> RunsCompared:
    """Return the comparison of two runs.

    Raises
    ------
    InputError
        When a run was not judged, or they were judged by different users, items or cuts.
    """
    tables = [_per_user(store, run) for run in (first, second)]
    if first.judged_by != second.judged_by:
        raise InputError(
            N_(
                "“{first}” and “{second}” were judged on different data, so their figures say nothing about each other."
            ),
            first=first.name,
            second=second.name,
        )
    return RunsCompared(
        first,
        second,
        paired_difference(tables[0]["ndcg10"], tables[1]["ndcg10"]),
        len(tables[0]["user"]),
        first.config.differing(second.config),
    )


def _per_user(store: RunStore, run: RunRecord) -> dict[str, np.ndarray]:
    path = store.directory(run.run_id) / PER_USER
    if not path.exists() or not run.judged_by:
        raise InputError(N_("Run “{name}” was not judged user by user, so it cannot be compared."), name=run.name)
    return dict(load_file(path))
