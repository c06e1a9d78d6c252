"""A CMIP6 zarr store of many chunks, large when read and small on the disk."""

from __future__ import annotations

from pathlib import Path

import dask.array as da
import numpy as np
from support.cmip6_files import FACETS, days

ROWS = 100
"""Days in a chunk."""

SHAPE = (90, 144)


def write_store(root: Path, chunks: int) -> list[Path]:
    """Daily temperature of MIROC6 as zarr (version 2), 5.2 MB a chunk; paths of the chunks.

    Every day differs from every other, so that none passes for frozen or repeated.
    """
    frame = days(2000, count=ROWS * chunks, lat=np.zeros(1), lon=np.zeros(1))
    lat, lon = np.linspace(-89, 89, SHAPE[0]), np.arange(0.0, 360.0, 2.5)

    def block(block_info: dict) -> np.ndarray:
        start = block_info[None]["array-location"][0][0]
        rng = np.random.default_rng(start)
        coarse = rng.integers(0, 16, (ROWS, 9, 16)).repeat(10, 1).repeat(9, 2)
        return (285 + coarse).astype(np.float32)

    values = da.map_blocks(block, dtype=np.float32, chunks=((ROWS,) * chunks, SHAPE[:1], SHAPE[1:]))
    dataset = frame.drop_vars(["tas", "lat", "lon"]).assign_coords(
        lat=("lat", lat, {"units": "degrees_north"}), lon=("lon", lon, {"units": "degrees_east"})
    )
    dataset["tas"] = (("time", "lat", "lon"), values, frame["tas"].attrs)
    path = root / "/".join(["CMIP6", *FACETS.values()])
    path.parent.mkdir(parents=True)
    dataset.to_zarr(path, zarr_format=2, consolidated=True)
    return [path / "tas" / f"{number}.0.0" for number in range(chunks)]
