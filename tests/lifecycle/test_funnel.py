import numpy as np
import pytest

from tests.lifecycle.logs import CONFIG, index_of, word
from ulm_core.errors import InputError, NotFoundError
from ulm_core.lifecycle.funnel import Exclusion, Funnel, FunnelSpec, compute_funnel
from ulm_core.lifecycle.periods import DAY_US

ANCHOR = [("zz", 0, letter) for letter in "abcx"]  # so that every event name exists; zz is filtered out below


def level(events: str, steps: str, window: float = 100, **fields) -> int:
    """Return how many steps one user reaches whose events are a second apart; brackets tie."""
    index = index_of([*word("u", events), *ANCHOR])
    mask = np.array([True, False])
    spec = FunnelSpec(steps=tuple(steps), window_seconds=window, users=mask, **fields)
    return int(compute_funnel(index, CONFIG, spec).levels[0])


def seconds(events: str, steps: str, window: float = 100, **fields) -> list[list[float]]:
    index = index_of([*word("u", events), *ANCHOR])
    mask = np.array([True, False])
    funnel = compute_funnel(index, CONFIG, FunnelSpec(steps=tuple(steps), window_seconds=window, users=mask, **fields))
    return [funnel.seconds(k, k + 1).tolist() for k in range(1, len(steps))]


class TestOrdered:
    @pytest.mark.parametrize(
        ("events", "steps", "reached"),
        [
            ("abc", "abc", 3),
            ("axbxc", "abc", 3),  # other events may lie between
            ("acb", "abc", 2),  # c came before b
            ("ba", "ab", 1),
            ("b", "ab", 0),
            ("aab", "aab", 3),  # one event fills one step: two a are there
            ("ab", "aab", 1),  # only one a, and an a cannot fill both
            ("aa", "aa", 2),
            ("a", "aa", 1),
            ("abac", "abc", 3),  # a new attempt does not end the one that has a and b
        ],
    )
    def test_levels(self, events: str, steps: str, reached: int):
        assert level(events, steps) == reached

    def test_the_boundary_of_the_window_is_inside(self):
        assert level("a...b", "ab", window=4) == 2
        assert level("a...b", "ab", window=3.999_999) == 1

    def test_every_step_lies_within_the_window_of_step_1_not_of_the_step_before(self):
        assert level("a.b.c", "abc", window=4) == 3
        assert level("a.b.c", "abc", window=3) == 2

    def test_a_new_step_1_opens_a_new_attempt(self):
        assert level("a....a.b", "ab", window=3) == 2

    def test_the_furthest_attempt_counts_not_the_last(self):
        assert level("ab....a", "abc", window=3) == 2

    def test_the_first_completed_attempt_gives_the_times(self):
        # a at 0 and b at 2 complete before a at 4 and b at 5 do.
        assert seconds("a.b.ab", "ab") == [[2.0]]

    def test_an_earlier_step_1_in_the_window_is_an_earlier_attempt(self):
        # Both a (at 0 and 2) reach b at 3; the attempt from the first a counts: 3 - 0 seconds.
        assert seconds("a.ab", "ab", window=10) == [[3.0]]
        # With a window of 2 s only the second a reaches it: 3 - 2 seconds.
        assert seconds("a.ab", "ab", window=2) == [[1.0]]

    def test_a_step_is_done_when_it_is_first_possible(self):
        assert seconds("abbc", "abc") == [[1.0], [2.0]]


class TestTies:
    @pytest.mark.parametrize(
        ("events", "steps", "reached"),
        [
            ("(ba)", "ab", 2),  # the order that favours conversion
            ("(cba)", "abc", 3),
            ("(ab)", "aab", 1),  # but still one event one step
            ("(aab)", "aab", 3),
            ("a(ba)", "aab", 3),
            ("a(b)(a)", "aab", 2),
        ],
    )
    def test_events_at_the_same_instant_are_taken_in_the_order_that_favours_conversion(self, events, steps, reached):
        assert level(events, steps) == reached

    def test_a_tie_leaves_the_latest_attempt_ahead(self):
        # a 0, b 1, a 3, b and c 4, d 8: only the attempt from the second a has d within 5 seconds.
        index = index_of(word("u", "ab.a(bc)...d"))
        spec = FunnelSpec(steps=tuple("abcd"), window_seconds=5)
        assert compute_funnel(index, CONFIG, spec).levels.tolist() == [4]

    def test_zero_second_gaps_are_left_out_of_the_times(self):
        index = index_of([*word("u", "(ab)"), *word("v", "a..b"), *word("w", "a....b")])
        funnel = compute_funnel(index, CONFIG, FunnelSpec(steps=("a", "b")))
        assert funnel.counts.tolist() == [3, 3]
        assert funnel.mean_seconds[1] == (3 + 5) / 2
        assert funnel.median_seconds[1] == (3 + 5) / 2

    def test_without_any_gap_there_is_no_mean(self):
        index = index_of(word("u", "(ab)"))
        funnel = compute_funnel(index, CONFIG, FunnelSpec(steps=("a", "b")))
        assert funnel.to_json()["steps"][1]["mean_seconds"] is None


class TestAnyEvent:
    @pytest.mark.parametrize(
        ("events", "steps", "reached"),
        [("ac", "a*", 2), ("a", "a*", 1), ("(a)", "**", 1), ("(ab)", "**", 2), ("(ab)", "*b", 2), ("(b)", "*b", 1)],
    )
    def test_star_is_any_event_each_used_once(self, events: str, steps: str, reached: int):
        assert level(events, steps) == reached

    def test_star_is_no_passive_event_but_a_passive_event_can_be_named(self):
        index = index_of([("u", 0, "a"), ("u", 1, "mail")])
        assert compute_funnel(index, CONFIG, FunnelSpec(steps=("a", "*"))).counts.tolist() == [1, 0]
        assert compute_funnel(index, CONFIG, FunnelSpec(steps=("a", "mail"))).counts.tolist() == [1, 1]


class TestStrict:
    @pytest.mark.parametrize(
        ("events", "reached"),
        [
            ("abc", 3),
            ("abxc", 2),  # any other event resets
            ("axabc", 3),  # and a later attempt may complete
            ("aabc", 3),  # the second a resets the first attempt, and opens its own
            ("abbc", 2),
            ("a(bx)c", 3),  # not within a tie
            ("(ax)bc", 3),
            ("ab(xy)c", 2),  # a tie without the next step resets
        ],
    )
    def test_levels(self, events: str, reached: int):
        index = index_of([*word("u", events), *((("zz", 0, e)) for e in "abcxy")])
        spec = FunnelSpec(steps=tuple("abc"), order="strict", users=np.array([True, False]))
        assert compute_funnel(index, CONFIG, spec).levels[0] == reached

    def test_what_is_done_to_the_user_does_not_reset(self):
        index = index_of([("u", 0, "a"), ("u", 1, "mail"), ("u", 2, "b")])
        assert compute_funnel(index, CONFIG, FunnelSpec(steps=("a", "b"), order="strict")).counts.tolist() == [1, 1]

    def test_a_tie_may_fill_fewer_steps_than_it_could(self):
        # (bc) then c then d: with b and c taken from the tie, the second c would reset the attempt.
        assert level("a(bc)c", "abc", order="strict") == 3
        index = index_of([*word("u", "a(bc)cd")])
        assert compute_funnel(index, CONFIG, FunnelSpec(steps=tuple("abcd"), order="strict")).levels[0] == 4


class TestAnyOrder:
    @pytest.mark.parametrize(
        ("events", "window", "reached"),
        [("cba", 100, 3), ("c.b.a", 3, 2), ("c.b.a", 4, 3), ("aaa", 100, 1), ("c....ab", 2, 2)],
    )
    def test_bar_k_counts_users_with_k_distinct_steps_in_one_window(self, events: str, window: float, reached: int):
        assert level(events, "abc", window, order="any") == reached

    def test_equal_steps_need_as_many_events(self):
        assert level("ab", "aab", order="any") == 2
        assert level("aba", "aab", order="any") == 3

    def test_exclusions_are_refused(self):
        with pytest.raises(InputError, match="steps in order"):
            FunnelSpec.checked(
                steps=("a", "b"), order="any", exclusions=(Exclusion(event="x", after_step=1, before_step=2),)
            )


class TestExclusions:
    @pytest.mark.parametrize(
        ("events", "reached"),
        [
            ("axb", -1),  # between: dropped from all steps
            ("xab", 2),  # before
            ("abx", 2),  # after
            ("(ax)b", 2),  # a tie is taken in the order that favours conversion
            ("a(xb)", 2),
            ("axab", -1),  # though the second attempt is clean
            ("ab.ax", 2),  # after the first completed attempt nothing is looked at
            ("ax", -1),  # the second step never came: up to the window's end
        ],
    )
    def test_levels(self, events: str, reached: int):
        assert level(events, "ab", exclusions=(Exclusion(event="x", after_step=1, before_step=2),)) == reached

    def test_outside_the_window_it_does_not_matter(self):
        fields = {"exclusions": (Exclusion(event="x", after_step=1, before_step=2),)}
        assert level("a...x", "ab", window=3, **fields) == 1
        assert level("a..x", "ab", window=3, **fields) == -1

    def test_only_between_its_own_steps(self):
        fields = {"exclusions": (Exclusion(event="x", after_step=2, before_step=3),)}
        assert level("axbc", "abc", **fields) == 3
        assert level("abxc", "abc", **fields) == -1
        fields = {"exclusions": (Exclusion(event="x", after_step=1, before_step=2),)}
        assert level("abxc", "abc", **fields) == 3

    def test_in_strict_order_too(self):
        fields = {"exclusions": (Exclusion(event="x", after_step=1, before_step=2),), "order": "strict"}
        assert level("axb", "ab", **fields) == -1
        assert level("acxb", "ab", **fields) == 1  # c had reset the attempt already
        assert level("a(xb)c", "abc", **fields) == 3
        assert level("a(xc)ab", "ab", **fields) == -1

    def test_it_must_name_two_steps_of_the_funnel(self):
        with pytest.raises(InputError, match="between two steps"):
            FunnelSpec.checked(steps=("a", "b"), exclusions=(Exclusion(event="x", after_step=2, before_step=3),))


class TestRangeAndEntry:
    def test_a_conversion_after_the_range_does_not_count(self):
        rows = [("u", 0, "a"), ("u", DAY_US, "b"), ("v", 0, "a"), ("v", DAY_US - 1, "b")]
        funnel = compute_funnel(index_of(rows), CONFIG, FunnelSpec(steps=("a", "b"), from_us=0, to_us=DAY_US))
        assert funnel.counts.tolist() == [2, 1]

    def test_an_entry_before_the_range_does_not_count(self):
        rows = [("u", 0, "a"), ("u", DAY_US, "b")]
        funnel = compute_funnel(index_of(rows), CONFIG, FunnelSpec(steps=("a", "b"), from_us=DAY_US))
        assert funnel.counts.tolist() == [0, 0]

    def test_without_a_range_a_passive_step_1_before_all_activity_counts(self):
        index = index_of([("u", 0, "mail"), ("u", 3 * DAY_US, "a")])
        assert compute_funnel(index, CONFIG, FunnelSpec(steps=("mail", "a"))).counts.tolist() == [1, 1]

    def test_the_range_is_widened_to_whole_days(self):
        rows = [("u", 0, "a"), ("u", DAY_US - 1, "b")]
        funnel = compute_funnel(index_of(rows), CONFIG, FunnelSpec(steps=("a", "b"), from_us=5, to_us=10))
        assert funnel.counts.tolist() == [1, 1]

    def test_entry_first_looks_at_the_first_step_1_only(self):
        assert level("a....ab", "ab", window=2) == 2
        assert level("a....ab", "ab", window=2, entry="first") == 1


class TestResult:
    @pytest.fixture
    def funnel(self) -> Funnel:
        rows = [*word("u", "abc"), *word("v", "ab"), *word("w", "a"), *word("x", "b"), *word("y", "a.b")]
        return compute_funnel(index_of([*rows, *word("z", "c")]), CONFIG, FunnelSpec(steps=tuple("abc")))

    def test_rates_state_their_base(self, funnel: Funnel):
        assert funnel.counts.tolist() == [4, 3, 1]
        assert funnel.conversions == [4 / 4, 3 / 4, 1 / 4]
        assert funnel.from_previous == [1.0, 3 / 4, 1 / 3]

    def test_users_behind_each_number(self, funnel: Funnel):
        assert funnel.users((2, "converted")).tolist() == [0, 1, 4]
        assert funnel.users((2, "dropped")).tolist() == [2]
        assert funnel.users((3, "dropped")).tolist() == [1, 4]
        assert funnel.users((1, "dropped")).tolist() == []
        with pytest.raises(InputError):
            funnel.users((4, "converted"))

    def test_times_between_any_two_steps(self, funnel: Funnel):
        assert funnel.seconds(1, 3).tolist() == [2.0]
        assert sorted(funnel.seconds(1, 2).tolist()) == [1.0, 1.0, 2.0]
        assert funnel.times_json(1, 2) == {"seconds": [1.0, 1.0, 2.0], "mean": 4 / 3, "median": 1.0}

    def test_json_has_the_keys_of_the_contract(self, funnel: Funnel):
        answer = funnel.to_json()
        assert set(answer) == {"steps", "as_of", "elapsed_seconds"}
        assert set(answer["steps"][0]) == {
            "event", "users", "conversion", "from_previous", "mean_seconds", "median_seconds"
        }  # fmt: skip

    def test_an_unknown_event_is_named_with_near_ones(self):
        with pytest.raises(NotFoundError, match="Did you mean: purchase"):
            compute_funnel(index_of([("u", 0, "purchase")]), CONFIG, FunnelSpec(steps=("purchas", "purchase")))

    def test_nobody_at_all_is_an_answer(self):
        index = index_of([("u", 0, "a"), ("u", 1, "b")])
        funnel = compute_funnel(index, CONFIG, FunnelSpec(steps=("b", "a"), users=np.array([False])))
        assert funnel.counts.tolist() == [0, 0]
        assert funnel.to_json()["steps"][1]["conversion"] is None
