"""Saved cohorts: lists of ids, freezing, circles, deletion, filters and breakdowns."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ulm_core.errors import InputError, NotFoundError
from ulm_core.i18n import translator
from ulm_core.lifecycle.cohorts import model as m
from ulm_core.lifecycle.cohorts.evaluate import Log, cohort_mask
from ulm_core.lifecycle.cohorts.sentences import describe
from ulm_core.lifecycle.cohorts.store import Cohorts, read_ids
from ulm_core.lifecycle.filters import UserFilter, filter_mask
from ulm_core.lifecycle.groups import ELSE, group_labels
from ulm_core.lifecycle.rules import default_rules
from ulm_core.timeline.erase import erase_user
from ulm_core.timeline.index import TimelineIndex
from ulm_core.timeline.publish import import_file
from ulm_core.warehouse.create import create_workspace
from ulm_core.warehouse.members import read_members
from ulm_core.warehouse.privacy import stored_id
from ulm_core.warehouse.snapshot import Snapshot
from ulm_core.workspace import Workspace

RULES = default_rules(56)
BUYERS = m.Behaviour(clauses=(m.Clause(event="purchase", amount=2),))  # ann: two purchases; bob one; cem none
ANYONE = m.Behaviour(clauses=(m.Clause(event="purchase"),))


def ground(workspace: Workspace) -> tuple[Cohorts, Log, int]:
    index = TimelineIndex.open(workspace)
    saved = Cohorts(workspace)
    log = saved.log(index, workspace.config, Snapshot.open(workspace), RULES)
    return saved, log, index.manifest.last_us + 1


def ids(log: Log, rule: object, at_us: int) -> list[str]:
    return log.index.user_ids[cohort_mask(log, rule, at_us)].tolist()


def test_a_live_cohort_moves_with_time_and_a_frozen_one_does_not(small_workspace: Workspace) -> None:
    saved, log, end = ground(small_workspace)
    saved.save("live", m.Cohort(rule=ANYONE))
    early = int(log.index.time[log.index.event == log.index.event_code("purchase")].min()) + 1
    frozen = saved.freeze(log, m.SavedCohort(name="live"), early)
    assert ids(log, m.SavedCohort(name="live"), early) == ["ann"]
    assert ids(log, m.SavedCohort(name="live"), end) == ["ann", "bob"]
    assert ids(log, frozen, end) == ["ann"]
    assert not m.Cohort(rule=frozen).is_live
    assert frozen.origin == m.SavedCohort(name="live")


def test_an_uploaded_list_reports_what_does_not_match(small_workspace: Workspace) -> None:
    saved, log, end = ground(small_workspace)
    done = saved.upload(log.index, ["cem", "zoe", " ann ", "cem", ""])
    assert done.unmatched == ("zoe",)
    assert (done.rule.n_given, done.rule.n_unmatched) == (3, 1)
    assert ids(log, done.rule, end) == ["ann", "cem"]
    with pytest.raises(InputError, match="no user ids"):
        saved.upload(log.index, [" "])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("7\n8\n", ["7", "8"]),
        ("\ufeffuser_id\n7\n8\n", ["7", "8"]),
        ("name;User;x\nann;7;1\nbob;8;2\n", ["7", "8"]),
        ("7,x\n8,y\n,z\n", ["7", "8"]),
        ('"a,b"\n"c"\n', ["a,b", "c"]),
        ("", []),
    ],
)
def test_ids_are_read_from_any_csv(text: str, expected: list[str]) -> None:
    assert read_ids(text) == expected


def test_circles_and_unknown_names_are_refused_when_saved(small_workspace: Workspace) -> None:
    saved, _, _ = ground(small_workspace)
    saved.save("one", m.Cohort(rule=ANYONE))
    saved.save("two", m.Cohort(rule=m.AllOf(rules=(m.SavedCohort(name="one"),))))
    with pytest.raises(InputError, match="part of itself"):
        saved.save("one", m.Cohort(rule=m.NoneOf(rule=m.SavedCohort(name="two"))))
    with pytest.raises(NotFoundError, match="Did you mean: one"):
        saved.save("three", m.Cohort(rule=m.SavedCohort(name="onee")))
    with pytest.raises(InputError, match="must not hold"):
        saved.save("a|b", m.Cohort(rule=ANYONE))


def test_a_cohort_that_others_are_made_of_stays(small_workspace: Workspace) -> None:
    saved, log, _ = ground(small_workspace)
    listed = saved.upload(log.index, ["ann"]).rule
    saved.save("one", m.Cohort(rule=listed))
    saved.save("two", m.Cohort(rule=m.SavedCohort(name="one")))
    with pytest.raises(InputError, match="part of: two"):
        saved.delete("one")
    saved.delete("two")
    saved.delete("one")
    assert saved.names() == []
    assert list((small_workspace.root / "members").iterdir()) == []


def test_a_change_changes_the_stamp(small_workspace: Workspace) -> None:
    saved, _, _ = ground(small_workspace)
    before = saved.stamp()
    saved.save("one", m.Cohort(rule=ANYONE))
    assert saved.stamp() != before


def test_filter_and_breakdown(small_workspace: Workspace) -> None:
    saved, log, end = ground(small_workspace)
    saved.save("often", m.Cohort(rule=BUYERS))
    saved.save("ever", m.Cohort(rule=ANYONE))
    snapshot = Snapshot.open(small_workspace)
    wanted = UserFilter(cohorts=("ever", "often"))
    assert not wanted.is_empty
    mask = filter_mask(log.index, log.config, wanted, end, snapshot, RULES)
    assert mask is not None
    assert log.index.user_ids[mask].tolist() == ["ann"]
    labels = group_labels(log.index, log.config, snapshot, "cohort:often|ever", end, RULES)
    assert labels.names == ("often", "ever", ELSE)
    assert labels.codes.tolist() == [0, 1, 2]  # ann is in both and counts in the first
    with pytest.raises(NotFoundError, match="cohort"):
        group_labels(log.index, log.config, snapshot, "cohort:none", end, RULES)


@pytest.mark.slow
def test_attributes_of_the_sample(journey: Workspace) -> None:
    _, log, end = ground(journey)
    rich = m.HasAttribute(name="income", values=("250K+",))
    known = m.HasAttribute(name="income")
    sizes = {
        "rich": cohort_mask(log, rich, end).sum(),
        "not rich": cohort_mask(log, m.HasAttribute(name="income", values=("250K+",), is_in=False), end).sum(),
        "known": cohort_mask(log, known, end).sum(),
        "unknown": cohort_mask(log, m.HasAttribute(name="income", is_in=False), end).sum(),
    }
    assert 0 < sizes["rich"] < sizes["known"]
    assert sizes["rich"] + sizes["not rich"] == sizes["known"] + sizes["unknown"] == log.index.n_users
    with pytest.raises(NotFoundError, match="income"):
        cohort_mask(log, m.HasAttribute(name="incme"), end)


def test_an_erased_user_leaves_every_list(small_workspace: Workspace) -> None:
    saved, log, _ = ground(small_workspace)
    rule = saved.upload(log.index, ["ann", "bob"]).rule
    saved.save("listed", m.Cohort(rule=rule))
    erase_user(small_workspace, "ann")
    assert read_members(small_workspace, rule.members) == ["bob"]
    _, log, end = ground(small_workspace)
    assert ids(log, rule, end) == ["bob"]


def test_a_protected_workspace_keeps_pseudonyms_in_sealed_files(
    tmp_path: Path, settings_environment: pytest.MonkeyPatch
) -> None:
    settings_environment.setenv("ULM_KEY_FILE", str(tmp_path / "keys" / "secret.key"))
    workspace = create_workspace(tmp_path / "ws", pseudonymised=True, encrypted=True)
    (tmp_path / "log.csv").write_text("user,time,event\nmarie@example.org,2024-01-01,buy\nbob,2024-01-02,buy\n")
    import_file(workspace, tmp_path / "log.csv")
    saved, log, end = ground(workspace)
    done = saved.upload(log.index, ["marie@example.org", "nobody@example.org"])
    assert done.unmatched == ("nobody@example.org",)
    assert ids(log, done.rule, end) == [stored_id(workspace, "marie@example.org")]
    kept = (workspace.root / "members" / f"{done.rule.members}.parquet").read_bytes()
    assert b"marie" not in kept
    assert stored_id(workspace, "marie@example.org").encode() not in kept
    assert kept[:4] == b"PARE"  # the mark of an encrypted Parquet footer
    done_erasing = erase_user(workspace, "marie@example.org")
    assert done_erasing.files_left == ()
    assert read_members(workspace, done.rule.members) == [stored_id(workspace, "nobody@example.org")]


@pytest.mark.parametrize(
    "rule",
    [
        {"kind": "behaviour", "clauses": []},
        {"kind": "behaviour", "clauses": [{"amount": 0}]},
        {"kind": "behaviour", "clauses": [{"amount": 1.5}]},
        {"kind": "behaviour", "clauses": [{"measure": "value", "op": "==", "amount": 3}]},
        {"kind": "behaviour", "clauses": [{"op": "<=", "window": {"within_days": 3}}]},
        {"kind": "behaviour", "clauses": [{"window": {"last_days": 3, "first_day": "2024-01-01"}}]},
        {"kind": "behaviour", "clauses": [{"window": {"first_day": "2024-01-02", "last_day": "2024-01-01"}}]},
        {"kind": "stage", "stages": []},
        {"kind": "stage", "stages": ["new"], "at": {"day": "2024-01-01", "days_ago": 3}},
        {"kind": "all", "rules": []},
        {"kind": "ghost"},
        {"kind": "users", "members": "../../etc/passwd", "n_given": 1},
        '{"kind": ',
    ],
)
def test_a_rule_that_makes_no_sense_is_refused(rule: object) -> None:
    with pytest.raises(InputError, match="no cohort"):
        m.read_rule(rule)


def test_rules_nested_too_deep_are_refused() -> None:
    rule: dict[str, object] = {"kind": "stage", "stages": ["new"]}
    for _ in range(m.MAX_DEPTH):
        rule = {"kind": "not", "rule": rule}
    with pytest.raises(InputError, match="nested"):
        m.read_rule(rule)


def test_every_kind_of_cohort_has_a_sentence_in_both_languages() -> None:
    moment, listed = m.Moment(days_ago=28), m.Listed(members="0" * 24, n_given=3)
    rules = [
        m.Behaviour(clauses=(m.Clause(event="buy", amount=2, window=m.Window(within_days=30)),),
                    then_silent=m.Silence(days=28)),
        m.HasAttribute(name="income", values=("rich",)),
        m.InStage(stages=("new", "at risk")),
        m.Moved(before=("new",), after=("loyal",), first=moment),
        listed,
        m.AnyOf(rules=(m.SavedCohort(name="x"), m.NoneOf(rule=listed))),
    ]  # fmt: skip
    english = [str(describe(rule)) for rule in rules]
    assert english[0] == "Users who did “buy” at least 2 times within 30 days, then nothing for 28 days"
    assert english[3] == "Users who went from “new” (28 days ago) to “loyal” (now)"
    chinese = [describe(rule).render(translator("zh")) for rule in rules]
    assert all(any("\u4e00" <= sign <= "\u9fff" for sign in text) for text in chinese)
    assert np.all([" who " not in text for text in chinese])
