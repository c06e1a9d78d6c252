"""How a large array is cut: chunks to read, shards to store, and parts to write one at a time.

A shard is one file. Shards are contiguous in C order (the last axes whole, one axis cut, the axes
before it one by one), so that writing them in order reads the source in its own order. Inside, a
shard holds chunks of nearly equal sides: a map and a time series both read a few of them.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

CHUNK_BYTES = 2 << 20
"""Largest chunk, before compression: what one read of a single value costs."""

SHARD_BYTES = 48 << 20
"""Size of a shard, before compression. While one is computed, compressed and hashed it lies in
memory about five times (240 MiB were seen with noise, which does not compress)."""

WHOLE_BYTES = 4 << 20
"""Arrays up to this size are one chunk in one file."""


@dataclass(frozen=True)
class Part:
    """One shard of one array.

    Parameters
    ----------
    index : tuple of int
        Its place in the grid of shards.
    region : tuple of slice
        The elements that it holds; cut off at the end of the array.
    """

    index: tuple[int, ...]
    region: tuple[slice, ...]

    @property
    def label(self) -> str:
        """Name of the part within its array, e.g. ``3.0.0``; ``-`` for a scalar."""
        return ".".join(map(str, self.index)) or "-"

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(part.stop - part.start for part in self.region)


@dataclass(frozen=True)
class ShardPlan:
    """Shapes of an array, its chunks, and its shards; None: each chunk is a file of its own."""

    shape: tuple[int, ...]
    chunks: tuple[int, ...]
    shards: tuple[int, ...] | None

    def parts(self) -> Iterator[Part]:
        """Every part, in C order; none for an array without elements."""
        sides = self.shards or self.chunks
        counts = [-(-extent // side) for extent, side in zip(self.shape, sides, strict=True)]
        for index in itertools.product(*map(range, counts)):
            yield Part(
                index,
                tuple(
                    slice(i * side, min((i + 1) * side, extent))
                    for i, side, extent in zip(index, sides, self.shape, strict=True)
                ),
            )


def plan_shards(
    shape: Sequence[int], itemsize: int, source: Sequence[int] | None = None
) -> ShardPlan:
    """Choose chunks and shards.

    Parameters
    ----------
    shape : sequence of int
        Of the array; any number of axes, empty ones too.
    itemsize : int
        Bytes of one element.
    source : sequence of int, optional
        Chunk of the source along each axis, 0 where they are not equal; a shard then begins where
        a chunk of the source does, if that makes it no more than a third larger, so that no
        chunk is read for two shards.

    Returns
    -------
    ShardPlan
        The sides of a shard are multiples of the chunk's sides.
    """
    shape = tuple(int(extent) for extent in shape)
    sides = tuple(max(extent, 1) for extent in shape)
    if math.prod(shape) * itemsize <= WHOLE_BYTES:
        return ShardPlan(shape, sides, None)
    shard, cut = _contiguous(sides, SHARD_BYTES // itemsize)
    if cut is not None:
        wanted = source[cut] if source is not None else 8
        shard[cut] = _aligned(shard[cut], sides[cut], wanted, shard, itemsize)
    chunks, counts = _near_equal(shard, cut, CHUNK_BYTES // itemsize)
    return ShardPlan(
        shape, chunks, tuple(side * count for side, count in zip(chunks, counts, strict=True))
    )


def _contiguous(sides: tuple[int, ...], room: int) -> tuple[list[int], int | None]:
    """Sides of the largest contiguous block of at most `room` elements, and the axis it cuts."""
    block = [1] * len(sides)
    for axis in reversed(range(len(sides))):
        block[axis] = min(sides[axis], max(room, 1))
        if block[axis] < sides[axis]:
            return block, axis
        room //= sides[axis]
    return block, None


def _aligned(side: int, extent: int, wanted: int, shard: list[int], itemsize: int) -> int:
    if not 1 <= wanted <= extent:
        return side
    if wanted <= side:
        return side - side % wanted
    row = math.prod(shard) // side * itemsize
    return wanted if 3 * wanted * row <= 4 * SHARD_BYTES else side


def _near_equal(
    shard: list[int], cut: int | None, room: int
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Chunk of at most `room` elements (or one), and how many there are along each axis."""
    counts = [1] * len(shard)

    def sides() -> list[int]:
        return [-(-extent // count) for extent, count in zip(shard, counts, strict=True)]

    while math.prod(sides()) > max(room, 1):
        chunk = sides()
        options = []
        for axis, side in enumerate(chunk):
            if side > 1:
                # Along the axis that is cut the chunks must fit exactly: shards follow each other.
                count = _more(shard[axis], counts[axis], exact=axis == cut)
                # A jump (a prime extent has no divisors) comes last, then the longest side first.
                options.append((count > 3 * counts[axis], -side, axis, count))
        _, _, axis, count = min(options)
        counts[axis] = count
    return tuple(sides()), tuple(counts)


def _more(extent: int, count: int, exact: bool) -> int:
    for larger in range(2 * count, extent):
        if not exact or extent % larger == 0:
            return larger
    return extent
