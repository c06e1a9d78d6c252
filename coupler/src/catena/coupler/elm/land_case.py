"""Cases of ELM as what a spin-up works on: states are restart files, runs are cases of CIME.

ELM runs all cells of a case together, and gives no matrix of its decomposition. So methods that
need the matrix refuse, and a part of the cells can neither be run nor exchanged.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, NoReturn, Self

import netCDF4
import numpy as np
import xarray as xr

from catena.coupler.elm import known
from catena.coupler.elm.config import ElmConfig
from catena.coupler.elm.history import read_history
from catena.coupler.elm.inputs import checkout_revision, file_digest
from catena.coupler.elm.new_pools import is_early, unknown_pools, with_new_pools
from catena.coupler.elm.pool_table import elm_layout, names_in_file, table_of
from catena.coupler.elm.spin_up_runs import FLUXES, MEANS, ElmState, Ran, SpinUpRuns
from catena.coupler.elm.state import digest
from catena.coupler.restart import (
    NATURAL,
    Restart,
    SpinupFactors,
    Stoichiometry,
    exit_ad,
    read_restart,
)
from catena.coupler.restart.acceleration import FACTORS
from catena.coupler.spin_up.case import Cost, Floats, LandCase, Sites, Stretch
from catena.coupler.spin_up.embedded_known import CLIMATE, STATIC
from catena.shared.errors import FailedPrecondition, InvalidData

_YEAR_S = 365.0 * 86400.0
_CO2 = "284.7"
"""ppm, CIME's own in compsets of 1850."""


class ElmLandCase(LandCase[ElmState]):
    """A configuration of ELM as sites: its cells with natural vegetation.

    Parameters
    ----------
    config : ElmConfig
        Its stages say how each mode is run; their lengths play no part.
    label : str
        Name of the spin-up, in the names of its cases. Going through the same method again under
        the same label finds the runs that are done.
    template : Path, optional
        A restart file of the same grid that ELM wrote, with ``spinup_state`` 0: what pools are put
        into where a method begins from bare ground. By default one forcing cycle is run for it.
    varied : sequence of (name, PFT or None)
        Parameters that learned methods look at; those of calibrations by default.
    climate : float64 (site, 12, variable), optional
        Where it does not follow from a site's forcing file.
    attempts, timeout_s
        As for :meth:`ElmCase.run`.

    Raises
    ------
    InvalidData
        When the files of the configuration do not tell its cells.
    """

    model = "elm"
    has_cascade = False
    divisible = False

    def __init__(
        self,
        config: ElmConfig,
        *,
        label: str = "spinup",
        template: Path | None = None,
        varied: Sequence[known.Varied] = known.CALIBRATED,
        climate: Floats | None = None,
        attempts: int = 1,
        timeout_s: float | None = None,
    ) -> None:
        self.config, self.template, self.varied = config, template, tuple(varied)
        self.runs = SpinUpRuns(config, label, attempts=attempts, timeout_s=timeout_s)
        self.cells = known.read_cells(config)
        self.lat, self.lon = self.cells.columns.lat, self.cells.columns.lon
        self.cycle_years = config.forcing_years
        compset = config.compset_of(config.runs[0])
        self.layout = elm_layout(self.cells.pfts, phosphorus="CNP" in compset)
        self.version = f"{checkout_revision(config)[:12] or 'unknown'} {compset}"
        self.cost = Cost()
        self.replaced: list[tuple[Path, Path]] = []
        """Template and new file of each replacement of pools, in their order."""
        self.climate = climate

    @cached_property
    def stoichiometry(self) -> Stoichiometry:
        """Ratios of the run's parameter file; ELM's own where it holds none."""
        if self._file_has("np_s1_new"):
            return Stoichiometry.from_parameters(self.config.parameter_file)
        return NATURAL

    @cached_property
    def factors(self) -> SpinupFactors:
        """How much faster pools turn over during AD, by the run's parameter file."""
        if self._file_has("k_s4"):
            return SpinupFactors.from_parameters(self.config.parameter_file)
        return FACTORS

    def _file_has(self, name: str) -> bool:
        with netCDF4.Dataset(self.config.parameter_file) as file:
            return name in file.variables

    def cold_start(self) -> ElmState:
        """Bare ground."""
        return ElmState()

    def run(
        self, state: ElmState, cycles: int, *, accelerated: bool = False, supplement: bool = False
    ) -> Stretch[ElmState]:
        """Run whole forcing cycles as a case of ELM, or find it done.

        The first record of its history is compared with the restart file that it began from.

        Raises
        ------
        JobFailed, Unavailable
            As :meth:`ElmCase.run`: calling the whole method again goes on.
        InvalidData
            When accelerated decomposition would be left before year 40, or when ELM did not begin
            with what was written.
        FailedPrecondition
            When a state that has left accelerated decomposition would be run in it, or as
            :meth:`SpinUpRuns.case`.
        """
        if state.restart is not None and accelerated:
            self._require_flag_1(state)
        years = cycles * self.cycle_years
        ran = self.runs.run(state, years, accelerated=accelerated, supplement=supplement)
        self.cost.site_years += self.sites * years
        self.cost.cpu_s += ran.cpu_s
        return self._stretch(ran, cycles)

    def _require_flag_1(self, state: ElmState) -> None:
        if state.leaving or _read(state).spinup_state != 1:
            raise FailedPrecondition(
                "the state has left accelerated decomposition and would be run in it: ELM would "
                "divide its pools; begin from bare ground, or run on without acceleration"
            )

    def _stretch(self, ran: Ran, cycles: int) -> Stretch[ElmState]:
        state = ElmState(ran.restart)
        restart = _read(state)
        history = read_history(ran.case.run_folder, ran.case.stage.case, MEANS)
        years = cycles * self.cycle_years
        if history.sizes["time"] != years:
            raise InvalidData(
                f"the history of {ran.case.stage.case} has {history.sizes['time']} years, wanted "
                f"{years}; look into '{ran.case.run_folder}'"
            )
        means = {name: self._cycles(history[name], restart, cycles) for name in MEANS}
        return Stretch(
            state=state,
            cycles=cycles,
            nee=means["NEE"],
            carbon=means["TOTECOSYSC"],
            means={name: values[:, -1] for name, values in means.items()},
            pools=self._table(restart),
        )

    def _cycles(self, values: xr.DataArray, restart: Restart, cycles: int) -> Floats:
        """Mean of each cycle, float64 (site, cycle): fluxes gC m-2 yr-1, of the whole grid cell."""
        found = np.asarray(values.transpose("cell", "time"), np.float64)
        if found.shape[0] != restart.subgrid.gridcells:
            raise InvalidData(
                f"{values.name} has {found.shape[0]} cells, {restart.name} has "
                f"{restart.subgrid.gridcells}"
            )
        made = found[restart.subgrid.gridcell].reshape(self.sites, cycles, -1).mean(axis=2)
        return made * _YEAR_S if str(values.name) in FLUXES else made

    def leave_ad(self, state: ElmState) -> ElmState:
        """Out of accelerated decomposition.

        ELM itself multiplies the slow pools and begins mineral phosphorus from its surface data
        when the next run reads the file; from a file of before year 40 that run is refused, and
        only a state whose accelerated pools have all been replaced can be run.

        Raises
        ------
        FailedPrecondition
            For bare ground.
        InvalidData
            When the state has left it already.
        """
        restart = _read(state)
        if restart.spinup_state != 1 or state.leaving:
            raise InvalidData(
                f"{restart.name} has left accelerated decomposition; its pools would be multiplied "
                "a second time"
            )
        return ElmState(state.restart, leaving=True)

    def pools(self, state: ElmState) -> Floats:
        """Pools (site, pool); 0 for bare ground.

        Of a state that leaves accelerated decomposition they are multiplied; before year 40, when
        nobody knows by what, those that are accelerated are NaN, and so is mineral phosphorus.
        """
        if state.restart is None:
            return self._bare()
        restart = _read(state)
        if not state.leaving:
            return self._table(restart)
        if is_early(restart):
            table = self._table(restart)
            table[:, self._columns(unknown_pools(restart))] = np.nan
            return table
        return self._table(exit_ad(restart, factors=self.factors))

    def _table(self, restart: Restart) -> Floats:
        self._require_cells(restart)
        return table_of(restart, self.layout)

    def _bare(self) -> Floats:
        columns = self.cells.columns
        made = np.zeros((self.sites, len(self.layout.pools)))
        for n, pool in enumerate(self.layout.pools):
            if pool.pft >= 0:
                grows = ((columns.pfts == pool.pft) & (columns.weights > 0.0)).any(axis=1)
                made[~grows, n] = np.nan
        return made

    def _columns(self, names: Sequence[str]) -> list[int]:
        return [n for n, name in enumerate(names_in_file(self.layout)) if name in names]

    def with_pools(self, state: ElmState, pools: Floats) -> ElmState:
        """Write a restart file with other pools and ``spinup_state`` 0.

        Pools of bare ground are put into the template, or into the state after one forcing cycle,
        as ELM starts from files that it wrote.

        Raises
        ------
        FailedPrecondition, InvalidData
            See :func:`~catena.coupler.elm.new_pools.with_new_pools`.
        """
        if state.restart is None:
            state = self._template()
        restart = _read(state)
        template = restart.source.path
        self._require_cells(restart)
        made = with_new_pools(
            restart,
            pools,
            self.layout,
            leaving=state.leaving,
            stoichiometry=self.stoichiometry,
            factors=self.factors,
        )
        path = self.runs.folder / "restarts" / self._name(template, pools)
        path.parent.mkdir(parents=True, exist_ok=True)
        made.write(path)
        self.replaced.append((template, path))
        return ElmState(path)

    def _name(self, template: Path, pools: Floats) -> str:
        """Of a file by what it is made from: made again it is the same file."""
        made_of = [
            file_digest(template),
            hashlib.sha256(pools.tobytes()).hexdigest(),
            list(self.layout.names),
        ]
        return f"{self.config.case_name}-{self.runs.label}.{digest(made_of)}.nc"

    def _template(self) -> ElmState:
        if self.template is None:
            return self.run(ElmState(), 1).state
        state = ElmState(self.template)
        if _read(state).spinup_state != 0:
            raise InvalidData(
                f"template {self.template.name} has spinup_state 1; wanted is a restart file out "
                "of accelerated decomposition"
            )
        return state

    def _require_cells(self, restart: Restart) -> None:
        subgrid = restart.subgrid
        same = subgrid.lat.size == self.sites and bool(
            (np.abs(subgrid.lat - self.lat) < 0.01).all()
            and (np.abs(subgrid.lon - self.lon) < 0.01).all()
        )
        if not same:
            raise InvalidData(
                f"{restart.name} has {subgrid.lat.size} columns with natural vegetation, the first "
                f"at {subgrid.lat[0]:.3f}, {subgrid.lon[0]:.3f}; the configuration has "
                f"{self.sites} cells, the first at {self.lat[0]:.3f}, {self.lon[0]:.3f}: it is of "
                "another grid"
            )

    def known(self) -> Mapping[str, Floats]:
        """Climate, static numbers and parameters, ordered as ``about()['inputs']`` names them.

        Raises
        ------
        FailedPrecondition
            When the climate does not follow from the forcing file; see
            :func:`catena.coupler.elm.known.climate`.
        """
        climate = self.climate
        return {
            "climate": known.climate(self.config, self.cells) if climate is None else climate,
            "static": known.static(self.cells),
            "parameters": known.parameters(self.config, self.cells, self.varied),
        }

    def part(self, sites: Sites) -> Self:
        """All of the sites; a part of them cannot be run alone.

        Raises
        ------
        FailedPrecondition
            When it is not all of them in their order.
        """
        self._all(sites)
        return self

    def take(self, state: ElmState, sites: Sites) -> ElmState:
        """The state, where all sites are asked for; see :meth:`part`."""
        self._all(sites)
        return state

    def put(self, state: ElmState, sites: Sites, part: ElmState) -> ElmState:
        """The other state, where it is one of all sites; see :meth:`part`."""
        self._all(sites)
        return part

    def _all(self, sites: Sites) -> None:
        if not np.array_equal(np.asarray(sites), np.arange(self.sites)):
            self._refuse_part(len(np.atleast_1d(sites)))

    def _refuse_part(self, count: int) -> NoReturn:
        raise FailedPrecondition(
            f"{count} of the {self.sites} cells of {self.config.case_name} were asked for; ELM "
            "runs all cells of a case together: treat the case as a whole, or make a case of each "
            "cell"
        )

    def about(self) -> dict[str, Any]:
        """Model, version, pools, plants, cycle, air, parameters and names of inputs."""
        names = known.parameter_names(self.varied)
        values = known.parameters(self.config, self.cells, self.varied)
        return {
            "model": self.model,
            "version": self.version,
            "cycle_years": self.cycle_years,
            "co2_ppm": float(self.config.xml.get("CCSM_CO2_PPMV", _CO2)),
            "plants": [name for index, name in self.cells.pfts if index > 0],
            "pools": list(self.layout.names),
            "parameters": {
                name: [float(column.min()), float(column.max())]
                for name, column in zip(names, values.T, strict=True)
            },
            "inputs": {
                "climate": list(CLIMATE),
                "static": list(STATIC),
                "parameters": list(names),
            },
        }


def _read(state: ElmState) -> Restart:
    if state.restart is None:
        raise FailedPrecondition("bare ground has no restart file; run a forcing cycle first")
    return read_restart(state.restart)
