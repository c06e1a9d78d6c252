"""Runs in ensemble-runner's layout and observations in data-ingest's, from a tiny land model.

The model's forest takes up carbon from May to September and evaporates all year; three parameters
set how much. It is written by hand in the layout that the calibrator reads.
"""

from __future__ import annotations

from typing import Any

import cftime
import numpy as np
import xarray as xr
from support.calibration import plain

from catena.shared.artifacts import ArtifactStore, Lineage
from catena.shared.artifacts.manifest import InputRef

NAMES = ["flnr", "slatop", "rootb_par"]
UNITS = ["1", "m2 gC-1", "m-1"]
LONG_NAMES = ["leaf nitrogen in Rubisco", "specific leaf area", "depth of roots"]
LOW, HIGH = np.array([0.1, 0.01, 0.5]), np.array([0.4, 0.05, 4.0])
FIRST_YEAR, YEARS = 2010, 4
VARIABLES = {
    "GPP": ("gC/m^2/s", "gross primary production"),
    "EFLX_LH_TOT": ("W/m^2", "latent heat flux"),
}
SECONDS = 86400.0


def unit(rows: np.ndarray) -> np.ndarray:
    return (rows - LOW) / (HIGH - LOW)


def fluxes(rows: np.ndarray, months: np.ndarray) -> dict[str, np.ndarray]:
    """Monthly fluxes (member, month) of parameters (member, 3); months count from the first."""
    a, b, c = unit(np.asarray(rows, float)).T[:, :, None]
    season = np.maximum(0.0, np.sin((months % 12 - 3.5) / 6.0 * np.pi))  # none in winter
    wet = 1.0 + 0.3 * np.cos(months // 12)
    gpp = season * (2.0 + 8.0 * a - 3.0 * b) * (1 - 0.3 * c * (2 - wet)) / SECONDS
    heat = 8.0 + 60.0 * season * (0.5 + 0.5 * a) * wet - 15.0 * c * season
    return {"GPP": gpp, "EFLX_LH_TOT": heat + 0.0 * gpp}


def parameters(members: int, seed: int = 1) -> np.ndarray:
    return LOW + np.random.default_rng(seed).uniform(size=(members, 3)) * (HIGH - LOW)


def month_bounds(calendar: str = "standard", months: int = 12 * YEARS) -> np.ndarray:
    if calendar == "standard":
        first = np.datetime64(f"{FIRST_YEAR}-01") + np.arange(months + 1)
        edges: Any = first.astype("datetime64[us]")
    else:
        edges = np.array(
            [cftime.DatetimeNoLeap(FIRST_YEAR + m // 12, m % 12 + 1, 1) for m in range(months + 1)]
        )
    return np.stack([edges[:-1], edges[1:]], axis=1)


def runs_dataset(
    rows: np.ndarray, *, failed: tuple[int, ...] = (), calendar: str = "standard", cells: int = 1
) -> xr.Dataset:
    months = np.arange(12 * YEARS)
    bounds = month_bounds(calendar)
    ok = np.ones(len(rows), np.int8)
    ok[list(failed)] = 0
    data: dict[str, Any] = {}
    for name, values in fluxes(rows, months).items():
        field = np.stack([values * (1 + 0.1 * cell) for cell in range(cells)], axis=-1)
        field[list(failed)] = np.nan
        attrs = {"units": VARIABLES[name][0], "long_name": VARIABLES[name][1]}
        data[name] = (("member", "time", "cell"), field.astype(np.float32), attrs)
    return xr.Dataset(
        {
            **data,
            "time_bnds": (("time", "bnds"), bounds),
            "parameters": (("member", "parameter"), rows),
            "parameter_low": ("parameter", LOW),
            "parameter_high": ("parameter", HIGH),
            "ok": ("member", ok),
        },
        coords={
            "time": ("time", bounds[:, 0]),
            "lat": ("cell", np.full(cells, 45.8)),
            "lon": ("cell", np.full(cells, -90.1)),
            "member": np.arange(len(rows)),
            "parameter": NAMES,
            "parameter_units": ("parameter", UNITS),
            "parameter_long_name": ("parameter", LONG_NAMES),
        },
        attrs={"frequency": "monthly"},
    )


def put_runs(
    store: ArtifactStore,
    name: str,
    rows: np.ndarray,
    *,
    inputs: tuple[dict[str, str], ...] = (),
    **how: Any,
) -> dict[str, str]:
    """An artifact of kind ``runs``."""
    dataset = runs_dataset(rows, **how)
    writer = store.writer(f"ensemble-runner/RunEnsemble/{name}", 1)
    writer.write_dataset("runs.zarr", dataset)
    failures = [{"member": m, "cause": "dried out"} for m in how.get("failed", ())]
    writer.write_json(
        "runs.json",
        {
            "model": "embedded",
            "model_version": "1",
            "forcing": {"lat": dataset["lat"].to_numpy().tolist()},
            "outputs": [
                {"name": name, "units": units, "long_name": words}
                for name, (units, words) in VARIABLES.items()
            ],
            "n_asked": len(rows),
            "n_ok": len(rows) - len(failures),
            "failures": failures,
            "parameters": {
                "names": NAMES,
                "units": UNITS,
                "low": LOW.tolist(),
                "high": HIGH.tolist(),
            },
        },
    )
    refs = tuple(InputRef(**ref) for ref in inputs)
    lineage = Lineage(service="ensemble-runner", method="RunEnsemble", inputs=refs)
    return plain(writer.commit(kind="runs", title="tiny forest", lineage=lineage))


def put_spin_up(store: ArtifactStore, sites: dict[str, int]) -> dict[str, str]:
    """An artifact of kind ``spin_up``: what became of so many sites."""
    writer = store.writer("ensemble-runner/SpinUp/draws", 1)
    years = {"years": 20.0, "check_years": 22.0, "fallback_years": 6.0}
    about = {"method": {"kind": "emulator"}, "sites": sites, "years": years}
    writer.write_json("spin_up.json", about)
    lineage = Lineage(service="ensemble-runner", method="SpinUp")
    return plain(writer.commit(kind="spin_up", title="tiny forest, spun up", lineage=lineage))


def put_dataset(
    store: ArtifactStore, name: str, dataset: xr.Dataset, *, generated: bool = False
) -> dict[str, str]:
    """An artifact of kind ``dataset``, with one dataset ``towers``."""
    writer = store.writer(f"data-ingest/IngestDataset/{name}", 1)
    writer.write_dataset("data/towers.zarr", dataset)
    row = {
        "key": "towers",
        "name": "data/towers.zarr",
        "facets": {"source_id": "FLUXNET2015", "product": "fluxnet_monthly", "site": "US-WCr"},
        "start": "2010-11-01T00:00:00",
        "end": "2014-01-01T00:00:00",
        "generated": generated,
    }
    writer.write_json("ingest.json", {"generated": generated, "datasets": [row]})
    return plain(writer.commit(kind="dataset", lineage=Lineage(service="data-ingest")))


def towers(
    truth: np.ndarray, *, missing: tuple[int, ...] = (), sites: tuple[str, ...] = ("US-WCr",)
) -> xr.Dataset:
    """Canonical monthly observations of a parameter set: gpp and evspsbl, from the year's start."""
    months = np.arange(12 * YEARS)
    made = fluxes(truth[None], months)
    gpp = np.tile(made["GPP"] / 1000.0, (len(sites), 1))
    water = np.tile(made["EFLX_LH_TOT"] / 2.45e6, (len(sites), 1))
    gpp[:, list(missing)] = np.nan
    bounds = month_bounds()
    return xr.Dataset(
        {
            "gpp": (("site", "time"), gpp, {"units": "kg m-2 s-1"}),
            "evspsbl": (("site", "time"), water, {"units": "kg m-2 s-1"}),
        },
        coords={
            "site": list(sites),
            "lat": ("site", np.full(len(sites), 45.8)),
            "time": bounds[:, 0],
            "time_bnds": (("time", "bnds"), bounds),
        },
    )
