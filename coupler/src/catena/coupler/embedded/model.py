"""The embedded model as a :class:`~catena.coupler.land_model.LandModel`: BMI and restart files.

>>> model = open_land_model("embedded")                                        # doctest: +SKIP
>>> model.initialize("case.yaml")                                              # doctest: +SKIP
>>> model.update_until(365.0)                                                  # doctest: +SKIP
>>> model.get_value("GPP", values)                                             # doctest: +SKIP
>>> model.write_restart(Path("case.elm.r.0002-01-01-00000.nc"))                # doctest: +SKIP
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NoReturn

import cftime
import numpy as np
from numpy.typing import NDArray

from catena.coupler.embedded.columns import Columns
from catena.coupler.embedded.config import Config, HistorySection
from catena.coupler.embedded.grid_bmi import PointGrid
from catena.coupler.embedded.history import write_history
from catena.coupler.embedded.outputs import OUTPUT_NAMES, OUTPUTS
from catena.coupler.embedded.parameters import ParameterSet
from catena.coupler.embedded.periods import Days
from catena.coupler.embedded.restart_state import from_restart, is_own, to_restart
from catena.coupler.embedded.simulate import Run, simulate
from catena.coupler.embedded.state import State, cold_start, leave_ad
from catena.coupler.embedded.weather import FORCING
from catena.coupler.forcing import UNITS, check_range
from catena.coupler.land_model import LandModel, Mode
from catena.coupler.restart import Restart, exit_ad, read_restart
from catena.shared.errors import FailedPrecondition, InvalidData, InvalidRequest, NotFound

Array = NDArray[Any]
_INPUTS = (*FORCING, "co2", "ndep")
_INPUT_UNITS = {**UNITS, "co2": "ppm", "ndep": "g m-2 yr-1"}


@dataclass
class _Live:
    """What an initialised model holds; ``day`` days have been run."""

    config: Config
    columns: Columns
    parameters: ParameterSet
    days: Days
    forcing: NDArray[np.float64]
    co2: NDArray[np.float64]
    ndep: NDArray[np.float64]
    state: State
    day: int = 0
    outputs: NDArray[np.float64] | None = None


class EmbeddedModel(PointGrid, LandModel):
    """One member on the cells of its forcing; a step is a day.

    Outputs are those of the last day that was run. Time counts in days from the first day.
    """

    def __init__(self) -> None:
        self._live: _Live | None = None

    @property
    def _model(self) -> _Live:
        if self._live is None:
            raise FailedPrecondition("the model is not initialised; call initialize(file) first")
        return self._live

    def cells(self) -> Columns:
        """The cells of the run."""
        return self._model.columns

    def initialize(self, config_file: str) -> None:
        """Read a YAML file of :class:`catena.coupler.embedded.config.Config`, begin cold."""
        self.begin(Config.load(Path(config_file)))

    def begin(self, config: Config) -> None:
        """Begin a run from a configuration that is at hand.

        Raises
        ------
        InvalidRequest, InvalidData
            When configuration, forcing or parameters are wrong; a run that was open stays.
        """
        weather = config.weather()
        columns = config.columns(weather)
        state = cold_start(columns.sand, columns.clay, 1, columns.slots)
        self._live = _Live(
            config,
            columns,
            config.parameter_set(),
            Days.since(weather.start, weather.days, weather.calendar),
            weather.array(),
            np.array(weather.co2),
            np.array(weather.ndep),
            replace(state, spinup_state=int(config.stage == "ad_spinup")),
        )

    def update(self) -> None:
        """Run one day."""
        self.update_until(self.get_current_time() + 1.0)

    def update_until(self, time: float) -> None:
        """Run to the beginning of day `time`; what was reached already is no error.

        Raises
        ------
        InvalidRequest
            When it is no whole day, or after the end.
        InvalidData
            When the run fails; the state stays what it was.
        """
        live = self._model
        last = int(time)
        if time != last or last > live.days.count:
            raise InvalidRequest(f"time {time} came; a whole day up to {live.days.count} is wanted")
        if last <= live.day:
            return
        history = live.config.history
        run = self._run(live.day, last, history)
        if history is not None:
            begin = run.days.dates(run.first[:1])[0]
            name = f"{live.config.case}.elm.h0.{begin.strftime('%Y-%m-%d')}-00000.nc"
            history.folder.mkdir(parents=True, exist_ok=True)
            write_history(history.folder / name, run, live.columns, case=live.config.case)
        live.state, live.day, live.outputs = run.state, last, run.latest[0]

    def _run(self, first: int, last: int, history: HistorySection | None) -> Run:
        live = self._model
        days, part = live.days, slice(first, last)
        run = simulate(
            live.columns,
            live.forcing[:, part],
            live.co2[part],
            live.ndep[part],
            days.part(first, last),
            live.parameters,
            live.state,
            accelerated=live.config.stage == "ad_spinup",
            supplement_nitrogen=live.config.supplement_nitrogen,
            variables=history.variables if history else (),
            frequency=history.frequency if history else None,
        )
        if run.failures:
            raise InvalidData(f"the run from day {first} failed: {run.failures[0]}")
        return run

    def finalize(self) -> None:
        """Leave the run; files stay."""
        self._live = None

    def _date(self, day: int) -> cftime.datetime:
        days = self._model.days
        if day < days.count:
            return days.dates(np.array([day]))[0]
        return days.dates(np.array([day - 1]))[0] + dt.timedelta(days=1)

    def _day_of(self, restart: Restart) -> int:
        date, calendar = restart.date, self._model.days.calendar
        try:
            found = cftime.datetime(date.year, date.month, date.day, calendar=calendar)
        except ValueError:
            raise InvalidData(
                f"{restart.name} is of {date.strftime('%Y-%m-%d')}, which the run's calendar "
                f"{calendar} has not; take mode='hotstart'"
            ) from None
        return int((found - self._date(0)).days)

    def read_restart(self, path: Path, mode: Mode) -> None:
        """Take over the state of a restart file, see :class:`LandModel`.

        ``resume`` goes on at the file's date, which must lie in the run, in the same stage.
        ``hotstart`` begins the run with it; pools of accelerated decomposition are multiplied where
        the run is of another stage.

        Raises
        ------
        NotFound
            When there is no such file.
        InvalidData
            When the file is damaged, of another grid, date or stage; the state stays as it was.
        """
        live = self._model
        if not Path(path).is_file():
            raise NotFound(f"there is no restart file '{Path(path).name}'")
        restart = read_restart(Path(path), in_memory=True)
        leaves_ad = restart.spinup_state == 1 and live.config.stage != "ad_spinup"
        if mode == "hotstart" and leaves_ad and not is_own(restart):
            # ELM's pools are multiplied level by level, and only after its year 40.
            restart = exit_ad(restart)
        values = from_restart(restart, live.columns)[np.newaxis]
        state = State(values, restart.spinup_state)
        accelerated = live.config.stage == "ad_spinup"
        day = 0
        if mode == "resume":
            if state.spinup_state != int(accelerated):
                raise InvalidData(
                    f"{restart.name} has spinup_state {state.spinup_state}; a run of stage "
                    f"{live.config.stage} cannot be resumed from it. Take mode='hotstart'"
                )
            first = self._date(0)
            day = self._day_of(restart)
            if not 0 <= day <= live.days.count:
                raise InvalidData(
                    f"{restart.name} is of {restart.date.strftime('%Y-%m-%d')}, which is not in "
                    f"the run from {first.strftime('%Y-%m-%d')} on for {live.days.count} days"
                )
        elif mode != "hotstart":
            raise InvalidRequest(f"mode '{mode}' came; resume or hotstart was wanted")
        elif state.spinup_state == 1 and not accelerated:
            state = leave_ad(state)
        elif state.spinup_state == 0 and accelerated:
            raise InvalidData(
                f"{restart.name} holds pools as they are (spinup_state 0); accelerated "
                "decomposition begins from a cold start or from a file of its own"
            )
        live.state, live.day, live.outputs = state, day, None

    def write_restart(self, path: Path) -> None:
        """Write the state with ELM's names; the file appears whole or not at all."""
        live = self._model
        made = to_restart(
            live.state.values[0],
            live.columns,
            live.parameters,
            self._date(live.day),
            live.state.spinup_state,
        )
        made.write(Path(path))

    def get_component_name(self) -> str:
        """Name of the model."""
        return "catena embedded land model"

    def get_input_item_count(self) -> int:
        """Weather, CO2 and nitrogen deposition."""
        return len(_INPUTS)

    def get_output_item_count(self) -> int:
        """How many outputs there are."""
        return len(OUTPUT_NAMES)

    def get_input_var_names(self) -> tuple[str, ...]:  # type: ignore[override]
        """Weather by CF names, CO2 and nitrogen deposition."""
        return _INPUTS

    def get_output_var_names(self) -> tuple[str, ...]:  # type: ignore[override]
        """Outputs by ELM's names."""
        return OUTPUT_NAMES

    def get_var_grid(self, name: str) -> int:
        """All are on grid 0; CO2 and deposition are the same everywhere."""
        self._known(name)
        return 0

    def get_var_type(self, name: str) -> str:
        """All are float64."""
        self._known(name)
        return "float64"

    def get_var_units(self, name: str) -> str:
        """Units as in history files, or of the forcing."""
        self._known(name)
        if name in _INPUT_UNITS:
            return _INPUT_UNITS[name]
        return OUTPUTS[OUTPUT_NAMES.index(name)].units

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

    @staticmethod
    def _known(name: str) -> None:
        if name not in OUTPUT_NAMES and name not in _INPUTS:
            raise NotFound(
                f"there is no variable '{name}'; outputs are {', '.join(OUTPUT_NAMES)}, inputs "
                f"{', '.join(_INPUTS)}"
            )

    def get_start_time(self) -> float:
        """0."""
        return 0.0

    def get_end_time(self) -> float:
        """Days of the run."""
        return float(self._model.days.count)

    def get_current_time(self) -> float:
        """Days that have been run."""
        return float(self._model.day)

    def get_time_step(self) -> float:
        """A day."""
        return 1.0

    def get_time_units(self) -> str:
        """Days since the first day of the run."""
        return f"days since {self._date(0).strftime('%Y-%m-%d')}"

    def _values(self, name: str) -> NDArray[np.float64]:
        live = self._model
        self._known(name)
        if name in _INPUTS:
            day = min(live.day, live.days.count - 1)
            if name in FORCING:
                return live.forcing[:, day, FORCING.index(name)]
            series = live.co2 if name == "co2" else live.ndep
            return np.full(live.columns.cells, series[day])
        if live.outputs is None:
            raise FailedPrecondition("no day has been run yet; call update() first")
        return live.outputs[:, OUTPUT_NAMES.index(name)]

    def get_value(self, name: str, dest: Array) -> Array:
        """Copy values of the last day (outputs) or the coming one (inputs) into `dest` (cell,)."""
        dest[...] = self._values(name)
        return dest

    def get_value_ptr(self, name: str) -> NoReturn:
        """Refused: outputs are made anew each step."""
        raise InvalidRequest("values cannot be had by reference; use get_value")

    def get_value_at_indices(self, name: str, dest: Array, inds: Array) -> Array:
        """Values of some cells."""
        dest[...] = self._values(name)[inds]
        return dest

    def set_value(self, name: str, src: Array) -> None:
        """Replace an input of the coming day.

        Parameters
        ----------
        src : float64 (cell,)
            For ``co2`` and ``ndep`` all values must be the same.
        """
        self.set_value_at_indices(name, np.arange(self._model.columns.cells), src)

    def set_value_at_indices(self, name: str, inds: Array, src: Array) -> None:
        """Replace an input of the coming day in some cells.

        Raises
        ------
        InvalidRequest
            When it is no input, not finite, or the run is at its end.
        InvalidData
            When it can be no weather in the input's units: degC for K, or mm d-1 for kg m-2 s-1.
        """
        live = self._model
        if name not in _INPUTS:
            raise InvalidRequest(
                f"'{name}' is no input; inputs are {', '.join(_INPUTS)}. The state is set by a "
                "restart file"
            )
        values = np.asarray(src, dtype=np.float64)
        if not np.isfinite(values).all():
            raise InvalidRequest(f"{name} holds NaN or infinity")
        if live.day >= live.days.count:
            raise InvalidRequest("the run is at its end; there is no coming day")
        check_range(name, values)
        if name in FORCING:
            live.forcing[inds, live.day, FORCING.index(name)] = values
            return
        if values.size == 0 or not (values == values.flat[0]).all():
            raise InvalidRequest(f"{name} is the same in all cells; several values came")
        (live.co2 if name == "co2" else live.ndep)[live.day] = values.flat[0]
