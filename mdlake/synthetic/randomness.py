"""Randomness by position: the n-th draw of a named stream is a pure function of the seed, the name and n.

Nothing here keeps a state, so a month, a chunk or a single row comes out the same whatever was drawn before
it. The n-th draw is the n-th output of SplitMix64 (Steele, Lea, Flood, OOPSLA 2014), started at a key that
numpy's ``SeedSequence`` derives from the seed and the stream's name. What is drawn (names, wages, defects)
is not here.
"""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["Bits", "Bools", "Ints", "Permutation", "Stream"]

Bits = npt.NDArray[np.uint64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_FEISTEL_ROUNDS = 4


def _mix(bits: Bits) -> Bits:
    """SplitMix64's finalizer; the array given is overwritten."""
    bits ^= bits >> np.uint64(30)
    bits *= np.uint64(0xBF58476D1CE4E5B9)
    bits ^= bits >> np.uint64(27)
    bits *= np.uint64(0x94D049BB133111EB)
    bits ^= bits >> np.uint64(31)
    return bits


class Stream:
    """Draws that belong to one thing, such as ``Stream(1403, "persons", "sex")``.

    Every method takes positions (any integers ≥ 0, any order) and returns one draw per position.
    """

    def __init__(self, seed: int, *name: str) -> None:
        words = [int.from_bytes(hashlib.sha256(part.encode()).digest()[:8], "big") for part in name]
        self._key = np.random.SeedSequence([seed, *words]).generate_state(1, np.uint64)

    def bits(self, position: npt.NDArray[Any]) -> Bits:
        """64 random bits per position."""
        state: Bits = position.astype(np.uint64)
        state += np.uint64(1)
        state *= _GOLDEN
        state += self._key
        return _mix(state)

    def below(self, position: npt.NDArray[Any], bound: int | Ints) -> Ints:
        """Whole numbers in [0, bound), bound < 2³¹ (one number, or one per position)."""
        high = self.bits(position) >> np.uint64(32)
        high *= np.asarray(bound, dtype=np.uint64)
        high >>= np.uint64(32)
        return high.astype(np.int64)

    def unit(self, position: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
        """Numbers in [0, 1) with 53 random bits."""
        return (self.bits(position) >> np.uint64(11)).astype(np.float64) * 2.0**-53

    def chance(self, position: npt.NDArray[Any], share: float) -> Bools:
        """True at `share` of the positions."""
        return self.unit(position) < share


class Permutation:
    """A keyed one-to-one shuffle of [0, size): distinct positions have distinct values; nothing is stored.

    A balanced Feistel network over the next even power of two, with cycle walking back into the range
    (Black and Rogaway, CT-RSA 2002).
    """

    def __init__(self, size: int, seed: int, *name: str) -> None:
        self.size = size
        self._half = np.uint64(max(1, -(-(size - 1).bit_length() // 2)))
        self._mask = np.uint64((1 << int(self._half)) - 1)
        self._rounds = [Stream(seed, *name, f"round {number}") for number in range(_FEISTEL_ROUNDS)]

    def _shuffle(self, value: Bits) -> Bits:
        left, right = value >> self._half, value & self._mask
        for turn in self._rounds:
            left, right = right, left ^ (turn.bits(right) & self._mask)
        return (left << self._half) | right

    def at(self, position: npt.NDArray[Any]) -> Ints:
        """The shuffled value of each position; positions lie in [0, size)."""
        value = self._shuffle(position.astype(np.uint64))
        outside = np.flatnonzero(value >= self.size)
        while outside.size:
            value[outside] = self._shuffle(value[outside])
            outside = outside[value[outside] >= self.size]
        return value.astype(np.int64)
