"""Shuffled order as a function of (seed, epoch, index): no list is made, kept or saved.

A Feistel network is a bijection of ``2^(2h)`` numbers whatever its round function is; walking along
its cycles until a number below n comes up makes it a bijection of n numbers (Black & Rogaway 2002,
"Ciphers with arbitrary finite domains", methods "generalised Feistel" and "cycle walking"). So the
order of an epoch can be asked for at any place, by any number of readers, at once and again later.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from catena.shared.errors import InvalidData

ROUNDS = 8  # 4 are pseudo-random for large domains; tiny ones want more
_MASK = (1 << 64) - 1


def mix(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Finaliser of SplitMix64 (Steele, Lea & Flood 2014): each bit of the input stirs all bits."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def _key(*words: int) -> int:
    """One 64-bit key of several whole numbers; their order matters."""
    key = 0x9E3779B97F4A7C15
    for word in words:
        stirred = mix(np.array([(key + word * 0xD1342543DE82EF95) & _MASK], np.uint64))
        key = (int(stirred[0]) + 0x9E3779B97F4A7C15) & _MASK
    return key


def hashed(values: ArrayLike, *words: int) -> NDArray[np.uint64]:
    """Pseudo-random 64-bit numbers, one per value, that depend on the value and the words only."""
    return mix(
        np.asarray(values, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        ^ np.uint64(_key(*words))
    )


@dataclass(frozen=True)
class Order:
    """A pseudo-random order of the numbers 0 .. size - 1.

    Parameters
    ----------
    size : int
        How many there are, 0 to 2^62.
    seed, epoch : int
        Another seed or another epoch is another order.

    Raises
    ------
    InvalidData
        When the size is negative or too large.
    """

    size: int
    seed: int = 0
    epoch: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.size <= 1 << 62:
            raise InvalidData(f"order of {self.size} numbers asked for; wanted 0 to 2^62")

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, index: int) -> int:
        """The number at one place of the order."""
        return int(self.at(np.array([index]))[0])

    def at(self, index: ArrayLike) -> NDArray[np.int64]:
        """The numbers at these places of the order.

        Parameters
        ----------
        index : array_like of int
            Places, each in 0 .. size - 1; any shape.

        Raises
        ------
        InvalidData
            When a place lies outside.
        """
        places = np.asarray(index, dtype=np.int64)
        if places.size and (places.min() < 0 or places.max() >= self.size):
            raise InvalidData(
                f"places {places.min()} to {places.max()} asked of an order of {self.size}; "
                f"wanted 0 to {self.size - 1}"
            )
        values = self._encrypt(places.ravel().astype(np.uint64))
        # Half of the domain or more is outside at worst, so this ends after a few turns.
        outside = np.flatnonzero(values >= self.size)
        while outside.size:
            again = self._encrypt(values[outside])
            values[outside] = again
            outside = outside[again >= self.size]
        return values.astype(np.int64).reshape(places.shape)

    def take(self, start: int, count: int) -> NDArray[np.int64]:
        """`count` numbers from place `start` on; fewer at the end of the order."""
        return self.at(np.arange(start, min(start + count, self.size), dtype=np.int64))

    @cached_property
    def _half_bits(self) -> int:
        return max(1, ((self.size - 1).bit_length() + 1) // 2)

    @cached_property
    def _round_keys(self) -> NDArray[np.uint64]:
        return np.array(
            [_key(self.seed, self.epoch, turn) for turn in range(ROUNDS)], dtype=np.uint64
        )

    def _encrypt(self, values: NDArray[np.uint64]) -> NDArray[np.uint64]:
        bits = np.uint64(self._half_bits)
        low_bits = (np.uint64(1) << bits) - np.uint64(1)
        left, right = values >> bits, values & low_bits
        for key in self._round_keys:
            left, right = right, left ^ (mix(right + key) & low_bits)
        return (left << bits) | right
