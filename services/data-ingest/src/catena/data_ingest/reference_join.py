"""Arrays of several files as one, along the axis in which the files follow each other.

References can express this only if every file but the last ends where a chunk ends, and packs its
numbers in the same way; otherwise values would be silently wrong. All of that is looked at here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from catena.data_ingest.reference_arrays import ChunkedArray
from catena.shared.errors import InvalidData

_SAME = ("dtype", "compressor", "filters", "order")


def join(name: str, arrays: Sequence[ChunkedArray], shape: tuple[int, ...]) -> ChunkedArray:
    """One array of `shape` from those of the files, in order.

    Parameters
    ----------
    name : str
        Of the variable.
    arrays : sequence of ChunkedArray
        One or more.
    shape : tuple of int
        That the dataset has.

    Raises
    ------
    InvalidData
        When they do not fit; names the file, the dimension and both values.
    """
    first = arrays[0]
    axis = _axis(name, arrays, shape)
    if axis is None:
        return first
    chunks: dict[tuple[int, ...], Any] = {}
    start = 0
    for number, array in enumerate(arrays):
        _check_same(name, first, array, axis)
        side = first.sides[axis]
        for index, place in array.chunks.items():
            chunks[(*index[:axis], start + index[axis], *index[axis + 1 :])] = place
        if array.shape[axis] % side and number < len(arrays) - 1:
            raise InvalidData(
                f"file {array.file}: variable {name} has {array.shape[axis]} values along "
                f"dimension {array.dims[axis]}, which is no multiple of its chunk of {side}; the "
                f"next file ({arrays[number + 1].file}) cannot follow by reference"
            )
        start += array.shape[axis] // side
    return replace(
        first,
        zarray={**first.zarray, "shape": list(shape)},
        chunks=chunks,
        file=f"{first.file} ... {arrays[-1].file}",
    )


def _axis(name: str, arrays: Sequence[ChunkedArray], shape: tuple[int, ...]) -> int | None:
    """The axis along which the files follow each other; None if one file has all."""
    first = arrays[0]
    if len(first.shape) != len(shape):
        raise InvalidData(
            f"file {first.file}: variable {name} has {len(first.shape)} dimensions "
            f"{first.dims}, the dataset has {len(shape)}"
        )
    if len(arrays) == 1:
        for dim, found, wanted in zip(first.dims, first.shape, shape, strict=True):
            if found != wanted:
                raise InvalidData(
                    f"file {first.file}: variable {name} has {found} values along dimension {dim}, "
                    f"the dataset has {wanted}"
                )
        return None
    longer = [k for k, (n, wanted) in enumerate(zip(first.shape, shape, strict=True)) if n < wanted]
    if len(longer) != 1:
        raise InvalidData(
            f"variable {name} has the shape {first.shape} in file {first.file} and {shape} in the "
            f"dataset; wanted files that follow each other along one dimension"
        )
    axis = longer[0]
    total = sum(array.shape[axis] for array in arrays if len(array.shape) == len(shape))
    if total != shape[axis]:
        raise InvalidData(
            f"variable {name} has {total} values along dimension {first.dims[axis]} in its "
            f"{len(arrays)} files ({first.file} ... {arrays[-1].file}), the dataset has "
            f"{shape[axis]}: files overlap, or leave something out"
        )
    return axis


def _check_same(name: str, first: ChunkedArray, other: ChunkedArray, axis: int) -> None:
    if other is first:
        return
    if other.dims != first.dims:
        raise InvalidData(
            f"file {other.file}: variable {name} has the dimensions {other.dims}, "
            f"file {first.file} has {first.dims}"
        )
    for key in _SAME:
        if other.zarray.get(key) != first.zarray.get(key):
            raise InvalidData(
                f"file {other.file}: variable {name} has {key} {other.zarray.get(key)}, "
                f"file {first.file} has {first.zarray.get(key)}"
            )
    for k, dim in enumerate(first.dims):
        if other.sides[k] != first.sides[k]:
            raise InvalidData(
                f"file {other.file}: variable {name} has chunks of {other.sides[k]} along "
                f"dimension {dim}, file {first.file} has {first.sides[k]}"
            )
        if k != axis and other.shape[k] != first.shape[k]:
            raise InvalidData(
                f"file {other.file}: variable {name} has {other.shape[k]} values along dimension "
                f"{dim}, file {first.file} has {first.shape[k]}"
            )
    for key in sorted({*first.packing, *other.packing}):
        mine, its = first.packing.get(key), other.packing.get(key)
        if not _equal(mine, its):
            raise InvalidData(
                f"file {other.file}: variable {name} is packed with {key} {its!s}, "
                f"file {first.file} with {mine!s}"
            )


def _equal(one: Any, other: Any) -> bool:
    if type(one) is not type(other):
        return False
    return bool(one == other) or bool(
        isinstance(one, np.floating) and np.isnan(one) and np.isnan(other)
    )
