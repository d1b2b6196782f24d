"""The random streams: published vectors, ranges, moments, independence of order."""

from __future__ import annotations

import numpy as np
import pytest

from ulm_core.events.simulator.streams import STREAM, begin, below, exponential, normal, philox, pick, uniform

ONES = 0xFFFFFFFF


@pytest.mark.parametrize(
    ("counter", "key", "expected"),
    [  # known answers published with Random123 (Salmon et al.)
        ([0, 0, 0, 0], [0, 0], [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]),
        ([ONES] * 4, [ONES] * 2, [0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD]),
        (
            [0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344],
            [0xA4093822, 0x299F31D0],
            [0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1],
        ),
    ],
)
def test_philox_gives_the_published_numbers(counter: list[int], key: list[int], expected: list[int]) -> None:
    assert [int(word) for word in philox(*map(np.uint64, counter), *map(np.uint64, key))] == expected


def stream(user: int = 0, purpose: int = 0, seed: int = 1) -> np.void:
    made = np.zeros(1, STREAM)[0]
    begin(made, np.uint64(seed), user, purpose)
    return made


def test_numbers_depend_on_seed_user_and_purpose_only() -> None:
    first = [uniform(stream(user)) for user in range(5)]
    assert first == [uniform(stream(user)) for user in range(5)]
    others = [uniform(stream(0, 1)), uniform(stream(0, 0, seed=2)), uniform(stream(0, 0, seed=1 + 2**40))]
    assert len({*first, *others}) == 8


def test_the_distributions_have_their_moments() -> None:
    made, n = stream(), 20_000
    uniforms = np.array([uniform(made) for _ in range(n)])
    waits = np.array([exponential(made, 3.0) for _ in range(n)])
    normals = np.array([normal(made) for _ in range(n)])
    numbers = np.array([below(made, 4) for _ in range(n)])
    assert 0 < uniforms.min() < 0.01 < 0.99 < uniforms.max() < 1
    assert waits.mean() == pytest.approx(3.0, rel=0.05)
    assert (normals.mean(), normals.std()) == (pytest.approx(0, abs=0.03), pytest.approx(1, rel=0.03))
    assert np.bincount(numbers) / n == pytest.approx(np.full(4, 0.25), abs=0.02)


def test_pick_follows_running_sums_inside_its_range() -> None:
    made = stream()
    running = np.array([0.9, 1.0, 0.2, 0.2, 1.0])  # two cells: the second begins at 2
    drawn = np.bincount([pick(made, running, 2, 5) for _ in range(20_000)], minlength=5) / 20_000
    assert drawn == pytest.approx([0, 0, 0.2, 0, 0.8], abs=0.02)
