from __future__ import annotations

from datetime import date

import pytest

from ulm_core.annotations import Annotation, Annotations
from ulm_core.errors import NotFoundError
from ulm_core.workspace import Workspace


def test_notes_come_by_day_and_keep_their_token_when_changed(workspace: Workspace) -> None:
    kept = Annotations(workspace)
    late = kept.add(Annotation(day=date(2024, 2, 1), kind="release", text=" Version 2 "), "eve")
    kept.add(Annotation(day=date(2024, 1, 1), text="New year"))
    assert [saved.body.text for saved in kept.all().values()] == ["New year", "Version 2"]
    kept.change(late, Annotation(day=date(2023, 12, 1), kind="incident", text="Outage"), "bob")
    assert next(iter(kept.all())) == late
    assert kept.all()[late].version == 2
    kept.delete(late)
    with pytest.raises(NotFoundError):
        kept.change(late, Annotation(day=date(2024, 1, 1), text="x"))
