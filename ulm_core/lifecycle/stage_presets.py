"""Rule lists to start from, one a kind of product; argued in ``docs/stages.md``.

Thresholds in churn horizons follow the log at hand; fixed ones are the habits of the trade.
"""

from __future__ import annotations

from dataclasses import dataclass

from ulm_core.errors import NotFoundError
from ulm_core.lifecycle.rules import DEFAULT_RULES, StageRule, StageRules, condition
from ulm_core.lifecycle.stage_colors import OWN_COLORS
from ulm_core.lifecycle.stage_conditions import Condition
from ulm_core.messages import N_

# Names that only presets bring; listed for the catalogues.
PRESET_STAGES = (
    N_("window shopper"),
    N_("first-time buyer"),
    N_("repeat buyer"),
    N_("casual viewer"),
    N_("regular viewer"),
    N_("heavy viewer"),
    N_("casual"),
    N_("core"),
    N_("power"),
    N_("enrolled"),
    N_("slipping"),
    N_("steady"),
    N_("on a streak"),
    N_("dropped out"),
    N_("onboarding"),
    N_("idle"),
    N_("occasional"),
    N_("primary"),
    N_("current"),
    N_("reactivated"),
    N_("at-risk WAU"),
    N_("at-risk MAU"),
    N_("dormant"),
)


@dataclass(frozen=True)
class Preset:
    """A named rule list.

    Attributes
    ----------
    name
        What commands and links call it.
    title, reason
        For people: the kind of product, and why the list is as it is.
    """

    name: str
    title: str
    reason: str
    rules: StageRules


def _rule(name: str, *conditions: Condition, color: int | None = None, active: bool = True) -> StageRule:
    return StageRule(
        name=name, conditions=conditions, active=active, color=None if color is None else OWN_COLORS[color]
    )


_LOST = _rule("churned", condition("days_since_last", ">", "horizon"), active=False)
_BACK = _rule("resurrected", condition("days_since_return", "<=", 28, "horizon"))
_AT_RISK = _rule("at risk", condition("days_since_last", ">", "horizon/2"), active=False)

_ECOMMERCE = StageRules(
    rules=(
        _LOST,
        _BACK,
        _AT_RISK,
        _rule("window shopper", condition("conversions", "==", 0), color=7),
        _rule("first-time buyer", condition("conversions", "==", 1), color=2),
        _rule("loyal", condition("conversions_window", ">=", 4, 90)),
        _rule("repeat buyer", color=0),
    ),
    order=(
        "window shopper",
        "first-time buyer",
        "repeat buyer",
        "loyal",
        "resurrected",
        "at risk",
        "churned",
    ),
)

_VIDEO = StageRules(
    rules=(
        _LOST,
        _BACK,
        _AT_RISK,
        _rule("new", condition("days_since_first", "<=", 14)),
        _rule("heavy viewer", condition("active_days_window", ">=", 16, 28), color=4),
        _rule("regular viewer", condition("active_days_window", ">=", 6, 28), color=0),
        _rule("casual viewer", color=7),
    ),
    order=("new", "casual viewer", "regular viewer", "heavy viewer", "resurrected", "at risk", "churned"),
)

_SOCIAL = StageRules(
    rules=(
        _rule("dormant", condition("days_since_last", ">", 28), active=False),
        _rule("resurrected", condition("days_since_return", "<=", 7, 28)),
        _rule("at risk", condition("days_since_last", ">", 7), active=False),
        _rule("new", condition("days_since_first", "<=", 7)),
        _rule("power", condition("active_days_window", ">=", 21, 28), color=4),
        _rule("core", condition("active_days_window", ">=", 10, 28), color=0),
        _rule("casual", color=7),
    ),
    order=("new", "casual", "core", "power", "resurrected", "at risk", "dormant"),
)

_EDUCATION = StageRules(
    rules=(
        _rule("dropped out", condition("days_since_last", ">", "horizon"), active=False, color=6),
        _BACK,
        _rule("enrolled", condition("days_since_first", "<=", 7), color=2),
        _rule("on a streak", condition("active_days_window", ">=", 6, 7), color=4),
        _rule("steady", condition("active_days_window", ">=", 3, 14), color=5),
        _rule("slipping", condition("active_days_window", ">=", 1, 14), color=3),
        _rule("at risk", active=False),
    ),
    order=("enrolled", "slipping", "steady", "on a streak", "resurrected", "at risk", "dropped out"),
)

_FINANCE = StageRules(
    rules=(
        _LOST,
        _BACK,
        _AT_RISK,
        _rule("onboarding", condition("days_since_first", "<=", 30), condition("conversions", "==", 0), color=2),
        _rule("primary", condition("conversions_window", ">=", 8, 30), color=5),
        _rule("occasional", condition("conversions_window", ">=", 1, 90), color=0),
        _rule("idle", color=3),
    ),
    order=("onboarding", "occasional", "primary", "idle", "resurrected", "at risk", "churned"),
)

_TODAY = condition("calendar_days_since_last", "==", 0)
_GROWTH = StageRules(
    rules=(
        _rule("new", condition("calendar_days_since_first", "==", 0)),
        _rule("current", _TODAY, condition("calendar_days_between", "<=", 6), color=0),
        _rule("reactivated", _TODAY, condition("calendar_days_between", "<=", 29), color=4),
        _rule("resurrected", _TODAY),
        _rule("at-risk WAU", condition("calendar_days_since_last", "<=", 6), active=False, color=3),
        _rule("at-risk MAU", condition("calendar_days_since_last", "<=", 29), active=False, color=6),
        _rule("dormant", active=False),
    ),
    order=("new", "current", "reactivated", "resurrected", "at-risk WAU", "at-risk MAU", "dormant"),
)

PRESETS = (
    Preset(
        "default",
        N_("General"),
        N_("Eight stages from first visit to churn; silence is measured in learnt churn horizons."),
        DEFAULT_RULES,
    ),
    Preset(
        "e-commerce",
        N_("E-commerce"),
        N_("The second order decides: buyers are told apart by how often they bought, silence by the horizon."),
        _ECOMMERCE,
    ),
    Preset(
        "video",
        N_("Video"),
        N_("Viewing days in four weeks tell casual from heavy viewers; a trial lasts a fortnight."),
        _VIDEO,
    ),
    Preset(
        "social",
        N_("Social"),
        N_("Days active out of 28, the power user curve; a week of silence is a risk, four weeks are dormant."),
        _SOCIAL,
    ),
    Preset(
        "education",
        N_("Education"),
        N_("Learning is a rhythm: six days of seven are a streak, three of a fortnight are steady."),
        _EDUCATION,
    ),
    Preset(
        "finance",
        N_("Finance"),
        N_("Transactions make an account the primary one; logging in without any is idle."),
        _FINANCE,
    ),
    Preset(
        "growth",
        N_("Seven-state growth model"),
        N_("The daily model made known by Duolingo; look at it by day. Each user's last calendar days decide."),
        _GROWTH,
    ),
)


def get_preset(name: str) -> Preset:
    """Return a preset; raises NotFoundError with near matches."""
    for preset in PRESETS:
        if preset.name == name:
            return preset
    raise NotFoundError.for_name("preset", name, [preset.name for preset in PRESETS])
