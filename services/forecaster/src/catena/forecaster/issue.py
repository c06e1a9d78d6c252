"""One request for forecasts, from records to forecasts with intervals: jobs and rpcs alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from catena.forecaster.data.records import BasinRecords, Index
from catena.forecaster.data.reforecasts import archive_noise
from catena.forecaster.data.store import ForecastArchive
from catena.forecaster.forecast_intervals import Bounds, ForecastIntervals
from catena.forecaster.forecasters import Arrays, Forecaster, Forecasts, in_period
from catena.forecaster.scenarios import Weather, archived_weather, no_weather, noised_weather
from catena.shared.errors import InvalidData


@dataclass(frozen=True, eq=False)
class Issued:
    """Forecasts of all basins at some issue times.

    Parameters
    ----------
    records : BasinRecords
    issues : (I,) array of int
    forecasts : Forecasts
    bounds : Bounds or None
    notes : dict of str to list of str
        What a reader should know, by basin.
    """

    records: BasinRecords
    issues: Index
    forecasts: Forecasts
    bounds: Bounds | None
    notes: dict[str, list[str]]


def weather_of(
    forecaster: Forecaster,
    records: BasinRecords,
    *,
    without: bool = False,
    archive: ForecastArchive | None = None,
    generated: bool = False,
) -> Weather:
    """Forecast weather of an archive; without one the records' own, noised; or none.

    How much an archive is believed was learned in training. A forecaster that was trained without
    it takes the noise of the archive's forecasts of training days, where there are any.

    Parameters
    ----------
    forecaster : Forecaster
    records : BasinRecords
    without : bool
        None.
    archive : ForecastArchive, optional
    generated : bool
        Whether the archive's forecasts were made by a formula.
    """
    if without:
        return no_weather()
    about = forecaster.about
    lend = in_period(records, about.training_days)
    if archive is not None:
        if about.archive_noise is None and archive.within(lend).size:
            noise = archive_noise(archive, records, lend)
            return archived_weather(archive, noise, generated=generated)
        return archived_weather(archive, about.archive_noise, generated=generated)
    if not lend.any():
        # Records without a training day have no other year's weather to lend.
        return no_weather()
    return noised_weather(records, lend, about.leads, seed=about.seed)


def days_of_issue(records: BasinRecords, start: str, end: str, stride: int = 1) -> Index:
    """Places of the days of a period in the records.

    Raises
    ------
    InvalidData
        When a day lies outside them.
    """
    first, last = (np.datetime64(day, "D") for day in (start, end))
    if first < records.days[0] or last > records.days[-1]:
        raise InvalidData(
            f"forecasts of {start} to {end} were asked for; the records are of {records.days[0]} "
            f"to {records.days[-1]}"
        )
    return np.arange(records.day(first), records.day(last) + 1, stride, dtype=np.int64)


def issue(
    forecaster: Forecaster,
    records: BasinRecords,
    issues: Index,
    weather: Weather,
    *,
    intervals: ForecastIntervals | None = None,
    levels: Sequence[float] = (),
    states: Arrays | None = None,
) -> Issued:
    """Forecast, with intervals as far as they know now.

    Raises
    ------
    InvalidData
        When no forecast can be made at all.
    """
    forecasts = forecaster.forecast(records, issues, weather, states)
    if not np.isfinite(forecasts.flow).any():
        raise InvalidData(
            "no forecast can be made: no basin has any flow or weather up to the issue times"
        )
    bounds = None
    if intervals is not None and levels:
        bounds = intervals.predict(records, issues, forecasts, levels)
    said = _notes(forecaster, records, issues, weather, forecasts)
    if intervals is not None:
        general = intervals.notes(levels) if levels else []
        said = {basin: [*notes, *general] for basin, notes in said.items()}
    return Issued(records, issues, forecasts, bounds, said)


def _notes(
    forecaster: Forecaster,
    records: BasinRecords,
    issues: Index,
    weather: Weather,
    forecasts: Forecasts,
) -> dict[str, list[str]]:
    """What was missing."""
    said: dict[str, list[str]] = {}
    last = int(issues[-1])
    window = slice(max(last - forecaster.past + 1, 0), last + 1)
    reach = last + forecaster.about.leads < len(records.days)
    for row, basin in enumerate(records.basins):
        notes = []
        if not np.isfinite(forecasts.flow[row]).any():
            notes.append("no forecast could be made: too little flow or weather is known")
        flow = records.flow[row, window]
        if np.isnan(flow).all():
            notes.append("no flow was observed lately: forecast without observations")
        elif np.isnan(flow[-1]):
            days = int(np.argmax(~np.isnan(flow[::-1])))
            notes.append(f"the newest observed flow is {days} days old")
        gaps = int(np.isnan(records.weather[row, window]).any(axis=1).sum())
        if gaps:
            notes.append(f"weather is missing on {gaps} of the last {len(flow)} days")
        if weather.scenario.reach == 0:
            notes.append("no forecast weather was used")
        elif not weather.issued(issues[-1:]).size:
            notes.append("no forecast weather was issued on that day: forecast without")
        elif weather.scenario.quality == "noised" and not reach:
            notes.append("forecast weather ends with the records: later leads go without")
        said[basin] = notes
    return said
