"""What the parts of the ensemble benchmark have in common: sites, weather, stages, clocks."""

from __future__ import annotations

import os
import resource
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from catena.coupler.embedded.columns import Columns
from catena.coupler.embedded.grid import NODE
from catena.coupler.embedded.parameters import ParameterSet
from catena.coupler.embedded.periods import Days, Frequency
from catena.coupler.embedded.simulate import Run, simulate
from catena.coupler.embedded.state import State, cold_start, leave_ad
from catena.coupler.forcing import CO2_1850_PPM, SITES, DailyForcing, daily_forcing, site_forcing
from catena.data_ingest.weather import weather_dataset
from catena.data_ingest.weather_site import Period, Site

YEAR_S = 86400 * 365.0
TREE = "broadleaf_deciduous_temperate_tree"
PARAMETERS = (
    ("rootb_par", 0.5, 4.0),
    ("slatop", 0.01, 0.05),
    ("flnr", 0.1, 0.4),
    ("frootcn", 25.0, 60.0),
    ("froot_leaf", 0.3, 1.5),
    ("br_mr", 1.5e-6, 4.0e-6),
    ("crit_dayl", 35_000.0, 45_000.0),
    ("crit_onset_gdd", 600.0, 1_000.0),
)
"""The eight parameters of the calibration at Missouri Ozark, with their ranges."""
PER_PFT = 5
"""The first ones have a value for each plant functional type."""


def data() -> Path | None:
    """Folder of the real data, where there is one."""
    folder = Path(os.environ.get("CATENA_DATA", ""))
    return folder if os.environ.get("CATENA_DATA") and folder.is_dir() else None


def cpu_s() -> float:
    """CPU seconds of this process and of its children that have ended."""
    own, children = (
        resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


def from_ranges(unit: NDArray[np.float64], pfts: Sequence[str] = (TREE,)) -> ParameterSet:
    """Members from rows of the unit cube (member, 8); the same value for all PFTs."""
    changes: list[tuple[str, str | None, NDArray[np.float64]]] = []
    for number, (name, low, high) in enumerate(PARAMETERS):
        values = low + (high - low) * unit[:, number]
        for pft in pfts if number < PER_PFT else (None,):
            changes.append((name, pft, values))
    return ParameterSet.default(len(unit)).update(changes)


@lru_cache(maxsize=1)
def forest() -> tuple[Columns, DailyForcing]:
    """A deciduous forest under ten years of generated weather: the same on every machine."""
    weather = weather_dataset([Site("forest", 38.7, -92.2, 220.0)], Period(days=3650), 1)
    columns = Columns.site(38.7, -92.2, 15.0, 27.0, {TREE: 1.0})
    return columns, daily_forcing(weather.compute())


def driver(site: str) -> Path:
    """File of a site's forcing."""
    folder = data()
    assert folder is not None, "real data are needed"
    return folder / "flux_sites" / "drivers" / f"{site}_forcing.nc4"


def observed_site(site: str) -> tuple[Columns, DailyForcing]:
    """Land and weather of a flux site, whole years in its own calendar."""
    facts = SITES[site]
    forcing = site_forcing(driver(site), site=site, gaps="fill").complete_years()
    edges = np.array([layer.bottom / 100.0 for layer in facts.soil])
    layers = np.searchsorted(edges, NODE).clip(max=len(facts.soil) - 1)
    sand, clay = (
        np.array([getattr(facts.soil[layer], name) for layer in layers])
        for name in ("sand", "clay")
    )
    return Columns.site(facts.lat, facts.lon, sand, clay, facts.pft), forcing


def advance(
    columns: Columns,
    forcing: DailyForcing,
    parameters: ParameterSet,
    state: State,
    *,
    cycles: int = 1,
    accelerated: bool = False,
    supplement: bool = False,
    variables: Sequence[str] = (),
    frequency: Frequency | None = None,
    threads: int = 1,
) -> Run:
    """Members over some cycles of the weather."""
    start = (forcing.start.year, forcing.start.month, forcing.start.day)
    return simulate(
        columns,
        forcing.array(),
        forcing.co2,
        forcing.ndep,
        Days.since(start, forcing.days * cycles, forcing.calendar),
        parameters,
        state,
        cycles=cycles,
        accelerated=accelerated,
        supplement_nitrogen=supplement,
        variables=variables,
        frequency=frequency,
        threads=threads,
    )


def spun_up(
    columns: Columns, forcing: DailyForcing, parameters: ParameterSet, years: tuple[int, int, int]
) -> State:
    """From bare ground: nitrogen supplied while plants grow, accelerated, then as it is.

    Parameters
    ----------
    columns : Columns
    forcing : DailyForcing
        Repeated, under the CO2 of 1850.
    parameters : ParameterSet
    years : tuple of int
        Of the three parts, rounded up to whole cycles of the forcing.
    """
    cycle = noleap(forcing).with_co2(CO2_1850_PPM)
    length = cycle.days // 365
    first, second, third = (-(-part // length) for part in years)
    state = cold_start(columns.sand, columns.clay, parameters.members, columns.slots)
    state = replace(state, spinup_state=1)
    state = advance(
        columns, cycle, parameters, state, cycles=first, accelerated=True, supplement=True
    ).state
    state = advance(columns, cycle, parameters, state, cycles=second, accelerated=True).state
    return advance(columns, cycle, parameters, leave_ad(state), cycles=third).state


def noleap(forcing: DailyForcing) -> DailyForcing:
    """The same weather in years of 365 days, so that it can be repeated as it is."""
    if forcing.calendar == "noleap":
        return forcing
    years = forcing.end.year - forcing.start.year + 1
    return forcing.cycle(years=years, calendar_to="noleap")


class Clock:
    """CPU seconds since it was made."""

    def __init__(self) -> None:
        self._start = cpu_s()

    def __call__(self) -> float:
        """CPU seconds."""
        return cpu_s() - self._start
