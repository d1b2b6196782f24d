import numpy as np
import pyarrow as pa
import pytest

from tests.lifecycle.logs import CONFIG, days, index_of
from ulm_core.errors import NotFoundError
from ulm_core.lifecycle.filters import NOT_KNOWN, UserFilter, attribute_labels, filter_mask, sample_mask, users_mask
from ulm_core.lifecycle.periods import DAY_US
from ulm_core.lifecycle.rules import default_rules
from ulm_core.timeline.index import TimelineIndex
from ulm_core.warehouse.snapshot import Snapshot
from ulm_core.workspace import Workspace

RULES = default_rules(56)


@pytest.fixture
def index() -> TimelineIndex:
    return index_of([*days("ann", 0), *days("bob", 39), *days("cem", 0, 39)])


class TestFilterMask:
    def test_an_empty_filter_lets_everyone_through(self, index: TimelineIndex):
        assert UserFilter().is_empty
        assert filter_mask(index, CONFIG, UserFilter(), 0) is None

    def test_by_stage_at_a_time(self, index: TimelineIndex):
        at = 40 * DAY_US
        mask = filter_mask(index, CONFIG, UserFilter(stages=("new", "at risk")), at, rules=RULES)
        assert mask is not None
        assert mask.tolist() == [True, True, False]

    def test_an_unknown_stage_is_refused(self, index: TimelineIndex):
        with pytest.raises(NotFoundError, match="stage"):
            filter_mask(index, CONFIG, UserFilter(stages=("sleepy",)), 0, rules=RULES)

    def test_by_ids(self, index: TimelineIndex):
        assert users_mask(index, ["cem", "ann", "nobody"]).tolist() == [True, False, True]
        assert users_mask(index, []).tolist() == [False] * 3


@pytest.mark.slow
class TestAttributes:
    def test_a_segment_of_the_sample(self, journey: Workspace):
        index, snapshot = TimelineIndex.open(journey), Snapshot.open(journey)
        labels = attribute_labels(index, snapshot, "income")
        assert len(labels.codes) == index.n_users
        assert labels.names[-1] == NOT_KNOWN
        rich = UserFilter(attributes={"income": ("250K+",)})
        mask = filter_mask(index, journey.config, rich, 0, snapshot)
        assert mask is not None
        assert mask.tolist() == (labels.codes == labels.names.index("250K+")).tolist()
        assert 0 < mask.sum() < index.n_users

    def test_an_unknown_attribute_is_named_with_near_ones(self, journey: Workspace):
        with pytest.raises(NotFoundError, match="income"):
            attribute_labels(TimelineIndex.open(journey), Snapshot.open(journey), "incme")


def test_codes_and_masks_travel_as_plain_arrays(index: TimelineIndex):
    mask = users_mask(index, ["ann"])
    assert mask.dtype == np.bool_
    assert pa.array(mask).to_pylist() == [True, False, False]


def test_a_sample_is_the_same_users_whoever_else_is_there():
    few, many = (index_of([row for n in range(size) for row in days(f"u{n:04}", 0)]) for size in (500, 2_000))
    chosen = {size.n_users: set(size.user_ids[sample_mask(size, 10)]) for size in (few, many)}
    assert chosen[500] == {user for user in chosen[2_000] if user < "u0500"}
    assert 140 < len(chosen[2_000]) < 260  # a tenth, give or take
    mask = filter_mask(few, CONFIG, UserFilter(one_in=10), 0)
    assert mask is not None
    assert set(few.user_ids[mask]) == chosen[500]
    assert set(few.user_ids[sample_mask(few, 20)]) <= chosen[500]
