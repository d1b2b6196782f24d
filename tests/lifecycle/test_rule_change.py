import numpy as np
from hypothesis import given, settings

from tests.lifecycle.logs import CONFIG, days, index_of, random_rows
from tests.lifecycle.test_stage_flow import ACTIVE_OR_GONE
from ulm_core.lifecycle.periods import DAY_US
from ulm_core.lifecycle.rule_change import RuleChangeSpec, compute_rule_change
from ulm_core.lifecycle.rules import UNSEEN, default_rules
from ulm_core.lifecycle.stage_presets import get_preset

RULES = default_rules(56)


def test_raising_a_threshold_moves_exactly_those_between():
    stricter = RULES.model_dump()
    stricter["rules"][0]["conditions"][0]["value"] = 40  # churned after 40 days instead of 56
    draft = RULES.model_validate(stricter)
    index = index_of([*days("a", 0), *days("b", 20), *days("c", 59)])
    change = compute_rule_change(index, CONFIG, RuleChangeSpec(rules=RULES, draft=draft, at_us=60 * DAY_US))
    # Silent for 60, 40 and 1 days: only more than 40 is churned, and that was churned before.
    assert change.n_moved == 0
    later = compute_rule_change(index, CONFIG, RuleChangeSpec(rules=RULES, draft=draft, at_us=61 * DAY_US))
    assert later.users(("at risk", "churned")).tolist() == [1]
    assert later.moved().tolist() == [1]
    rows = {row["stage"]: (row["before"], row["after"], row["change"]) for row in later.to_arrow().to_pylist()}
    assert rows["churned"] == (1, 2, 1)
    assert rows["at risk"] == (1, 0, -1)
    assert later.to_json()["moves"]["at risk"]["churned"] == 1


def test_stages_that_come_and_go_are_all_listed():
    index = index_of(days("u", 0))
    change = compute_rule_change(index, CONFIG, RuleChangeSpec(rules=RULES, draft=ACTIVE_OR_GONE))
    assert change.stages == (*ACTIVE_OR_GONE.stages, *RULES.stages)
    assert change.users_before("here").tolist() == []
    assert change.users_after("new").tolist() == []
    assert change.users_after("here").tolist() == [0]


def test_the_order_in_which_stages_are_shown_moves_nobody():
    index = index_of([*days("u", 0, 1), *days("v", 3)])
    shuffled = RULES.model_copy(update={"order": RULES.stages[::-1]})
    assert compute_rule_change(index, CONFIG, RuleChangeSpec(rules=RULES, draft=shuffled)).n_moved == 0


@settings(max_examples=30, deadline=None)
@given(random_rows())
def test_users_behind_every_number_are_exactly_as_many(rows):
    index = index_of(rows, 3)
    draft = get_preset("social").rules.resolve(14)
    mask = np.arange(index.n_users) % 2 == 0
    spec = RuleChangeSpec(rules=default_rules(14), draft=draft, users=mask)
    change = compute_rule_change(index, CONFIG, spec)
    assert change.counts.sum() == (change.before != UNSEEN).sum() == (change.after != UNSEEN).sum()
    for row in change.to_arrow().to_pylist():
        assert len(change.users_before(row["stage"])) == row["before"]
        assert len(change.users_after(row["stage"])) == row["after"]
    for i, before in enumerate(change.rules.stages):
        for j, after in enumerate(change.draft.stages):
            assert len(change.users((before, after))) == change.counts[i, j]
