from __future__ import annotations

import pytest

from ulm_core.errors import InputError, NotFoundError
from ulm_core.views import SavedView, Views
from ulm_core.workspace import Workspace

VIEW = SavedView(page="lifecycle", parameters={"period": ("30d",), "stage": ("new", "at risk")})


def test_a_view_is_saved_renamed_and_deleted(workspace: Workspace) -> None:
    views = Views(workspace)
    views.save("Fresh", VIEW, "eve")
    assert VIEW.query == "period=30d&stage=new&stage=at+risk"
    views.rename("Fresh", "Young")
    (name, saved), *others = views.all().items()
    assert (name, saved.owner, saved.body, others) == ("Young", "eve", VIEW, [])
    views.delete("Young")
    assert views.all() == {}


def test_a_taken_name_is_refused_and_nothing_is_lost(workspace: Workspace) -> None:
    views = Views(workspace)
    views.save("One", VIEW)
    views.save("Two", VIEW)
    with pytest.raises(InputError, match="already"):
        views.save(" One ", VIEW)
    with pytest.raises(InputError, match="already"):
        views.rename("One", "Two")
    assert sorted(views.all()) == ["One", "Two"]
    with pytest.raises(NotFoundError):
        views.rename("Three", "Four")


@pytest.mark.parametrize("page", ["", "../etc", "https://evil.example", "Overview"])
def test_a_view_leads_to_a_page_of_ours_only(page: str) -> None:
    with pytest.raises(ValueError, match="page"):
        SavedView(page=page)
