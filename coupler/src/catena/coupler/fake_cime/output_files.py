"""History and restart files with ELM's names, dimensions and attributes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cftime
import netCDF4
import numpy as np

from catena.coupler.embedded.outputs import OUTPUT_NAMES, OUTPUTS
from catena.coupler.embedded.restart_state import empty_restart, to_restart
from catena.coupler.embedded.state import State
from catena.coupler.fake_cime.land import Land
from catena.coupler.fake_cime.tapes import NAMES, Record, Tape
from catena.coupler.restart import Restart
from catena.coupler.restart.quantities import quantities
from catena.coupler.restart.writing import replacing

FILL = np.float32(1e36)


def date_text(year: int) -> str:
    """The first day of a year, as in the names of files."""
    return f"{year:04d}-01-01-00000"


@dataclass
class OutputFiles:
    """The files of one run.

    Parameters
    ----------
    folder : Path
        Run directory.
    case : str
    start : int
        First year of the case.
    land : Land
    """

    folder: Path
    case: str
    start: int
    land: Land
    _empty: Restart | None = None

    def empty(self) -> Restart:
        """A restart without carbon, with the land units of ELM's own files."""
        if self._empty is None:
            self._empty = empty_restart(
                self.land.columns, ymd=self.start * 10000 + 101, urban=True, folder=self.folder
            )
        return self._empty

    def restart(self, state: State, year: int) -> Restart:
        """The state on the first day of a year."""
        return to_restart(
            state.values[0],
            self.land.columns,
            self.land.parameters,
            cftime.DatetimeNoLeap(year, 1, 1),
            state.spinup_state,
            empty=self.empty(),
        )

    def stocks(self, state: State, year: int) -> dict[str, float]:
        """What is stored on the first day of a year, by ELM's names and definitions."""
        found = quantities(self.restart(state, year))
        return {one.name: float(one.on_gridcells()[0]) for one in found if one.name in NAMES}

    def write_restart(self, state: State, year: int) -> Path:
        """Write `CASE.elm.r.DATE.nc` and the driver's file beside it, then what points to them."""
        path = self.folder / f"{self.case}.elm.r.{date_text(year)}.nc"
        self.restart(state, year).write(path)
        driver = self.folder / f"{self.case}.cpl.r.{date_text(year)}.nc"
        driver.write_bytes(path.read_bytes())
        (self.folder / "rpointer.lnd").write_text(f"./{path.name}\n")
        (self.folder / "rpointer.drv").write_text(f"{driver.name}\n")
        return path

    def write_history(self, tape: Tape, records: Sequence[Record]) -> None:
        """Write `CASE.elm.hN.DATE.nc`, named as ELM does.

        The date is that on which the file's first record ended; a file of one month has the month.
        """
        units = f"days since {self.start:04d}-01-01 00:00:00"
        ends = [cftime.num2date(one.end, units, "noleap") for one in records]
        date = f"{ends[0].strftime('%Y-%m-%d')}-00000"
        if tape.frequency == "month" and tape.records == 1:
            date = cftime.num2date(records[0].begin, units, "noleap").strftime("%Y-%m")
        path = self.folder / f"{self.case}.elm.h{tape.number}.{date}.nc"
        sizes = self.empty().source.dimensions
        with (
            replacing(path) as temporary,
            netCDF4.Dataset(temporary, "w", format="NETCDF3_64BIT_DATA") as file,
        ):
            file.title = "ELM History file information"
            file.source = "stand-in for the E3SM Land Model"
            file.case = self.case
            for name in ("gridcell", "topounit", "landunit", "column", "pft", "levgrnd"):
                file.createDimension(name, sizes[name])
            for name, size in (("lndgrid", 1), ("hist_interval", 2), ("time", None)):
                file.createDimension(name, size)
            self._define(file, tape, units)
            file["time"][:] = [one.end for one in records]
            file["time_bounds"][:] = [(one.begin, one.end) for one in records]
            file["mcdate"][:] = [day.year * 10000 + day.month * 100 + day.day for day in ends]
            columns = self.land.columns
            for name, value in (
                ("lon", columns.lon[0]),
                ("lat", columns.lat[0]),
                ("area", self.land.area),
                ("landfrac", 1.0),
            ):
                file[name][:] = value
            values = np.stack([one.values for one in records]).astype(np.float32)
            for number, name in enumerate(tape.variables):
                file[name][:] = values[:, [number]]

    def _define(self, file: netCDF4.Dataset, tape: Tape, units: str) -> None:
        """All before any value: afterwards the library would move what is there each time."""
        file.set_fill_off()
        time = file.createVariable("time", "f4", ("time",))
        time.units, time.calendar, time.bounds = units, "noleap", "time_bounds"
        file.createVariable("time_bounds", "f8", ("time", "hist_interval"))
        file.createVariable("mcdate", "i4", ("time",))
        for name in ("lon", "lat", "area", "landfrac"):
            file.createVariable(name, "f4", ("lndgrid",))
        for name in tape.variables:
            output = OUTPUTS[OUTPUT_NAMES.index(name)]
            variable = file.createVariable(name, "f4", ("time", "lndgrid"), fill_value=FILL)
            variable.setncatts(
                {
                    "units": output.units,
                    "long_name": output.long_name,
                    "cell_methods": "time: mean",
                }
            )


def spoil(path: Path) -> None:
    """Leave NaN in the soil of a restart file, as a run that goes wrong without an error does."""
    with netCDF4.Dataset(path, "r+") as file:
        file.set_auto_mask(False)
        file["soil4c_vr"][0, 0] = np.nan
