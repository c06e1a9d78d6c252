"""The process model as a forecaster: calibrated, fed with records, corrected by its last errors."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from catena.forecaster.data.records import BasinRecords, refuse
from catena.forecaster.process.bands import bands_from_slope
from catena.forecaster.process.baselines import known_rows
from catena.forecaster.process.calibration import Search, calibrate
from catena.forecaster.process.climate import fill_gaps, yearly_mean
from catena.forecaster.process.kernels import BANDS
from catena.forecaster.process.model import ProcessModel, Run, lead_days
from catena.forecaster.process.mos import Mos, fit_mos
from catena.shared.errors import InvalidData

Array = NDArray[np.float64]
Index = NDArray[np.int64]
Mask = NDArray[np.bool_]

WARM_UP = 365
"""Days of weather before the first issue time, without saved states."""
SLOPE = "slope_mean"
FORCING = ("pr", "tas")


def band_warmth_of(records: BasinRecords) -> tuple[Array, str]:
    """Elevation bands of basins without hypsometry, and in words how they were guessed.

    Raises
    ------
    InvalidData
        Names basins with a negative slope.
    """
    if SLOPE in records.attribute_names:
        slope = records.attribute(SLOPE)
        refuse(
            {
                records.basins[b]: f"{SLOPE} of {slope[b]:g} m km-1; want no negative one, NaN "
                "where it is missing"
                for b in np.flatnonzero(slope < 0.0)
            }
        )
        missing = ~np.isfinite(slope)
        note = "relief of the elevation bands guessed from the mean slope"
        if missing.any():
            note += f"; none in {missing.sum()} basins without one"
        return bands_from_slope(np.where(missing, 0.0, slope)), note
    return np.zeros((len(records), BANDS)), f"no relief: the records have no '{SLOPE}'"


@dataclass(frozen=True, eq=False)
class ProcessForecaster:
    """GR4J with snow for named basins, and its correction if one was fitted.

    Parameters
    ----------
    basins : tuple of str
    model : ProcessModel
    climate : Array, (basin, 2, 366)
        Mean precipitation and temperature by day of the year: what stands in for missing weather.
    misfit : Array, (basin,)
        Of the calibration on training days; about 1 - NSE.
    mos : Mos, optional
    note : str
        What a reader of results has to know about the elevation bands.
    """

    basins: tuple[str, ...]
    model: ProcessModel
    climate: Array
    misfit: Array
    mos: Mos | None = None
    note: str = ""

    def simulate(
        self, records: BasinRecords, *, states: Array | None = None, keep: Index | None = None
    ) -> Run:
        """Run through the records with observed weather; see :meth:`ProcessModel.run`."""
        known = self._select(records.basins)
        p, t = known._observed(records)
        return known.model.run(p, t, records.days, states=states, keep=keep)

    def forecast(
        self,
        records: BasinRecords,
        issues: Index,
        leads: int,
        weather: Array | None = None,
        *,
        states: Array | None = None,
        errors: Array | None = None,
    ) -> Array:
        """Flow, mm d-1, (basin, issue, lead); see :class:`baselines.Forecaster`.

        Missing weather, past and forecast, is replaced by the mean of its day of the year.

        Parameters
        ----------
        records, issues, leads, weather
            As there.
        states : Array, (basin, N_STATE), optional
            Of the day before the records begin. Without them issue times have to lie `WARM_UP` days
            after the first day.
        errors : Array, (basin, 2), optional
            Of the same day: the error and its mean, as :func:`mos.last_errors` gives them. Without
            them the correction knows of no error before the records.

        Raises
        ------
        InvalidData
            Basins that were not fitted (by name), issue times without warm-up, wrong shapes.
        """
        known = self._select(records.basins)
        raw, simulated = known._raw(records, issues, leads, weather, states)
        if known.mos is None:
            return raw
        second = None
        if known.mos.has_second:
            second, _ = known._raw(records, issues, leads, None, states)
        flow = records.flow.astype(float)
        return known.mos.correct(raw, simulated, flow, issues, second, errors=errors)

    def with_mos(
        self,
        records: BasinRecords,
        issues: Index,
        leads: int,
        weather: Array | None = None,
        *,
        lean_on_climate: bool = False,
        **options: Any,
    ) -> ProcessForecaster:
        """The same model with a correction learnt from these issue times and this kind of weather.

        Parameters
        ----------
        records, issues, leads, weather
            Of training, for all basins of this forecaster; see :meth:`forecast`.
        lean_on_climate : bool
            Let the correction mix in the forecast with the mean weather of the season, which is the
            better one where forecast weather has lost its worth. Costs a second run.
        **options
            Of :func:`catena.forecaster.process.mos.fit_mos`.
        """
        known = self._select(records.basins)
        raw, simulated = known._raw(records, issues, leads, weather, None)
        second = None
        if lean_on_climate:
            second, _ = known._raw(records, issues, leads, None, None)
        flow = records.flow.astype(float)
        mos = fit_mos(raw, simulated, flow, np.asarray(issues), second, **options)
        return replace(known, mos=mos)

    def without_mos(self) -> ProcessForecaster:
        """The process model alone."""
        return replace(self, mos=None)

    def config(self) -> dict[str, Any]:
        """What is no array, for JSON."""
        return {"basins": list(self.basins), "note": self.note}

    def state(self) -> dict[str, Array]:
        """Arrays, for safetensors."""
        state = {f"model.{name}": value for name, value in self.model.state().items()}
        if self.mos is not None:
            state |= {f"mos.{name}": value for name, value in self.mos.state().items()}
        return {**state, "climate": self.climate, "misfit": self.misfit}

    @classmethod
    def from_state(cls, config: Mapping[str, Any], state: Mapping[str, Array]) -> ProcessForecaster:
        """The forecaster whose :meth:`config` and :meth:`state` these were."""
        parts: dict[str, dict[str, Array]] = {"model": {}, "mos": {}}
        for name, value in state.items():
            if "." in name:
                part, _, key = name.partition(".")
                parts[part][key] = value
        return cls(
            tuple(config["basins"]),
            ProcessModel.from_state(parts["model"]),
            np.asarray(state["climate"]),
            np.asarray(state["misfit"]),
            Mos.from_state(parts["mos"]) if parts["mos"] else None,
            str(config.get("note", "")),
        )

    def _select(self, basins: Sequence[str]) -> ProcessForecaster:
        if tuple(basins) == self.basins:
            return self
        rows = known_rows(self.basins, basins)
        mos = None if self.mos is None else self.mos.rows(rows)
        return replace(
            self,
            basins=tuple(basins),
            model=self.model.rows(rows),
            climate=self.climate[rows],
            misfit=self.misfit[rows],
            mos=mos,
        )

    def _observed(self, records: BasinRecords) -> tuple[Array, Array]:
        return observed_forcing(records, self.climate)

    def _raw(
        self,
        records: BasinRecords,
        issues: Index,
        leads: int,
        weather: Array | None,
        states: Array | None,
    ) -> tuple[Array, Array]:
        """Uncorrected forecasts, and the simulated flow of the whole record."""
        issues = np.asarray(issues, np.int64)
        check_issues(records, issues, leads, warmed_up=states is not None)
        p, t = self._observed(records)
        fp, ft = forecast_forcing(records, issues, leads, weather, self.climate)
        return self.model.hindcast(p, t, records.days, issues, fp, ft, states=states)


def observed_forcing(records: BasinRecords, climate: Array) -> tuple[Array, Array]:
    """Precipitation and temperature, (basin, day) each, gaps filled by the climate."""
    p, t = (
        fill_gaps(records.weather[:, :, records.column(name)].astype(float), mean, records.days)
        for name, mean in zip(FORCING, np.moveaxis(climate, 1, 0), strict=True)
    )
    return p, t


def forecast_forcing(
    records: BasinRecords, issues: Index, leads: int, weather: Array | None, climate: Array
) -> tuple[Array, Array]:
    """Forecast precipitation and temperature, (basin, issue, lead) each, without gaps.

    Raises
    ------
    InvalidData
        Weather of another shape than (basin, issue, lead, variable).
    """
    shape = (len(records), len(issues), leads, len(records.weather_names))
    if weather is not None and np.shape(weather) != shape:
        raise InvalidData(
            f"forecast weather has shape {np.shape(weather)}; want {shape}: (basin, issue, lead, "
            f"variable) with the variables {', '.join(records.weather_names)}"
        )
    days = lead_days(records.days[issues], leads)
    filled = []
    for name, mean in zip(FORCING, np.moveaxis(climate, 1, 0), strict=True):
        given = np.full(shape[:3], np.nan)
        if weather is not None:
            given[:] = weather[..., records.column(name)]
        filled.append(fill_gaps(given, mean, days))
    return filled[0], filled[1]


def check_issues(records: BasinRecords, issues: Index, leads: int, *, warmed_up: bool) -> None:
    """Refuse issue times outside the records or before a warm-up is over, and leads below 1."""
    if leads < 1:
        raise InvalidData(f"{leads} leads were asked for; want 1 or more")
    if not len(issues):
        return
    first = 0 if warmed_up else WARM_UP
    if (np.diff(issues) < 0).any() or issues[0] < 0 or issues[-1] >= len(records.days):
        raise InvalidData(
            f"issue days run from {issues.min()} to {issues.max()}; want ascending positions in "
            f"the {len(records.days)} days of the records"
        )
    if issues[0] < first:
        raise InvalidData(
            f"the first issue day {records.days[issues[0]]} has {issues[0]} days of weather before "
            f"it; want {WARM_UP} to warm the process model up, or saved states"
        )


def weather_climate(records: BasinRecords, days: Mask) -> Array:
    """Mean precipitation and temperature by day of the year, (basin, 2, 366), of chosen days.

    Raises
    ------
    InvalidData
        Names basins without any on these days.
    """
    means = np.stack(
        [
            yearly_mean(
                records.weather[:, days, records.column(name)].astype(float), records.days[days]
            )
            for name in FORCING
        ],
        axis=1,
    )
    empty = np.isnan(means).any(axis=(1, 2))
    refuse({records.basins[b]: "no weather on the training days" for b in np.flatnonzero(empty)})
    return means


def fit_process(
    records: BasinRecords,
    days: Mask,
    *,
    seed: int,
    band_warmth: Array | None = None,
    warmup: int = 730,
    search: Search | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> ProcessForecaster:
    """Calibrate the process model on the flow of training days.

    Parameters
    ----------
    records : BasinRecords
        With the weather ``pr`` (mm d-1) and ``tas`` (degC).
    days : Mask, (day,)
        Training days. The model runs through other days before and between them with their
        weather, but does not see their flow.
    seed : int
    band_warmth : Array, (basin, BANDS), optional
        From hypsometry; guessed by :func:`band_warmth_of` if left out.
    warmup : int
        Leading days of the records whose flow does not count.
    search, progress
        See :func:`catena.forecaster.process.calibration.calibrate`.

    Raises
    ------
    InvalidData
        Names basins that cannot be calibrated, and says why.
    """
    placed = np.abs(records.latitude) <= 90.0
    refuse(
        {
            records.basins[b]: f"latitude {records.latitude[b]:g}; want degrees north, -90 to 90, "
            "for the potential evapotranspiration"
            for b in np.flatnonzero(~placed)
        }
    )
    climate = weather_climate(records, days)
    note = "elevation bands as given"
    if band_warmth is None:
        band_warmth, note = band_warmth_of(records)
    end = int(np.flatnonzero(days)[-1]) + 1
    p, t = observed_forcing(records, climate)
    flow = np.where(days, records.flow.astype(float), np.nan)
    found = calibrate(
        p[:, :end],
        t[:, :end],
        flow[:, :end],
        records.days[:end],
        records.latitude,
        band_warmth,
        names=records.basins,
        seed=seed,
        warmup=warmup,
        search=search,
        progress=progress,
    )
    model = ProcessModel(found.parameters, records.latitude, band_warmth)
    return ProcessForecaster(records.basins, model, climate, found.misfit, note=note)
