"""Features and comparisons of stage rules, in words."""

from __future__ import annotations

from pages.parts.i18n import N_
from pages.parts.stages.draft import DayUnit
from ulm_core.lifecycle.stage_conditions import Feature, Op

FEATURE_WORDS: dict[Feature, str] = {
    "days_since_last": N_("Days since the last activity"),
    "days_since_first": N_("Days since the first activity"),
    "days_since_return": N_("Days since coming back from a silence longer than …"),
    "active_days": N_("Active days so far"),
    "active_days_window": N_("Active days in the last …"),
    "conversions": N_("Conversions so far"),
    "conversions_window": N_("Conversions in the last …"),
    "events_window": N_("Active events in the last …"),
    "sessions_window": N_("Sessions in the last …"),
    "value_window": N_("Value of conversions in the last …"),
    "calendar_days_since_last": N_("Calendar days since the last active day (0 = today)"),
    "calendar_days_since_first": N_("Calendar days since the first active day (0 = today)"),
    "calendar_days_between": N_("Calendar days between the last two active days"),
}
OP_WORDS: dict[Op, str] = {
    "<": N_("less than"),
    "<=": N_("at most"),
    ">": N_("more than"),
    ">=": N_("at least"),
    "==": N_("exactly"),
}
UNIT_WORDS: dict[DayUnit, str] = {"days": N_("days"), "weeks": N_("weeks"), "horizons": N_("churn horizons")}
