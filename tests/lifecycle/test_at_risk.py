import numpy as np

from tests.lifecycle.logs import CONFIG, NEW_YORK, days, index_of
from ulm_core.lifecycle.at_risk import AtRiskSpec, compute_at_risk
from ulm_core.lifecycle.periods import DAY_US, HOUR_US
from ulm_core.lifecycle.rules import default_rules

RULES = default_rules(56)


def at_risk(rows, config=CONFIG, **fields):
    return compute_at_risk(index_of(rows), config, AtRiskSpec(rules=RULES, **fields))


class TestAtRisk:
    def test_highest_value_first_then_most_active_days_then_code(self):
        rows = [
            *days("quiet", 0),
            *days("busy", 0, 1, 2),
            ("rich", 0, "buy", 9.0),
            *days("also quiet", 0),
            *days("gone", 40),  # not at risk: 0.5 days of silence at day 40.5
        ]
        result = at_risk(rows, at_us=round(40.5 * DAY_US))
        assert result.user_ids == ("rich", "busy", "also quiet", "quiet")
        assert result.value.tolist() == [9.0, 0, 0, 0]
        assert result.active_days.tolist() == [1, 3, 1, 1]
        assert result.days_since_last.tolist() == [40.5, 38.5, 40.5, 40.5]

    def test_only_events_before_the_time_count(self):
        rows = [("u", 0, "buy", 2.0), ("u", 40 * DAY_US, "buy", 5.0)]
        result = at_risk(rows, at_us=40 * DAY_US)
        assert (result.value.tolist(), result.conversions.tolist()) == ([2.0], [1])

    def test_the_previous_stage_is_that_right_after_the_last_event(self):
        rows = [*days("u", 0), *days("v", 0, 1, 2), *days("zz", 40)]
        result = at_risk(rows)
        assert dict(zip(result.user_ids, result.previous_stages, strict=True)) == {"u": "new", "v": "activated"}

    def test_active_days_are_calendar_days(self):
        rows = [*(("u", hour * HOUR_US, "a") for hour in (3, 5, 23)), *days("zz", 40)]
        assert at_risk(rows).active_days.tolist() == [1]
        assert at_risk(rows, NEW_YORK).active_days.tolist() == [2]

    def test_another_stage_and_a_user_filter(self):
        rows = [*days("u", 0), *days("v", 0), *days("zz", 70)]
        result = at_risk(rows, stage="churned", users=np.array([True, False, True]))
        assert result.user_ids == ("u",)
        assert result.users().tolist() == [0]

    def test_nobody_is_an_answer(self):
        result = at_risk(days("u", 0))
        assert result.to_arrow().num_rows == 0
        assert result.to_json()["users"] == []
