"""Whose words a file speaks: from its header to the vocabulary in which it is looked up."""

from __future__ import annotations

import numpy as np
import xarray as xr

_ERA5_SHORT = frozenset(
    ("t2m", "d2m", "u10", "v10", "sp", "msl", "tp", "sf", "ssrd", "strd", "ssr", "slhf", "sshf")
    + ("pev", "ro", "sro", "skt", "mx2t", "mn2t", "tisr", "tcwv", "swvl1", "stl1", "u100", "v100")
)
_ERA5_LONG = frozenset(
    ("2m_temperature", "2m_dewpoint_temperature", "total_precipitation", "surface_pressure")
    + ("10m_u_component_of_wind", "10m_v_component_of_wind", "mean_sea_level_pressure")
    + ("u_component_of_wind", "v_component_of_wind")
)
_DAYMET = frozenset(("dayl", "prcp", "srad", "swe", "tmax", "tmin", "vp"))
_MARS = {"ei": "era_interim", "l5": "era5_land", "ea": "era5"}
_MONTHLY = frozenset({"moda", "edmo"})
_ENSEMBLE = frozenset({"enda", "edmm"})


def vocabulary_of(header: xr.Dataset) -> str:
    """Name of the vocabulary for the variables of a file.

    Parameters
    ----------
    header : xarray.Dataset
        The opened file; only names, attributes and coordinates are looked at.

    Returns
    -------
    str
        ``era5``, ``era5_ensemble``, ``era5_monthly``, ``era5_land``, ``era_interim``, ``ncep``,
        ``c3s_atlas``, ``xclim_era5``, ``daymet_grid``, ``cmip6``, or ``gridded`` (any CF file).
    """
    said = " ".join(
        str(header.attrs.get(name, ""))
        for name in ("title", "description", "source", "Info", "comment", "references")
    ).lower()
    names = {str(name) for name in header.data_vars}
    if "copernicus interactive climate atlas" in said:
        return "c3s_atlas"
    if "xclim test dataset from era5" in said:
        return "xclim_era5"
    if header.attrs.get("mip_era") == "CMIP6":
        return "cmip6"
    if names & _DAYMET and (
        "lambert_conformal_conic" in header.variables or "Version_data" in header.attrs
    ):
        return "daymet_grid"
    if _from_ecmwf(header) or names & (_ERA5_SHORT | _ERA5_LONG):
        return _era(header, said)
    if "era-interim" in said:
        return "era_interim"
    if "nmc reanalysis" in said or "ncep" in said:
        return "ncep"
    return "gridded"


def frequency_of(header: xr.Dataset) -> str:
    """``1hr``, ``3hr``, ``6hr``, ``day``, ``mon``, ``yr`` or ``fx``; empty for a single time."""
    hours = step_hours(header)
    if hours is None:
        return "fx" if "time" not in header.dims else ""
    for name, low, high in (
        ("day", 24, 24),
        ("mon", 28 * 24, 31 * 24),
        ("yr", 359 * 24, 366 * 24),
    ):
        if low <= hours <= high:
            return name
    return f"{hours:g}hr" if hours < 24 else f"{hours / 24:g}day"


def step_hours(header: xr.Dataset) -> float | None:
    """Middle step of the time axis in hours; None without two times."""
    name = next((name for name in ("time", "valid_time") if name in header.indexes), None)
    if name is None or header.sizes[name] < 2:
        return None
    values = header[name].values[: 400 + 1]
    if values.dtype.kind == "O":
        steps = np.array([step.total_seconds() for step in np.diff(values)])
    elif values.dtype.kind == "M":
        steps = np.diff(values) / np.timedelta64(1, "s")
    else:
        return None
    return float(np.median(steps)) / 3600.0


def _from_ecmwf(header: xr.Dataset) -> bool:
    return header.attrs.get("GRIB_centre") == "ecmf" or any(
        "GRIB_marsClass" in array.attrs for array in header.data_vars.values()
    )


def _era(header: xr.Dataset, said: str) -> str:
    """Which of ECMWF's reanalyses: their accumulations mean different things."""
    first = next(iter(header.data_vars.values()), None)
    attributes = {} if first is None else first.attrs
    family = _MARS.get(str(attributes.get("GRIB_marsClass", "")), "")
    if not family and "era-interim" in said:
        family = "era_interim"
    if not family:
        family = "era5_land" if _is_land_grid(header) else "era5"
    if family == "era_interim":
        return family
    stream = str(attributes.get("GRIB_marsStream", ""))
    hours = step_hours(header)
    if stream in _MONTHLY or (hours is not None and hours >= 28 * 24):
        return "era5_monthly"
    if family == "era5" and (stream in _ENSEMBLE or header.sizes.get("number", 1) > 1):
        return "era5_ensemble"
    return family


def _is_land_grid(header: xr.Dataset) -> bool:
    """ERA5-Land lies on cells of 0.1 degrees, ERA5 on cells of 0.25 degrees or more."""
    for name in ("latitude", "lat"):
        if name in header.coords and header[name].ndim == 1 and header[name].size > 1:
            step = float(abs(header[name][1] - header[name][0]))
            return abs(step - 0.1) < 1e-3
    return False
