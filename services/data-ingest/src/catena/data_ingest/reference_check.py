"""Whether a reference says what its source says: a wrong place would be silently wrong data."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import xarray as xr

from catena.shared.errors import InvalidData

WHOLE_BYTES = 16 << 10
"""Variables up to this size are compared whole."""


def compare(opened: xr.Dataset, dataset: xr.Dataset) -> None:
    """Compare dimensions, types and samples of values.

    Parameters
    ----------
    opened : xarray.Dataset
        By reference.
    dataset : xarray.Dataset
        As the source reads it.

    Raises
    ------
    InvalidData
        Naming the variable, the place and both values.
    """
    for key in sorted({*map(str, dataset.variables), *map(str, opened.variables)}):
        if key not in opened.variables or key not in dataset.variables:
            raise InvalidData(f"variable {key} is in one of both only")
        found, wanted = opened.variables[key], dataset.variables[key]
        if (found.dims, found.shape) != (wanted.dims, wanted.shape):
            raise InvalidData(
                f"variable {key} has {dict(found.sizes)} by reference, {dict(wanted.sizes)} as the "
                "source reads it"
            )
        if wanted.dtype.kind in "fiub" and found.dtype != wanted.dtype:
            raise InvalidData(
                f"variable {key} has type {found.dtype} by reference, {wanted.dtype} as the source "
                "reads it"
            )
        for at in _samples(wanted):
            _compare_values(key, at, found[at], wanted[at])


def _compare_values(key: str, at: Any, found: xr.Variable, wanted: xr.Variable) -> None:
    mine, its = (np.asarray(variable.values).reshape(-1) for variable in (found, wanted))
    equal = np.asarray(mine == its)
    if wanted.dtype.kind == "f":
        equal |= np.isnan(mine) & np.isnan(its)
    elif mine.dtype.kind in "mM" and its.dtype.kind in "mM":
        equal |= np.isnat(mine) & np.isnat(its)
    if equal.all():
        return
    first = int(np.flatnonzero(~equal)[0])
    where = "" if at is ... else f" in the row {[piece.start for piece in at[:-1]]}"
    raise InvalidData(
        f"variable {key}{where} is {mine[first]} by reference, {its[first]} as the source reads it"
    )


def _samples(variable: xr.Variable) -> Iterable[Any]:
    """A row at the beginning, in the middle and at the end; all of what is small."""
    if variable.size == 0:
        return []
    if variable.nbytes <= WHOLE_BYTES:
        return [...]
    places = []
    for share in (0.0, 0.5, 1.0):
        corner = [int(share * (n - 1)) for n in variable.shape[:-1]]
        places.append((*(slice(n, n + 1) for n in corner), slice(None)))
    return places
