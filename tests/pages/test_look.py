"""The colours of the theme: one order, readable on their backgrounds, apart for colour-blind readers."""

from __future__ import annotations

import itertools
import tomllib

import numpy as np
import pytest

from pages.parts import palette
from tests.app.conftest import ROOT
from ulm_core.lifecycle.rules import STAGES

CONFIG = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text())
THEMES = ("light", "dark")
FIXED = {
    "light": {"new": "#0B8F83", "returning": "#1E3A8A", "resurrected": "#A855F7", "dormant": "#C2410C"},
    "dark": {"new": "#34D3C0", "returning": "#5B8DEF", "resurrected": "#D8A7FF", "dormant": "#FB923C"},
}
DEUTERANOPIA = np.array([[0.367, 0.861, -0.228], [0.280, 0.673, 0.047], [-0.012, 0.043, 0.969]])
PROTANOPIA = np.array([[0.152, 1.053, -0.205], [0.115, 0.786, 0.099], [-0.004, -0.048, 1.052]])
TO_LMS = np.array([[0.4122, 0.5363, 0.0514], [0.2119, 0.6807, 0.1074], [0.0883, 0.2817, 0.6300]])
TO_LAB = np.array([[0.2105, 0.7936, -0.0041], [1.9780, -2.4286, 0.4506], [0.0259, 0.7828, -0.8087]])


def linear(color: str) -> np.ndarray:
    channels = np.array([int(color[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)


def contrast(one: str, other: str) -> float:
    light, dark = sorted((float(linear(c) @ [0.2126, 0.7152, 0.0722]) for c in (one, other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def distance(one: str, other: str, vision: np.ndarray) -> float:
    labs = [TO_LAB @ np.cbrt(np.maximum(TO_LMS @ np.clip(vision @ linear(c), 0, 1), 0)) for c in (one, other)]
    return float(np.linalg.norm(labs[0] - labs[1]))


def stage_colors(theme: str) -> dict[str, str]:
    return dict(zip(palette._SLOTS, CONFIG["theme"][theme]["chartCategoricalColors"], strict=True))


@pytest.mark.parametrize("theme", THEMES)
def test_the_four_lifecycle_colours_are_those_of_the_convention_sheet(theme: str) -> None:
    assert FIXED[theme].items() <= stage_colors(theme).items()


@pytest.mark.parametrize("theme", THEMES)
def test_marks_stand_out_from_the_page(theme: str) -> None:
    background = CONFIG["theme"][theme]["backgroundColor"]
    assert min(contrast(color, background) for color in stage_colors(theme).values()) >= 3.0


@pytest.mark.parametrize("theme", THEMES)
def test_text_and_buttons_are_readable(theme: str) -> None:
    section = CONFIG["theme"][theme]
    assert contrast(section["textColor"], section["backgroundColor"]) >= 7
    assert contrast(section["textColor"], section["secondaryBackgroundColor"]) >= 7
    assert contrast("#FFFFFF", section["primaryColor"]) >= 4.0
    assert contrast(section["linkColor"], section["backgroundColor"]) >= 4.5
    assert contrast(section["sidebar"]["textColor"], section["sidebar"]["backgroundColor"]) >= 7


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("vision", [np.eye(3), DEUTERANOPIA, PROTANOPIA])
def test_neighbours_in_a_stack_differ_for_everyone(theme: str, vision: np.ndarray) -> None:
    colors = stage_colors(theme)
    near = {(a, b): round(distance(colors[a], colors[b], vision), 3) for a, b in itertools.pairwise(STAGES)}
    assert min(near.values()) >= 0.07, near


def test_every_stage_has_a_shape_of_its_own() -> None:
    shapes = [palette.STAGE_SHAPES[name] for name in STAGES]
    assert len(set(shapes)) == len(shapes)


def test_nothing_is_sent_or_fetched_and_no_traceback_is_shown() -> None:
    assert CONFIG["browser"]["gatherUsageStats"] is False
    assert CONFIG["client"]["showErrorDetails"] == "none"
    assert CONFIG["server"]["address"] == "127.0.0.1"
    assert "http" not in (ROOT / ".streamlit" / "config.toml").read_text()
