"""Checks of a request against the artifacts that it names, before a job is made of it.

What a job would find out minutes later is said at once. Only small JSON files are read here; the
numbers in records are checked by the job.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from catena.forecaster import storage
from catena.forecaster.basins import dataset_violations, forecast_violations, ingested
from catena.forecaster.forecasters import About
from catena.forecaster.queries import (
    ArchiveWeatherQuery,
    DrawSamplesQuery,
    EvaluateForecastsQuery,
    FitIntervalsQuery,
    ForecastQuery,
    IssueForecastsQuery,
    StreamForecastsQuery,
    TrainForecasterQuery,
    UpdateIntervalsQuery,
    too_many_basins,
    too_many_forecasts,
    too_many_numbers,
    wrong_count,
)
from catena.forecaster.vocabulary import NETWORKS, Basins, Period
from catena.shared.artifacts import Artifact, ArtifactStore
from catena.shared.errors import FieldViolation, InvalidRequest
from catena.shared.query import Query

WITH_INTERVALS = (ForecastQuery, StreamForecastsQuery, IssueForecastsQuery, UpdateIntervalsQuery)


def check_against_artifacts(query: Query, store: ArtifactStore) -> None:
    """Raise what is wrong with `query`, given what its references hold.

    Raises
    ------
    InvalidRequest
        With every field at fault.
    NotFound, FailedPrecondition, ArtifactCorrupt
        When a reference does not lead to the artifact that it says.
    """
    opened = {field: store.open(ref) for field, ref in query.refs()}
    found = list(_violations(query, opened))
    if found:
        raise InvalidRequest("the request does not fit the artifacts it names", violations=found)


def _violations(query: Query, opened: dict[str, Artifact]) -> Iterable[FieldViolation]:
    found: list[FieldViolation] = []
    basins: Basins | None = getattr(query, "basins", None)
    if basins is not None and basins.dataset is not None:
        rows = ingested(opened["basins.dataset.dataset"])
        found += dataset_violations(rows, basins.dataset)
    if isinstance(query, ArchiveWeatherQuery):
        return list(_forecasts(query, opened))
    if "archive" in opened:
        found += _archive(query, basins, opened)
    if isinstance(query, TrainForecasterQuery):
        return [*found, *_process(query, opened)]
    if isinstance(query, EvaluateForecastsQuery):
        return [*found, *_compared(query, opened)]
    if isinstance(query, FitIntervalsQuery):
        about = storage.read_about(opened["forecaster"])
        return [*found, *_names(basins, about), *_untrained("days", query.days, about)]
    if isinstance(query, DrawSamplesQuery):
        about = storage.read_about(opened["forecaster"])
        return [*found, *_names(basins, about), *_samples(query, about)]
    if isinstance(query, WITH_INTERVALS):
        about = storage.read_about(opened["forecaster"])
        found += _names(basins, about)
        if query.intervals is not None:
            found += _same(opened["forecaster"], opened["intervals"])
        if isinstance(query, ForecastQuery):
            found += _known(query, about)
        if isinstance(query, (ForecastQuery, StreamForecastsQuery)):
            found += _short(query, about)
        if isinstance(query, (ForecastQuery, IssueForecastsQuery)) and query.states is not None:
            found += _states(about, opened["states"])
    return found


def _forecasts(query: ArchiveWeatherQuery, opened: dict[str, Artifact]) -> Iterator[FieldViolation]:
    if query.dataset is not None:
        yield from forecast_violations(ingested(opened["dataset.dataset"]), query.dataset)
    elif query.generated is not None and query.generated.basins.dataset is not None:
        field = "generated.basins.dataset"
        rows = ingested(opened[f"{field}.dataset"])
        yield from dataset_violations(rows, query.generated.basins.dataset, field)


def _archive(
    query: Query, basins: Basins | None, opened: dict[str, Artifact]
) -> Iterator[FieldViolation]:
    """An archive has the basins, and forecasts of the days that need some."""
    about = storage.read_archive_about(opened["archive"])
    names: Sequence[str] = basins.names if basins is not None else ()
    model = opened.get("forecaster", opened.get("forecasters[0]"))
    if not names and model is not None:
        names = storage.read_about(model).basins
    known = set(about["basins"])
    if missing := [name for name in names if name not in known]:
        yield FieldViolation(
            "archive",
            f"has no forecasts of {len(missing)} of {len(names)} basins: "
            f"{', '.join(missing[:6])}{', ...' if len(missing) > 6 else ''}; archive them too, or "
            "leave the basins out",
        )
    period = {
        TrainForecasterQuery: "training_days",
        FitIntervalsQuery: "days",
        EvaluateForecastsQuery: "days",
        DrawSamplesQuery: "issues",
    }.get(type(query))
    days: Period | None = getattr(query, period) if period is not None else None
    start, end = about["issues"]
    # Lead 1 is the day after the issue: days that are forecast begin a day later.
    early = days is not None and (days.end < start if period == "issues" else days.end <= start)
    if days is not None and (early or end < days.start):
        yield FieldViolation(
            "archive",
            f"has forecasts of {start} to {end}, but {period} is {days.start} to {days.end}; give "
            "an archive that reaches over it",
        )


def _process(query: TrainForecasterQuery, opened: dict[str, Artifact]) -> Iterator[FieldViolation]:
    if query.process is None:
        return
    about = storage.read_about(opened["process"])
    if about.model != "gr4j":
        yield FieldViolation(
            "process", f"got a forecaster of model {about.model}, wanted one of gr4j"
        )
    if about.leads < query.leads:
        yield FieldViolation(
            "leads", f"got {query.leads}; the process model was fitted for {about.leads} only"
        )
    yield from _seen("process", about, [query.validation_days] if query.validation_days else [])
    yield from _names(query.basins, about)


def _seen(field: str, about: About, held: Sequence[Period]) -> Iterator[FieldViolation]:
    """Days that are held out of this training must not have been learned by its input."""
    start, end = about.training_days
    for period in held:
        if period.start <= end and start <= period.end:
            yield FieldViolation(
                field,
                f"was trained on {start} to {end}, which overlaps validation_days; train it on the "
                "same training_days",
            )


def _compared(
    query: EvaluateForecastsQuery, opened: dict[str, Artifact]
) -> Iterator[FieldViolation]:
    abouts = [
        storage.read_about(opened[f"forecasters[{i}]"]) for i in range(len(query.forecasters))
    ]
    first = abouts[0]
    for i, about in enumerate(abouts):
        field = f"forecasters[{i}]"
        if about.leads != first.leads:
            yield FieldViolation(
                field, f"has {about.leads} leads, the first one {first.leads}; compare alike"
            )
        if missing := [basin for basin in first.basins if basin not in about.basins]:
            yield FieldViolation(
                field, f"was not trained on {len(missing)} basins of the first: {missing[0]}, ..."
            )
        yield from _untrained("days", query.days, about)
    yield from _names(query.basins, first)
    if query.intervals is not None:
        yield from _same(opened["forecasters[0]"], opened["intervals"])


def _untrained(field: str, days: Period | None, about: About) -> Iterator[FieldViolation]:
    """Days that are judged, or that intervals learn from, were not trained on."""
    if days is None:
        return
    start, end = about.training_days
    if days.start <= end and start <= days.end:
        yield FieldViolation(
            f"{field}.start",
            f"got {days.start} to {days.end}, but {about.name} was trained on {start} to {end}: "
            "its errors there are smaller than those of new days; give other days",
        )


def _names(basins: Basins | None, about: About) -> Iterator[FieldViolation]:
    known = set(about.basins)
    for i, name in enumerate(basins.names if basins is not None else ()):
        if name not in known:
            yield FieldViolation(
                f"basins.names[{i}]",
                f"got {name!r}, which the forecaster was not trained on; it knows "
                f"{', '.join(about.basins[:6])}{', ...' if len(known) > 6 else ''}",
            )


def _same(forecaster: Artifact, intervals: Artifact) -> Iterator[FieldViolation]:
    if storage.intervals_belong_to(intervals) != forecaster.manifest.digest:
        yield FieldViolation(
            "intervals", "were fitted around another forecaster; fit intervals around this one"
        )


def _samples(query: DrawSamplesQuery, about: About) -> Iterator[FieldViolation]:
    """A network, and samples that go round its basins."""
    if about.model not in NETWORKS:
        yield FieldViolation(
            "forecaster",
            f"got a forecaster of model {about.model}, which is no network: it has no inputs that "
            f"contributions could be shared out to; wanted one of {', '.join(NETWORKS)}",
        )
    found = wrong_count(len(query.basins.names or about.basins), query.count)
    if found is not None:
        yield found


def _known(query: ForecastQuery, about: About) -> Iterator[FieldViolation]:
    for i, record in enumerate(query.records):
        if record.basin not in about.basins:
            yield FieldViolation(
                f"records[{i}].basin",
                f"got {record.basin!r}, which the forecaster was not trained on; it knows "
                f"{', '.join(about.basins[:6])}",
            )
    ends = {record.issue for record in query.records}
    if len(ends) > 1:
        yield FieldViolation(
            "records", f"end on {', '.join(sorted(ends)[:3])}; wanted one day of issue for all"
        )


def _short(query: ForecastQuery | StreamForecastsQuery, about: About) -> Iterator[FieldViolation]:
    """What is computed while a call waits is bounded; jobs are not."""
    asked = () if query.basins is None else query.basins.names or about.basins
    if isinstance(query, StreamForecastsQuery):
        found = too_many_forecasts(len(asked), query.issues, query.stride)
    else:
        levels = len(query.levels) if query.intervals is not None else 0
        found = too_many_basins(len(asked)) or too_many_numbers(
            len(asked or query.records), about.leads, levels
        )
    if found is not None:
        yield found


def _states(about: About, states: Artifact) -> Iterator[FieldViolation]:
    if storage.STATES not in states.names:
        yield FieldViolation("states", "this archive holds no states: its model has none")
        return
    if tuple(states.read_json("forecasts.json")["about"]["basins"]) != about.basins:
        yield FieldViolation("states", "are of other basins than the forecaster's")
