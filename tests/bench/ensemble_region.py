"""A regional ensemble and its surrogate: annual GPP of 1,422 cells in 30 years from 20 or 200 runs.

The case of Lu & Ricciuto (2019, Geosci. Model Dev. 12, 1791): eight parameters, 42,660 outputs. The
cells are half a degree of North America south of 41.5 degrees and east of the Rocky Mountains, with
the most frequent tree of each (from the real map of plants where the data are, else made up by
latitude), under generated weather. Further north trees would often not leaf out at all with the
upper end of the range of ``crit_onset_gdd``, which is that of Missouri. All runs begin from the
state into which the default parameters were spun up.

Runs are kept in ``.catena/bench-region`` by the digest of all that decides them: they take an hour
of CPU time. ``BENCH_REGION_STRIDE=18`` takes every eighteenth cell instead.
"""

from __future__ import annotations

import hashlib
import os
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from ensemble_cases import (
    PARAMETERS,
    YEAR_S,
    Clock,
    advance,
    data,
    from_ranges,
    spun_up,
)
from numpy.typing import NDArray

import catena.coupler.embedded
import catena.coupler.surface_map
import catena.data_ingest.weather
from catena.calibrator.prior import Prior
from catena.calibrator.surrogate_fit import fit_surrogate
from catena.coupler.embedded.columns import Columns
from catena.coupler.embedded.grid import N_LAYERS
from catena.coupler.embedded.parameters import ParameterSet
from catena.coupler.forcing import daily_forcing
from catena.coupler.pft import PFT_NAMES
from catena.coupler.surface_map import (
    TREES,
    Box,
    SurfaceMap,
    generated_surface_map,
    read_surface_map,
)
from catena.data_ingest.weather import weather_dataset
from catena.data_ingest.weather_region import region_sites
from catena.data_ingest.weather_site import Period
from catena.ensemble_runner.designs import unit_rows

Array = NDArray[np.float64]

BOX = Box(25.0, 41.5, -104.0, -66.0)
CELLS = 1422
YEARS = 30
FEW, MANY, HELD_OUT = 20, 200, 32
SAND, CLAY = 40.0, 20.0
SPIN_YEARS = (30, 30, 30)
AT_ONCE = 79
"""Cells whose weather is in memory: an eighteenth."""
KEPT = Path(__file__).parents[2] / ".catena" / "bench-region"


@dataclass(frozen=True)
class Runs:
    """Annual GPP of all members.

    Parameters
    ----------
    gpp : float32 (member, cell, year)
        gC m-2 yr-1.
    cpu_s : float
        CPU seconds of one member in all cells over 30 years.
    """

    gpp: NDArray[np.float32]
    cpu_s: float


def surface() -> SurfaceMap:
    """The cells and their plants."""
    folder = data()
    if folder is None:
        print("region: no real map of plants; a made-up one is taken", file=sys.stderr)
        return generated_surface_map(BOX, 0.5, cells=CELLS)
    path = folder / "land_model" / "pft_maps" / "surfdata_360x720_DALEC.nc4"
    return read_surface_map(path, BOX, cells=CELLS, plants=TREES)


def design() -> Array:
    """Members in the unit cube: those to learn from, then those that are held out."""
    size = len(PARAMETERS)
    learnt = unit_rows("latin_hypercube", MANY, size, seed=1, first_size=FEW)
    return np.concatenate([learnt, unit_rows("sobol", HELD_OUT, size, seed=2)])


def runs(cells: SurfaceMap) -> Runs:
    """Run what has not been kept."""
    folder = KEPT / _digest(cells)
    folder.mkdir(parents=True, exist_ok=True)
    parts = []
    for first in range(0, len(cells.lat), AT_ONCE):
        path = folder / f"cells_{first:04d}.npz"
        if not path.exists():
            print(f"region: cells from {first} of {len(cells.lat)}", file=sys.stderr, flush=True)
            gpp, seconds = _run(cells, np.arange(first, min(first + AT_ONCE, len(cells.lat))))
            unfinished = path.with_suffix(".part.npz")
            np.savez(unfinished, gpp=gpp, cpu_s=seconds)
            unfinished.replace(path)
        with np.load(path, allow_pickle=False) as kept:
            parts.append((kept["gpp"], float(kept["cpu_s"])))
    return Runs(np.concatenate([gpp for gpp, _ in parts], axis=1), sum(s for _, s in parts))


def _run(cells: SurfaceMap, some: NDArray[np.int64]) -> tuple[NDArray[np.float32], float]:
    sites = region_sites(cells.lat[some], cells.lon[some])
    weather = weather_dataset(sites, Period("1981-01-01", YEARS * 365), seed=1)
    forcing = daily_forcing(weather.compute())
    layers = (len(some), N_LAYERS)
    columns = Columns(
        lat=np.array(forcing.lat),
        lon=np.array(forcing.lon),
        sand=np.full(layers, SAND),
        clay=np.full(layers, CLAY),
        pfts=cells.pfts[some],
        weights=cells.weights[some],
    )
    one = ParameterSet.default(1)
    state = spun_up(columns, forcing, one, SPIN_YEARS)
    clock = Clock()
    advance(columns, forcing, one, state, variables=("GPP",), frequency="year")
    seconds = clock()
    unit = design()
    state = state.of_members(len(unit))
    present = [PFT_NAMES[pft] for pft in np.unique(cells.pfts[cells.weights > 0])]
    run = advance(
        columns,
        forcing,
        from_ranges(unit, present),
        state,
        variables=("GPP",),
        frequency="year",
        threads=os.cpu_count() or 1,
    )
    assert not run.failures, f"members failed: {run.failures[:3]}"
    return (run.history("GPP") * YEAR_S).astype(np.float32), seconds


def _digest(cells: SurfaceMap) -> str:
    digest = hashlib.sha256(Path(__file__).read_bytes())
    digest.update(Path(__file__).with_name("ensemble_cases.py").read_bytes())
    for package, pattern in (
        (catena.coupler.embedded, "*.py"),
        (catena.coupler.embedded, "*.csv"),
        (catena.data_ingest.weather, "weather*.py"),
    ):
        for path in sorted(Path(str(package.__file__)).parent.glob(pattern)):
            digest.update(path.read_bytes())
    for array in (cells.lat, cells.lon, cells.pfts, cells.weights):
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()[:16]


def measure() -> dict[str, float]:
    """Speed of the region, and skill of its surrogates on runs that they have not seen."""
    stride = int(os.environ.get("BENCH_REGION_STRIDE", "1"))
    whole = surface()
    cells = SurfaceMap(
        whole.lat[::stride], whole.lon[::stride], whole.pfts[::stride], whole.weights[::stride]
    )
    made = runs(cells)
    outputs = made.gpp.reshape(len(made.gpp), -1).astype(np.float64)
    low, high = (np.array([row[k] for row in PARAMETERS]) for k in (1, 2))
    prior = Prior(tuple(row[0] for row in PARAMETERS), low, high, ("",) * len(PARAMETERS))
    parameters = low + (high - low) * design()
    unseen = outputs[MANY:]
    figures = {
        "region_cells": float(len(cells.lat)),
        "region_outputs": float(outputs.shape[1]),
        "region_gpp": float(outputs.mean()),
        f"cells{len(cells.lat)}_30y_cpu_s": made.cpu_s,
    }
    for count in (FEW, MANY):
        clock = Clock()
        surrogate = fit_surrogate(parameters[:count], outputs[:count], prior, seed=1)
        predicted, _ = surrogate.predict(parameters[MANY:])
        errors = ((unseen - predicted) ** 2).sum()
        figures[f"svd_r2_{count}"] = float(1 - errors / ((unseen - unseen.mean(0)) ** 2).sum())
        figures[f"svd_cross_validated_r2_{count}"] = float(surrogate.report["mean_r2"])
        figures[f"svd_fit_{count}_cpu_s"] = clock()
    return figures
