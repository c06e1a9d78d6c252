"""Spin-ups with a planted truth for cases on the stand-in for ELM: good and bad emulators."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import cftime
import netCDF4
import numpy as np
from support.elm_case import elm_mapping
from support.fake_cime_inside import inside
from support.site_weather import elm_file, weather

from catena.coupler.elm import ElmConfig
from catena.coupler.elm.land_case import ElmLandCase
from catena.coupler.elm.pool_table import table_of
from catena.coupler.embedded import Days, simulate
from catena.coupler.embedded.restart_state import to_restart
from catena.coupler.embedded.state import leave_ad
from catena.coupler.fake_cime.land import Land
from catena.coupler.fake_cime.namelists import read_namelist
from catena.coupler.forcing import NDEP_1850
from catena.coupler.pft import PFT_NAMES
from catena.coupler.spin_up.case import LandCase, S
from catena.coupler.spin_up.native import accelerated
from catena.coupler.spin_up.plug_in import Progress, SpinUp, SpunUp, quiet

TREE = "broadleaf_deciduous_temperate_tree"
CYCLE = 2
LIMITS = {"nee": 5.0, "drift": 10.0}
"""A state that is put together swings for centuries by a few grams, as nitrogen finds its place."""
STAGES = (
    {"name": "ad_spinup", "years": 60},
    {"name": "final", "years": 40},
    {"name": "transient", "years": 2, "compset": "ICB20TRCNRDCTCBC"},
)


def write_surface(path: Path, shares: dict[str, float], sand: float, clay: float) -> Path:
    """Soil and plants of one cell; shares are per cent."""
    with netCDF4.Dataset(path, "w", format="NETCDF3_64BIT_OFFSET") as file:
        for name, size in (("gridcell", 1), ("natpft", len(PFT_NAMES)), ("nlevsoi", 10)):
            file.createDimension(name, size)
        plants = file.createVariable("PCT_NAT_PFT", "f8", ("natpft", "gridcell"))
        plants[:] = 0.0
        for name, share in shares.items():
            plants[PFT_NAMES.index(name)] = share
        for name, value in (("PCT_SAND", sand), ("PCT_CLAY", clay)):
            file.createVariable(name, "f8", ("nlevsoi", "gridcell"))[:] = value
    return path


def swap_mapping(folder: Path, **changed: Any) -> dict[str, Any]:
    """A case without phosphorus on two years of a site's weather, which is generated."""
    whole = {"compset": "ICB1850CNRDCTCBC", "forcing_years": CYCLE, "stages": list(STAGES)}
    data = elm_mapping(folder, **(whole | changed))
    write_surface(Path(data["surface_file"]), {TREE: 100.0}, 40.0, 20.0)
    forcing = Path(data["forcing"]["directory"]) / "all_hourly.nc"
    elm_file(forcing, weather(365 * CYCLE, 8), 8)
    with netCDF4.Dataset(forcing, "a") as file:
        file.createVariable("end_year", "i4", ("scalar",))[:] = 2002 + CYCLE
    return data


def config_of(folder: Path, **spin_up: Any) -> ElmConfig:
    """A case with other options of its spin-up."""
    return swap_config(folder, spin_up={**LIMITS, **spin_up})


def submitted(config: ElmConfig) -> list[str]:
    """Case of each submission, in its time."""
    found = []
    for path in config.case_root.glob("*.catena.log"):
        for line in path.read_text().splitlines():
            entry = json.loads(line)
            if entry["kind"] == "submit":
                found.append((entry["at"], path.name.removesuffix(".catena.log")))
    return [name for _, name in sorted(found)]


def swap_config(folder: Path, **changed: Any) -> ElmConfig:
    """The same, checked."""
    return ElmConfig.from_mapping(swap_mapping(folder, **changed))


def equilibrium(config: ElmConfig, case: ElmLandCase, ad: int = 1000, final: int = 200) -> Any:
    """Pools at rest in the layout of a case, by the stand-in's own land without its programs.

    Nitrogen is what takes longest: it gathers in centuries of accelerated decomposition.
    """
    probe = ElmLandCase(config, label="truth").runs.case(case.cold_start(), case.cycle_years)
    probe.prepare()
    land = Land.read(probe.run_folder, read_namelist(probe.run_folder / "lnd_in"), 1)
    days = land.weather.values.shape[1]
    state = land.cold()
    for years, fast in ((ad, True), (final, False)):
        cycles = years * 365 // days
        state = type(state)(state.values, int(fast))
        state = simulate(
            land.columns,
            land.weather.values,
            np.full(days, land.co2),
            np.full(days, NDEP_1850),
            Days.since((1, 1, 1), days * cycles, "noleap"),
            land.parameters,
            state,
            cycles=cycles,
            accelerated=fast,
            supplement_nitrogen=False,
            variables=(),
            frequency=None,
        ).state
        if fast:
            state = leave_ad(state)
    restart = to_restart(
        state.values[0], land.columns, land.parameters, cftime.DatetimeNoLeap(1, 1, 1), 0
    )
    return table_of(restart, case.layout)


@dataclass(frozen=True)
class Truth:
    """Pools at rest of the site, in the layout of its case."""

    pools: Any
    names: tuple[str, ...]

    @classmethod
    def grown(cls, folder: Path) -> Truth:
        """Of the case's own land, within the programs of this process."""
        config = swap_config(folder)
        with inside():
            case = ElmLandCase(config)
            return cls(equilibrium(config, case), case.layout.names)

    def times(self, pool: str, factor: float) -> Any:
        """With another amount of one pool."""
        made = self.pools.copy()
        mine = [n for n, name in enumerate(self.names) if name.partition(".")[0] == pool]
        assert mine
        made[:, mine] *= factor
        return made


@dataclass
class Planted(SpinUp):
    """Puts known pools into the state after some years of accelerated decomposition.

    Parameters
    ----------
    pools : float64 (site, pool)
    ad_years : int
        0: into the state of a model that has not run.
    unfamiliar : float64 (site,), optional
    """

    name: ClassVar[str] = "planted"
    pools: Any = None
    ad_years: int = 20
    unfamiliar: Any = None
    asked: list[str] = field(default_factory=list)

    def run(self, case: LandCase[S], progress: Progress = quiet) -> SpunUp[S]:
        self.asked.append(case.model)
        state = case.cold_start()
        if self.ad_years:
            state = case.leave_ad(accelerated(case, self.ad_years))
        state = case.with_pools(state, self.pools)
        years = np.full(case.sites, float(self.ad_years))
        return SpunUp(state, years, unfamiliar=self.unfamiliar)
