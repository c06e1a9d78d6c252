"""Records and sizes that both sides of the training benchmark share."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import xarray as xr

from catena.forecaster.data.files import read_camels
from catena.forecaster.data.generated import generated_records
from catena.forecaster.data.records import BasinRecords
from catena.forecaster.data.splits import spread_basins

BASINS, WIDTH, WINDOW, BATCH = 12, 64, 365, 256
FIRST, LAST = "1990-10-01", "1999-09-30"
"""Days that are trained on; a window before them is read as well."""
STEPS = 12
"""Minibatches that are timed, after two that are not."""


def records() -> tuple[BasinRecords, str]:
    """Twelve basins, and what they are."""
    data = os.environ.get("CATENA_DATA")
    if data and (Path(data) / "camels_us").is_dir():
        every = read_camels(Path(data) / "camels_us")
        return every.select(spread_basins(every, BASINS)), "CAMELS-US, ERA5-Land weather"
    return generated_records(BASINS, 11, first_year=1989), "generated"


def write_records(folder: Path) -> str:
    """Files as neuralhydrology's generic data set has them; returns what the data are."""
    found, what = records()
    (folder / "time_series").mkdir()
    day = (found.days - found.days.astype("datetime64[Y]").astype("datetime64[D]")).astype(int)
    angle = 2 * np.pi * day / 365.2425
    for row, basin in enumerate(found.basins):
        series = {
            name: ("date", found.weather[row, :, column])
            for column, name in enumerate(found.weather_names)
        }
        series |= {"sine": ("date", np.sin(angle)), "cosine": ("date", np.cos(angle))}
        series["flow"] = ("date", found.flow[row])
        dates = found.days.astype("datetime64[ns]")
        xr.Dataset(series, {"date": dates}).to_netcdf(folder / "time_series" / f"{basin}.nc")
    (folder / "basins.txt").write_text("\n".join(found.basins) + "\n")
    (folder / "attributes").mkdir()
    # its scaler divides by the spread: constants and gaps are left out
    usable = np.isfinite(found.attributes).all(0) & (found.attributes.std(0) > 0)
    names = [name for name, use in zip(found.attribute_names, usable, strict=True) if use]
    lines = [",".join(["gauge_id", *names])]
    for basin, values in zip(found.basins, found.attributes[:, usable], strict=True):
        lines.append(",".join([basin, *(f"{value:.9g}" for value in values)]))
    (folder / "attributes" / "attributes.csv").write_text("\n".join(lines) + "\n")
    (folder / "weather.txt").write_text("\n".join(found.weather_names) + "\n")
    return what
