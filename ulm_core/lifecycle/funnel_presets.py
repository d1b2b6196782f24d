"""How other products count a funnel, as settings of ours. Sources and what stays different: docs/funnel.md."""

from __future__ import annotations

from typing import Any, Literal

Preset = Literal["house", "posthog", "mixpanel", "amplitude"]

_DAY = 86_400
PRESETS: dict[Preset, dict[str, Any]] = {
    "house": {
        "order": "ordered", "window_seconds": 14 * _DAY, "entry": "any", "counting": "users", "grace_seconds": 0,
        "counts_after_range": False,
    },
    "posthog": {
        "order": "ordered", "window_seconds": 14 * _DAY, "entry": "any", "counting": "users", "grace_seconds": 0,
        "counts_after_range": False,
    },
    "mixpanel": {
        "order": "ordered", "window_seconds": 7 * _DAY, "entry": "first", "counting": "users", "grace_seconds": 2,
        "counts_after_range": True,
    },
    "amplitude": {
        "order": "ordered", "window_seconds": _DAY, "entry": "any", "counting": "users", "grace_seconds": 0,
        "counts_after_range": True,
    },
}  # fmt: skip
PRESET_TITLES: dict[Preset, str] = {
    "posthog": "PostHog",
    "mixpanel": "Mixpanel",
    "amplitude": "Amplitude",
}
