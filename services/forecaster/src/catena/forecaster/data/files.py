"""Basin records straight from public files, for notebooks and benchmarks without a service.

In a service the same data come through data-ingest, which checks more and reads more layouts.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from catena.forecaster.data.canonical import records_from
from catena.forecaster.data.records import BasinRecords
from catena.shared.errors import InvalidData, NotFound
from catena.shared.lexicon import rows

TABLES = ("clim", "geol", "topo", "soil", "vege")
"""Tables of CAMELS that are read: camels_hydro holds signatures of the flow itself."""

EAST_RIVER = {"Quigley": ("Qui.dat", 576.4915), "Rock Creek": ("Rock.dat", 799.9965)}
"""Site -> file and area in acres."""
_ACRE = 4046.8564224  # m2
_FOOT3 = 0.3048**3  # m3
_INCH = 25.4  # mm


def read_camels(folder: str | Path, basins: Sequence[str] | None = None) -> BasinRecords:
    """CAMELS-US basins with Caravan's ERA5-Land weather.

    The potential evaporation in the file is not read: it is many times too large.

    Parameters
    ----------
    folder : path
        With ``caravan_era5land.nc`` (basin, time) and ``attributes_v2.0/camels_*.txt``.
    basins : sequence of str, optional
        Gauge ids of 8 digits; all that have both weather and attributes if left out.

    Raises
    ------
    NotFound
        When a file is missing.
    InvalidData
        As :func:`catena.forecaster.data.canonical.records_from`.

    Notes
    -----
    Addor et al. (2017), HESS 21, 5293-5313; Kratzert et al. (2023), Scientific Data 10, 61. Climate
    attributes are means over 1989-2009.
    """
    folder = Path(folder)
    known = rows("caravan")
    with xr.open_dataset(_there(folder / "caravan_era5land.nc")) as raw:
        names = {str(name): known[str(name)].name for name in raw if str(name) in known}
        return records_from(raw.rename(names), attributes=_attributes(folder), basins=basins)


def _attributes(folder: Path) -> xr.Dataset:
    tables = [
        pd.read_csv(
            _there(folder / "attributes_v2.0" / f"camels_{name}.txt"),
            sep=";",
            dtype={"gauge_id": str},
        ).set_index("gauge_id")
        for name in TABLES
    ]
    table = pd.concat(tables, axis=1)
    known = rows("camels_attributes")
    dataset = xr.Dataset(coords={"basin": [str(name).zfill(8) for name in table.index]})
    # The second of two areas, and the place, are no attributes.
    for name in table.columns.difference(["gauge_lat", "gauge_lon", "area_geospa_fabric"]):
        if pd.api.types.is_numeric_dtype(table[name]) and name in known:
            dataset[known[name].name] = ("basin", table[name].to_numpy(np.float64))
    return dataset.assign_coords(
        lat=("basin", table["gauge_lat"].to_numpy(np.float64)),
        lon=("basin", table["gauge_lon"].to_numpy(np.float64)),
        area=("basin", table["area_gages2"].to_numpy(np.float64) * 1e6),
    )


def read_east_river(
    folder: str | Path, site: str, *, first_day: str = "2014-10-01"
) -> BasinRecords:
    """One site in the East River watershed (Colorado), as it was used with PI3NN-LSTM.

    Parameters
    ----------
    folder : path
        With ``Qui.dat`` and ``Rock.dat``.
    site : {"Quigley", "Rock Creek"}
    first_day : str
        The files have no dates. The default is an assumption: a first of October, as the
        temperatures of both files suggest.

    Returns
    -------
    BasinRecords
        Weather ``pr``, ``tas``, ``tasmin``, ``tasmax``; rain and temperatures are taken to be in
        inches and degrees Fahrenheit, as their sizes are.

    Raises
    ------
    NotFound, InvalidData
        When the file is missing, or is no table of five columns.
    """
    if site not in EAST_RIVER:
        raise InvalidData(f"site '{site}' came; one of {', '.join(EAST_RIVER)} wanted")
    name, acres = EAST_RIVER[site]
    table = np.loadtxt(_there(Path(folder) / name), ndmin=2)
    if table.shape[1] != 5:
        raise InvalidData(f"{name} has {table.shape[1]} columns; 5 wanted: rain, highest and lowest"
                          " temperature, simulated and observed flow")  # fmt: skip
    rain, highest, lowest = table[:, 0] * _INCH, *((table[:, [1, 2]] - 32.0) / 1.8).T
    area = acres * _ACRE
    weather = np.stack([rain, (highest + lowest) / 2, lowest, highest], axis=1)
    days = np.datetime64(first_day, "D") + np.arange(len(table))
    return BasinRecords(
        basins=(site,),
        days=days,
        weather=weather[None].astype(np.float32),
        weather_names=("pr", "tas", "tasmin", "tasmax"),
        flow=(table[:, 4] * (_FOOT3 * 86_400_000.0 / area))[None].astype(np.float32),
        area=np.array([area]),
    )


def _there(path: Path) -> Path:
    if not path.is_file():
        raise NotFound(f"there is no file {path.name}; wanted it in the folder that was given")
    return path
