"""``kill -9`` at any moment of a load leaves the state before or after, never between."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.timeline.kill_harness import STEPS, state
from ulm_core.timeline.publish import import_file
from ulm_core.workspace import Workspace

ROOT = Path(__file__).resolve().parents[2]
SAME = {"snapshot:after", "index:after", "seal:after"}  # nothing happens between these and the next step
AROUND = [place for name in STEPS for place in (f"{name}:before", f"{name}:after") if place not in SAME]


def write(path: Path, rows: int, seed: int) -> Path:
    rng = np.random.default_rng(seed)
    lines = [
        f"u{rng.integers(400)},{1_704_067_200 + int(rng.integers(9_000_000))},view,i{rng.integers(90)}"
        for _ in range(rows)
    ]
    path.write_text("user,time,event,item\n" + "\n".join(lines) + "\n,2024-01-01,view,\n")
    return path


def kill(base: Workspace, file: Path, mode: str, places: list[str]) -> list[dict[str, str]]:
    done = subprocess.run(
        [sys.executable, "-m", "tests.timeline.kill_harness", base.root, file, mode, *places],
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.parametrize("mode", ["append", "replace", "undo"])
def test_a_killed_load_leaves_the_state_before_or_after(workspace: Workspace, tmp_path: Path, mode: str) -> None:
    import_file(workspace, write(tmp_path / "old.csv", 1_500, 1))
    file = write(tmp_path / "new.csv", 500, 2)
    if mode == "undo":
        import_file(workspace, file)
    before = state(workspace)
    after = Workspace(tmp_path / "after")
    import_file(after, tmp_path / "old.csv")
    if mode != "undo":
        import_file(after, file, mode)  # type: ignore[arg-type]
    expected = state(after)
    seed = int(os.environ.get("ULM_KILL_SEED", random.randrange(10**6)))
    rng = random.Random(f"{seed} {mode}")
    print(f"ULM_KILL_SEED={seed}")  # shown with a failure: the same number kills at the same places
    places = AROUND if mode == "append" else ["commit:before", "switch:before", "switch:after"]
    times = [f"statement:{rng.random():.4f}" for _ in range(3)] + [f"{rng.uniform(0.0, 0.4):.3f}"]
    answers = kill(workspace, file, mode, places + times)
    assert len(answers) == len(places) + len(times)
    for answer in answers:
        assert answer["seen"] in {before, expected}, answer
        assert answer["repaired"] in {before, expected}, answer
        assert answer["final"] == expected, answer  # exactly once
        assert answer["left"] == "", answer
    killed = [answer for answer in answers if answer["ended"] == "killed"]
    assert {answer["seen"] for answer in killed} == {before, expected}  # both sides of the switch were met
    committed = [answer for answer in killed if answer["seen"] == before and answer["repaired"] == expected]
    assert committed  # killed between COMMIT and the switch: finished by the repair
