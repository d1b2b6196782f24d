"""What to show one user next: the promoted model's ranking, or the frequency baseline's, saying which."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

import numpy as np
import numpy.typing as npt

from ulm_core.errors import InputError
from ulm_core.lifecycle.horizon import learn_churn_horizon
from ulm_core.lifecycle.rules import UNSEEN, StageRules, rules_in_force
from ulm_core.lifecycle.stages import StageContext, stage_context, stages_of_history
from ulm_core.messages import N_, Message, message
from ulm_core.model.scorer import Scores
from ulm_core.recommend.baseline import FrequencyScorer
from ulm_core.timeline.index import History, TimelineIndex
from ulm_core.training.artifact import load_scorer
from ulm_core.training.runs import RunStore
from ulm_core.warehouse.snapshot import Snapshot
from ulm_core.workspace import Workspace, WorkspaceConfig

MAX_K = 1_000
_OTHER_STAGES = N_(
    "This model was trained under other stage rules. Stages are matched by name; one it does not know counts as "
    "not yet seen. Train again to have the stages in force."
)


class Scorer(Protocol):
    """What can rank items: the fine-tuned model, or the baseline."""

    @property
    def catalogue(self) -> npt.NDArray[np.int32]:
        """int32[n_catalogue], item code of each column of the scores."""
        ...

    @property
    def keeps_seen(self) -> bool:
        """Whether items a user had before stay in their ranking."""
        ...

    @property
    def stages(self) -> tuple[str, ...]:
        """Names by code of the stages it was made with."""
        ...

    def score(self, histories: list[History], at_us: npt.NDArray[np.int64], stages: npt.NDArray[np.uint8]) -> Scores:
        """Return item scores float32[n, n_catalogue] and churn probabilities float32[n]."""
        ...


@dataclass(frozen=True)
class ModelInfo:
    """Where recommendations come from, in words a page can show.

    `note` says where the model was trained under other stage rules than those in force.
    """

    name: Message
    is_baseline: bool
    run_id: str | None = None
    note: Message | None = None


@dataclass(frozen=True)
class Recommendation:
    """One line of a ranking. `is_repeat`: the user had this item before."""

    item: int
    item_id: str
    text: str
    category: str
    score: float
    is_repeat: bool


@dataclass(frozen=True, eq=False)
class UserRecommendations:
    """A user's ranking, and what it was computed from.

    Attributes
    ----------
    history, at_us, stage
        The inputs: events before `at_us` (UTC microseconds) and the stage's code at that moment.
    churn_risk
        Probability in [0, 1] of no activity within the churn horizon.
    """

    user: int
    user_id: str
    history: History
    at_us: int
    stage: int
    stage_name: str
    churn_risk: float
    model: ModelInfo
    items: tuple[Recommendation, ...]


@dataclass(frozen=True, eq=False)
class Catalogue:
    """Text and category of every item, by item code."""

    text: npt.NDArray[np.object_]
    category: npt.NDArray[np.object_]


def read_catalogue(index: TimelineIndex, snapshot: Snapshot) -> Catalogue:
    """Return texts and categories; an item nobody described is shown by its id."""
    table = snapshot.query("SELECT item_id, coalesce(text, '') AS text, coalesce(category, '') AS category FROM items")
    described = {
        item: (text, category)
        for item, text, category in zip(*(table[name].to_pylist() for name in table.column_names), strict=True)
    }
    pairs = [described.get(item, ("", "")) for item in index.item_ids]
    text = [known or str(item) for item, (known, _) in zip(index.item_ids, pairs, strict=True)]
    return Catalogue(np.array(text, dtype=object), np.array([category for _, category in pairs], dtype=object))


class Recommender:
    """Ranks items for users of one published version with one scorer.

    Use `Recommender.open`; a process shares one object per version and model.
    """

    def __init__(
        self,
        index: TimelineIndex,
        config: WorkspaceConfig,
        rules: StageRules,
        scorer: Scorer,
        model: ModelInfo,
        catalogue: Catalogue,
    ) -> None:
        self.index = index
        self.config = config
        self.rules = rules
        self.scorer = scorer
        self.model = model
        self.catalogue = catalogue
        self.context: StageContext = stage_context(index, config)
        self.as_of_us = index.manifest.last_us + 1
        self._scorer_codes = matching_codes(rules.stages, scorer.stages)

    @staticmethod
    def open(workspace: Workspace) -> Recommender:
        """Return the recommender of the published version and the promoted run (or the baseline).

        Raises
        ------
        EmptyWorkspaceError
            When nothing was loaded yet.
        """
        promoted = RunStore(workspace).promoted()
        version = workspace.version_dir().name
        return _open(workspace.root, version, workspace.config.model_dump_json(), promoted.run_id if promoted else None)

    def stage_of(self, history: History, at_us: int) -> int:
        """Return the stage code of a history at a moment; without activity it is *new*, if there is such a stage."""
        code = int(stages_of_history(history, [at_us], self.rules, self.context)[0])
        return self.rules.first_code() if code == UNSEEN else code

    def recommend(self, user: int, k: int = 10) -> UserRecommendations:
        """Return the `k` best items for a user as of the end of the log.

        Raises
        ------
        InputError
            When `k` is not between 1 and 1000.
        """
        if not 1 <= k <= MAX_K:
            raise InputError(N_("The number of recommendations must be between 1 and {most}."), most=MAX_K)
        history = self.index.history(user)
        stage = self.stage_of(history, self.as_of_us)
        scores = self.score([history], [stage])
        best = self._rank(scores.items[0], history, k)
        return UserRecommendations(
            user=user,
            user_id=str(self.index.user_ids[user]),
            history=history,
            at_us=self.as_of_us,
            stage=stage,
            stage_name=self.rules.name_of(stage),
            churn_risk=float(scores.churn[0]),
            model=self.model,
            items=tuple(self._describe(int(place), scores.items[0], history) for place in best),
        )

    def score(self, histories: list[History], stages: list[int]) -> Scores:
        """Score histories as of the end of the log; `stages` are codes of the rules in force."""
        at_us = np.full(len(histories), self.as_of_us, np.int64)
        return self.scorer.score(histories, at_us, self._scorer_codes[stages])

    def _rank(self, scores: npt.NDArray[np.float32], history: History, k: int) -> npt.NDArray[np.int64]:
        """Return places in the catalogue, best first; equal scores keep catalogue order."""
        if not self.scorer.keeps_seen:
            scores = np.where(np.isin(self.scorer.catalogue, history.item), -np.inf, scores)
        k = min(k, int(np.isfinite(scores).sum()))
        return np.argsort(-scores, kind="stable")[:k]

    def _describe(self, place: int, scores: npt.NDArray[np.float32], history: History) -> Recommendation:
        item = int(self.scorer.catalogue[place])
        return Recommendation(
            item=item,
            item_id=str(self.index.item_ids[item]),
            text=str(self.catalogue.text[item]),
            category=str(self.catalogue.category[item]),
            score=float(scores[place]),
            is_repeat=bool(np.any(history.item == item)),
        )


def matching_codes(stages: tuple[str, ...], known: tuple[str, ...]) -> npt.NDArray[np.uint8]:
    """Return uint8[256]: what a scorer that knows stages `known` calls each code of `stages`, matched by name.

    A stage it was not trained with is *not yet seen* to it: it then scores by the events alone.
    """
    codes = np.full(256, UNSEEN, np.uint8)
    for code, name in enumerate(stages):
        if name in known:
            codes[code] = known.index(name)
    return codes


@lru_cache(maxsize=4)
def _open(root: object, version: str, configuration: str, run_id: str | None) -> Recommender:
    workspace = Workspace(str(root))
    index = TimelineIndex.open(workspace)
    config = WorkspaceConfig.model_validate_json(configuration)
    horizon = learn_churn_horizon(index, config).days
    in_force = rules_in_force(config)
    rules = in_force.resolve(horizon)
    if run_id is None:
        scorer: Scorer = FrequencyScorer(index, config, rules, index.manifest.last_us + 1, horizon)
        model = ModelInfo(message(N_("stage-aware frequency baseline (no model is promoted yet)")), is_baseline=True)
    else:
        run = RunStore(workspace).get(run_id)
        scorer = load_scorer(workspace, run)
        note = message(_OTHER_STAGES) if run.has_other_stages(in_force) else None
        model = ModelInfo(message(N_("model {name}"), name=run.name), is_baseline=False, run_id=run_id, note=note)
    return Recommender(index, config, rules, scorer, model, read_catalogue(index, Snapshot.open(workspace)))
