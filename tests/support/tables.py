"""Small archives of tables, in the layouts of CAMELS, flux towers and reservoirs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

FORCING_HEAD = "Year Mnth Day Hr dayl(s) prcp(mm/day) srad(W/m2) swe(mm) tmax(C) tmin(C) vp(Pa)"


def days(start: str, count: int) -> pd.DatetimeIndex:
    """Days of the calendar."""
    return pd.date_range(start, periods=count, freq="D")


def write(path: Path, text: str) -> Path:
    """A text file, with the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def forcing_text(
    times: pd.DatetimeIndex,
    *,
    area: float = 5e8,
    rain: np.ndarray | None = None,
    tmax: float = 5.0,
    tmin: float = -1.0,
) -> str:
    """A CAMELS forcing file; `rain` in mm d-1."""
    rain = np.zeros(times.size) if rain is None else rain
    lines = ["  44.82", " 133.00", f" {area:.0f}", FORCING_HEAD]
    lines += [
        f"{time:%Y %m %d} 12\t43200.00\t{amount:.2f}\t300.00\t0.00\t{tmax:.2f}\t{tmin:.2f}\t500.00"
        for time, amount in zip(times, rain, strict=True)
    ]
    return "\n".join(lines) + "\n"


def flow_text(gauge: str, times: pd.DatetimeIndex, flow: np.ndarray, flags: list[str]) -> str:
    """A file of USGS flow, ft3 s-1; -999 where the flag is M."""
    return "".join(
        f"{gauge} {time:%Y %m %d} {-999.0 if flag == 'M' else value:8.2f} {flag}\n"
        for time, value, flag in zip(times, flow, flags, strict=True)
    )


def caravan_netcdf(path: Path, times: pd.DatetimeIndex, rain: np.ndarray, flow: np.ndarray) -> Path:
    """A Caravan file of one basin."""
    path.parent.mkdir(parents=True, exist_ok=True)
    data = {
        "total_precipitation_sum": rain, "temperature_2m_mean": 10.0 + 0 * rain,
        "streamflow": flow,
    }  # fmt: skip
    dataset = xr.Dataset(
        {name: ("date", values.astype("f4")) for name, values in data.items()},
        coords={"date": times},
        attrs={
            "Timezone": "America/New_York",
            "Units": "total_precipitation: Total precipitation [mm]\n"
            "temperature_2m: 2m air temperature [°C]\nstreamflow: Observed streamflow [mm/d]\n",
        },
    )
    dataset.to_netcdf(path)
    return path


def elm_site_netcdf(path: Path, hourly_sun: np.ndarray, *, first_label: float, years: int) -> Path:
    """ELM's site forcing with hourly steps, labelled noleap.

    Parameters
    ----------
    path : Path
    hourly_sun : array (24,)
        Shortwave of each hour of a day, W m-2.
    first_label : float
        Days at the first stamp: 0 for starts of steps, 1 / 24 for ends.
    years : int
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    count = years * 365 * 24
    sun = np.resize(hourly_sun, count)
    data = {
        "TBOT": (280 + 0 * sun, "K"), "RH": (60 + np.arange(count) % 7, "kg/kg"),
        "WIND": (3 + np.arange(count) % 5, "m/s"), "FSDS": (sun, "W/m2"),
        "FLDS": (300 + np.arange(count) % 11, "W/m2"), "PSRF": (1e5 - np.arange(count) % 13, "Pa"),
        "PRECTmms": (1e-5 * (np.arange(count) % 3), "kg/m2/s"),
    }  # fmt: skip
    data["TBOT"] = (280 + np.arange(count) % 9, "K")
    stamps = (first_label + np.arange(count) / 24).astype("f4")
    dataset = xr.Dataset(
        {
            name: (("gridcell", "DTIME"), values[None].astype("f4"), {"units": units})
            for name, (values, units) in data.items()
        },
        coords={"DTIME": ("DTIME", stamps.astype("f8"))},
    )
    dataset["DTIME"].attrs.update(units="days since 2003-01-01 00:00:00", calendar="noleap")
    dataset["LATIXY"] = ("gridcell", [42.5])
    dataset["LONGXY"] = ("gridcell", [287.8])
    dataset["start_year"] = ("scalar", [2003])
    dataset.to_netcdf(path)
    return path


def cbf_bytes(months: int, latitude: float, tmin: np.ndarray, gpp: np.ndarray) -> bytes:
    """A CARDAMOM file."""
    head = np.full(300, -9999.0)
    head[:5] = 1005, latitude, months, 9, 11
    table = np.full((months, 20), -9999.0)
    table[:, :9] = 1.0
    table[:, 0] = (np.arange(months) + 0.5) * 365.25 / 12
    table[:, 1] = tmin
    table[:, 9] = gpp
    table[0, 12] = 141.0
    return np.concatenate([head, table.ravel()]).astype("<f8").tobytes()
