"""Small CMIP6 files with real names and attributes, for tests of sources and catalogs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

FACETS = {
    "activity_id": "CMIP",
    "institution_id": "MIROC",
    "source_id": "MIROC6",
    "experiment_id": "historical",
    "member_id": "r1i1p1f1",
    "table_id": "day",
    "variable_id": "tas",
    "grid_label": "gn",
    "version": "v20191016",
}
LAT = np.array([-60.0, 0.0, 60.0])
LON = np.array([0.0, 90.0, 180.0, 270.0])


def days(year: int, **changes: Any) -> xr.Dataset:
    """One year of daily temperature, numbered from its first day, as a file has it.

    Parameters
    ----------
    year : int
    **changes
        units, dtype, calendar, lat, lon, variable, first (day), count (of days), attrs.
    """
    calendar = changes.get("calendar", "noleap")
    first, count = changes.get("first", 0), changes.get("count", 365)
    lat, lon = changes.get("lat", LAT), changes.get("lon", LON)
    number = (np.arange(first, first + count) + 365 * year).astype("f8")
    values = np.broadcast_to(number[:, None, None], (count, len(lat), len(lon)))
    variable = changes.get("variable", "tas")
    edges = np.arange(first, first + count)[:, None] + np.array([0.0, 1.0])
    dataset = xr.Dataset(
        {
            variable: (
                ("time", "lat", "lon"),
                (values / 1000).astype(changes.get("dtype", "f4")),
                {"units": changes.get("units", "K"), "standard_name": "air_temperature"},
            ),
            "time_bnds": (("time", "bnds"), edges),
        },
        coords={
            "time": (
                "time",
                edges.mean(axis=1),
                {
                    "units": f"days since {year:04}-01-01",
                    "calendar": calendar,
                    "bounds": "time_bnds",
                },
            ),
            "lat": ("lat", lat, {"units": "degrees_north"}),
            "lon": ("lon", lon, {"units": "degrees_east"}),
        },
        attrs={
            "source_id": "MIROC6",
            "experiment_id": "historical",
            "variable_id": variable,
            "activity_id": "CMIP",
            "institution_id": "MIROC",
            **changes.get("attrs", {}),
        },
    )
    dataset[variable].encoding["_FillValue"] = np.float32(1e20)
    return dataset


def file_name(period: str, **facets: str) -> str:
    """Name of a file by the data reference syntax."""
    found = {**FACETS, **facets}
    names = ("variable_id", "table_id", "source_id", "experiment_id", "member_id", "grid_label")
    parts = [found[name] for name in names]
    return "_".join([*parts, *([period] if period else [])]) + ".nc"


def drs_path(period: str, **facets: str) -> str:
    """Path of a file by the data reference syntax, from ``CMIP6``."""
    return "/".join(["CMIP6", *{**FACETS, **facets}.values(), file_name(period, **facets)])


def write_year(root: Path, year: int, facets: dict[str, str] | None = None, **changes: Any) -> Path:
    """Write :func:`days` where the data reference syntax wants it; its path."""
    path = root / drs_path(f"{year}0101-{year}1231", **(facets or {}))
    path.parent.mkdir(parents=True, exist_ok=True)
    days(year, **changes).to_netcdf(path, engine="h5netcdf")
    return path
