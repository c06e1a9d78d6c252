"""The embedded model as a :class:`~catena.coupler.spin_up.case.LandCase`.

>>> case = EmbeddedCase(columns, forcing, parameters)                          # doctest: +SKIP
>>> spun = spin_up_method("native")().run(case)                                # doctest: +SKIP
"""

from __future__ import annotations

import copy
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Self

import numpy as np

from catena.coupler.embedded.columns import Columns
from catena.coupler.embedded.constants import DAYS_PER_YEAR, SECONDS
from catena.coupler.embedded.parameters import ParameterSet
from catena.coupler.embedded.periods import Days
from catena.coupler.embedded.simulate import Run, simulate
from catena.coupler.embedded.stages import one_cycle
from catena.coupler.embedded.state import N_POOLS, S_C, State, cold_start, leave_ad
from catena.coupler.embedded.version import model_version
from catena.coupler.forcing import CO2_1850_PPM, NDEP_1850, DailyForcing
from catena.coupler.pft import PFT_NAMES
from catena.coupler.spin_up import embedded_known as known
from catena.coupler.spin_up.case import Cost, Floats, LandCase, Sites, Stretch
from catena.coupler.spin_up.embedded_cascade import SLOW_OUTPUTS, Measured, slow_system
from catena.coupler.spin_up.embedded_known import Varied
from catena.coupler.spin_up.embedded_pools import EmbeddedPools, Stocks
from catena.shared.errors import InvalidRequest

BLOCK = 128
"""Sites of one cell that are run together."""
NITROGEN = ("NFIX_TO_SMINN", "NDEP_TO_SMINN", "DENIT", "SMINN_LEACHED")
FLUXES = ("GPP", "NPP", "AR", "HR", "NEE", *NITROGEN)
MEANS = (*FLUXES, "TLAI", "FPG", "FPI", "BTRAN", "TOTVEGC", "TOTLITC", "TOTSOMC", "TOTECOSYSC")
"""Means of the last cycle: fluxes in gC or gN m-2 yr-1, the rest in the units of the outputs."""
_EACH_CYCLE = ("NEE", "TOTECOSYSC")
_LAST_CYCLE = (*MEANS, *SLOW_OUTPUTS)
_PER_DAY = tuple(name.endswith(("_LOSS", "_INPUT")) for name in SLOW_OUTPUTS)
LOST = "an earlier run of this site failed; spin it up from bare ground"
_YEAR_S = DAYS_PER_YEAR * SECONDS


class EmbeddedCase(LandCase[State]):
    """Cells of the embedded model under parameter sets; states are (site, 1, number).

    Parameters
    ----------
    columns : Columns
    forcing : DailyForcing
        Of the same cells; cycled as whole years of 365 days. Its CO2 and deposition are not used.
    parameters : ParameterSet
    cell : int64 (site,), optional
        Cell of each row of the parameters. By default every row is taken in every cell, the first
        row's cells first.
    co2 : float
        ppm.
    ndep : float
        gN m-2 yr-1.
    threads : int
        No result depends on them.
    varied : sequence of (name, PFT or None)
        Parameters that may vary, for :meth:`known`; a parameter per PFT without one is the mean
        over the plants of the cell.

    Raises
    ------
    InvalidRequest
        When cells of forcing, columns and sites do not fit.
    """

    model = "embedded"
    has_cascade = True

    def __init__(
        self,
        columns: Columns,
        forcing: DailyForcing,
        parameters: ParameterSet,
        *,
        cell: Sites | None = None,
        co2: float = CO2_1850_PPM,
        ndep: float = NDEP_1850,
        threads: int = 1,
        varied: Sequence[Varied] = (),
    ) -> None:
        if forcing.cells != columns.cells:
            raise InvalidRequest(
                f"the forcing has {forcing.cells} cells, the columns are {columns.cells}; the same "
                "were wanted, in the same order"
            )
        row = np.arange(parameters.members)
        if cell is None:
            cell = np.tile(np.arange(columns.cells), parameters.members)
            row = np.repeat(row, columns.cells)
        cell = np.asarray(cell, dtype=np.int64)
        if cell.shape != row.shape or ((cell < 0) | (cell >= columns.cells)).any():
            raise InvalidRequest(
                f"a cell from 0 to {columns.cells - 1} was wanted for each of the "
                f"{parameters.members} rows of parameters; numbers of shape {cell.shape} came"
            )
        record = one_cycle(forcing)
        self.version = model_version()
        self.columns = columns
        self.cell = cell
        self.parameters = replace(
            parameters, scalars=parameters.scalars[row], pfts=parameters.pfts[row]
        )
        """One row for each site."""
        self.lat, self.lon = columns.lat[cell], columns.lon[cell]
        self.cycle_years = record.days // 365
        self.cost = Cost()
        self.threads = threads
        self._places = EmbeddedPools(columns, cell, self.parameters)
        self.layout = self._places.layout
        self._weather = record.array()
        self.co2, self.ndep = co2, ndep
        self._climate = known.monthly_climate(record)
        self._static = known.static_numbers(columns)
        self._varied = tuple(varied)
        self._varied_names = known.varied_names(varied)

    def cold_start(self) -> State:
        """Bare ground."""
        one = cold_start(self.columns.sand, self.columns.clay, 1, self.columns.slots)
        return State(one.values[0, self.cell][:, np.newaxis].copy())

    def run(
        self, state: State, cycles: int, *, accelerated: bool = False, supplement: bool = False
    ) -> Stretch[State]:
        """Run whole cycles of the weather, see :meth:`LandCase.run`.

        The state of a site that fails is NaN from then on, and such a site is not run again.
        """
        if cycles < 1:
            raise InvalidRequest(f"{cycles} cycles came; 1 or more was wanted")
        if accelerated and state.spinup_state == 0 and _is_bare(state):
            state = replace(state, spinup_state=1)
        before = time.thread_time()
        alive = np.flatnonzero(np.isfinite(state.values).all(axis=(1, 2)))
        blocks = self._blocks(alive)

        def go(block: Sites) -> _Part:
            return self._run_block(
                block, self.take(state, block), cycles, (accelerated, supplement)
            )

        threads = min(self.threads, len(blocks))
        if threads <= 1:
            parts = [go(block) for block in blocks]
        else:
            with ThreadPoolExecutor(threads) as pool:
                parts = list(pool.map(go, blocks))
        made = self._joined(replace(state, spinup_state=int(accelerated)), blocks, parts, cycles)
        others = sum(part.cpu_s for part in parts) if threads > 1 else 0.0
        self.cost.cpu_s += time.thread_time() - before + others
        self.cost.site_years += alive.size * cycles * self.cycle_years
        return made

    def _blocks(self, sites: Sites) -> list[Sites]:
        """Sites of one cell, a few at once: the cell's weather is prepared once for them."""
        order = sites[np.argsort(self.cell[sites], kind="stable")]
        ends = np.flatnonzero(np.diff(self.cell[order])) + 1
        return [
            group[low : low + BLOCK]
            for group in np.split(order, ends)
            for low in range(0, group.size, BLOCK)
        ]

    def _run_block(
        self, block: Sites, state: State, cycles: int, modes: tuple[bool, bool]
    ) -> _Part:
        before = time.thread_time()
        each = np.empty((block.size, cycles, len(_EACH_CYCLE)))
        failed: dict[int, str] = {}

        def stretch(state: State, first: int, count: int, names: tuple[str, ...]) -> Run:
            made = self._simulate(block, state, count, modes, names)
            years = made.values[:, 0].reshape(block.size, count, self.cycle_years, -1)
            at = [names.index(name) for name in _EACH_CYCLE]
            each[:, first : first + count] = years.mean(axis=2)[..., at]
            for failure in made.failures:
                failed.setdefault(int(block[failure.member]), str(failure))
            return made

        if cycles > 1:
            state = stretch(state, 0, cycles - 1, _EACH_CYCLE).state
        last = stretch(state, cycles - 1, 1, _LAST_CYCLE)
        means = last.values[:, 0].mean(axis=1)  # years are of one length
        fluxes = [_YEAR_S if name in FLUXES else 1.0 for name in MEANS]
        return _Part(
            last.state.values,
            state.values,
            each * (_YEAR_S, 1.0),
            means[:, : len(MEANS)] * fluxes,
            means[:, len(MEANS) :] * np.where(_PER_DAY, SECONDS, 1.0),
            failed,
            time.thread_time() - before,
        )

    def _simulate(
        self,
        block: Sites,
        state: State,
        cycles: int,
        modes: tuple[bool, bool],
        names: tuple[str, ...],
    ) -> Run:
        cell, whole = self.cell[block[:1]], self.columns
        one = Columns(
            whole.lat[cell],
            whole.lon[cell],
            whole.sand[cell],
            whole.clay[cell],
            whole.pfts[cell],
            whole.weights[cell],
        )
        weather = self._weather[cell]
        return simulate(
            one,
            weather,
            np.full(weather.shape[1], self.co2),
            np.full(weather.shape[1], self.ndep),
            _days(weather.shape[1] * cycles),
            self._rows(block),
            state,
            cycles=cycles,
            accelerated=modes[0],
            supplement_nitrogen=modes[1],
            variables=names,
            frequency="year",
        )

    def _rows(self, sites: Sites) -> ParameterSet:
        return replace(
            self.parameters,
            scalars=self.parameters.scalars[sites],
            pfts=self.parameters.pfts[sites],
        )

    def _joined(
        self, state: State, blocks: list[Sites], parts: list[_Part], cycles: int
    ) -> Stretch[State]:
        lost = {int(site): LOST for site in range(self.sites)}
        shapes = ((cycles, len(_EACH_CYCLE)), (len(MEANS),), (len(SLOW_OUTPUTS),))
        each, means, slow = (np.full((self.sites, *shape), np.nan) for shape in shapes)
        values, begun = state.values.copy(), state.values.copy()
        for block, part in zip(blocks, parts, strict=True):
            values[block], begun[block] = part.state, part.begun
            each[block], means[block], slow[block] = part.each, part.means, part.slow
            for site in block:
                lost.pop(int(site))
            lost.update(part.failed)
        failed = np.array(sorted(lost), dtype=np.int64)
        for array in (values, each, means, slow):
            array[failed] = np.nan
        ended = replace(state, values=values)
        pools = self.pools(ended)
        measured = Measured(
            slow,
            self.pools(replace(state, values=begun)),
            pools,
            self._weather.shape[1],
            accelerated=state.spinup_state == 1,
        )
        plants = self._static[self.cell][:, -len(PFT_NAMES) :]
        return Stretch(
            state=ended,
            cycles=cycles,
            nee=each[..., 0],
            carbon=each[..., 1],
            means={name: means[:, n] for n, name in enumerate(MEANS)},
            pools=pools,
            cascade=slow_system(measured, self.layout, plants, self.parameters),
            failed={site: lost[site] for site in sorted(lost)},
        )

    def leave_ad(self, state: State) -> State:
        """Out of accelerated decomposition, see :func:`catena.coupler.embedded.state.leave_ad`."""
        return leave_ad(state)

    def pools(self, state: State) -> Floats:
        """Pools (site, pool)."""
        return self._places.of(state)

    def with_pools(self, state: State, pools: Floats) -> State:
        """Other pools, see :meth:`EmbeddedPools.put`."""
        return self._places.put(state, pools)

    def stocks(self, state: State) -> Stocks:
        """Carbon and nitrogen of the sites: what :meth:`with_pools` put in is a difference."""
        return self._places.stocks(state)

    def known(self) -> Mapping[str, Floats]:
        """Climate, static numbers and parameters, see :mod:`.embedded_known` for their order."""
        return {
            "climate": self._climate[self.cell],
            "static": self._static[self.cell],
            "parameters": self._varying(),
        }

    def _varying(self) -> Floats:
        plants = self._static[self.cell][:, -len(PFT_NAMES) :]
        return known.varied_values(self._varied, self.parameters, plants, np.arange(self.sites))

    def part(self, sites: Sites) -> Self:
        """Some of the sites."""
        made = copy.copy(self)
        made.cell = self.cell[sites]
        made.lat, made.lon = self.lat[sites], self.lon[sites]
        made.parameters = self._rows(sites)
        made._places = self._places.part(sites)
        return made

    def take(self, state: State, sites: Sites) -> State:
        """State of some sites."""
        return replace(state, values=state.values[sites])

    def put(self, state: State, sites: Sites, part: State) -> State:
        """A copy in which some sites have another state.

        Raises
        ------
        InvalidRequest
            When one state is of accelerated decomposition and the other is not.
        """
        if state.spinup_state != part.spinup_state:
            raise InvalidRequest(
                f"states of spinup_state {state.spinup_state} and {part.spinup_state} came; the "
                "same was wanted: leave accelerated decomposition first"
            )
        values = state.values.copy()
        values[sites] = part.values
        return replace(state, values=values)

    def about(self) -> dict[str, Any]:
        """Model, version, pools, plants, cycle, air, parameters and names of inputs."""
        values = self._varying()
        mine = np.unique(self.cell)
        occurs = np.unique(self.columns.pfts[mine][self.columns.weights[mine] > 0.0])
        return {
            "model": self.model,
            "version": self.version,
            "cycle_years": self.cycle_years,
            "co2_ppm": self.co2,
            "ndep_g_m2_yr": self.ndep,
            "plants": [PFT_NAMES[pft] for pft in occurs if pft > 0],
            "pools": list(self.layout.names),
            "parameters": {
                name: [float(column.min()), float(column.max())]
                for name, column in zip(self._varied_names, values.T, strict=True)
            },
            "inputs": {
                "climate": list(known.CLIMATE),
                "static": list(known.STATIC),
                "parameters": list(self._varied_names),
            },
        }


@dataclass(frozen=True)
class _Part:
    """Results of one block of sites, in its order."""

    state: Floats
    begun: Floats
    each: Floats
    means: Floats
    slow: Floats
    failed: dict[int, str]
    cpu_s: float


@lru_cache(maxsize=4)
def _days(count: int) -> Days:
    return Days.since((1, 1, 1), count, "noleap")


def _is_bare(state: State) -> bool:
    """Whether nothing has ever fallen: only such a state may begin accelerated decomposition."""
    return not state.column[..., S_C : S_C + N_POOLS].any()
