"""The process model of many basins: runs, saved states, forecasts from any issue time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from catena.forecaster.process import kernels
from catena.forecaster.process.parameters import check_parameters
from catena.forecaster.process.pet import oudin_pet
from catena.shared.errors import InvalidData

Array = NDArray[np.float64]
Days = NDArray[np.datetime64]

FIRST_FILL = {kernels.PRODUCTION: (kernels.X1, 0.5), kernels.ROUTING: (kernels.X3, 0.4)}
"""How full the stores of a fresh state are, as parts of their capacities; a warm-up forgets it."""


def fresh_states(parameters: Array) -> Array:
    """States to begin a warm-up with, (..., 9) -> (..., N_STATE): stores part full, no snow."""
    states = np.zeros((*np.shape(parameters)[:-1], kernels.N_STATE))
    for place, (capacity, part) in FIRST_FILL.items():
        states[..., place] = part * np.asarray(parameters)[..., capacity]
    return states


def stored_water(states: Array) -> Array:
    """Water in a state, mm, (..., N_STATE) -> (...): stores, unit hydrographs, snow."""
    snow = states[..., kernels.SNOW : kernels.PACK_TEMPERATURE]
    return np.asarray(states[..., : kernels.SNOW].sum(-1) + snow.mean(-1))


@dataclass(frozen=True, eq=False)
class Run:
    """What a run gave; mm d-1 and mm.

    Parameters
    ----------
    flow, evapotranspiration, exchange : Array, (basin, day)
        Exchange with groundwater beyond the basin is positive when water comes in. Precipitation
        times its factor + exchange - evapotranspiration - flow = change of the water stored.
    states : Array, (basin, N_STATE)
        At the end of the last day.
    kept : Array, (basin, k, N_STATE)
        At the end of the days asked for.
    """

    flow: Array
    evapotranspiration: Array
    exchange: Array
    states: Array
    kept: Array


class ProcessModel:
    """GR4J with degree-day snow in elevation bands.

    Parameters
    ----------
    parameters : array_like, (basin, 9)
        As listed in :data:`catena.forecaster.process.parameters.PARAMETERS`.
    latitude : array_like, (basin,)
        Degrees north, for the potential evapotranspiration.
    band_warmth : array_like, (basin, BANDS)
        See :mod:`catena.forecaster.process.bands`.

    Raises
    ------
    InvalidData
        Parameters out of range, shapes that do not fit, bands that are not finite.
    """

    def __init__(self, parameters: Array, latitude: Array, band_warmth: Array) -> None:
        self.latitude = np.atleast_1d(np.array(latitude, float))
        self.parameters = check_parameters(parameters, len(self.latitude))
        # warmest first: the kernels look at the last band to see whether snow can fall
        self.band_warmth = -np.sort(-np.atleast_2d(np.array(band_warmth, float)), axis=1)
        wanted = (len(self.latitude), kernels.BANDS)
        if self.band_warmth.shape != wanted or not np.isfinite(self.band_warmth).all():
            raise InvalidData(
                f"band_warmth has shape {np.shape(band_warmth)}; want {wanted}, all finite"
            )

    def __len__(self) -> int:
        return len(self.parameters)

    def rows(self, basins: NDArray[np.int64] | slice) -> ProcessModel:
        """Some of the basins."""
        return ProcessModel(
            self.parameters[basins], self.latitude[basins], self.band_warmth[basins]
        )

    def state(self) -> dict[str, Array]:
        """Arrays that make up the model, for safetensors."""
        return {
            "parameters": self.parameters,
            "latitude": self.latitude,
            "band_warmth": self.band_warmth,
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Array]) -> ProcessModel:
        """The model whose :meth:`state` this was."""
        return cls(state["parameters"], state["latitude"], state["band_warmth"])

    def run(
        self,
        precipitation: Array,
        temperature: Array,
        days: Days,
        *,
        states: Array | None = None,
        keep: NDArray[np.int64] | None = None,
    ) -> Run:
        """Run through days of observed weather.

        Parameters
        ----------
        precipitation, temperature : array_like, (basin, day)
            mm d-1 and degC, without gaps.
        days : array_like of datetime64[D], (day,)
        states : array_like, (basin, N_STATE), optional
            Of an earlier run, which this one goes on from, to the last bit as if it had not
            stopped. A fresh state needs a warm-up of a year or two.
        keep : array_like of int, (k,), optional
            Days, as positions in ascending order, at whose end the states are kept.

        Raises
        ------
        InvalidData
            Shapes that do not fit, gaps, impossible values, days to keep that are not there.
        """
        days = np.asarray(days, "datetime64[D]")
        shape = (len(self), len(days))
        p = checked_weather("precipitation", precipitation, shape)
        t = checked_weather("temperature", temperature, shape)
        keep = np.zeros(0, np.int64) if keep is None else np.asarray(keep, np.int64)
        if len(keep) and (keep[0] < 0 or keep[-1] >= len(days) or (np.diff(keep) < 0).any()):
            raise InvalidData(f"days to keep must ascend from 0 to {len(days) - 1}; got {keep}")
        states = self._states(states, (len(self), kernels.N_STATE))
        fluxes = np.empty((*shape, 3))
        kept = np.empty((len(self), len(keep), kernels.N_STATE))
        pet = oudin_pet(t, self.latitude, days)
        kernels.run(states, p, t, pet, self.parameters, self.band_warmth, fluxes, keep, kept)
        flow, evaporated, exchange = np.moveaxis(fluxes, 2, 0)
        return Run(flow, evaporated, exchange, states, kept)

    def forecast(
        self, states: Array, precipitation: Array, temperature: Array, issue_times: Days
    ) -> Array:
        """Forecast from saved states with forecast weather.

        Parameters
        ----------
        states : array_like, (basin, issue, N_STATE)
            At the end of each issue day (`Run.kept`). For members of an ensemble repeat them.
        precipitation, temperature : array_like, (basin, issue, lead)
            Forecast weather; lead 1 is the day after the issue day.
        issue_times : array_like of datetime64[D], (issue,)

        Returns
        -------
        Array, (basin, issue, lead)
            Flow, mm d-1.

        Raises
        ------
        InvalidData
            Shapes that do not fit, gaps, impossible values.
        """
        issue_times = np.asarray(issue_times, "datetime64[D]")
        shape = (len(self), len(issue_times), np.shape(precipitation)[-1])
        p = checked_weather("forecast precipitation", precipitation, shape)
        t = checked_weather("forecast temperature", temperature, shape)
        states = self._states(states, (*shape[:2], kernels.N_STATE))
        pet = oudin_pet(t, self.latitude, lead_days(issue_times, shape[2]))
        flow = np.empty(shape)
        kernels.run_leads(states, p, t, pet, self.parameters, self.band_warmth, flow)
        return flow

    def hindcast(
        self,
        precipitation: Array,
        temperature: Array,
        days: Days,
        issues: NDArray[np.int64],
        forecast_precipitation: Array,
        forecast_temperature: Array,
        *,
        states: Array | None = None,
    ) -> tuple[Array, Array]:
        """Forecasts from many issue times of a record: one run that keeps states, then all leads.

        Parameters
        ----------
        precipitation, temperature : array_like, (basin, day)
            Observed weather from the warm-up on.
        days : array_like of datetime64[D], (day,)
        issues : array_like of int, (issue,)
            Issue days as positions in `days`, ascending.
        forecast_precipitation, forecast_temperature : array_like, (basin, issue, lead)
        states : array_like, (basin, N_STATE), optional
            As in :meth:`run`.

        Returns
        -------
        forecast : Array, (basin, issue, lead)
        simulated : Array, (basin, day)
            Flow of the run with observed weather.
        """
        days, issues = np.asarray(days, "datetime64[D]"), np.asarray(issues, np.int64)
        p, t, fp, ft = (
            np.asarray(x)
            for x in (precipitation, temperature, forecast_precipitation, forecast_temperature)
        )
        forecast, simulated = np.empty(fp.shape), np.empty(p.shape)
        for b in range(len(self)):  # states of all basins and issue times would fill the memory
            row = slice(b, b + 1)
            one = self.rows(row)
            start = None if states is None else states[row]
            run = one.run(p[row], t[row], days, states=start, keep=issues)
            simulated[b] = run.flow[0]
            forecast[b] = one.forecast(run.kept, fp[row], ft[row], days[issues])[0]
        return forecast, simulated

    def _states(self, states: Array | None, shape: tuple[int, ...]) -> Array:
        """A copy of states that were given, or fresh ones."""
        if states is None:
            return fresh_states(self.parameters)
        copy = np.array(states, float)
        if copy.shape != shape or not np.isfinite(copy).all():
            raise InvalidData(
                f"states have shape {copy.shape}, or values that are not finite; want {shape} of "
                "an earlier run of the same basins"
            )
        return copy


def lead_days(issue_times: Days, leads: int) -> Days:
    """Days that forecasts are for, (issue,) -> (issue, lead); lead 1 is the day after."""
    ahead = np.arange(1, leads + 1).astype("timedelta64[D]")
    return np.asarray(np.asarray(issue_times, "datetime64[D]")[:, None] + ahead)


def checked_weather(what: str, values: Array, shape: tuple[int, ...]) -> Array:
    """Weather as contiguous float64 of this shape, finite, precipitation not negative.

    Raises
    ------
    InvalidData
        Says what is wrong and where first.
    """
    array = np.ascontiguousarray(values, float)
    if array.shape != shape:
        raise InvalidData(f"{what} has shape {array.shape}; want {shape}")
    wrong = ~np.isfinite(array)
    if "precipitation" in what:
        wrong |= array < 0.0
    if wrong.any():
        place = np.argwhere(wrong)[0].tolist()
        raise InvalidData(
            f"{what}{place} is {array[tuple(place)]:g} ({wrong.sum()} such values); the process "
            "model wants every day finite, and no negative precipitation: fill gaps first"
        )
    return array
