"""The land of a run: its column, its parameters and its years, by the embedded model.

CO2 is ``co2_ppmv`` and nitrogen deposition that of 1850 in all years and stages. As in ELM's own
source, ``crit_onset_gdd`` of the parameter file has no effect.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import netCDF4
import numpy as np
from numpy.typing import NDArray

from catena.coupler.embedded import Columns, Days, ParameterSet, Run, State, cold_start, simulate
from catena.coupler.embedded.restart_state import from_restart
from catena.coupler.fake_cime.weather import DAYS, Weather, weather_of
from catena.coupler.forcing import NDEP_1850
from catena.coupler.pft import PFT_NAMES
from catena.coupler.restart import Restart, to_flag
from catena.shared.errors import InvalidData

Floats = NDArray[np.float64]

INERT = "crit_onset_gdd"
EARTH_KM = 6371.22
"""Radius, as E3SM has it."""
_LOAM = (40.0, 20.0)
_TREE = "broadleaf_deciduous_temperate_tree"


@dataclass(frozen=True)
class Land:
    """One column of one member.

    Parameters
    ----------
    columns : Columns
    parameters : ParameterSet
    weather : Weather
    area : float
        km2.
    co2 : float
        ppm.
    accelerated : bool
    supplemented_until : int
        Year before which nitrogen does not limit.
    """

    columns: Columns
    parameters: ParameterSet
    weather: Weather
    area: float
    co2: float
    accelerated: bool
    supplemented_until: int

    @classmethod
    def read(
        cls, folder: Path, namelist: Mapping[str, str], start: int, kept: Path | None = None
    ) -> Land:
        """From the files that `lnd_in` names.

        Parameters
        ----------
        folder : Path
            Run directory.
        namelist : mapping
            Entries of `lnd_in`.
        start : int
            First year of the case.
        kept : Path, optional
            Folder for the weather, see :func:`~catena.coupler.fake_cime.weather.weather_of`.

        Raises
        ------
        InvalidData
            When a file cannot be read or does not fit.
        """

        def path(name: str) -> Path:
            return folder / namelist[name].strip("' ")

        columns, area = _columns(path("fatmlndfrc"), path("fsurdat"))
        bypass = path("metdata_bypass") / "all_hourly.nc" if "metdata_bypass" in namelist else None
        inert = ParameterSet.default().get(INERT)
        accelerated = namelist["spinup_state"] == "1"
        carbon_only = int(namelist.get("nyears_ad_carbon_only", "0")) if accelerated else 0
        return cls(
            columns,
            ParameterSet.from_file(path("paramfile")).set(INERT, inert),
            weather_of(bypass, float(columns.lat[0]), float(columns.lon[0]), kept),
            area,
            float(namelist["co2_ppmv"]),
            accelerated,
            start + carbon_only,
        )

    def cold(self) -> State:
        """Bare ground."""
        made = cold_start(self.columns.sand, self.columns.clay, 1, self.columns.slots)
        return State(made.values, int(self.accelerated))

    def state_of(self, restart: Restart) -> State:
        """What a restart file holds, brought to the run's `spinup_state` as ELM does on reading."""
        flag = int(self.accelerated)
        restart = to_flag(restart, 1 if self.accelerated else 0)
        return State(from_restart(restart, self.columns)[np.newaxis], flag)

    def run(self, state: State, year: int, variables: Sequence[str]) -> Run:
        """One year, with daily means of `variables`.

        Raises
        ------
        InvalidData
            When the model fails; the message says on which day and why.
        """
        made = simulate(
            self.columns,
            self.weather.year(year),
            np.full(DAYS, self.co2),
            np.full(DAYS, NDEP_1850),
            Days.since((year, 1, 1), DAYS, "noleap"),
            self.parameters,
            state,
            accelerated=self.accelerated,
            supplement_nitrogen=year < self.supplemented_until,
            variables=variables,
            frequency="day",
        )
        if made.failures:
            raise InvalidData(f"year {year}: {made.failures[0]}")
        return made


def _columns(domain: Path, surface: Path) -> tuple[Columns, float]:
    """The cell of a domain file with the soil and plants of a surface file, and its area in km2.

    A surface file without PCT_NAT_PFT, PCT_SAND or PCT_CLAY has deciduous trees on loam.
    """
    lon, lat, area = (_values(domain, name) for name in ("xc", "yc", "area"))
    if lon is None or lat is None or lon.size != 1 or lat.size != 1:
        raise InvalidData(f"{domain.name}: the stand-in for ELM runs one cell, with xc and yc")
    shares = _values(surface, "PCT_NAT_PFT")
    sand, clay = _values(surface, "PCT_SAND"), _values(surface, "PCT_CLAY")
    if shares is None:
        pfts = {_TREE: 1.0}
    elif shares.size != len(PFT_NAMES) or not np.isclose(shares.sum(), 100.0):
        raise InvalidData(
            f"{surface.name}: PCT_NAT_PFT has {shares.size} values with a sum of {shares.sum():g}; "
            f"{len(PFT_NAMES)} with a sum of 100 were wanted"
        )
    else:
        pfts = {PFT_NAMES[n]: shares[n] / shares.sum() for n in np.flatnonzero(shares)}
    columns = Columns.site(
        float(lat[0]),
        float(lon[0]),
        _LOAM[0] if sand is None else sand,
        _LOAM[1] if clay is None else clay,
        pfts,
    )
    return columns, 0.0 if area is None else float(area[0]) * EARTH_KM**2


def _values(path: Path, name: str) -> Floats | None:
    try:
        with netCDF4.Dataset(path) as file:
            if name not in file.variables:
                return None
            return np.asarray(file[name][...], np.float64).ravel()
    except OSError as error:
        raise InvalidData(f"{path.name} cannot be read: {error}") from error
