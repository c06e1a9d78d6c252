"""Small files of arrays of every format, with what is awkward in real ones."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import eccodes
import netCDF4
import numpy as np

LAT, LON = 24, 36


def netcdf(
    path: Path,
    *,
    start: int = 0,
    steps: int = 40,
    chunk: int = 10,
    kind: str = "NETCDF4",
    calendar: str = "noleap",
    scale: float = 0.01,
    lat: int = LAT,
    units: str = "days since 2000-01-01",
) -> Path:
    """A file along time: floats, packed integers (single precision scale), text, 2-d coordinates.

    Values depend on the time only, so that several files are pieces of one series.
    """
    classic = kind != "NETCDF4"
    with netCDF4.Dataset(path, "w", format=kind) as file:
        file.createDimension("time", None)
        file.createDimension("bnds", 2)
        file.createDimension("lat", lat)
        file.createDimension("lon", LON)
        file.title = "generated"
        time = file.createVariable("time", "f8", ("time",), chunksizes=None if classic else (512,))
        time.units, time.calendar, time.bounds = units, calendar, "time_bnds"
        days = np.arange(start, start + steps)
        bounds = file.createVariable("time_bnds", "f8", ("time", "bnds"))
        file.createVariable("lat", "f8", ("lat",))[:] = np.linspace(-60, 60, lat)
        file.createVariable("lon", "f8", ("lon",))[:] = np.arange(LON) * 10.0
        file["lat"].units, file["lon"].units = "degrees_north", "degrees_east"
        how = {} if classic else {"zlib": True, "shuffle": True, "complevel": 1}
        sides = None if classic else (chunk, lat, LON)
        tas = file.createVariable("tas", "f4", ("time", "lat", "lon"), chunksizes=sides,
                                  fill_value=np.float32(1e20), **how)  # fmt: skip
        tas.units, tas.coordinates, tas.cell_methods = "K", "area height", "time: mean"
        pr = file.createVariable("pr", "i2", ("time", "lat", "lon"), chunksizes=sides,
                                 fill_value=np.int16(-32767), **how)  # fmt: skip
        pr.units, pr.scale_factor, pr.add_offset = "mm", np.float32(scale), np.float32(3.0)
        pr.set_auto_maskandscale(False)
        # No fill value of its own: HDF5's default must not hide numbers.
        count = file.createVariable("count", "i4", ("time", "lat", "lon"), chunksizes=sides)
        count.set_auto_maskandscale(False)
        file.createVariable("area", "f8", ("lat", "lon"))[:] = 1.0 + np.arange(lat * LON).reshape(
            lat, LON
        )
        file.createVariable("height", "f8", ())[...] = 2.0
        if not classic:
            names = file.createVariable("zone", str, ("lat",))
            for k in range(lat):
                names[k] = f"zone {k} ü"
        time[:] = days
        bounds[:] = np.stack([days, days + 1], axis=1)
        for row, day in enumerate(days):
            rng = np.random.default_rng(day)
            values = rng.normal(280, 10, (lat, LON)).astype("f4")
            values[0, :3] = 1e20
            tas[row] = values
            packed = rng.integers(0, 3000, (lat, LON)).astype("i2")
            packed[1, :2] = -32767
            pr[row] = packed
            counts = rng.integers(-5, 5, (lat, LON)).astype("i4")
            counts[2, 2] = -2147483647
            count[row] = counts
    return path


def grib(path: Path, edition: int, *, days: int = 6, members: int = 3) -> Path:
    """Temperature at two levels, with a bitmap of missing values; messages in no order."""
    places = [(day, member, level) for day in range(days) for member in range(members)
              for level in (500, 850)]  # fmt: skip
    order = np.random.default_rng(0).permutation(len(places))
    with path.open("wb") as file:
        for day, member, level in (places[k] for k in order):
            handle = eccodes.codes_grib_new_from_samples(f"regular_ll_pl_grib{edition}")
            keys = {"Ni": LON, "Nj": LAT, "latitudeOfFirstGridPointInDegrees": 69.0,
                    "latitudeOfLastGridPointInDegrees": 0.0,
                    "longitudeOfFirstGridPointInDegrees": 0.0,
                    "longitudeOfLastGridPointInDegrees": 350.0,
                    "iDirectionIncrementInDegrees": 10.0, "jDirectionIncrementInDegrees": 3.0,
                    "dataDate": 20190300 + day + 1, "dataTime": 1200, "level": level,
                    "bitsPerValue": 16, "bitmapPresent": 1, "missingValue": -9999.0}  # fmt: skip
            if edition == 1:
                keys |= {"localDefinitionNumber": 1, "marsType": "pf", "marsStream": "enda",
                         "marsClass": "ea", "experimentVersionNumber": "0001"}  # fmt: skip
                eccodes.codes_set(handle, "setLocalDefinition", 1)
            else:
                keys |= {"productDefinitionTemplateNumber": 1, "numberOfForecastsInEnsemble": 3}
            for key, value in keys.items():
                eccodes.codes_set(handle, key, value)
            eccodes.codes_set(handle, "perturbationNumber", member)
            eccodes.codes_set(handle, "shortName", "t")
            values = 250 + day + 10.0 * member + level / 100 + np.arange(LAT * LON) / 97.0
            values[:4] = -9999.0
            eccodes.codes_set_values(handle, values)
            eccodes.codes_write(handle, file)
            eccodes.codes_release(handle)
    return path


def series(
    folder: Path, write: Callable[..., Path] = netcdf, count: int = 3, **how: object
) -> list[Path]:
    """Files of 40, 40, ... and 17 days that follow each other."""
    return [
        write(folder / f"part{k}.nc", start=40 * k, steps=40 if k < count - 1 else 17, **how)
        for k in range(count)
    ]
