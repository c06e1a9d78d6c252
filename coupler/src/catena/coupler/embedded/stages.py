"""The three stages of a run: accelerated decomposition, final spin-up, transient.

>>> spun = spin_up(columns, forcing, parameters)                               # doctest: +SKIP
>>> run = transient(columns, forcing, parameters, spun.state)                  # doctest: +SKIP
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from catena.coupler.embedded.columns import Columns
from catena.coupler.embedded.parameters import ParameterSet
from catena.coupler.embedded.periods import Days, Frequency
from catena.coupler.embedded.simulate import Run, simulate
from catena.coupler.embedded.state import State, cold_start, leave_ad
from catena.coupler.embedded.status import Failure
from catena.coupler.forcing import CO2_1850_PPM, NDEP_1850, DailyForcing
from catena.shared.errors import InvalidRequest

Stage = Literal["ad_spinup", "final", "transient"]
STAGES: tuple[Stage, ...] = ("ad_spinup", "final", "transient")

AD_YEARS = 250
FINAL_YEARS = 200
"""Lengths of the spin-up's stages in ELM's workflow, rounded up to whole cycles of the forcing."""
SUPPLEMENTED_YEARS = 25
"""First years in which nitrogen does not limit (ELM's ``nyears_ad_carbon_only``)."""


@dataclass(frozen=True)
class SpinUpStages:
    """What the stages of a spin-up from bare ground left.

    Parameters
    ----------
    state : State
        At the end of the final stage.
    drift : float64 (member, cell)
        Trend of TOTECOSYSC from the last cycle but one to the last, gC m-2 yr-1.
    years : int
        Simulated years.
    failures : tuple of Failure
        Days count from the beginning of the member's stage.
    """

    state: State
    drift: NDArray[np.float64]
    years: int
    failures: tuple[Failure, ...]


def one_cycle(forcing: DailyForcing) -> DailyForcing:
    """The record as whole years without leap days, so that cycles of it keep the seasons."""
    years = forcing.end.year - forcing.start.year + 1
    return forcing.cycle(years=years, calendar_to="noleap")


def spin_up(
    columns: Columns,
    forcing: DailyForcing,
    parameters: ParameterSet,
    *,
    ad_years: int = AD_YEARS,
    final_years: int = FINAL_YEARS,
    co2: float = CO2_1850_PPM,
    ndep: float = NDEP_1850,
    threads: int = 1,
) -> SpinUpStages:
    """Bring bare ground to equilibrium: ``ad_spinup``, then ``final``.

    Parameters
    ----------
    columns : Columns
    forcing : DailyForcing
        Repeated; CO2 and nitrogen deposition of the record are not used.
    parameters : ParameterSet
    ad_years, final_years : int
        0 leaves a stage out.
    co2 : float
        ppm.
    ndep : float
        gN m-2 yr-1.
    threads : int
    """
    record = one_cycle(forcing)
    years = record.days // 365
    weather = record.array()
    state = replace(
        cold_start(columns.sand, columns.clay, parameters.members, columns.slots),
        spinup_state=int(ad_years > 0),
    )
    failures: list[Failure] = []
    total = 0

    def run(cycles: int, accelerated: bool, supplement: bool, keep: bool) -> Run:
        nonlocal state, total
        made = simulate(
            columns,
            weather,
            np.full(record.days, co2),
            np.full(record.days, ndep),
            Days.since((1 + total, 1, 1), record.days * cycles, "noleap"),
            parameters,
            state,
            cycles=cycles,
            accelerated=accelerated,
            supplement_nitrogen=supplement,
            variables=("TOTECOSYSC",) if keep else (),
            frequency="year" if keep else None,
            threads=threads,
        )
        state, total = made.state, total + cycles * years
        known = {failure.member for failure in failures}
        failures.extend(f for f in made.failures if f.member not in known)
        return made

    if ad_years > 0:
        cycles = math.ceil(ad_years / years)
        first = min(math.ceil(SUPPLEMENTED_YEARS / years), cycles)
        run(first, True, True, False)
        if cycles > first:
            run(cycles - first, True, False, False)
        state = leave_ad(state)
    drift = np.full((parameters.members, columns.cells), np.nan)
    if final_years > 0:
        cycles = math.ceil(final_years / years)
        if cycles > 2:
            run(cycles - 2, False, False, False)
        drift = trend(run(min(cycles, 2), False, False, True), years)
    return SpinUpStages(state, drift, total, tuple(failures))


def trend(run: Run, cycle: int) -> NDArray[np.float64]:
    """Trend of TOTECOSYSC between the last two cycles of the forcing, gC m-2 yr-1.

    Single years swing by hundreds of grams with the weather: only whole cycles can be compared.

    Parameters
    ----------
    run : Run
        With yearly TOTECOSYSC.
    cycle : int
        Years of the forcing's cycle.

    Returns
    -------
    float64 (member, cell)
        NaN when the run has less than two cycles.
    """
    carbon = run.history("TOTECOSYSC")
    if carbon.shape[-1] < 2 * cycle:
        return np.full(carbon.shape[:2], np.nan)
    last = carbon[..., -cycle:].mean(axis=-1)
    before = carbon[..., -2 * cycle : -cycle].mean(axis=-1)
    made: NDArray[np.float64] = (last - before) / cycle
    return made


def transient(
    columns: Columns,
    forcing: DailyForcing,
    parameters: ParameterSet,
    state: State,
    *,
    variables: Sequence[str] = (),
    frequency: Frequency | None = None,
    threads: int = 1,
) -> Run:
    """Run once through the forcing with its own CO2, deposition and calendar.

    Raises
    ------
    InvalidRequest
        When the state is one of accelerated decomposition.
    """
    if state.spinup_state != 0:
        raise InvalidRequest(
            "the state is one of accelerated decomposition; run the final stage before"
        )
    return simulate(
        columns,
        forcing.array(),
        np.array(forcing.co2),
        np.array(forcing.ndep),
        Days.since(forcing.start, forcing.days, forcing.calendar),
        parameters,
        state,
        variables=variables,
        frequency=frequency,
        threads=threads,
    )
