"""History files as ELM writes them: names, units, time at the end of each interval with bounds."""

from __future__ import annotations

from pathlib import Path

import cftime
import netCDF4
import numpy as np

from catena.coupler.embedded.columns import Columns
from catena.coupler.embedded.grid import N_LAYERS, NODE
from catena.coupler.embedded.outputs import OUTPUT_NAMES, OUTPUTS
from catena.coupler.embedded.simulate import Run
from catena.coupler.restart.writing import replacing
from catena.shared.errors import InvalidData, InvalidRequest


def write_history(path: Path, run: Run, columns: Columns, member: int = 0, case: str = "") -> None:
    """Write the outputs of one member; the file appears whole or not at all.

    Parameters
    ----------
    path : Path
        By ELM's habit ``CASE.elm.h0.YYYY-MM-DD-SSSSS.nc``.
    run : Run
        With outputs.
    columns : Columns
    member : int
    case : str

    Raises
    ------
    InvalidRequest
        When the run kept no outputs.
    InvalidData
        When the member failed: half a history would look like a whole one.
    OSError
        When the disk is full.
    """
    if not run.variables:
        raise InvalidRequest("the run kept no outputs; name variables and a frequency")
    values = run.values[member]
    if not np.isfinite(values).all():
        why = next((str(f) for f in run.failures if f.member == member), "it holds NaN")
        raise InvalidData(f"no history of member {member} is written: {why}")
    edges = np.append(run.first, run.days.count).astype(np.float64)
    begin = run.days.dates(run.first[:1])[0]
    origin = cftime.datetime(begin.year, 1, 1, calendar=run.days.calendar)
    edges += (begin - origin).days
    units = f"days since {origin.year:04d}-01-01 00:00:00"
    ends = cftime.num2date(edges[1:], units, calendar=run.days.calendar)
    with replacing(path) as temporary, netCDF4.Dataset(temporary, "w", format="NETCDF4") as file:
        file.setncatts(
            {
                "title": "ELM History file information",
                "source": "catena embedded land model",
                "Conventions": "CF-1.7",
                "case_id": case,
            }
        )
        file.createDimension("time", None)
        file.createDimension("hist_interval", 2)
        file.createDimension("lndgrid", columns.cells)
        file.createDimension("levgrnd", N_LAYERS)
        level = file.createVariable("levgrnd", "f8", ("levgrnd",))
        level.setncatts({"units": "m", "long_name": "coordinate soil levels", "positive": "down"})
        level[:] = NODE
        for name, numbers, unit in (
            ("lon", columns.lon, "degrees_east"),
            ("lat", columns.lat, "degrees_north"),
        ):
            place = file.createVariable(name, "f8", ("lndgrid",))
            place.units = unit
            place[:] = numbers
        time = file.createVariable("time", "f8", ("time",))
        time.setncatts(
            {
                "units": units,
                "calendar": run.days.calendar,
                "bounds": "time_bounds",
                "long_name": "time",
            }
        )
        time[:] = edges[1:]
        bounds = file.createVariable("time_bounds", "f8", ("time", "hist_interval"))
        bounds.long_name = "history time interval endpoints"
        bounds[:] = np.stack([edges[:-1], edges[1:]], axis=1)
        date = file.createVariable("mcdate", "i4", ("time",))
        date.long_name = "current date (YYYYMMDD)"
        date[:] = [day.year * 10000 + day.month * 100 + day.day for day in ends]
        for n, name in enumerate(run.variables):
            output = OUTPUTS[OUTPUT_NAMES.index(name)]
            variable = file.createVariable(
                name, "f8", ("time", "lndgrid"), fill_value=1e36, compression="zlib", complevel=1
            )
            variable.setncatts(
                {
                    "units": output.units,
                    "long_name": output.long_name,
                    "cell_methods": "time: mean",
                    "missing_value": 1e36,
                }
            )
            variable[:] = values[:, :, n].T
