"""The same events, keyed by account, attribute or session instead of user."""

from __future__ import annotations

from pathlib import Path

import pytest

from ulm_core.errors import NotFoundError
from ulm_core.timeline.entities import entities_dir, entity_index
from ulm_core.timeline.index import TimelineIndex
from ulm_core.timeline.publish import import_file, import_tables
from ulm_core.workspace import Workspace

LOG = """user,time,event,session,account,plan
u,2024-01-01T10:00:00,view,s1,A,free
v,2024-01-01T09:00:00,buy,s2,A,free
w,2024-01-02T10:00:00,view,s3,B,
w,2024-01-03T10:00:00,view,,,
"""


@pytest.fixture
def log(workspace: Workspace, tmp_path: Path) -> Workspace:
    path = tmp_path / "log.csv"
    path.write_text(LOG)
    import_file(workspace, path)
    return workspace


def timelines(index: TimelineIndex) -> dict[str, list[str]]:
    """Return the event names of every entity in time order."""
    names = index.manifest.event_names
    return {
        str(entity): [names[code] for code in index.history(code_of).event]
        for code_of, entity in enumerate(index.user_ids)
    }


@pytest.mark.parametrize(
    ("column", "found"),
    [
        ("user", {"u": ["view"], "v": ["buy"], "w": ["view", "view"]}),
        ("account", {"A": ["buy", "view"], "B": ["view"]}),  # v's event came first; the last event has no account
        ("plan", {"free": ["buy", "view"]}),
        ("session", {"s1": ["view"], "s2": ["buy"], "s3": ["view"]}),
    ],
)
def test_events_are_keyed_by_the_column(log: Workspace, column: str, found: dict[str, list[str]]):
    assert timelines(entity_index(log, column)) == found


def test_an_attribute_of_users_will_do(log: Workspace, tmp_path: Path):
    path = tmp_path / "users.csv"
    path.write_text("user_id,team\nu,red\nw,red\n")
    import_tables(log, users=str(path))
    assert timelines(entity_index(log, "team")) == {"red": ["view", "view", "view"]}


def test_it_is_built_once_a_version_and_goes_with_it(log: Workspace, tmp_path: Path):
    assert entity_index(log, "account") is entity_index(log, "account")
    versions = [log.current_version()]
    for day in (5, 6):
        path = tmp_path / f"more{day}.csv"
        path.write_text(f"user,time,event,account\nu,2024-01-0{day},view,C\n")
        import_file(log, path)
        assert list(timelines(entity_index(log, "account")))[-1] == "C"
        versions.append(log.current_version())
    assert [entities_dir(log, str(version)).exists() for version in versions] == [False, True, True]


def test_an_unknown_key_names_the_known_ones(log: Workspace):
    with pytest.raises(NotFoundError, match="account"):
        entity_index(log, "acount")
    assert not list(entities_dir(log, str(log.current_version())).glob("*"))


def test_unknown_columns_beside_a_column_of_properties_are_kept_too(workspace: Workspace, tmp_path: Path):
    path = tmp_path / "log.csv"
    path.write_text('user,time,event,properties,account\nu,2024-01-01,view,"{""plan"": ""free""}",A\n')
    import_file(workspace, path)
    for column, key in (("plan", "free"), ("account", "A")):
        assert timelines(entity_index(workspace, column)) == {key: ["view"]}
