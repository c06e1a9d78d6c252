"""Benchmark of references: time to the first value of 1,000 netCDF files along time.

Anchor: ``xarray.open_mfdataset`` on all files, with the options that make it fastest (nothing is
compared between files). Beside it the artifact's reference to the same files, with a fix, read
through :meth:`Artifact.open_dataset`: hash of the JSON, a look at every file, one chunk. The files
lie on a local disk and in the cache of the system, which favours the anchor: over a network it
waits for each file.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
import xarray as xr

from catena.data_ingest.archive import open_archive
from catena.data_ingest.references import build_reference, reference_files
from catena.data_ingest.sources.base import Entry
from catena.shared.artifacts import Artifact, ArtifactStore
from catena.shared.checks.findings import Fix

FILES = 1000
STEPS, LAT, LON = 8, 32, 64
REPEATS = 3
WHERE = {"time": 3217, "lat": 11, "lon": 40}


def measure() -> dict[str, float]:
    """Figures by name; times in seconds, the best of three."""
    with tempfile.TemporaryDirectory() as home:
        folder = Path(home) / "archive"
        folder.mkdir()
        paths = [_write(folder / f"tas_{number:04d}.nc", number) for number in range(FILES)]
        archive = open_archive(f"file://{folder}")
        entry = Entry("tas", tuple(archive.find()), "cmip6", referable=True)
        raw, open_s = _timed(lambda: _open_all(paths))
        reference, build_s = _timed(lambda: build_reference(archive, entry, raw))
        store = ArtifactStore(f"file://{home}/store")
        writer = store.writer("data-ingest/IngestDataset/0a", 1)
        fixes = (Fix("scale", {"variable": "tas", "factor": 1.0, "units": "K"}),)
        for name, data in reference_files("tas.json", reference, fixes).items():
            writer.write_bytes(name, data)
        ref = writer.commit(kind="dataset")
        by_files = [_timed(lambda: _first(_open_all(paths))) for _ in range(REPEATS)]
        by_reference = [
            _timed(lambda: _first(_fresh(store, ref).open_dataset("tas.json")))
            for _ in range(REPEATS)
        ]
        values = {value for value, _ in (*by_files, *by_reference)}
        if len(values) != 1:
            raise ValueError(f"the two ways read different values: {sorted(values)}")
        files_s = min(seconds for _, seconds in by_files)
        reference_s = min(seconds for _, seconds in by_reference)
        return {
            "open_1000_files_ratio": files_s / reference_s,
            "open_1000_files_s": files_s,
            "open_reference_s": reference_s,
            "build_reference_s": build_s,
            "source_opens_s": open_s,
            "reference_mb": store.open(ref).manifest.size / 1e6,
        }


def _write(path: Path, number: int) -> Path:
    with netCDF4.Dataset(path, "w") as file:
        for name, size in (("time", None), ("lat", LAT), ("lon", LON)):
            file.createDimension(name, size)
        time_ = file.createVariable("time", "f8", ("time",), chunksizes=(STEPS,))
        time_.units, time_.calendar = "days since 2000-01-01", "noleap"
        time_[:] = number * STEPS + np.arange(STEPS)
        file.createVariable("lat", "f8", ("lat",))[:] = np.linspace(-88, 88, LAT)
        file.createVariable("lon", "f8", ("lon",))[:] = np.arange(LON) * 360 / LON
        tas = file.createVariable(
            "tas",
            "f4",
            ("time", "lat", "lon"),
            zlib=True,
            complevel=1,
            chunksizes=(STEPS, LAT, LON),
        )
        tas.units = "K"
        tas[:] = np.random.default_rng(number).normal(280, 5, (STEPS, LAT, LON))
    return path


def _open_all(paths: list[Path]) -> xr.Dataset:
    return xr.open_mfdataset(
        paths,
        combine="nested",
        concat_dim="time",
        data_vars="minimal",
        coords="minimal",
        compat="override",
        join="override",
        engine="netcdf4",
    )


def _fresh(store: ArtifactStore, ref: Any) -> Artifact:
    return store.open(ref)


def _first(dataset: xr.Dataset) -> float:
    return float(dataset["tas"].isel(WHERE))


def _timed(call: Callable[[], Any]) -> tuple[Any, float]:
    start = time.perf_counter()
    result = call()
    return result, time.perf_counter() - start


if __name__ == "__main__":
    print(json.dumps(measure()))
