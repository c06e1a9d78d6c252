"""Weather of one site with a daily course, and the files that it comes in."""

from __future__ import annotations

from pathlib import Path

import netCDF4
import numpy as np
import xarray as xr

LAT, LON = 40.0, -90.0
SOLAR_NOON_UTC = 18.0


def weather(days: int, steps_a_day: int, noon: float = SOLAR_NOON_UTC, seed: int = 0) -> dict:
    """Canonical variables (step,) of a temperate site; the sun is highest at `noon`."""
    rng = np.random.default_rng(seed)
    count = days * steps_a_day
    hour = (np.arange(count) % steps_a_day + 0.5) * 24 / steps_a_day
    day = np.arange(count) // steps_a_day
    season = -np.cos(2 * np.pi * (day % 365 - 20) / 365)
    sun = np.maximum(0, np.cos(2 * np.pi * (hour - noon) / 24))
    noise = np.repeat(rng.normal(0, 3, days), steps_a_day)
    tas = 283 + 12 * season + 5 * np.cos(2 * np.pi * (hour - noon - 3) / 24) + noise
    rain = np.repeat((rng.random(days) < 0.3) * rng.exponential(1e-4, days), steps_a_day)
    return {
        "tas": tas,
        "hurs": 65 - 20 * np.cos(2 * np.pi * (hour - noon - 3) / 24) + rng.normal(0, 2, count),
        "sfcWind": 3 + rng.random(count),
        "rsds": (500 + 250 * season) * sun,
        "rlds": 300 + 40 * season + rng.normal(0, 5, count),
        "ps": 98000 + rng.normal(0, 300, count),
        "pr": rain * (rng.random(count) < 0.5) * 2,
    }


ELM_NAMES = {
    "tas": ("TBOT", "K"), "hurs": ("RH", "kg/kg"), "sfcWind": ("WIND", "m/s"),
    "rsds": ("FSDS", "W/m2"), "rlds": ("FLDS", "W/m2"), "ps": ("PSRF", "Pa"),
    "pr": ("PRECTmms", "kg/m2/s"),
}  # fmt: skip


def elm_file(
    path: Path, values: dict, steps_a_day: int, *, start_year: int = 2003, without: str = ""
) -> Path:
    """ELM's site forcing, in UTC, labelled noleap, stamped at starts."""
    count = values["tas"].size
    with netCDF4.Dataset(path, "w", format="NETCDF4_CLASSIC") as file:
        for dim, size in (("gridcell", 1), ("scalar", 1), ("DTIME", count)):
            file.createDimension(dim, size)
        time = file.createVariable("DTIME", "f8", ("DTIME",))
        time.units, time.calendar = f"days since {start_year}-01-01 00:00:00", "noleap"
        time[:] = np.arange(count) / steps_a_day
        file.createVariable("LATIXY", "f8", ("gridcell",))[:] = LAT
        file.createVariable("LONGXY", "f8", ("gridcell",))[:] = LON + 360
        file.createVariable("start_year", "i4", ("scalar",))[:] = start_year
        for name, (own, units) in ELM_NAMES.items():
            if own != without:
                variable = file.createVariable(own, "f4", ("gridcell", "DTIME"))
                variable.units = units
                variable[0] = values[name]
    return path


def plumber_file(path: Path, values: dict, steps_a_day: int, *, split_rain: bool = False) -> Path:
    """PLUMBER2's meteorology, in local standard time: (time, y, x), text, flags, LAI."""
    count = values["tas"].size
    vapour = values["hurs"] / 100 * 611.2 * np.exp(
        17.67 * (values["tas"] - 273.15) / (values["tas"] - 29.65)
    )  # fmt: skip
    huss = 0.622 * vapour / (values["ps"] - 0.378 * vapour)
    data = {
        "Tair": ("K", values["tas"]), "Qair": ("kg/kg", huss), "Wind": ("m/s", values["sfcWind"]),
        "SWdown": ("W/m2", values["rsds"]), "LWdown": ("W/m2", values["rlds"]),
        "PSurf": ("Pa", values["ps"]), "LAI": ("m2/m2", np.full(count, 2.5)),
        "LAI_alternative": ("m2/m2", np.full(count, 3.0)), "CO2air": ("ppm", np.full(count, 390.0)),
    }  # fmt: skip
    if split_rain:
        snow = values["tas"] < 273.15
        data["Rainf"] = ("kg/m2/s", np.where(snow, 0, values["pr"]))
        data["Snowf"] = ("kg/m2/s", np.where(snow, values["pr"], 0))
    else:
        data["Rainf"] = ("kg/m2/s", values["pr"])
    with netCDF4.Dataset(path, "w") as file:
        for dim, size in (("time", count), ("y", 1), ("x", 1), ("nchar", 8)):
            file.createDimension(dim, size)
        time = file.createVariable("time", "f8", ("time",))
        time.units, time.calendar = "seconds since 2003-01-01 00:00:00", "standard"
        time[:] = np.arange(count) * 86400 / steps_a_day
        file.createVariable("latitude", "f8", ("y", "x"))[:] = LAT
        file.createVariable("longitude", "f8", ("y", "x"))[:] = LON
        file.createVariable("reference_height", "f8", ("y", "x"))[:] = 30
        file.createVariable("IGBP_veg_short", "S1", ("nchar",))[:] = list(b"DBF     ".decode())
        for name, (units, series) in data.items():
            variable = file.createVariable(name, "f4", ("time", "y", "x"))
            variable.units = units
            variable[:] = series[:, None, None]
        flag = file.createVariable("Tair_qc", "i4", ("time", "y", "x"))
        flag[:] = 0
    return path


def canonical(
    values: dict, steps_a_day: int, *, start: str = "2003-01-01", cells: int = 1
) -> xr.Dataset:
    """A canonical dataset of sites along `site`, in local standard time."""
    count = values["tas"].size
    step = np.timedelta64(86400 // steps_a_day, "s")
    times = np.datetime64(start, "us") + np.arange(count) * step
    units = {"tas": "K", "tasmin": "K", "tasmax": "K", "hurs": "%", "sfcWind": "m s-1",
             "rsds": "W m-2", "rlds": "W m-2", "ps": "Pa", "pr": "kg m-2 s-1",
             "huss": "1", "vpd": "Pa", "vp": "Pa", "tdps": "K"}  # fmt: skip
    return xr.Dataset(
        {
            name: (("time", "site"), np.repeat(series[:, None], cells, axis=1),
                   {"units": units[name]})
            for name, series in values.items()
        },
        coords={"time": times, "lat": ("site", LAT + np.arange(cells)),
                "lon": ("site", LON - np.arange(cells))},
        attrs={"time_zone": "local standard time"},
    )  # fmt: skip
