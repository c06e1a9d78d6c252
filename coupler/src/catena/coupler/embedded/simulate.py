"""Run an ensemble: members over cells over days.

>>> run = simulate(columns, forcing, co2, ndep, days, parameters, state)        # doctest: +SKIP
>>> run.history("GPP")                             # (member, cell, period)     # doctest: +SKIP
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from catena.coupler.embedded.budgets import N_BUDGETS
from catena.coupler.embedded.columns import Columns
from catena.coupler.embedded.grid import DECOMPOSITION_WEIGHTS, EDGE, GROUND_SHARE
from catena.coupler.embedded.hydraulics import soil_tables
from catena.coupler.embedded.kernel import derive_days, run_members
from catena.coupler.embedded.outputs import N_OUTPUTS, OUTPUT_NAMES, OUTPUTS, POOL_OUTPUTS
from catena.coupler.embedded.parameters import ParameterSet
from catena.coupler.embedded.periods import Days, Frequency
from catena.coupler.embedded.state import N_COLUMN, N_PLANT, State
from catena.coupler.embedded.status import BUDGET, Failure, Status
from catena.coupler.embedded.sun import sun_table
from catena.coupler.embedded.weather import FORCING, N_FORCING
from catena.shared.errors import InvalidData, InvalidRequest

CLOSED = 1e-9
"""Largest relative failure of a budget in one day."""


@dataclass(frozen=True)
class Run:
    """What a run left.

    Parameters
    ----------
    state : State
        At its end.
    values : float64 (member, cell, period, variable)
        Means over the periods in the units of :data:`OUTPUTS`; NaN from a failure on.
    variables : tuple of str
    first : int64 (period,)
        Day of the run on which each period begins.
    days : Days
        Of the whole run.
    budget : float64 (member, cell, 4)
        Largest relative failure on a day of the carbon, nitrogen, water and energy budgets.
    failures : tuple of Failure
    latest : float64 (member, cell, output)
        All outputs of the last day, in the units of :data:`OUTPUTS`.
    """

    state: State
    values: NDArray[np.float64]
    variables: tuple[str, ...]
    first: NDArray[np.int64]
    days: Days
    budget: NDArray[np.float64]
    failures: tuple[Failure, ...]
    latest: NDArray[np.float64]

    def history(self, name: str) -> NDArray[np.float64]:
        """One variable, float64 (member, cell, period)."""
        if name not in self.variables:
            raise InvalidRequest(
                f"the run kept no '{name}'; it kept {', '.join(self.variables) or 'nothing'}"
            )
        return self.values[..., self.variables.index(name)]

    @property
    def ok(self) -> NDArray[np.bool_]:
        """Which members ran to the end in every cell, bool (member,)."""
        made = np.ones(self.values.shape[0], dtype=bool)
        made[[failure.member for failure in self.failures]] = False
        return made


def simulate(
    columns: Columns,
    forcing: NDArray[np.float64],
    co2: NDArray[np.float64],
    ndep: NDArray[np.float64],
    days: Days,
    parameters: ParameterSet,
    state: State,
    *,
    cycles: int = 1,
    accelerated: bool = False,
    supplement_nitrogen: bool = False,
    variables: Sequence[str] = (),
    frequency: Frequency | None = None,
    threads: int = 1,
    block: int = 128,
) -> Run:
    """Run members over cells and days; no result depends on ``threads`` or ``block``.

    Parameters
    ----------
    columns : Columns
    forcing : float64 (cell, day, 9)
        In the order of :data:`catena.coupler.embedded.weather.FORCING`.
    co2 : float64 (day,)
        ppm.
    ndep : float64 (day,)
        gN m-2 yr-1.
    days : Days
        Calendar of the whole run: ``cycles`` times the days of the forcing.
    parameters : ParameterSet
        A member with a parameter out of range fails before the first day; others go on.
    state : State
        At the beginning; not changed.
    cycles : int
        How often the forcing is repeated.
    accelerated : bool
        Accelerated decomposition; must fit the state's ``spinup_state``.
    supplement_nitrogen : bool
        Make up for lacking mineral nitrogen, as in the first years of ELM's spin-up.
    variables : sequence of str
        Names of :data:`OUTPUTS` whose means are kept.
    frequency : {"day", "month", "year", "run"}, optional
    threads : int
    block : int
        Members per task.

    Raises
    ------
    InvalidRequest
        When shapes do not fit or a variable is unknown.
    InvalidData
        When the forcing holds NaN, or the state is of the other mode.
    """
    _check(columns, forcing, co2, ndep, days, parameters, state, cycles, accelerated)
    unknown = [name for name in variables if name not in OUTPUT_NAMES]
    if unknown:
        raise InvalidRequest(
            f"there is no output {', '.join(unknown)}; known are {', '.join(OUTPUT_NAMES)}"
        )
    if bool(variables) != (frequency is not None):
        raise InvalidRequest("variables and frequency are given together, or neither")
    members, cells = parameters.members, columns.cells
    chosen = np.array([OUTPUT_NAMES.index(name) for name in variables], dtype=np.int64)
    pools_chosen = int(not POOL_OUTPUTS.isdisjoint(chosen.tolist()))
    period, first = days.periods(frequency)
    values = np.zeros((members, cells, first.size, chosen.size))
    made = state.copy()
    budget = np.zeros((members, cells, N_BUDGETS))
    latest = np.zeros((members, cells, N_OUTPUTS))
    status = np.zeros((members, cells), dtype=np.int64)
    failed_on = np.full((members, cells), -1, dtype=np.int64)
    problems = parameters.problems()
    status[[bool(p) for p in problems]] = Status.PARAMETER
    forced = days.count // cycles
    modes = (int(accelerated), int(supplement_nitrogen))
    forcing, co2, ndep = (_plain(array) for array in (forcing, co2, ndep))
    scalars, pfts = _plain(parameters.scalars), _plain(parameters.pfts)
    day_of_year = _plain(days.day_of_year[:forced])
    year_ends = _plain(((days.month == 12) & (days.day == 31)).astype(np.int64)[:forced])
    slots, weights = _plain(columns.pfts), _plain(columns.weights)

    def run_cell(cell: int, low: int, high: int) -> None:
        tables, porous = soil_tables(columns.sand[cell], columns.clay[cell])
        weather = derive_days(forcing[cell], co2, ndep, sun_table(columns.lat[cell]), day_of_year)
        # Contiguous copies of the block: the compiled loop is made for one layout.
        own = [
            np.ascontiguousarray(a[low:high, cell]) for a in (made.values, values, budget, latest)
        ]
        codes = [np.ascontiguousarray(a[low:high, cell]) for a in (status, failed_on)]
        run_members(
            weather,
            year_ends,
            period,
            (tables, porous, 1.0 / porous, DECOMPOSITION_WEIGHTS),
            EDGE,
            GROUND_SHARE,
            scalars[low:high],
            pfts[low:high],
            slots[cell],
            weights[cell],
            modes,
            chosen,
            pools_chosen,
            *own,
            *codes,
        )
        for whole, part in zip((made.values, values, budget, latest), own, strict=True):
            whole[low:high, cell] = part
        status[low:high, cell], failed_on[low:high, cell] = codes

    tasks = [
        (cell, low, min(low + block, members))
        for cell in range(cells)
        for low in range(0, members, block)
    ]
    if threads <= 1 or len(tasks) == 1:
        for task in tasks:
            run_cell(*task)
    else:
        with ThreadPoolExecutor(min(threads, os.cpu_count() or 1, len(tasks))) as pool:
            for _ in pool.map(lambda task: run_cell(*task), tasks):
                pass
    lengths = np.diff(np.append(first, days.count)).astype(np.float64)
    factors = np.array([OUTPUTS[i].factor for i in chosen])
    if chosen.size:
        values *= factors / lengths[:, np.newaxis]
    open_ = (budget > CLOSED).any(axis=-1) & (status == Status.OK)
    status[open_] = BUDGET
    failures = _failures(status, failed_on, problems, budget)
    for member, cell in np.argwhere(status != Status.OK):
        day = failed_on[member, cell]
        lost = 0 if day < 0 else (period[day] if first.size else 0)
        values[member, cell, lost:] = np.nan
    return Run(
        replace(made, spinup_state=int(accelerated)),
        values,
        tuple(variables),
        first,
        days,
        budget,
        failures,
        latest * np.array([output.factor for output in OUTPUTS]),
    )


def _plain(array: NDArray[Any]) -> NDArray[Any]:
    """The array, contiguous and writable: for any other kind the loops would be compiled anew."""
    return np.require(array, requirements=["C", "W"])


def _failures(
    status: NDArray[np.int64],
    failed_on: NDArray[np.int64],
    problems: list[list[str]],
    budget: NDArray[np.float64],
) -> tuple[Failure, ...]:
    made = []
    for member, cell in np.argwhere(status != Status.OK):
        code = Status(int(status[member, cell]))
        detail = ""
        if code == Status.PARAMETER:
            if cell > 0:
                continue
            made.append(Failure(int(member), -1, -1, code, "; ".join(problems[member])))
            continue
        if code == Status.BUDGET:
            worst = budget[member, cell]
            names = ("carbon", "nitrogen", "water", "energy")
            detail = ", ".join(f"{n} {w:.1e}" for n, w in zip(names, worst, strict=True))
        made.append(Failure(int(member), int(cell), int(failed_on[member, cell]), code, detail))
    return tuple(made)


def _check(
    columns: Columns,
    forcing: NDArray[np.float64],
    co2: NDArray[np.float64],
    ndep: NDArray[np.float64],
    days: Days,
    parameters: ParameterSet,
    state: State,
    cycles: int,
    accelerated: bool,
) -> None:
    if cycles < 1 or days.count % cycles:
        raise InvalidRequest(f"{days.count} days are not {cycles} whole cycles of a forcing")
    if days.count < 1:
        raise InvalidRequest("a run of 0 days came; 1 or more was wanted")
    forced = days.count // cycles
    wanted = (columns.cells, forced, N_FORCING)
    if forcing.shape != wanted:
        raise InvalidRequest(
            f"the forcing has shape {forcing.shape}; (cell, day, variable) = {wanted} was wanted"
        )
    for name, array in (("co2", co2), ("ndep", ndep)):
        if array.shape != (forced,):
            raise InvalidRequest(f"{name} has shape {array.shape}; ({forced},) was wanted")
        if not (np.isfinite(array) & (array >= 0.0)).all():
            raise InvalidData(f"{name} holds NaN or a negative value")
    if not np.isfinite(forcing).all():
        cell, day, variable = np.argwhere(~np.isfinite(forcing))[0]
        raise InvalidData(
            f"the forcing is not finite: {FORCING[variable]} on day {day} of cell {cell}"
        )
    shape = (parameters.members, columns.cells, N_COLUMN + columns.slots * N_PLANT)
    if state.values.shape != shape:
        raise InvalidRequest(
            f"the state has shape {state.values.shape}; (member, cell, number) = {shape} was wanted"
        )
    if state.spinup_state != int(accelerated):
        raise InvalidData(
            f"the state's spinup_state is {state.spinup_state}, the run's is {int(accelerated)}: "
            "leave accelerated decomposition with leave_ad, or begin it from a cold start"
        )
