"""Samples for models: windows over basin records, gathered batch by batch.

A sample is one forecast: a basin and an issue time. All that is scaled is scaled once; a batch is
one compiled pass that copies runs of memory.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from catena.forecaster.data.gather import gather, place_archived
from catena.forecaster.data.noise import Archive, ForecastWeather, GroupedArchive, Plan
from catena.forecaster.data.records import Array32, BasinRecords, Days, Index, Mask, refuse
from catena.forecaster.data.scaling import Scalers
from catena.forecaster.data.tables import HIDDEN, Tables
from catena.models.forecast_inputs import ForecastInputs
from catena.shared.errors import InvalidData
from catena.shared.shuffle import Order

_BATCHES_AT_ONCE = 64


@dataclass(frozen=True)
class Sizes:
    """Numbers that a model's architecture depends on."""

    past: int
    leads: int
    past_weather: int
    future_weather: int
    statics: int
    process_flow: bool


class Windows:
    """All forecasts of some basins at some issue times.

    >>> windows = Windows(records, scalers, issues=split.issues(...))       # doctest: +SKIP
    >>> for rows in windows.batches(256, seed=1, epoch=0):                  # doctest: +SKIP
    ...     inputs, targets = windows.batch(rows, epoch=0)

    Parameters
    ----------
    records : BasinRecords
    scalers : Scalers
        Fitted on training days and basins.
    past : int
        Days `L` that models look back on, the issue day included.
    leads : int
        Days ahead `H`.
    basins : sequence of str, optional
        All basins of the records if left out.
    issues : array of int, optional
        Places of issue times in ``records.days``, e.g. from
        :meth:`catena.forecaster.data.splits.YearSplit.issues`; all of them if left out.
    forecasts : ForecastWeather, optional
        What forecast weather samples get; none if left out.
    archive : Archive, optional
        Where archived scenarios are read from; basins and issue times count as in `records`.
    archive_noise : (H,) array, optional
        Noise level of archived forecasts; see :func:`catena.forecaster.data.noise.noise_level`.
    process_flow : mapping of str to (N, T, H) array, optional
        By the name of a scenario: flow by a process model from that scenario's weather, mm d-1, for
        the basins and days of `records` (NaN where there is none).
    flow_seen : (N, T) array, optional
        Flow that models may look back on, mm d-1, where it is not that of the records; NaN hides a
        day.
    gauged : bool
        False hides all past flow, as in a basin without a gauge.
    predict : bool
        Keep samples without any target: forecasts of days that nobody has observed.

    Raises
    ------
    InvalidData
        When a basin's record is shorter than the window, a basin's flow cannot be scaled, nothing
        is left, or shapes do not fit.

    Notes
    -----
    The input of an issue time `t` is made of flow and weather of days up to `t` and of the forecast
    weather alone. A sample is left out when its past reaches out of its basin's record, or (without
    `predict`) when none of its targets is observed.
    """

    def __init__(
        self,
        records: BasinRecords,
        scalers: Scalers,
        *,
        past: int = 90,
        leads: int = 30,
        basins: Sequence[str] | None = None,
        issues: ArrayLike | None = None,
        forecasts: ForecastWeather | None = None,
        archive: Archive | None = None,
        archive_noise: ArrayLike | None = None,
        process_flow: Mapping[str, NDArray[Any]] | None = None,
        flow_seen: NDArray[Any] | None = None,
        gauged: bool = True,
        predict: bool = False,
    ) -> None:
        if past < 1 or leads < 1:
            raise InvalidData(f"a past of {past} and {leads} leads came; at least 1 each wanted")
        scalers.check(records)
        self.records, self.scalers, self.past, self.leads = records, scalers, past, leads
        self.archive, self.process_flow = archive, process_flow
        given = np.ones(leads) if archive_noise is None else np.asarray(archive_noise)
        if given.shape != (leads,) or not ((given >= 0) & (given <= 1)).all():
            raise InvalidData(
                f"noise of archived forecasts of shape {given.shape} came; {leads} numbers of 0 to "
                "1 wanted"
            )
        self._archive_noise = np.ascontiguousarray(given, np.float32)
        self._tables = Tables.of(records, scalers, leads, flow_seen if gauged else HIDDEN)
        self._choose(basins, issues, forecasts or ForecastWeather(), predict)

    def at(
        self,
        *,
        basins: Sequence[str] | None = None,
        issues: ArrayLike | None = None,
        forecasts: ForecastWeather | None = None,
        predict: bool | None = None,
    ) -> Windows:
        """Other samples or other forecast weather of the same records; tables are shared.

        What is left out stays: basins and issue times as they were asked for, not as they were
        after samples had been left out.
        """
        other = copy.copy(self)
        other._choose(
            self._asked_basins if basins is None else basins,
            self._asked_issues if issues is None else issues,
            forecasts or self.forecasts,
            self.predict if predict is None else predict,
        )
        return other

    def _choose(
        self,
        basins: Sequence[str] | None,
        issues: ArrayLike | None,
        forecasts: ForecastWeather,
        predict: bool,
    ) -> None:
        """Which samples there are."""
        records, days = self.records, len(self.records.days)
        self._asked_basins, self._asked_issues = basins, issues
        self.forecasts, self.predict = forecasts, predict
        rows = records.rows(records.basins if basins is None else basins)
        places = np.arange(days) if issues is None else np.unique(np.asarray(issues, np.int64))
        if places.size and (places[0] < 0 or places[-1] >= days):
            raise InvalidData(
                f"issue times {places[0]} to {places[-1]} came; places of 0 to {days - 1} wanted"
            )
        self._check_scenarios()
        self.scalers.rows([records.basins[row] for row in rows])
        first, last = records.extent()
        short = [row for row in rows if last[row] - first[row] + 1 < self.past]
        refuse(
            {
                records.basins[row]: f"{max(last[row] - first[row] + 1, 0)} days of weather; at "
                f"least {self.past} wanted: leave the basin out, or shorten the past"
                for row in short
            },
            "basins have records shorter than the window",
        )
        # (rows, issues)
        keep = (places - self.past + 1 >= first[rows, None]) & (places <= last[rows, None])
        if not predict:
            keep &= self._any_target(rows, places)
        if not keep.any():
            raise InvalidData(
                f"no sample is left of {len(rows)} basins and {len(places)} issue times: none has "
                f"{self.past} days of weather before it"
                + ("" if predict else f" and an observed flow in the {self.leads} days after it")
            )
        basin, issue = np.nonzero(keep)
        self.basin = rows[basin].astype(np.int32)
        self.issue = places[issue].astype(np.int32)

    def _any_target(self, rows: Index, places: Index) -> Mask:
        """Whether any flow is observed in the leads after each issue time."""
        count = np.zeros((len(rows), len(self.records.days) + 1 + self.leads), np.int32)
        np.cumsum(~np.isnan(self._tables.flow[rows]), axis=1, out=count[:, 1:])
        return count[:, places + 1 + self.leads] > count[:, places + 1]

    def _check_scenarios(self) -> None:
        mixture = self.forecasts.mixture
        if self.forecasts.archived and self.archive is None:
            raise InvalidData("archived forecasts were asked for and no archive given")
        if self.process_flow is None:
            return
        shape = (len(self.records), len(self.records.days), self.leads)
        for scenario in mixture.scenarios:
            given = self.process_flow.get(scenario.name)
            if given is None or given.shape != shape:
                came = "nothing" if given is None else f"shape {given.shape}"
                raise InvalidData(
                    f"process flow of the scenario '{scenario.name}': {came} came; {shape} wanted"
                )
            if scenario.member is None:
                raise InvalidData(
                    f"the weather of scenario '{scenario.name}' changes with each epoch, which no "
                    "process flow can follow; give it a member"
                )

    def __len__(self) -> int:
        return len(self.basin)

    @property
    def sizes(self) -> Sizes:
        """What a model's architecture depends on."""
        weather = len(self.records.weather_names) + 2
        statics = self._tables.statics.shape[1] + self._tables.memory.shape[2]
        process = self.process_flow is not None
        return Sizes(self.past, self.leads, weather, weather, statics, process)

    def basins_of(self, rows: ArrayLike) -> list[str]:
        """Gauge id of each sample."""
        return [self.records.basins[row] for row in self.basin[np.asarray(rows)]]

    def issue_days(self, rows: ArrayLike) -> Days:
        """Issue day of each sample, datetime64[D]."""
        return np.asarray(self.records.days[self.issue[np.asarray(rows)]])

    def batch(self, rows: ArrayLike, *, epoch: int = 0) -> tuple[ForecastInputs, Tensor]:
        """Inputs and targets of some samples, in scaled units.

        Parameters
        ----------
        rows : (B,) array of int
            Places of samples.
        epoch : int
            Scenarios and donors are drawn anew in each epoch.

        Returns
        -------
        inputs : ForecastInputs
        targets : Tensor, (B, H)
            NaN where the flow was not observed.
        """
        rows = np.asarray(rows)
        basin = self.basin[rows].astype(np.int64)
        issue = self.issue[rows].astype(np.int64)
        tables, size, leads = self._tables, len(rows), self.leads
        columns, statics = self.sizes.past_weather, self.sizes.statics
        samples = basin * len(self.records.days) + issue
        plan = self.forecasts.plan(samples, issue, leads, epoch=epoch)
        past_weather = np.empty((size, self.past, columns), np.float32)
        past_flow = np.empty((size, self.past), np.float32)
        future = np.empty((size, leads, columns), np.float32)
        noise = np.empty((size, leads), np.float32)
        fixed = np.empty((size, statics), np.float32)
        targets = np.empty((size, leads), np.float32)
        gather(
            tables.weather, tables.seen, tables.flow, tables.statics, tables.memory, basin, issue,
            plan.weight, plan.donor, plan.reach, past_weather.reshape(size, -1), past_flow, future,
            noise, fixed, targets,
        )  # fmt: skip
        if self.forecasts.archived:
            self._read_archive(plan, basin, issue, future, noise)
        process = self._process(plan, basin, issue)
        inputs = ForecastInputs(
            past_weather=torch.from_numpy(past_weather),
            past_flow=torch.from_numpy(past_flow),
            future_weather=torch.from_numpy(future),
            noise=torch.from_numpy(noise),
            statics=torch.from_numpy(fixed),
            process_flow=None if process is None else torch.from_numpy(process),
        )
        return inputs, torch.from_numpy(targets)

    def _read_archive(
        self, plan: Plan, basin: Index, issue: Index, future: Array32, noise: Array32
    ) -> None:
        assert self.archive is not None
        at = np.flatnonzero(plan.archived)
        values = self.archive.read(basin[at], issue[at], plan.member[at])
        if values.shape != (len(at), self.leads, future.shape[2] - 2):
            raise InvalidData(
                f"archived forecasts of shape {values.shape} came for {len(at)} samples; "
                f"{self.leads} leads and {future.shape[2] - 2} variables wanted"
            )
        scalers = self.scalers
        place_archived(
            values, at, plan.reach, scalers.weather_mean, scalers.weather_scale,
            self._archive_noise, future, noise,
        )  # fmt: skip

    def _process(self, plan: Plan, basin: Index, issue: Index) -> Array32 | None:
        if self.process_flow is None:
            return None
        flow = np.empty((len(basin), self.leads), np.float32)
        for place, scenario in enumerate(self.forecasts.mixture.scenarios):
            at = np.flatnonzero(plan.scenario == place)
            flow[at] = self.process_flow[scenario.name][basin[at], issue[at]]
        mean, scale = self._tables.flow_mean[basin], self._tables.flow_scale[basin]
        return ((flow - mean[:, None]) / scale[:, None]).astype(np.float32)

    def batches(
        self, size: int, *, seed: int | None = None, epoch: int = 0, first: int = 0
    ) -> Iterator[Index]:
        """Rows of one epoch, batch by batch; every sample once.

        With an archive that is larger than memory, samples are shuffled inside groups that are not.

        Parameters
        ----------
        size : int
            Samples per batch; the last one may be smaller.
        seed : int, optional
            In the order of samples if left out.
        epoch : int
            Another epoch is another order.
        first : int
            First batch to give: an epoch that was left goes on where it stopped.
        """
        if size < 1:
            raise InvalidData(f"batches of {size} samples were asked for; at least 1 wanted")
        take = self._order(seed, epoch)
        # Many at once: each call costs as much as some thousand numbers.
        for start in range(first * size, len(self), size * _BATCHES_AT_ONCE):
            rows = take(start, min(size * _BATCHES_AT_ONCE, len(self) - start))
            for place in range(0, len(rows), size):
                yield rows[place : place + size]

    def _order(self, seed: int | None, epoch: int) -> Callable[[int, int], Index]:
        """What gives some rows from some place of an epoch's order on."""
        if seed is None:
            return lambda start, count: np.arange(start, start + count)
        order = Order(len(self), seed, epoch)
        if not (self.forecasts.archived and isinstance(self.archive, GroupedArchive)):
            return order.take
        rows = order.take(0, len(self))
        basin, issue = (each[rows].astype(np.int64) for each in (self.basin, self.issue))
        group = self.archive.groups(basin, issue, seed=seed, epoch=epoch)
        rows = rows[np.argsort(group, kind="stable")]
        return lambda start, count: rows[start : start + count]

    def unscaled(self, values: ArrayLike, rows: ArrayLike) -> NDArray[np.float64]:
        """Flow in mm d-1 of scaled flow (B, ...) of these samples."""
        values = np.asarray(values, np.float64)
        basin = self.basin[np.asarray(rows)]
        shape = (-1, *[1] * (values.ndim - 1))
        scale = self._tables.flow_scale[basin].reshape(shape)
        return np.asarray(values * scale + self._tables.flow_mean[basin].reshape(shape))

    def scaled_sd(self, rows: ArrayLike) -> Array32:
        """Standard deviation of the scaled flow of each sample's basin on training days, (B,).

        The NSE loss divides by it; NaN for basins that were not trained on.
        """
        basin = self.basin[np.asarray(rows)]
        return np.asarray(self._tables.flow_sd[basin] / self._tables.flow_scale[basin], np.float32)
