"""Counter-based random streams: the n-th number of a user's stream depends on seed, user and n only.

Philox4x32-10 (Salmon et al., *Parallel random numbers: as easy as 1, 2, 3*, SC 2011): key = seed, counter =
(n, 0, user, purpose). Streams cannot overlap, so neither the order nor the chunking of users changes a number,
and a purpose (behaviour, noise, campaign) can be switched off without moving another.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit

PURPOSES = PROFILE, BEHAVIOUR, CAMPAIGN, NOISE = tuple(np.arange(4))

STREAM = np.dtype(
    [("key0", "u8"), ("key1", "u8"), ("user", "u8"), ("purpose", "u8"), ("counter", "u8"),
     ("spare", "f8"), ("has_spare", "i8")]
)  # fmt: skip

_MASK = np.uint64(0xFFFFFFFF)
_32 = np.uint64(32)
_M0, _M1 = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
_W0, _W1 = np.uint64(0x9E3779B9), np.uint64(0xBB67AE85)
_SHIFT_HIGH, _SHIFT_LOW = np.uint64(5), np.uint64(6)
_ONE, _ZERO = np.uint64(1), np.uint64(0)


@njit(cache=True, nogil=True)
def philox(c0: Any, c1: Any, c2: Any, c3: Any, k0: Any, k1: Any) -> Any:
    """Return four random 32-bit words (as uint64) for a 128-bit counter and a 64-bit key."""
    for _ in range(10):
        p0 = _M0 * c0
        p1 = _M1 * c2
        c0, c1, c2, c3 = (p1 >> _32) ^ c1 ^ k0, p1 & _MASK, (p0 >> _32) ^ c3 ^ k1, p0 & _MASK
        k0 = (k0 + _W0) & _MASK
        k1 = (k1 + _W1) & _MASK
    return c0, c1, c2, c3


@njit(cache=True, nogil=True)
def _unit(high: Any, low: Any) -> float:
    """Return a double in (0, 1), never its ends, from two words."""
    bits = float(high >> _SHIFT_HIGH) * 67108864.0 + float(low >> _SHIFT_LOW)
    return (bits + 0.5) / 9007199254740992.0


@njit(cache=True, nogil=True)
def begin(stream: Any, seed: Any, user: int, purpose: int) -> None:
    """Set `stream` to the first number of a user's stream."""
    stream.key0 = seed & _MASK
    stream.key1 = seed >> _32
    stream.user = np.uint64(user)
    stream.purpose = np.uint64(purpose)
    stream.counter = _ZERO
    stream.has_spare = 0


@njit(cache=True, nogil=True)
def uniform(stream: Any) -> float:
    """Return the next number, uniform in (0, 1)."""
    if stream.has_spare:
        stream.has_spare = 0
        return float(stream.spare)
    a, b, c, d = philox(stream.counter, _ZERO, stream.user, stream.purpose, stream.key0, stream.key1)
    stream.counter += _ONE
    stream.spare = _unit(c, d)
    stream.has_spare = 1
    return float(_unit(a, b))


@njit(cache=True, nogil=True)
def exponential(stream: Any, mean: float) -> float:
    """Return an exponential waiting time with this mean."""
    return -mean * math.log(uniform(stream))


@njit(cache=True, nogil=True)
def normal(stream: Any) -> float:
    """Return a standard normal number (Box-Muller, one of the pair)."""
    radius = math.sqrt(-2.0 * math.log(uniform(stream)))
    return radius * math.cos(2.0 * math.pi * uniform(stream))


@njit(cache=True, nogil=True)
def below(stream: Any, n: int) -> int:
    """Return an integer from 0 to n - 1."""
    return min(int(uniform(stream) * n), n - 1)


@njit(cache=True, nogil=True)
def pick(stream: Any, cumulative: Any, first: int, last: int) -> int:
    """Return a position in [first, last) with the chances whose running sums (ending at 1) are given."""
    u = uniform(stream)
    while first < last - 1:
        middle = (first + last - 1) // 2
        if u <= cumulative[middle]:
            last = middle + 1
        else:
            first = middle + 1
    return first
