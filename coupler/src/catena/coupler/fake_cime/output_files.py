"""History and restart files with ELM's names, dimensions and attributes."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import netCDF4
import numpy as np

from catena.coupler.fake_cime.carbon_box import Pools, Year

SECONDS_A_YEAR = 365 * 86400
PFT = 7
"""The site's plant, and its slot: the broadleaf deciduous temperate tree."""
_COLUMN = 0
FIRST_LEVEL = 0.017512817916255204
"""Thickness of ELM's first soil level, m: it holds all the carbon of the box."""
_VERTICAL = {
    "cwd": "cwdc_vr",
    "litter": "litr1c_vr",
    "soil2": "soil2c_vr",
    "soil3": "soil3c_vr",
    "soil4": "soil4c_vr",
}
_PLANT = {"leaf": "leafc", "deadstem": "deadstemc"}


@dataclass(frozen=True)
class Record:
    """One record of a history file: days since the reference date, means over them."""

    begin: float
    end: float
    date: int
    pools: Pools
    year: Year | None


def date_text(year: int) -> str:
    """The first day of a year, as in the names of files."""
    return f"{year:04d}-01-01-00000"


def write_history(path: Path, case: str, reference: str, records: Sequence[Record]) -> None:
    """Write `CASE.elm.h0.DATE.nc`.

    Parameters
    ----------
    path : Path
    case : str
    reference : str
        Date that time counts from, `YYYY-MM-DD`.
    records : sequence of Record
    """
    with netCDF4.Dataset(path, "w", format="NETCDF3_64BIT_DATA") as file:
        file.title = "ELM History file information"
        file.source = "stand-in for the E3SM Land Model"
        file.case = case
        for name, size in (("lndgrid", 1), ("hist_interval", 2), ("time", None)):
            file.createDimension(name, size)
        time = file.createVariable("time", "f4", ("time",))
        time.units = f"days since {reference} 00:00:00"
        time.calendar, time.bounds = "noleap", "time_bounds"
        bounds = file.createVariable("time_bounds", "f8", ("time", "hist_interval"))
        dates = file.createVariable("mcdate", "i4", ("time",))
        for name, value in (("lon", 267.8), ("lat", 38.74), ("area", 0.0123), ("landfrac", 1.0)):
            file.createVariable(name, "f4", ("lndgrid",))[:] = value
        for number, record in enumerate(records):
            time[number] = record.end
            bounds[number] = record.begin, record.end
            dates[number] = record.date
        for name, units, values in _columns(records):
            variable = file.createVariable(
                name, "f4", ("time", "lndgrid"), fill_value=np.float32(1e36)
            )
            variable.units, variable.cell_methods = units, "time: mean"
            variable[:] = np.asarray(values, "f4")[:, None]


def _columns(records: Sequence[Record]) -> list[tuple[str, str, list[float]]]:
    flux, pool = "gC/m^2/s", "gC/m^2"
    rate = 1.0 / SECONDS_A_YEAR
    nothing = Year(0.0, 0.0, 0.0, 5.8, 0.0)
    years = [record.year or nothing for record in records]
    pools = [record.pools for record in records]
    return [
        ("GPP", flux, [item.gpp * rate for item in years]),
        ("NPP", flux, [item.npp * rate for item in years]),
        ("AR", flux, [(item.gpp - item.npp) * rate for item in years]),
        ("HR", flux, [item.hr * rate for item in years]),
        ("NEE", flux, [(item.hr - item.npp) * rate for item in years]),
        ("EFLX_LH_TOT", "W/m^2", [item.latent_heat for item in years]),
        ("TLAI", "none", [item.lai for item in years]),
        ("LEAFC", pool, [item.leaf for item in pools]),
        ("DEADSTEMC", pool, [item.deadstem for item in pools]),
        ("CWDC", pool, [item.cwd for item in pools]),
        ("SOIL3C", pool, [item.soil3 for item in pools]),
        ("SOIL4C", pool, [item.soil4 for item in pools]),
        ("TOTVEGC", pool, [item.vegetation for item in pools]),
        ("TOTSOMC", pool, [item.soil for item in pools]),
        ("TOTECOSYSC", pool, [item.total for item in pools]),
    ]


def write_restart(
    path: Path,
    template: Path,
    case: str,
    dates: tuple[int, int],
    pools: Pools,
    spinup_state: int,
    broken: bool,
) -> None:
    """Write `CASE.elm.r.DATE.nc`.

    Parameters
    ----------
    path, template : Path
        The template has all of ELM's names and dimensions, and nothing in its pools.
    case : str
    dates : tuple of int
        Years of the run's start and of the file.
    pools : Pools
    spinup_state : int
    broken : bool
        Whether to leave NaN in the soil.
    """
    shutil.copyfile(template, path)
    start, year = dates
    values = asdict(pools)
    totals = {"totlitc": pools.litter, "totsomc": pools.soil, "totcolc": pools.total}
    with netCDF4.Dataset(path, "r+") as file:
        file.set_auto_mask(False)
        file["spinup_state"][...] = spinup_state
        file["timemgr_rst_start_ymd"][...] = start * 10000 + 101
        file["timemgr_rst_curr_ymd"][...] = year * 10000 + 101
        for name, variable in _VERTICAL.items():
            density = values[name] / FIRST_LEVEL
            file[variable][_COLUMN, 0] = np.nan if broken and name == "soil4" else density
        for name, variable in _PLANT.items():
            file[variable][PFT] = values[name]
        for variable, total in totals.items():
            file[variable][_COLUMN] = total
        file["totvegc"][PFT] = pools.vegetation


def read_restart(path: Path) -> tuple[Pools, int, int]:
    """Pools, spinup_state and date (YYYYMMDD) of a restart file."""
    with netCDF4.Dataset(path) as file:
        file.set_auto_mask(False)
        values = {
            name: float(file[variable][_COLUMN, 0]) * FIRST_LEVEL
            for name, variable in _VERTICAL.items()
        }
        values |= {name: float(file[variable][PFT]) for name, variable in _PLANT.items()}
        return (
            Pools(**values),
            int(file["spinup_state"][...]),
            int(file["timemgr_rst_curr_ymd"][...]),
        )
