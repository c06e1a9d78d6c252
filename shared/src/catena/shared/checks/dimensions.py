"""Checks of dimensions and of coordinates being there."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from catena.shared.checks.findings import Finding, Fix
from catena.shared.checks.names import ALIASES
from catena.shared.checks.view import View, converted, refused, refused_variable

COMMON = (
    "time", "lat", "lon", "plev", "member", "basin", "site", "forecast_reference_time", "leadtime",
    "bnds",
)  # fmt: skip
"""Dimensions that any variable may have."""
GRIDS = (
    "x", "y", "i", "j", "ni", "nj", "nx", "ny", "cell", "cells", "ncells", "ncol",
    "nod2", "rlat", "rlon",
)  # fmt: skip
"""Dimensions of grids that are no product of latitude and longitude: those are two-dimensional
coordinates then."""
NEED_COORDINATE = ("time", "lat", "lon", "plev")


def scalar_dimensions(view: View) -> Iterator[Finding]:
    """Dimensions of size 1 that mean nothing go; a single latitude and longitude are a point."""
    sizes = {str(dim): size for dim, size in view.dataset.sizes.items()}
    dims = [dim for dim, size in sizes.items() if size == 1 and dim not in _known(view)]
    if sizes.get("lat") == 1 and sizes.get("lon") == 1:
        dims += ["lat", "lon"]
    # A grid of one cell is a point too, and its i and j say nothing.
    grid = [dim for dim in sizes if dim in GRIDS]
    if grid and all(sizes[dim] == 1 for dim in grid):
        dims += [dim for dim in grid if dim not in dims]
    for dim in dict.fromkeys(dims):
        yield converted(
            f"{dim} of size 1", "no such dimension", "a single place needs no dimension",
            Fix("squeeze", {"dims": [dim]}), dimension=dim,
        )  # fmt: skip


def known_dimensions(view: View) -> Iterator[Finding]:
    """Each variable has only dimensions that its canonical form knows."""
    for name in view.variables:
        allowed = {*COMMON, *GRIDS, *view.variable(name).dims}
        unknown = [str(dim) for dim in view.dataset[name].dims if dim not in allowed]
        if unknown:
            wanted = (*COMMON[:-1], *view.variable(name).dims)
            yield refused_variable(
                view, name, ", ".join(unknown), f"some of {', '.join(wanted)}",
                "select or average along it in the source, or add it to the lexicon's dims",
                dimension=unknown[0],
            )  # fmt: skip


def coordinates_present(view: View) -> Iterator[Finding]:
    """Dimensions of time and space have coordinates, each value once, without gaps."""
    dataset = view.dataset
    used = {str(dim) for name in view.variables for dim in dataset[name].dims}
    for dim in NEED_COORDINATE:
        if dim not in used:
            continue
        if dim not in dataset.coords:
            yield refused(
                f"no coordinate for {dim} (size {dataset.sizes[dim]})", f"values of {dim}",
                "positions alone do not say where or when; add the coordinate in the source",
                dimension=dim,
            )  # fmt: skip
            return
        missing = int(np.sum(dataset[dim].isnull().values))
        if missing:
            yield refused(
                f"{missing} of {dataset.sizes[dim]} values of {dim} missing", "no missing values",
                "correct the coordinate in the source", dimension=dim,
            )  # fmt: skip
            return
        if dim != "time":
            values, counts = np.unique(dataset[dim].values, return_counts=True)
            if (counts > 1).any():
                yield refused(
                    f"{dim} {values[counts > 1][0]} {counts.max()} times", "each value once",
                    "two rows claim one place; correct the coordinate in the source",
                    dimension=dim,
                )  # fmt: skip
                return
    grid = sorted(used & set(GRIDS))
    if grid and not {"lat", "lon"} <= set(dataset.coords):
        yield refused(
            f"grid {', '.join(grid)} without latitudes and longitudes", "coordinates lat and lon",
            "positions alone do not say where; add them from the model's grid file",
            dimension=grid[0],
        )  # fmt: skip


def _known(view: View) -> set[str]:
    extra = {dim for name in view.variables for dim in view.variable(name).dims}
    return {*COMMON, *GRIDS, *extra, *ALIASES}
