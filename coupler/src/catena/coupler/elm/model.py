"""ELM as a :class:`~catena.coupler.land_model.LandModel`: a batch model behind BMI.

An update runs whole years (`STOP_N`) as a job and waits for it; values come from the history files.
There is nothing of a running model to set: parameters are changed by an ensemble, the state by a
restart file.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, NoReturn

import netCDF4
import numpy as np
import xarray as xr
from numpy.typing import NDArray

from catena.coupler.elm.actions import copy_atomically
from catena.coupler.elm.case import ElmCase
from catena.coupler.elm.config import ElmConfig
from catena.coupler.elm.history import read_history
from catena.coupler.elm.outcome import restart_problem, start_problem
from catena.coupler.elm.stages import restart_name
from catena.coupler.land_model import LandModel, Mode
from catena.shared.errors import FailedPrecondition, InvalidData, InvalidRequest, NotFound

DEFAULT_OUTPUTS = ("GPP", "NPP", "NEE", "HR", "EFLX_LH_TOT", "TLAI", "TOTSOMC", "TOTVEGC")
Array = NDArray[Any]


class ElmModel(LandModel):
    """The last stage of a configuration; the stages before it must have run.

    Time counts in model years; one step is a forcing cycle.
    """

    def __init__(self) -> None:
        self._case: ElmCase | None = None

    @property
    def case(self) -> ElmCase:
        """The stage's case.

        Raises
        ------
        FailedPrecondition
            Before :meth:`initialize`.
        """
        if self._case is None:
            raise FailedPrecondition("the model is not initialised; call initialize(file) first")
        return self._case

    def initialize(self, config_file: str) -> None:
        """Read a configuration; the case is made and built by the first update."""
        config = ElmConfig.load(Path(config_file))
        self._case = ElmCase(config, config.runs[-1])

    def update(self) -> None:
        """Run one step, at most to the stage's end."""
        self.update_until(min(self.get_current_time() + self.get_time_step(), self.get_end_time()))

    def update_until(self, time: float) -> None:
        """Run to the first instant of a year; one reached already is no error.

        Raises
        ------
        InvalidRequest
            When it is no whole year, or after the stage's end.
        JobFailed
            When the model does not get there.
        """
        if time != int(time) or time > self.get_end_time():
            raise InvalidRequest(
                f"got time {time}, wanted a whole year up to {self.get_end_time():.0f}"
            )
        if time > self.get_current_time():
            self.case.advance(int(time))

    def finalize(self) -> None:
        """Leave the model; its files stay."""
        self._case = None

    def read_restart(self, path: Path, mode: Mode) -> None:
        """Start from a restart file; see :class:`LandModel`.

        `hotstart` starts the stage from it at the stage's own date. `resume` goes on with the same
        run, so it must be one of this case's own files with the driver's beside it.
        """
        path = Path(path)
        if not path.is_file():
            raise NotFound(f"there is no restart file '{path}'")
        config, stage = self.case.config, self.case.stage
        if mode == "hotstart":
            self._refuse(start_problem(path, stage.name))
            if self.case.reached is not None:
                raise FailedPrecondition(
                    f"{stage.case} has run already; call case.start_over() before a hot start"
                )
            if stage.before is None:
                config = config.model_copy(update={"finidat": path.absolute()})
                self._case = ElmCase(config, config.runs[-1])
            else:
                self._case = ElmCase(config, stage, restart=path.absolute())
            return
        found = re.fullmatch(
            re.escape(stage.case) + r"\.elm\.r\.(\d{4})-01-01-00000\.nc", path.name
        )
        if found is None or not stage.start <= int(found[1]) <= stage.end:
            raise InvalidData(
                f"'{path.name}' is of another run or date than {stage.case}, years {stage.start} "
                f"to {stage.end}; to begin another run from it take mode='hotstart'"
            )
        self._refuse(restart_problem(path, stage.spinup_state))
        driver = path.with_name(restart_name(stage.case, int(found[1]), "cpl"))
        if not driver.is_file():
            raise InvalidData(f"'{driver.name}', the driver's restart file, is not beside it")
        folder = self.case.run_folder
        for source in (path, driver):
            if source.parent.absolute() != folder.absolute():
                copy_atomically(source, folder / source.name)
        self.case.go_back_to(int(found[1]))

    @staticmethod
    def _refuse(problem: str) -> None:
        if problem:
            raise InvalidData(problem)

    def write_restart(self, path: Path) -> None:
        """Copy the newest restart file; see :class:`LandModel`."""
        year = self.case.reached
        if year is None:
            raise FailedPrecondition(
                f"{self.case.stage.case} has no whole restart file yet; call update()"
            )
        copy_atomically(self.case.run_folder / restart_name(self.case.stage.case, year), Path(path))

    def get_component_name(self) -> str:
        """Name of the model."""
        return "E3SM Land Model"

    def get_input_item_count(self) -> int:
        """None: see :meth:`set_value`."""
        return 0

    def get_output_item_count(self) -> int:
        """How many variables :meth:`get_value` knows."""
        return len(self.get_output_var_names())

    def get_input_var_names(self) -> tuple[str, ...]:  # type: ignore[override]
        """None: see :meth:`set_value`."""
        return ()

    def get_output_var_names(self) -> tuple[str, ...]:  # type: ignore[override]
        """Variables of the first history stream, by ELM's names."""
        return self.case.config.history[0].variables or DEFAULT_OUTPUTS

    def _history(self, name: str) -> xr.DataArray:
        stage = self.case.stage
        return read_history(self.case.run_folder, stage.case, [name])[name]

    def get_var_grid(self, name: str) -> int:
        """All are on grid 0."""
        self._known(name)
        return 0

    def _known(self, name: str) -> None:
        if name not in self.get_output_var_names():
            raise NotFound(
                f"there is no variable '{name}'; known are "
                f"{', '.join(self.get_output_var_names())}: add it to history[0].variables"
            )

    def get_var_type(self, name: str) -> str:
        """All are float64."""
        self._known(name)
        return "float64"

    def get_var_units(self, name: str) -> str:
        """ELM's units, read from the history."""
        self._known(name)
        return str(self._history(name).attrs.get("units", ""))

    def get_var_itemsize(self, name: str) -> int:
        """Bytes of one value."""
        self._known(name)
        return 8

    def get_var_nbytes(self, name: str) -> int:
        """Bytes of all values."""
        return self.get_var_itemsize(name) * self.get_grid_size(0)

    def get_var_location(self, name: str) -> str:
        """Values stand at the cells' centres."""
        self._known(name)
        return "node"

    def get_current_time(self) -> float:
        """Year of the newest whole restart files, or of the stage's start."""
        reached = self.case.reached
        return float(self.case.stage.start if reached is None else reached)

    def get_start_time(self) -> float:
        """First year of the stage."""
        return float(self.case.stage.start)

    def get_end_time(self) -> float:
        """Year in whose first instant the stage ends."""
        return float(self.case.stage.end)

    def get_time_units(self) -> str:
        """Model years."""
        return "years"

    def get_time_step(self) -> float:
        """One forcing cycle."""
        return float(self.case.config.forcing_years)

    def get_value(self, name: str, dest: Array) -> Array:
        """The last record of the history, (cell,), in ELM's units."""
        self._known(name)
        dest[:] = self._history(name).values[-1]
        return dest

    def get_value_ptr(self, name: str) -> NoReturn:
        """There is no memory to share with a job.

        Raises
        ------
        FailedPrecondition
            Always.
        """
        raise FailedPrecondition("ELM runs as a job, its memory cannot be shared; use get_value")

    def get_value_at_indices(self, name: str, dest: Array, inds: Array) -> Array:
        """Some cells of the last record."""
        self._known(name)
        dest[:] = self._history(name).values[-1][inds]
        return dest

    def set_value(self, name: str, src: Array) -> NoReturn:
        """Nothing of a batch model can be set.

        Raises
        ------
        FailedPrecondition
            Always; the message says what to do.
        """
        raise FailedPrecondition(
            "ELM runs as a job and nothing can be set while it runs; change parameters with "
            "ElmEnsemble, the state with read_restart(path, 'hotstart')"
        )

    def set_value_at_indices(self, name: str, inds: Array, src: Array) -> NoReturn:
        """As :meth:`set_value`."""
        self.set_value(name, src)

    def _domain(self, name: str) -> NDArray[np.float64]:
        path = self.case.config.domain_file
        with netCDF4.Dataset(path) as file:
            if name not in file.variables:
                raise InvalidData(f"domain file '{path.name}' has no {name}")
            return np.asarray(file[name][:], np.float64).ravel()

    def get_grid_rank(self, grid: int) -> int:
        """Cells in a row."""
        return 1

    def get_grid_size(self, grid: int) -> int:
        """How many cells there are."""
        return int(self._domain("xc").size)

    def get_grid_type(self, grid: int) -> str:
        """Cells without neighbours."""
        return "points"

    def get_grid_shape(self, grid: int, shape: Array) -> Array:
        """(cells,)."""
        shape[:] = self.get_grid_size(grid)
        return shape

    def get_grid_x(self, grid: int, x: Array) -> Array:
        """Longitude in degrees, from -180 to below 180."""
        x[:] = (self._domain("xc") + 180.0) % 360.0 - 180.0
        return x

    def get_grid_y(self, grid: int, y: Array) -> Array:
        """Latitude in degrees."""
        y[:] = self._domain("yc")
        return y

    def get_grid_node_count(self, grid: int) -> int:
        """How many cells there are."""
        return self.get_grid_size(grid)

    def _no_mesh(self) -> NoReturn:
        raise FailedPrecondition("the grid is points: it has no spacing, origin, edges or faces")

    def get_grid_spacing(self, grid: int, spacing: Array) -> NoReturn:
        """Points have none."""
        self._no_mesh()

    def get_grid_origin(self, grid: int, origin: Array) -> NoReturn:
        """Points have none."""
        self._no_mesh()

    def get_grid_z(self, grid: int, z: Array) -> NoReturn:
        """Points have none."""
        self._no_mesh()

    def get_grid_edge_count(self, grid: int) -> int:
        """Points have no edges."""
        return 0

    def get_grid_face_count(self, grid: int) -> int:
        """Points have no faces."""
        return 0

    def get_grid_edge_nodes(self, grid: int, edge_nodes: Array) -> NoReturn:
        """Points have none."""
        self._no_mesh()

    def get_grid_face_edges(self, grid: int, face_edges: Array) -> NoReturn:
        """Points have none."""
        self._no_mesh()

    def get_grid_face_nodes(self, grid: int, face_nodes: Array) -> NoReturn:
        """Points have none."""
        self._no_mesh()

    def get_grid_nodes_per_face(self, grid: int, nodes_per_face: Array) -> NoReturn:
        """Points have none."""
        self._no_mesh()
