"""What every model is compared with, on the same users, items and cut (BASELINES of the project)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from ulm_core.lifecycle.rules import rules_in_force
from ulm_core.lifecycle.stages import assign_stages
from ulm_core.model.catalogue import item_counts
from ulm_core.model.histories import DAY_US, F32, F64, I64, Histories
from ulm_core.model.repeat import REPEAT_FEATURES, repeat_pairs
from ulm_core.model.tabular import tabular, tabular_features
from ulm_core.timeline.index import TimelineIndex
from ulm_core.training.batches import churn_labels, make_examples
from ulm_core.training.config import FineTuneConfig
from ulm_core.training.judge import FOREVER, Judge, RankItems
from ulm_core.training.neighbours import neighbour_scorers
from ulm_core.training.ranking import RankingMetrics
from ulm_core.training.split import Split, make_split
from ulm_core.workspace import Workspace

POPULARITY, POPULARITY_30D = "popularity", "popularity_30d"
FREQUENCY, FREQUENCY_90D = "personal_frequency", "personal_frequency_90d"
SESSIONS_56D, LOGISTIC = "sessions_56d", "logistic_regression"
RECOMMENDATION_BASELINES: tuple[str, ...] = (POPULARITY, POPULARITY_30D, FREQUENCY, FREQUENCY_90D)
CHURN_BASELINES: tuple[str, ...] = (SESSIONS_56D, LOGISTIC)
_COUNT = REPEAT_FEATURES.index("sessions_with")
_DECAYED = REPEAT_FEATURES.index("decay_90d")
_RECENCY = REPEAT_FEATURES.index("user_recency")


def ranking_baselines(index: TimelineIndex, split: Split, judge: Judge) -> dict[str, RankingMetrics]:
    """Return the metrics of every recommendation baseline."""
    counts = item_counts(index, judge.position, judge.n_items, split.roles.purchase, [judge.at_us], (30,))
    popular, recent = counts.total[0].astype(np.float32), counts.recent[0, 0].astype(np.float32)
    scorers: dict[str, RankItems] = {
        POPULARITY: lambda users: np.tile(popular, (len(users), 1)),
        POPULARITY_30D: lambda users: np.tile(recent, (len(users), 1)),
        FREQUENCY: _personal(index, split, judge, popular, half_life=False),
        FREQUENCY_90D: _personal(index, split, judge, popular, half_life=True),
    }
    scorers |= neighbour_scorers(index, split, judge)
    return {name: judge.rank(score) for name, score in scorers.items()}


def _personal(index: TimelineIndex, split: Split, judge: Judge, popular: F32, *, half_life: bool) -> RankItems:
    """Count a user's purchases per item; popularity, scaled below one purchase, fills up and breaks ties.

    With a half-life, ages are counted from the user's own last purchase.
    """
    base = popular / max(float(popular.max(initial=0.0)), 1.0) * (0.025 if half_life else 0.5)

    def score(users: I64) -> F32:
        histories = judge.histories(index, users)
        pairs = repeat_pairs(histories, judge.position, judge.n_items, split.roles.purchase)
        out = np.tile(base, (len(users), 1))
        counted = np.expm1(pairs.features[:, _DECAYED if half_life else _COUNT].astype(np.float64))
        if half_life:
            counted *= 2.0 ** (np.expm1(pairs.features[:, _RECENCY].astype(np.float64)) / 90)
        else:
            counted = np.rint(counted)  # stored as a float32 logarithm: equal counts must stay equal
        out[pairs.rows, pairs.codes] += counted.astype(np.float32)
        return out

    return score


def churn_baselines(
    index: TimelineIndex, split: Split, judge: Judge, stages_at: Callable[[I64], npt.NDArray[np.uint8]]
) -> dict[str, dict[str, float]]:
    """Return the metrics of the churn baselines: no model at all, and logistic regression.

    The regression learns at cuts one horizon apart, label windows ending before the judge's cut.

    Parameters
    ----------
    stages_at
        Gives uint8[n_users, n_times] for moments.
    """
    names = tabular_features(index.manifest.event_names)
    x = _table(index, split, judge.churn_users, judge.at_us)
    sessions = -x[:, names.index("sessions_56d")].astype(np.float64)
    found = {SESSIONS_56D: judge.churn_metrics(sessions)}
    horizon = split.churn_days * DAY_US
    cuts = np.arange(judge.at_us - horizon, split.first_us + horizon, -horizon, dtype=np.int64)[:4]
    if not len(cuts):
        return found
    examples = make_examples(index, cuts, stages_at(cuts), split.roles.purchase)
    labels = churn_labels(index, examples.users, examples.at_us, split.churn_days, judge.at_us, split.roles.active)
    train = _table(index, split, examples.users, examples.at_us)[labels.known]
    predicted = _logistic(train, labels.churned[labels.known], x)
    if predicted is not None:
        found[LOGISTIC] = judge.churn_metrics(predicted, predicted)
    return found


def _table(index: TimelineIndex, split: Split, users: I64, at_us: int | I64) -> F32:
    histories = Histories.from_index(index, users, at_us)
    return tabular(histories, split.roles.active, index.manifest.n_items)


def _logistic(train: F32, labels: F32, test: F32) -> F64 | None:
    if len(np.unique(labels)) < 2:
        return None
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=3000))
    model.fit(train.astype(np.float64), labels)
    return np.asarray(model.predict_proba(test.astype(np.float64))[:, 1], np.float64)


def best(metrics: dict[str, RankingMetrics]) -> str:
    """Return the baseline with the highest NDCG."""
    return max(metrics, key=lambda name: metrics[name].ndcg.mean() if len(metrics[name].ndcg) else -1.0)


def measure_baselines(workspace: Workspace, config: FineTuneConfig) -> dict[str, dict[str, float]]:
    """Return the test metrics of every baseline on a workspace, without any model."""
    index, how = TimelineIndex.open(workspace), workspace.config
    split = make_split(index, how, config)
    rules = rules_in_force(how).resolve(split.churn_days)

    def stages_at(at_us: I64) -> npt.NDArray[np.uint8]:
        return assign_stages(index, rules, at_us, how)

    stages = stages_at(np.array([split.test_us]))[:, 0]
    judge = Judge.at(index, split, split.test_us, FOREVER, split.candidates, stages)
    ranked = {name: found.summary() for name, found in ranking_baselines(index, split, judge).items()}
    return {**ranked, **churn_baselines(index, split, judge, stages_at)}
