"""A running page without a browser, on a workspace of the test's choice."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import streamlit as st
from streamlit.runtime.pages_manager import PagesManager
from streamlit.testing.v1 import AppTest

from ulm_core.settings import get_settings
from ulm_core.workspace import Workspace

ROOT = Path(__file__).resolve().parents[2]
OpenPage = Callable[..., AppTest]


@pytest.fixture
def warm_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """Behave like a server on which `st.navigation` has run; AppTest forgets that before every run."""
    create = PagesManager.__init__

    def create_warm(self: PagesManager, *arguments: object, **options: object) -> None:
        create(self, *arguments, **options)  # type: ignore[arg-type]
        PagesManager.uses_pages_directory = False

    monkeypatch.setattr(PagesManager, "__init__", create_warm)


@pytest.fixture
def open_page(settings_environment: pytest.MonkeyPatch, warm_server: None) -> OpenPage:
    """Return a function that runs a page of the app on a workspace and returns it."""

    def run(workspace: Workspace, page: str = "overview", lang: str = "en", **parameters: str | list[str]) -> AppTest:
        settings_environment.setenv("ULM_WORKSPACE", str(workspace.root))
        get_settings.cache_clear()
        st.cache_resource.clear()
        app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=120)
        app.query_params["lang"] = lang
        app.run()
        if page != "overview":
            app.switch_page(f"pages/{page}.py")
        for key, value in {"lang": lang, **parameters}.items():
            app.query_params[key] = value
        return app.run()

    return run


def shown(app: AppTest) -> str:
    """Return all text of a page, to look for words in."""
    kinds = ("title", "subheader", "markdown", "caption", "info", "warning", "error", "success", "button", "metric")
    words: list[str] = []
    for kind in kinds:
        for element in app.get(kind):
            words += [str(getattr(element, name, "") or "") for name in ("label", "value", "body")]
    return "\n".join(words)
