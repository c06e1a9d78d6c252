"""Generated weather as datasets: daily or hourly, many sites at once, lazily."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from functools import partial
from typing import Literal

import dask.array as da
import numpy as np
import xarray as xr
from dask.delayed import delayed
from numpy.typing import NDArray

from catena.data_ingest.spool import Spool
from catena.data_ingest.weather_days import generate_days
from catena.data_ingest.weather_hours import generate_hours
from catena.data_ingest.weather_site import Period, Site
from catena.shared.errors import InvalidData
from catena.shared.lexicon import variable

Frequency = Literal["day", "1hr"]

VARIABLES = (
    "tas",
    "tasmin",
    "tasmax",
    "pr",
    "hurs",
    "huss",
    "ps",
    "sfcWind",
    "rsds",
    "rlds",
)
HOURLY = tuple(name for name in VARIABLES if name not in ("tasmin", "tasmax"))

_NAMED = 12
"""Climates that a dataset names; each cell of a region has its own."""
_CHUNK_BYTES = 16 << 20  # making them takes about eight times as much


def generate(
    sites: Sequence[Site], period: Period, seed: int, frequency: Frequency = "day"
) -> dict[str, NDArray[np.float32]]:
    """Weather of several sites: name -> values (time, site) as float32.

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
        return {name: days.fields[name].astype(np.float32) for name in VARIABLES}
    hours = generate_hours(days, sites, period, seed)
    return {name: hours[name].astype(np.float32) for name in HOURLY}


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
        By default as many as make 16 MiB.

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
    spool, token = Spool(), uuid.uuid4().hex
    parts: dict[str, list[da.Array]] = {name: [] for name in names}
    for number, first in enumerate(range(0, len(sites), size)):
        some = tuple(sites[first : first + size])
        make = partial(generate, some, period, seed, frequency)
        made = delayed(spool.block)(number, make, dask_key_name=f"weather-{token}-{number}")
        for name in names:
            parts[name].append(
                da.from_delayed(  # type: ignore[no-untyped-call]
                    made[name], (steps, len(some)), np.float32
                )
            )
    variables = {}
    for name in names:
        canonical = variable(name)
        attributes = {
            "standard_name": canonical.standard_name,
            "long_name": canonical.long_name,
            "units": canonical.units,
            "cell_methods": canonical.cell_methods,
        }
        variables[name] = xr.Variable(
            ("time", "site"),
            da.concatenate(parts[name], axis=1),  # type: ignore[no-untyped-call]
            attributes,
        )
    edges = period.times(steps_a_day).values
    climates = sorted({site.climate.name for site in sites})
    if len(climates) > _NAMED:
        climates = [*climates[:_NAMED], f"{len(climates) - _NAMED} more"]
    return xr.Dataset(
        variables,
        _coordinates(sites, edges),
        {
            "Conventions": "CF-1.11",
            "title": f"Generated weather, seed {seed}",
            "source": "generated: stochastic weather generator after Richardson (1981)",
            "generated": "true",
            "climate": ", ".join(climates),
        },
    )


def _coordinates(sites: Sequence[Site], edges: NDArray[np.generic]) -> dict[str, xr.Variable]:
    def along(values: list[float], standard_name: str, units: str) -> xr.Variable:
        return xr.Variable(
            "site", np.array(values), {"standard_name": standard_name, "units": units}
        )

    longitudes = [(site.lon + 180) % 360 - 180 for site in sites]
    return {
        "time": xr.Variable(
            "time", edges[:-1], {"standard_name": "time", "axis": "T", "bounds": "time_bnds"}
        ),
        "time_bnds": xr.Variable(("time", "bnds"), np.stack([edges[:-1], edges[1:]], axis=1)),
        "site": xr.Variable(
            "site", np.array([site.name for site in sites]), {"cf_role": "timeseries_id"}
        ),
        "lat": along([site.lat for site in sites], "latitude", "degrees_north"),
        "lon": along(longitudes, "longitude", "degrees_east"),
        "elevation": along([site.elevation_m for site in sites], "surface_altitude", "m"),
    }
