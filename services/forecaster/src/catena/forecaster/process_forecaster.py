"""GR4J + MOS behind the service's interface, and as an input of hybrids."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from catena.forecaster.data.calendar import day_of_year
from catena.forecaster.data.noise import PERFECT, ForecastWeather, Scenario, forecast_weather
from catena.forecaster.data.records import BasinRecords, Index
from catena.forecaster.data.splits import issues_within
from catena.forecaster.data.store import ForecastArchive
from catena.forecaster.forecasters import (
    About,
    Arrays,
    Checkpoint,
    Flow,
    Forecasts,
    flow_scale,
    in_period,
)
from catena.forecaster.process.baselines import known_rows
from catena.forecaster.process.expected_weather import ExpectedWeather
from catena.forecaster.process.forecaster import (
    FORCING,
    WARM_UP,
    ProcessForecaster,
    fit_process,
)
from catena.forecaster.process.model import lead_days
from catena.forecaster.process.mos import Mos, last_errors
from catena.forecaster.scenarios import Weather, archived_weather, noised_weather
from catena.forecaster.simple_forecasters import SimpleForecaster
from catena.shared.errors import InvalidData

MOS_STRIDE = 3
"""Days between the issue times that corrections are learned from."""
NOISED_FOR_MOS = Scenario("noised for MOS", member=5)
"""Noise that corrections are learned with; other than that of forecasts that are judged."""

Correction = Literal["noised", "sharp", "expected", "archived"]
"""What a correction was learned with: noised weather as it came, perfect weather, the weather that
is to be expected when a noised forecast has come, or archived forecasts as they came."""

STATE_DAY = "day"
"""Name of the state's day among the arrays of a state: days since 1970-01-01."""
STORES, ERRORS = "states", "errors"
"""Names of the stores, and of what the correction remembers of the errors up to that day."""


class Gr4j(SimpleForecaster):
    """GR4J with snow, corrected for each lead.

    Parameters
    ----------
    about : About
    scale : (N,) array, mm d-1
    process : ProcessForecaster
        With the correction for noised forecast weather.
    sharp, expected : Mos
        The corrections for perfect and for expected weather: what a hybrid gets.
    believed : dict of str to ExpectedWeather
        What weather is to be expected when a forecast has come, by quality: "noised", and
        "archived" if it was trained with an archive.
    archived : Mos, optional
        The correction for archived forecasts, if it was trained with an archive.
    """

    past = WARM_UP

    def __init__(
        self,
        about: About,
        scale: NDArray[np.float64],
        process: ProcessForecaster,
        sharp: Mos,
        expected: Mos,
        believed: Mapping[str, ExpectedWeather],
        archived: Mos | None = None,
    ) -> None:
        super().__init__(about, scale)
        self.process, self.sharp, self.expected = process, sharp, expected
        self.believed, self.archived = dict(believed), archived

    @classmethod
    def fit(
        cls,
        about: About,
        records: BasinRecords,
        *,
        archive: ForecastArchive | None = None,
        progress: Callable[[float, str], None] = lambda fraction, message: None,
        checkpoint: Checkpoint | None = None,
    ) -> Self:
        """Calibrate basin by basin; those that a checkpoint holds are not calibrated again.

        With an archive one more correction is learned, on the days on which it has a forecast.

        Raises
        ------
        InvalidData
            Names basins that cannot be calibrated, and says why.
        """
        days = in_period(records, about.training_days)
        done = _Calibrated(checkpoint)
        for number, basin in enumerate(records.basins):
            progress(0.9 * number / len(records), f"calibrating GR4J: {basin}")
            if basin not in done.parts:
                one = fit_process(records.select([basin]), days, seed=about.seed)
                done.add(basin, one)
        process = done.together(records.basins)
        issues = training_issues(records, about)
        leads = about.leads
        believed: dict[str, ExpectedWeather] = {}
        fitted: dict[Correction, ProcessForecaster] = {}
        for name in ("noised", "sharp", "expected"):
            progress(0.95, f"fitting the correction for {name} weather")
            scenario = PERFECT if name == "sharp" else NOISED_FOR_MOS
            weather = noised_weather(records, days, leads, seed=about.seed).only(scenario)
            made = _weather(records, issues, leads, weather)
            if name == "expected":
                believed["noised"] = _learned(process, records, issues, made)
                made = _expected(process, believed, records, issues, weather, made)
            fitted[name] = process.with_mos(records, issues, leads, made)
        sharp, expected = fitted["sharp"].mos, fitted["expected"].mos
        assert sharp is not None and expected is not None
        archived = None
        if archive is not None:
            progress(0.98, "fitting the correction for archived weather")
            weather = archived_weather(archive, about.archive_noise, generated=False)
            issues = weather.issued(training_issues(records, about, stride=1))
            made = _weather(records, issues, leads, weather)
            believed["archived"] = _learned(process, records, issues, made)
            # One persistence for all: a state remembers errors that are filled by it.
            fit = process.with_mos(records, issues, leads, made, persistence=sharp.persistence)
            archived = fit.mos
        scale = flow_scale(records, days)
        return cls(about, scale, fitted["noised"], sharp, expected, believed, archived)

    def forecast(
        self, records: BasinRecords, issues: Index, weather: Weather, states: Arrays | None = None
    ) -> Forecasts:
        """Corrected as fits the weather; NaN for issue times that lack the warm-up."""
        self.check(records)
        correction: Correction = "noised"
        if weather.scenario.quality == "perfect" and weather.scenario.reach is None:
            correction = "sharp"
        elif weather.scenario.quality == "archived" and self.archived is not None:
            correction = "archived"
        return Forecasts(self.run(records, issues, weather, states, correction=correction))

    def run(
        self,
        records: BasinRecords,
        issues: Index,
        weather: Weather,
        states: Arrays | None = None,
        *,
        correction: Correction,
    ) -> Flow:
        """Flow of the process model, (N, I, H) mm d-1; arguments as in :meth:`forecast`.

        Raises
        ------
        InvalidData
            When no issue time is left after the warm-up.
        """
        leads = self.about.leads
        process = self.process
        if correction != "noised":
            own = {"sharp": self.sharp, "expected": self.expected, "archived": self.archived}
            process = replace(process, mos=own[correction])
        made = _weather(records, issues, leads, weather)
        if correction == "expected":
            made = _expected(process, self.believed, records, issues, weather, made)
        first, start, errors = self._start(records, issues, states)
        ready = issues >= first
        if not ready.any():
            raise InvalidData(
                f"the process model has {int(issues.max()) + 1} days of weather up to the last "
                f"issue time; wanted {WARM_UP} more than the first day, or states of an earlier "
                "forecast to go on from"
            )
        flow = np.full((len(records), len(issues), leads), np.nan)
        cut = 0 if start is None else first
        flow[:, ready] = process.forecast(
            _from_day(records, cut),
            issues[ready] - cut,
            leads,
            made[:, ready],
            states=start,
            errors=errors,
        )
        return flow

    def _start(
        self, records: BasinRecords, issues: Index, states: Arrays | None
    ) -> tuple[int, NDArray[np.float64] | None, NDArray[np.float64] | None]:
        """First issue time that can be forecast; stores and errors of the day before it."""
        if not states:
            return WARM_UP, None, None
        day = np.datetime64(int(states[STATE_DAY][0]), "D")
        place = int((day - records.days[0]).astype(int)) + 1
        if not 0 <= place <= int(issues.min()):
            raise InvalidData(
                f"the states are of {day}; wanted a day from the one before the first of the "
                f"records ({records.days[0]}) to the one before the first issue time "
                f"({records.days[issues.min()]})"
            )
        rows = [self.about.basins.index(basin) for basin in records.basins]
        return place, np.asarray(states[STORES])[rows], np.asarray(states[ERRORS])[rows]

    def states(
        self, records: BasinRecords, issues: Index, states: Arrays | None = None
    ) -> tuple[Arrays, str]:
        """Stores, unit hydrographs and snow, and the last errors, of all of its basins.

        Basins that are not in the records stay NaN.
        """
        first, start, before = self._start(records, issues, states)
        cut = 0 if start is None else first
        known = _days(records, cut, int(issues.max()) + 1)
        at = issues - cut
        run = self.process.simulate(known, states=start, keep=at)
        rows = [self.about.basins.index(basin) for basin in records.basins]
        # One persistence for all corrections: it is that of the simulation's errors.
        persistence = self.sharp.persistence[rows]
        errors = np.stack(last_errors(known.flow - run.flow, persistence, before), axis=-1)
        kept = {}
        for name, values in ((STORES, run.kept), (ERRORS, errors[:, at])):
            kept[name] = np.full((len(issues), len(self.about.basins), values.shape[2]), np.nan)
            kept[name][:, rows] = values.swapaxes(0, 1)
        days = records.days[issues].astype("datetime64[D]").astype(np.int64)
        return {**kept, STATE_DAY: days}, "GR4J"

    def arrays(self) -> Arrays:
        """Parameters, climate and the corrections."""
        process = {f"process.{name}": value for name, value in self.process.state().items()}
        sharp = {f"sharp.{name}": value for name, value in self.sharp.state().items()}
        expected = {f"expected.{name}": value for name, value in self.expected.state().items()}
        others = {} if self.archived is None else self.archived.state()
        archived = {f"archived.{name}": value for name, value in others.items()}
        believed = {
            f"believed.{quality}.{name}": value
            for quality, one in self.believed.items()
            for name, value in one.state().items()
        }
        return {"scale": self.scale, **process, **sharp, **expected, **archived, **believed}

    def meta(self) -> dict[str, Any]:
        """Names of the basins, and how their bands were guessed."""
        return {"process": self.process.config()}

    @classmethod
    def from_arrays(
        cls, about: About, arrays: Mapping[str, NDArray[Any]], meta: Mapping[str, Any]
    ) -> Self:
        """Inverse of :meth:`arrays` and :meth:`meta`."""
        process = ProcessForecaster.from_state(meta["process"], part_of(arrays, "process."))
        sharp, expected = (Mos.from_state(part_of(arrays, f"{n}.")) for n in ("sharp", "expected"))
        others = part_of(arrays, "archived.")
        archived = Mos.from_state(others) if others else None
        believed = {
            quality: ExpectedWeather.from_state(found)
            for quality in ("noised", "archived")
            if (found := part_of(arrays, f"believed.{quality}."))
        }
        scale = np.asarray(arrays["scale"])
        return cls(about, scale, process, sharp, expected, believed, archived)


def _weather(records: BasinRecords, issues: Index, leads: int, weather: Weather) -> Flow:
    """Forecast weather as it comes, (N, I, H, F); NaN where there is none."""
    made = forecast_weather(records, issues, leads, weather.forecasts, archive=weather.archive)
    return made.astype(np.float64)


def _climate(process: ProcessForecaster, records: BasinRecords, issues: Index, leads: int) -> Flow:
    """Mean weather of the days that are forecast, (N, I, H, 2), in the order of `FORCING`."""
    climate = process.climate[known_rows(process.basins, records.basins)]
    day = day_of_year(lead_days(records.days[issues], leads)) - 1
    return np.asarray(np.moveaxis(climate[:, :, day], 1, -1))


def _learned(
    process: ProcessForecaster, records: BasinRecords, issues: Index, made: Flow
) -> ExpectedWeather:
    """What came after these forecasts."""
    columns, leads = [records.column(name) for name in FORCING], made.shape[2]
    observed = _weather(records, issues, leads, Weather(ForecastWeather(PERFECT)))
    climate = _climate(process, records, issues, leads)
    return ExpectedWeather.fit(made[..., columns], observed[..., columns], climate)


def _expected(
    process: ProcessForecaster,
    believed: Mapping[str, ExpectedWeather],
    records: BasinRecords,
    issues: Index,
    weather: Weather,
    made: Flow,
) -> Flow:
    """Weather that is to be expected, nowhere NaN; perfect forecasts are believed as they are."""
    columns = [records.column(name) for name in FORCING]
    climate = _climate(process, records, issues, made.shape[2])
    said, quality = made[..., columns], weather.scenario.quality
    made = made.copy()
    if quality == "perfect":
        made[..., columns] = np.where(np.isnan(said), climate, said)
    else:
        made[..., columns] = believed.get(quality, believed["noised"])(said, climate)
    return made


def training_issues(records: BasinRecords, about: About, stride: int = MOS_STRIDE) -> Index:
    """Issue times whose targets are training days, warmed up, every `stride` days.

    Raises
    ------
    InvalidData
        When there are none.
    """
    days = in_period(records, about.training_days)
    issues = issues_within(days, leads=about.leads)
    issues = issues[issues >= WARM_UP][::stride]
    if not issues.size:
        raise InvalidData(
            f"no issue time of {' to '.join(about.training_days)} has {WARM_UP} days of weather "
            f"before it and {about.leads} days of training after it; train with longer records"
        )
    return issues


def part_of(arrays: Mapping[str, NDArray[Any]], prefix: str) -> Arrays:
    """Arrays whose names begin with `prefix`, without it."""
    return {
        name.removeprefix(prefix): np.asarray(value)
        for name, value in arrays.items()
        if name.startswith(prefix)
    }


class _Calibrated:
    """Basins that have been calibrated, each kept as soon as it is."""

    def __init__(self, checkpoint: Checkpoint | None) -> None:
        self._checkpoint = checkpoint
        self.parts: dict[str, tuple[dict[str, Any], Arrays]] = {}
        saved = checkpoint.load() if checkpoint is not None else None
        if saved is not None:
            arrays, meta = saved
            for basin, config in meta["basins"].items():
                self.parts[basin] = (config, part_of(arrays, f"{basin}/"))

    def add(self, basin: str, one: ProcessForecaster) -> None:
        """Keep a basin."""
        self.parts[basin] = (one.config(), dict(one.state()))
        if self._checkpoint is not None:
            arrays = {
                f"{name}/{key}": value
                for name, (_, state) in self.parts.items()
                for key, value in state.items()
            }
            configs = {name: config for name, (config, _) in self.parts.items()}
            self._checkpoint.save(arrays, {"basins": configs})

    def together(self, basins: tuple[str, ...]) -> ProcessForecaster:
        """One forecaster of all of them."""
        configs, states = zip(*(self.parts[basin] for basin in basins), strict=True)
        config = {**configs[0], "basins": list(basins)}
        state = {name: np.concatenate([one[name] for one in states]) for name in states[0]}
        return ProcessForecaster.from_state(config, state)


def _days(records: BasinRecords, first: int, end: int) -> BasinRecords:
    """The records of the days from `first` to before `end`."""
    return replace(
        records,
        days=records.days[first:end],
        weather=records.weather[:, first:end],
        flow=records.flow[:, first:end],
    )


def _from_day(records: BasinRecords, first: int) -> BasinRecords:
    return records if first == 0 else _days(records, first, len(records.days))
