"""The pages about coming back: retention, engagement, paths."""

from __future__ import annotations

import pytest

from tests.app.conftest import OpenPage, shown
from tests.app.test_pages import LANGUAGES, assert_whole
from ulm_core.i18n import translator
from ulm_core.workspace import Workspace

QUESTIONS = [
    ("retention", {"kind": "recurring", "mode": "streak", "unit": "day"}),
    ("retention", {"windows": "own", "shape": "square", "by": "stage", "period": "all"}),
    ("retention", {"measure": "sum", "start": "purchase", "return": "purchase", "least": "2"}),
    ("retention", {"measure": "average", "brackets": "1, 2-7", "unit": "hour"}),
    ("engagement", {"criterion": "lte", "times": "2", "counted": "cumulative", "by": "stage", "interval": "day"}),
    ("engagement", {"active": "users", "gap": "5", "interval": "month"}),
    ("paths", {"around": "view", "occurrence": "every", "repeats": "each", "cut": "1440", "before": "0", "after": "8"}),
    ("paths", {"before": "0", "after": "0", "occurrence": "last"}),
]


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize(("page", "asked"), QUESTIONS)
def test_every_choice_draws(
    open_page: OpenPage, small_workspace: Workspace, page: str, asked: dict[str, str], lang: str
) -> None:
    assert_whole(open_page(small_workspace, page, lang, **{"period": "all", **asked}))


def test_a_control_goes_into_the_address(open_page: OpenPage, small_workspace: Workspace) -> None:
    app = open_page(small_workspace, "retention", period="all")
    app.segmented_control(key="choose_kind").set_value("recurring").run()
    app.selectbox(key="choose_start").set_value("view").run()
    assert_whole(app)
    assert app.query_params["kind"] in ("recurring", ["recurring"])
    assert app.query_params["start"] in ("view", ["view"])


@pytest.mark.parametrize("brackets", ["abc", "7-2", "1-4, 3"])
def test_brackets_that_make_no_sense_are_said_and_left_out(
    open_page: OpenPage, small_workspace: Workspace, brackets: str
) -> None:
    app = open_page(small_workspace, "retention", period="all", brackets=brackets)
    assert_whole(app)
    assert ":material/error:" in shown(app)


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize(
    ("page", "asked", "words"),
    [
        ("retention", {"start": "purchase"}, "Nobody did the start event in this period."),
        ("paths", {"around": "purchase"}, "Nobody did this event in this period."),
        ("engagement", {"event": "purchase"}, "Nobody did this event in this period."),
    ],
)
def test_nobody_did_it(
    open_page: OpenPage, small_workspace: Workspace, page: str, asked: dict[str, str], words: str, lang: str
) -> None:
    # On that day nobody bought anything.
    days = {"period": "custom", "from": "2024-01-05", "to": "2024-01-05", "interval": "day"}
    app = open_page(small_workspace, page, lang, **days, **asked)
    assert_whole(app)
    found = shown(app)
    wanted = (words, f"{words} Choose another event or a longer period.")
    assert any(translator(lang)(text) in found for text in wanted)
