"""Generated weather as datasets: daily or hourly, many sites at once, lazily."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import dask.array as da
import numpy as np
import xarray as xr
from dask.delayed import delayed
from numpy.typing import NDArray

from catena.data_ingest.weather_days import generate_days
from catena.data_ingest.weather_hours import generate_hours
from catena.data_ingest.weather_site import Period, Site
from catena.shared.errors import InvalidData

Frequency = Literal["day", "1hr"]

VARIABLES = {
    "tas": ("air_temperature", "K", "time: mean"),
    "tasmin": ("air_temperature", "K", "time: minimum"),
    "tasmax": ("air_temperature", "K", "time: maximum"),
    "pr": ("precipitation_flux", "kg m-2 s-1", "time: mean"),
    "hurs": ("relative_humidity", "%", "time: mean"),
    "huss": ("specific_humidity", "1", "time: mean"),
    "ps": ("surface_air_pressure", "Pa", "time: mean"),
    "sfcWind": ("wind_speed", "m s-1", "time: mean"),
    "rsds": ("surface_downwelling_shortwave_flux_in_air", "W m-2", "time: mean"),
    "rlds": ("surface_downwelling_longwave_flux_in_air", "W m-2", "time: mean"),
}
HOURLY = tuple(name for name in VARIABLES if name not in ("tasmin", "tasmax"))

_CHUNK_BYTES = 64 << 20


def generate(
    sites: Sequence[Site], period: Period, seed: int, frequency: Frequency = "day"
) -> NDArray[np.float32]:
    """Weather of several sites, shape (variables, time, site), as float32.

    Parameters
    ----------
    sites : sequence of Site
    period : Period
    seed : int
    frequency : {"day", "1hr"}
        Variables are those of `VARIABLES`, or `HOURLY`.
    """
    days = generate_days(sites, period, seed)
    if frequency == "day":
        return np.stack([days.fields[name].astype(np.float32) for name in VARIABLES])
    hours = generate_hours(days, sites, period, seed)
    return np.stack([hours[name].astype(np.float32) for name in HOURLY])


def weather_dataset(
    sites: Sequence[Site],
    period: Period,
    seed: int,
    frequency: Frequency = "day",
    sites_a_chunk: int | None = None,
) -> xr.Dataset:
    """Weather of several sites as a lazy dataset on (time, site), a chunk for every few sites.

    Parameters
    ----------
    sites : sequence of Site
    period : Period
    seed : int
    frequency : {"day", "1hr"}
    sites_a_chunk : int, optional
        By default as many as make 64 MiB.

    Returns
    -------
    xarray.Dataset
        Canonical names and units; `time` is the start of each step, with `time_bnds`.

    Raises
    ------
    InvalidData
        When the frequency is none of ours.
    """
    if frequency not in ("day", "1hr"):
        raise InvalidData(f"generated weather every {frequency!r}; wanted 'day' or '1hr'")
    names = tuple(VARIABLES) if frequency == "day" else HOURLY
    steps_a_day = 1 if frequency == "day" else 24
    steps = period.days * steps_a_day
    size = sites_a_chunk or max(1, _CHUNK_BYTES // (4 * steps * len(names)))
    chunks: list[da.Array] = []
    for first in range(0, len(sites), size):
        some = tuple(sites[first : first + size])
        made = delayed(generate)(some, period, seed, frequency)
        chunks.append(
            da.from_delayed(  # type: ignore[no-untyped-call]
                made, (len(names), steps, len(some)), np.float32
            )
        )
    whole = da.concatenate(chunks, axis=2)  # type: ignore[no-untyped-call]
    variables = {}
    for number, name in enumerate(names):
        standard_name, units, cell_methods = VARIABLES[name]
        attributes = {
            "standard_name": standard_name,
            "units": units,
            "cell_methods": cell_methods,
        }
        variables[name] = xr.Variable(("time", "site"), whole[number], attributes)
    edges = period.times(steps_a_day).values
    variables["time_bnds"] = xr.Variable(
        ("time", "bnds"), np.stack([edges[:-1], edges[1:]], axis=1)
    )
    climates = sorted({site.climate.name for site in sites})
    return xr.Dataset(
        variables,
        _coordinates(sites, edges[:-1]),
        {
            "Conventions": "CF-1.11",
            "title": f"Generated weather, seed {seed}",
            "source": "generated: stochastic weather generator after Richardson (1981)",
            "generated": "true",
            "climate": ", ".join(climates),
        },
    )


def _coordinates(sites: Sequence[Site], time: NDArray[np.generic]) -> dict[str, xr.Variable]:
    def along(values: list[float], standard_name: str, units: str) -> xr.Variable:
        return xr.Variable(
            "site", np.array(values), {"standard_name": standard_name, "units": units}
        )

    longitudes = [(site.lon + 180) % 360 - 180 for site in sites]
    return {
        "time": xr.Variable(
            "time", time, {"standard_name": "time", "axis": "T", "bounds": "time_bnds"}
        ),
        "site": xr.Variable(
            "site", np.array([site.name for site in sites]), {"cf_role": "timeseries_id"}
        ),
        "lat": along([site.lat for site in sites], "latitude", "degrees_north"),
        "lon": along(longitudes, "longitude", "degrees_east"),
        "elevation": along([site.elevation_m for site in sites], "surface_altitude", "m"),
    }
