"""Colours of a workspace's own stages: stored with the rule, readable on light and on dark pages."""

from __future__ import annotations

from collections.abc import Iterable

LIGHT_PAGE, DARK_PAGE = "#FFFFFF", "#12141F"
LEAST_CONTRAST = 3.0

# Each stands out from both pages by at least 3.4:1, and neighbours differ in hue.
OWN_COLORS = (
    "#3B82F6",
    "#D9487D",
    "#0D9488",
    "#B7791F",
    "#8B5CF6",
    "#4D8B31",
    "#E0533D",
    "#0E8FB8",
    "#A0568F",
    "#7C7F2E",
    "#C2703D",
    "#6B7FA6",
)


def contrast(one: str, other: str) -> float:
    """Return the contrast ratio of two colours ``#RRGGBB``, 1 to 21 (WCAG 2.2)."""
    dark, light = sorted((_luminance(one), _luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def is_readable(color: str) -> bool:
    """Return whether marks of that colour stand out from the light and from the dark page."""
    return min(contrast(color, LIGHT_PAGE), contrast(color, DARK_PAGE)) >= LEAST_CONTRAST


def next_color(used: Iterable[str]) -> str:
    """Return the first colour of `OWN_COLORS` not in use, or the first when all are."""
    taken = {color.upper() for color in used}
    return next((color for color in OWN_COLORS if color not in taken), OWN_COLORS[0])


def _luminance(color: str) -> float:
    channels = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
