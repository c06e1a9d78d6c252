"""What a network sees, for whoever explains it: forecasts to explain, and others to compare with.

A contribution is measured from what the network usually sees. So beside the forecasts that are to
be explained there is a background: a few forecasts of days of training that stand for the climate.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from catena.forecaster.data.calendar import day_of_year
from catena.forecaster.data.records import BasinRecords, Index, Mask
from catena.forecaster.data.splits import issues_within, year_of
from catena.forecaster.forecasters import in_period
from catena.forecaster.issue import weather_of
from catena.forecaster.network_forecaster import NetworkForecaster
from catena.forecaster.scenarios import Weather
from catena.models.flow_samples import FlowSamples
from catena.shared.errors import InvalidData


@dataclass(frozen=True, eq=False)
class Places:
    """Forecasts, by the places of their basins and days in records.

    Parameters
    ----------
    basin, issue : (B,) arrays of int
    """

    basin: Index
    issue: Index

    def __len__(self) -> int:
        return len(self.basin)


@dataclass(frozen=True, eq=False)
class Drawn:
    """What an explanation is made of.

    Parameters
    ----------
    explained, background : FlowSamples
    weather, background_weather : Weather
        Their forecast weather.
    """

    explained: FlowSamples
    background: FlowSamples
    weather: Weather
    background_weather: Weather


def draw(
    forecaster: NetworkForecaster,
    records: BasinRecords,
    issues: Index,
    weather: Weather,
    *,
    count: int,
    background: int,
    seed: int,
) -> Drawn:
    """Forecasts to explain, and the background.

    Parameters
    ----------
    forecaster, records, issues, weather, count
        As in :func:`to_explain`.
    background : int
        Forecasts of days of training. Where an archive has fewer of them, the observed weather,
        noised, takes its place.
    seed : int
        Of the background's choice.

    Raises
    ------
    InvalidData
        As :func:`to_explain` and :func:`to_compare` say.
    """
    explained = to_explain(forecaster, records, issues, weather, count)
    usual = weather
    issued = weather.issued(_training_issues(forecaster, records))
    if weather.archive is not None and len(issued) < background:
        usual = weather_of(forecaster, records)
    compared = to_compare(forecaster, records, usual, background, seed)
    return Drawn(
        samples_of(forecaster, records, explained, weather),
        samples_of(forecaster, records, compared, usual),
        weather,
        usual,
    )


def looks_back(forecaster: NetworkForecaster) -> int:
    """Days of weather that a forecast needs, the day of issue included."""
    process = forecaster.process
    # A process model has warmed up before the day of issue.
    return max(forecaster.settings.window, 1 if process is None else process.past + 1)


def reachable(forecaster: NetworkForecaster, records: BasinRecords) -> Mask:
    """Days on which each basin has the past that a forecast looks back on, (N, T)."""
    first, last = records.extent()
    day = np.arange(len(records.days))
    earliest = first + looks_back(forecaster) - 1
    return np.asarray((day >= earliest[:, None]) & (day <= last[:, None]))


def to_explain(
    forecaster: NetworkForecaster,
    records: BasinRecords,
    issues: Index,
    weather: Weather,
    count: int,
) -> Places:
    """Issue times spread evenly over a period, for every basin.

    Parameters
    ----------
    forecaster : NetworkForecaster
    records : BasinRecords
    issues : (I,) array of int
        Places of the days of issue that may be taken.
    weather : Weather
        With an archive, only days on which a forecast was issued are taken.
    count : int
        Most forecasts, shared out evenly over the basins.

    Raises
    ------
    InvalidData
        When no forecast was issued, or none has the past that it needs.
    """
    issued = weather.issued(issues)
    if not issued.size:
        raise InvalidData(
            f"the archive has no forecast issued on the {len(issues)} days from "
            f"{records.days[issues[0]]} to {records.days[issues[-1]]}; give other days or another "
            "archive"
        )
    there = reachable(forecaster, records)[:, issued]
    if not there.any():
        raise InvalidData(
            f"no basin has {looks_back(forecaster)} days of weather up to any of the "
            f"{len(issued)} days from {records.days[issued[0]]} to {records.days[issued[-1]]}; "
            "give later days, or longer records"
        )
    number = len(records)
    ends = np.arange(number + 1) * count // number
    chosen = [
        issued[_evenly(np.flatnonzero(days), int(share))]
        for days, share in zip(there, np.diff(ends), strict=True)
    ]
    return _places(chosen)


def to_compare(
    forecaster: NetworkForecaster, records: BasinRecords, weather: Weather, count: int, seed: int
) -> Places:
    """A few forecasts of days of training that stand for the climate of the basins.

    As many strata as forecasts, each an equal part of the year's course of samples (latin hypercube
    sampling: McKay, Beckman and Conover 1979, Technometrics 21:239): each season comes as often as
    it has days, basins take turns, and years that were taken less often go first.

    Parameters
    ----------
    forecaster : NetworkForecaster
    records : BasinRecords
    weather : Weather
        With an archive, only days on which a forecast was issued are taken.
    count : int
        Fewer are drawn where there are not as many.
    seed : int

    Raises
    ------
    InvalidData
        When the records hold no forecast of training days.
    """
    issued = weather.issued(_training_issues(forecaster, records))
    there = reachable(forecaster, records)[:, issued]
    rows = np.flatnonzero(there.any(axis=1))
    if not rows.size:
        raise InvalidData(
            f"the records are of {records.days[0]} to {records.days[-1]} and hold no forecast of "
            f"the days of training, {' to '.join(forecaster.about.training_days)}, which "
            "contributions are measured from; give records that reach over them"
        )
    rng = np.random.default_rng(seed)
    begin = int(rng.integers(366))
    course = {int(row): _by_season(records, issued[there[row]], begin) for row in rows}
    turns = rng.permutation(rows)
    years = year_of(records.days)
    often = dict.fromkeys(years.tolist(), 0)
    found: list[set[int]] = [set() for _ in records.basins]
    for stratum in range(count):
        row = int(turns[stratum % len(turns)])
        days = course[row]
        start, end = stratum * len(days) // count, (stratum + 1) * len(days) // count
        part = [int(day) for day in days[start : max(end, start + 1)] if day not in found[row]]
        if part:
            day = min(rng.permutation(part).tolist(), key=lambda day: often[int(years[day])])
            often[int(years[day])] += 1
            found[row].add(day)
    return _places([np.array(sorted(days), np.int64) for days in found])


def samples_of(
    forecaster: NetworkForecaster, records: BasinRecords, places: Places, weather: Weather
) -> FlowSamples:
    """What the network sees of some forecasts, exactly as when it forecasts them.

    Parameters
    ----------
    forecaster : NetworkForecaster
    records : BasinRecords
    places : Places
        All of them :func:`reachable`.
    weather : Weather
    """
    forecaster.check(records)
    windows = forecaster.windows(records, np.unique(places.issue), weather, predict=True)
    days = len(records.days)
    # Windows come basin by basin, each in the order of its days.
    known = windows.basin.astype(np.int64) * days + windows.issue
    rows = np.searchsorted(known, places.basin * days + places.issue)
    inputs, _ = windows.batch(rows)
    scalers = forecaster.scalers
    basins = tuple(windows.basins_of(rows))
    scale = scalers.rows(basins)
    leads = forecaster.about.leads
    flow = np.pad(records.flow, ((0, 0), (0, leads)), constant_values=np.nan)
    ahead = places.issue[:, None] + np.arange(1, leads + 1)
    return FlowSamples(
        inputs=inputs,
        basins=basins,
        issues=records.days[places.issue],
        weather=records.weather_names,
        statics=(*records.attribute_names, *(f"pr_{d}d" for d in scalers.memory_days)),
        flow_mean=scalers.flow_mean[scale],
        flow_scale=scalers.flow_scale[scale],
        observed=flow[places.basin[:, None], ahead].astype(np.float64),
    )


def _training_issues(forecaster: NetworkForecaster, records: BasinRecords) -> Index:
    """Issue times whose past and targets are days of training, as while it was trained."""
    about = forecaster.about
    days = in_period(records, about.training_days)
    return issues_within(days, leads=about.leads, past=forecaster.settings.window)


def _by_season(records: BasinRecords, days: Index, begin: int) -> Index:
    """Days in the order of the season, from some day of the year on."""
    season = (day_of_year(records.days[days]) - begin) % 366
    return np.asarray(days[np.argsort(season, kind="stable")])


def _evenly(values: Index, count: int) -> Index:
    """At most `count` of the values: the middles of as many equal parts."""
    count = min(count, len(values))
    return values[((np.arange(count) + 0.5) * len(values) / max(count, 1)).astype(np.int64)]


def _places(chosen: Sequence[Index]) -> Places:
    """From the days of each basin."""
    basin = np.repeat(np.arange(len(chosen)), [len(days) for days in chosen])
    return Places(basin.astype(np.int64), np.concatenate(chosen).astype(np.int64))
