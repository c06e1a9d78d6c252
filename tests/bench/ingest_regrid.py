"""Regridding beside xarray-regrid, on the same fields in one run and on one thread.

From 721 x 1440 points (0.25 degree) to 128 x 256 cells (1.4 degree), conservative. The errors are
of double-precision fields; the speeds are of single-precision ones, which is what archives hold.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import json
import time
from collections.abc import Callable

import numpy as np
import xarray as xr
import xarray_regrid  # noqa: F401  registers the accessor .regrid
from threadpoolctl import threadpool_limits

from catena.data_ingest.named_grids import named_grid
from catena.data_ingest.regrid import Regridder

FIELDS = 48
ROUNDS = 5


def seconds(function: Callable[[], object]) -> float:
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def measure() -> dict[str, float]:
    """Figures by the names of the targets."""
    source, target = named_grid("era5"), named_grid("1.4deg")
    random = np.random.default_rng(0)
    lat = np.radians(source.lat)[:, None]
    fields = 250 + 40 * np.cos(lat) + random.standard_normal((FIELDS, *source.shape))
    single = xr.DataArray(
        fields.astype(np.float32),
        dims=("time", "lat", "lon"),
        coords={"lat": source.lat, "lon": source.lon},
    )
    goal = xr.Dataset(coords={"lat": target.lat, "lon": target.lon})
    ours = Regridder(source, target)

    with threadpool_limits(1):
        ours(single[:2])
        mine, theirs = [], []
        for _ in range(ROUNDS):
            mine.append(seconds(lambda: ours(single)))
            theirs.append(
                seconds(lambda: single.regrid.conservative(goal, latitude_coord="lat").compute())
            )

        result = ours.fields(fields)
        constant = ours.fields(np.full((1, *source.shape), 288.15))
    area, target_area = (grid.areas() / grid.areas().sum() for grid in (source, target))
    before, after = (fields * area).sum((1, 2)), (result * target_area).sum((1, 2))
    return {
        "regrid_fields_per_s": FIELDS / min(mine),
        "regrid_over_xarray_regrid": min(theirs) / min(mine),
        "regrid_constant_error": float(np.abs(constant / 288.15 - 1).max()),
        "regrid_mean_error": float(np.abs(after / before - 1).max()),
    }


if __name__ == "__main__":
    print(json.dumps(measure()))
