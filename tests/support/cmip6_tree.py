"""A tree of CMIP6 files that the checks find nothing wrong with, for tests of whole ingests."""

from __future__ import annotations

from pathlib import Path

import netCDF4
import numpy as np
from support.cmip6_files import write_year

MODELS = ("MIROC6", "CanESM5")
YEARS = (2001, 2002)


def write_tree(root: Path, models: tuple[str, ...] = MODELS) -> list[Path]:
    """Daily temperature (K) of each model, one file a year, below `root`/CMIP6."""
    written = []
    for model in models:
        for year in YEARS:
            path = write_year(root, year, {"source_id": model})
            with netCDF4.Dataset(path, "a") as file:
                shape = file["tas"].shape
                noise = np.random.default_rng([year, len(model)]).normal(0, 3, shape)
                file.source_id = model
                file["tas"][:] = (285 + noise).astype(np.float32)
            written.append(path)
    return written
