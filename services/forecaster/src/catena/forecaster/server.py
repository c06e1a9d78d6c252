"""The forecaster's rpcs: each checks its request, then answers or submits a job. No science."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import grpc
import numpy as np

from catena.api.forecaster.v1 import forecaster_pb2 as pb
from catena.api.forecaster.v1 import forecaster_pb2_grpc
from catena.forecaster import jobs, queries, storage
from catena.forecaster.basins import forecast_values, records_of
from catena.forecaster.data.records import BasinRecords
from catena.forecaster.forecast_intervals import ForecastIntervals
from catena.forecaster.forecasters import Forecaster
from catena.forecaster.issue import Issued, days_of_issue, issue, weather_of
from catena.forecaster.preflight import check_against_artifacts
from catena.forecaster.scenarios import Weather, given_weather, no_weather
from catena.shared.artifacts import ArtifactCache
from catena.shared.query import Query, RefQuery
from catena.shared.server import Runtime, Servicer
from catena.shared.turns import Turns, refuse_unwanted

AT_ONCE = 512
"""Forecasts that a stream computes together: after each such part it looks for its client."""
COMPUTING = 4
"""Forecasts, inline or parts of streams, that are computed at the same time."""
PATIENCE_S = 1.0
"""How long an inline forecast waits for others to end."""


class ForecasterServer(Servicer, forecaster_pb2_grpc.ForecasterServiceServicer):
    """Implementation of ``catena.api.forecaster.v1.ForecasterService``."""

    def __init__(self, runtime: Runtime) -> None:
        super().__init__(runtime)
        self.forecasters = ArtifactCache(storage.read_forecaster, most=4)
        self.intervals = ArtifactCache(storage.read_intervals, most=4)
        # Turns are fewer than the threads of calls: the rest of these is for other rpcs.
        self.turns = Turns(min(COMPUTING, self.settings.max_workers - 1), PATIENCE_S)

    def _forecaster(self, ref: RefQuery) -> Forecaster:
        return self.forecasters.get(self.store.open(ref))

    def _intervals(self, ref: RefQuery | None) -> ForecastIntervals | None:
        return None if ref is None else self.intervals.get(self.store.open(ref))

    def check(self, query: Query) -> None:
        """Against the artifacts that the query names."""
        check_against_artifacts(query, self.store)

    def TrainForecaster(
        self, request: pb.TrainForecasterRequest, context: grpc.ServicerContext
    ) -> pb.TrainForecasterResponse:
        """Fit a model."""
        # What hands its work out to Ray must not hold CPUs that it needs.
        function = jobs.train_forecaster
        if request.tune:
            function = jobs.tune_forecaster
        elif request.workers > 1:
            function = jobs.train_together
        return self.submit(function, request, pb.TrainForecasterResponse)

    def ArchiveWeather(
        self, request: pb.ArchiveWeatherRequest, context: grpc.ServicerContext
    ) -> pb.ArchiveWeatherResponse:
        """Put forecast weather into an archive."""
        return self.submit(jobs.archive_weather, request, pb.ArchiveWeatherResponse)

    def FitIntervals(
        self, request: pb.FitIntervalsRequest, context: grpc.ServicerContext
    ) -> pb.FitIntervalsResponse:
        """Fit intervals."""
        return self.submit(jobs.fit_intervals, request, pb.FitIntervalsResponse)

    def UpdateIntervals(
        self, request: pb.UpdateIntervalsRequest, context: grpc.ServicerContext
    ) -> pb.UpdateIntervalsResponse:
        """Learn from new observations."""
        return self.submit(jobs.update_intervals, request, pb.UpdateIntervalsResponse)

    def IssueForecasts(
        self, request: pb.IssueForecastsRequest, context: grpc.ServicerContext
    ) -> pb.IssueForecastsResponse:
        """Forecast into an archive."""
        return self.submit(jobs.issue_forecasts, request, pb.IssueForecastsResponse)

    def EvaluateForecasts(
        self, request: pb.EvaluateForecastsRequest, context: grpc.ServicerContext
    ) -> pb.EvaluateForecastsResponse:
        """Score forecasters and write the report."""
        return self.submit(jobs.evaluate_forecasts, request, pb.EvaluateForecastsResponse)

    def DrawSamples(
        self, request: pb.DrawSamplesRequest, context: grpc.ServicerContext
    ) -> pb.DrawSamplesResponse:
        """Draw what a network sees, for the explainer."""
        return self.submit(jobs.draw_samples, request, pb.DrawSamplesResponse)

    def Forecast(
        self, request: pb.ForecastRequest, context: grpc.ServicerContext
    ) -> pb.ForecastResponse:
        """Forecast a few basins, inline."""
        query = queries.ForecastQuery.from_message(request)
        self.check(query)
        with self.turns.one(context):
            return pb.ForecastResponse(forecasts=list(self._forecast(query, context)))

    def _forecast(
        self, query: queries.ForecastQuery, context: grpc.ServicerContext
    ) -> Iterator[pb.BasinForecast]:
        forecaster = self._forecaster(query.forecaster)
        records, weather, day = self._asked(query, forecaster)
        refuse_unwanted(context)
        levels = query.levels if query.intervals is not None else ()
        states = None
        if query.states is not None:
            states = storage.read_states(self.store.open(query.states), records.days[day])
        made = issue(
            forecaster,
            records,
            np.array([day]),
            weather,
            intervals=self._intervals(query.intervals),
            levels=levels,
            states=states,
        )
        return _messages(made, levels)

    def _asked(
        self, query: queries.ForecastQuery, forecaster: Forecaster
    ) -> tuple[BasinRecords, Weather, int]:
        """Records, forecast weather, and the place of the day of issue."""
        if query.basins is not None:
            assert query.issue is not None
            records = jobs.known_basins(query.basins, forecaster.about, self.store.open)
            [day] = days_of_issue(records, query.issue, query.issue)
            weather = weather_of(forecaster, records, without=query.without_weather)
            return records, weather, int(day)
        records = records_of(query.records, forecaster.about)
        given = forecast_values(query.records, forecaster.about.leads)
        nothing = query.without_weather or bool(np.isnan(given).all())
        weather = no_weather() if nothing else given_weather(given)
        return records, weather, len(records.days) - 1

    def StreamForecasts(
        self, request: pb.StreamForecastsRequest, context: grpc.ServicerContext
    ) -> Iterator[pb.StreamForecastsResponse]:
        """Forecast many issue times, in the order of time and basins."""
        query = queries.StreamForecastsQuery.from_message(request)
        self.check(query)
        with self.turns.one(context, patient=True):
            forecaster = self._forecaster(query.forecaster)
            intervals = self._intervals(query.intervals)
            records = jobs.known_basins(query.basins, forecaster.about, self.store.open)
            issues = days_of_issue(records, query.issues.start, query.issues.end, query.stride)
            weather = weather_of(forecaster, records, without=query.without_weather)
        levels = query.levels if intervals is not None else ()
        together = max(1, AT_ONCE // len(records))
        for start in range(0, len(issues), together):
            part = issues[start : start + together]
            # A turn is not held while the client reads.
            with self.turns.one(context, patient=True):
                made = issue(forecaster, records, part, weather, intervals=intervals, levels=levels)
            for place in range(len(part)):
                for message in _messages(made, levels, place):
                    yield pb.StreamForecastsResponse(forecast=message)


def _messages(
    made: Issued, levels: tuple[float, ...], place: int = -1
) -> Iterator[pb.BasinForecast]:
    """Messages of one issue time, basin by basin."""
    day = str(made.records.days[made.issues[place]])
    for row, basin in enumerate(made.records.basins):
        values: dict[str, Any] = {}
        if made.bounds is not None:
            values["confidence"] = made.bounds.confidence[row, place]
            values["intervals"] = [
                pb.Interval(
                    level=level,
                    lower=made.bounds.lower[row, place, :, i],
                    upper=made.bounds.upper[row, place, :, i],
                )
                for i, level in enumerate(levels)
            ]
        yield pb.BasinForecast(
            basin=basin,
            issue=day,
            streamflow=made.forecasts.flow[row, place],
            notes=made.notes[basin],
            **values,
        )


def add_services(server: grpc.Server, runtime: Runtime) -> None:
    """Register the forecaster's rpcs at `server`."""
    forecaster_pb2_grpc.add_ForecasterServiceServicer_to_server(  # type: ignore[no-untyped-call]
        ForecasterServer(runtime), server
    )
