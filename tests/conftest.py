"""What tests share: small workspaces, and the real sample loaded once a session."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import pytest
from hypothesis import HealthCheck, settings

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

from ulm_core.events.samples import get_sample
from ulm_core.settings import get_settings
from ulm_core.timeline.publish import import_bundle, import_file
from ulm_core.workspace import Workspace, WorkspaceConfig

# A busy machine is slow at drawing examples too; that says nothing about the code.
settings.register_profile("house", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("house")


def pass_over(reason: str) -> NoReturn:
    """Skip a test for want of a program; where everything must run (``ULM_TESTS_SKIP_NOTHING``) it fails instead."""
    if os.environ.get("ULM_TESTS_SKIP_NOTHING"):
        pytest.fail(reason)
    pytest.skip(reason)


SMALL_LOG = """user,time,event,item,value,quantity,session
ann,2024-01-01T10:00:00,view,tea,,,s1
ann,2024-01-01T10:05:00,purchase,tea,3.50,1,s1
ann,2024-01-08T09:00:00,purchase,milk,1.20,2,s2
bob,2024-01-02T12:00:00,view,tea,,,s3
bob,2024-02-20T12:00:00,purchase,bread,2.00,1,s4
cem,2024-01-05T08:00:00,view,milk,,,s5
"""


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """Return an empty workspace."""
    return Workspace(tmp_path / "workspace")


@pytest.fixture
def small_workspace(workspace: Workspace, tmp_path: Path) -> Workspace:
    """Return a workspace with six events of three users."""
    path = tmp_path / "small.csv"
    path.write_text(SMALL_LOG)
    import_file(workspace, path)
    workspace.save_config(WorkspaceConfig(name="Small", conversion_events=("purchase",)))
    return workspace


@pytest.fixture(scope="session")
def journey(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Return a workspace with The Complete Journey, loaded once a session; tests only read it."""
    shared = Workspace(tmp_path_factory.mktemp("journey"))
    import_bundle(shared, get_sample("complete-journey").read())
    return shared


@pytest.fixture
def settings_environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """Let a test set ULM_* variables; the settings are read again for it and after it."""
    get_settings.cache_clear()
    yield monkeypatch
    monkeypatch.undo()
    get_settings.cache_clear()
