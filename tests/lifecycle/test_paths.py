import itertools
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.lifecycle.logs import CONFIG, NEW_YORK, dense_rows, index_of, timelines, word
from ulm_core.errors import InputError, NotFoundError
from ulm_core.lifecycle.paths import NOTHING, PathsSpec, compute_paths
from ulm_core.lifecycle.periods import DAY_US, SECOND_US


def paths(rows, **fields) -> list[tuple[str, ...]]:
    found = compute_paths(index_of(rows), CONFIG, PathsSpec(**fields))
    return [tuple(found.names[step] for step in row) for row in found.steps]


class TestDefinitions:
    @pytest.mark.parametrize(
        ("events", "fields", "found"),
        [
            ("abcbd", {}, [("a", "b", "c")]),
            ("abcbd", {"occurrence": "last"}, [("c", "b", "d")]),
            ("abcbd", {"occurrence": "every"}, [("a", "b", "c"), ("c", "b", "d")]),
            ("b", {}, [(NOTHING, "b", NOTHING)]),
            ("aabbcc", {}, [("a", "b", "c")]),  # again and again is one step
            ("aabbcc", {"collapse": False}, [("a", "b", "b")]),
            ("abbcb", {"occurrence": "every"}, [("a", "b", "c"), ("c", "b", NOTHING)]),  # a run has one path
            ("abbc", {"occurrence": "every", "collapse": False}, [("a", "b", "b"), ("b", "b", "c")]),
            ("a...b.c", {"gap_seconds": 2}, [(NOTHING, "b", "c")]),  # 4 s of silence cut the path, 2 s do not
            ("acc", {}, []),
        ],
    )
    def test_table_of_cases(self, events, fields, found):
        rows = [*word("u", events), ("zz", 40 * DAY_US, "b"), ("zz", 40 * DAY_US, "mail")]
        spec = {"around": "b", "before": 1, "after": 1, "to_us": DAY_US, **fields}
        assert paths(rows, **spec) == found

    def test_steps_may_lie_outside_the_range_the_event_may_not(self):
        rows = [("u", 0, "b"), ("u", DAY_US, "a"), ("u", 2 * DAY_US, "b"), ("u", 3 * DAY_US, "c")]
        inside = {"from_us": 2 * DAY_US, "to_us": 2 * DAY_US + 1}
        assert paths(rows, around="b", before=2, after=1, **inside) == [("b", "a", "b", "c")]

    def test_passive_events_are_no_steps_unless_in_the_middle(self):
        rows = [("u", 0, "a"), ("u", 1, "mail"), ("u", 2, "b")]
        assert paths(rows, around="b", before=2, after=0) == [(NOTHING, "a", "b")]
        assert paths(rows, around="mail", before=1, after=1) == [("a", "mail", "b")]

    def test_conditions_choose_the_event(self):
        rows = [("u", 0, "b", 1.0), ("u", 1, "a", 0.0), ("u", 2, "b", 9.0), ("u", 3, "c", 0.0)]
        assert paths(rows, around="b[value>5]", before=1, after=1) == [("a", "b", "c")]


class TestResult:
    ROWS = (*word("u", "abc"), *word("v", "abab"), *word("w", "bc"))

    def result(self, **fields):
        return compute_paths(index_of(self.ROWS), CONFIG, PathsSpec(around="b", before=1, after=2, **fields))

    def test_steps_links_top_and_loops_open_their_users(self):
        found = self.result()
        # u: a b c -, v: a b a b, w: - b c -
        assert found.step_users()[1].tolist() == [0, 3, 0, 0]
        assert found.users(("step", -1, "a")).tolist() == [0, 1]
        assert found.links().query("offset == 0").to_dict("records") == [
            {"offset": 0, "source": "b", "target": "a", "users": 1},
            {"offset": 0, "source": "b", "target": "c", "users": 2},
        ]
        assert found.users(("link", 0, "b", "c")).tolist() == [0, 2]
        assert found.top()["path"].tolist()[0] == (NOTHING, "b", "c", NOTHING)
        assert found.users(("path", ("a", "b", "a", "b"))).tolist() == [1]
        assert found.loops().to_dict("records") == [{"event": "a", "users": 1}, {"event": "b", "users": 1}]
        assert found.users(("loop", "b")).tolist() == [1]

    def test_json(self):
        answer = self.result(occurrence="every").to_json()
        assert (answer["users"], answer["paths"]) == (3, 4)
        assert [step["offset"] for step in answer["steps"]] == [-1, 0, 1, 2]
        assert answer["steps"][1]["events"] == [{"event": "b", "users": 3, "share": 1.0}]

    def test_what_is_not_there_is_refused(self):
        for cell in (("step", 9, "a"), ("link", 2, "a", "b")):
            with pytest.raises(InputError):
                self.result().users(cell)
        with pytest.raises(NotFoundError):
            self.result().users(("step", 0, "zebra"))

    def test_nobody_did_it(self):
        found = compute_paths(index_of(self.ROWS), CONFIG, PathsSpec(around="b", from_us=DAY_US, to_us=2 * DAY_US))
        assert (found.n_users, len(found.top()), len(found.links()), len(found.loops())) == (0, 0, 0, 0)


def oracle(events, spec: PathsSpec) -> list[tuple[str, ...]]:
    """Return a user's paths: cut at pauses, drop repeats, take what lies beside."""
    gap = (spec.gap_seconds or 1e9) * SECOND_US
    kept = [(t, e) for t, e in events if e != "mail"]
    runs = [[event] for event in kept[:1]]
    for before, now in itertools.pairwise(kept):
        if now[0] - before[0] > gap:
            runs.append([])
        runs[-1].append(now)
    found = []
    for run in runs:
        groups = [[event] for event in run[:1]]
        for before, now in itertools.pairwise(run):
            if spec.collapse and now[1] == before[1]:
                groups[-1].append(now)
            else:
                groups.append([now])
        names = [group[0][1] for group in groups]
        padded = [NOTHING] * spec.before + names + [NOTHING] * spec.after
        found += [tuple(padded[k : k + spec.before + 1 + spec.after]) for k, n in enumerate(names) if n == "b"]
    chosen = {"first": found[:1], "last": found[-1:], "every": found}
    return chosen[spec.occurrence]


@settings(max_examples=100, deadline=None)
@given(
    dense_rows(events="abc", max_size=12), st.integers(0, 3), st.integers(0, 3),
    st.sampled_from(["first", "last", "every"]), st.booleans(), st.sampled_from([None, 1, 2]),
)  # fmt: skip
def test_equals_the_oracle(rows, before, after, occurrence, collapse, gap):
    spec = PathsSpec(around="b", before=before, after=after, occurrence=occurrence, collapse=collapse, gap_seconds=gap)
    one, many = (compute_paths(index_of(rows, n), NEW_YORK, spec) for n in (1, 64))
    assert one.steps.tobytes() == many.steps.tobytes()
    index = index_of(rows)
    expected = []
    for user, history in enumerate(timelines(rows)):
        names = [index.manifest.event_names[code] for code in index.history(user).event]
        expected += [
            (user, path) for path in oracle(list(zip(index.history(user).time.tolist(), names, strict=False)), spec)
        ]
        assert history
    found = [tuple(one.names[step] for step in row) for row in one.steps]
    assert list(zip(one.owners.tolist(), found, strict=True)) == expected
    tops = Counter(path for path in {(user, path): path for user, path in expected}.values())
    assert dict(zip(one.top(99)["path"], one.top(99)["users"], strict=True)) == dict(tops)
