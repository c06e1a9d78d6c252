"""Records of the basins that a request names: out of a dataset, made by a formula, or its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from catena.forecaster.data.canonical import records_from
from catena.forecaster.data.generated import generated_records
from catena.forecaster.data.records import BasinRecords
from catena.forecaster.data.splits import spread_basins
from catena.forecaster.data.store import ISSUE, LEAD
from catena.forecaster.forecasters import About
from catena.forecaster.process.baselines import known_rows
from catena.forecaster.vocabulary import BasinDataset, BasinRecord, Basins, ForecastDataset
from catena.shared.artifacts import Artifact
from catena.shared.errors import FieldViolation, InvalidData, InvalidRequest
from catena.shared.query import RefQuery

Open = Callable[[RefQuery], Artifact]

INGESTED = "ingest.json"
ATTRIBUTES = "attributes"
WANTED = ("pr", "streamflow")
"""Variables that tell which dataset of an artifact has the records; temperature has two names."""
FORECAST = ("pr", "tas")
FORECAST_DIMS = {"basin", ISSUE, LEAD}


def read_basins(basins: Basins, open_: Open) -> BasinRecords:
    """Records that a request names.

    Parameters
    ----------
    basins : Basins
    open_ : callable
        Opens an artifact.

    Raises
    ------
    InvalidData, InvalidRequest
        When the dataset has not what is wanted.
    """
    if basins.generated is not None:
        made = basins.generated
        records = generated_records(
            made.basins, made.years, seed=made.seed, first_year=made.first_year
        )
        names = basins.names
    else:
        assert basins.dataset is not None
        records = _from_dataset(basins.dataset, open_, basins.names)
        names = ()
    if basins.spread is not None:
        names = spread_basins(records, basins.spread)
    return records.select(list(names)) if names else records


def _from_dataset(dataset: BasinDataset, open_: Open, names: Sequence[str]) -> BasinRecords:
    artifact = open_(dataset.dataset)
    rows = ingested(artifact)
    found = dataset_violations(rows, dataset)
    if found:
        raise InvalidRequest("the dataset does not fit", violations=found)
    row = record_row(rows, dataset.key)
    attributes = attribute_row(rows, dataset.attributes_key)
    return records_from(
        artifact.open_dataset(row["name"]),
        attributes=None if attributes is None else artifact.open_dataset(attributes["name"]),
        basins=list(names) or None,
        missing="keep",
        generated=bool(row["generated"]),
    )


def ingested(artifact: Artifact) -> list[dict[str, Any]]:
    """What is known of each dataset of an artifact of data-ingest."""
    return list(artifact.read_json(INGESTED)["datasets"])


def record_row(rows: Sequence[dict[str, Any]], key: str) -> dict[str, Any]:
    """The dataset with the records; call after :func:`dataset_violations`."""
    return _records(rows, key)[0]


def attribute_row(rows: Sequence[dict[str, Any]], key: str) -> dict[str, Any] | None:
    """The dataset with the attributes, if there is one."""
    wanted = key or ATTRIBUTES
    return next((row for row in rows if row["key"] == wanted), None)


def dataset_violations(
    rows: Sequence[dict[str, Any]], dataset: BasinDataset, field: str = "basins.dataset"
) -> list[FieldViolation]:
    """What is wrong with the keys of a request, given the datasets that there are."""
    found = []
    records = _records(rows, dataset.key)
    known = ", ".join(str(row["key"]) for row in rows[:12]) or "none"
    if len(records) != 1:
        which = f"{len(records)} datasets have" if records else "no dataset has"
        text = f"{which} {' and '.join(WANTED)} by basin; wanted one of {known}"
        found.append(FieldViolation(f"{field}.key", f"got {dataset.key!r}: {text}"))
    if dataset.attributes_key and attribute_row(rows, dataset.attributes_key) is None:
        text = f"got {dataset.attributes_key!r}, wanted one of {known}"
        found.append(FieldViolation(f"{field}.attributes_key", text))
    return found


def forecast_violations(
    rows: Sequence[dict[str, Any]], dataset: ForecastDataset, field: str = "dataset"
) -> list[FieldViolation]:
    """What is wrong with the key of forecasts, given the datasets that there are."""
    found = _forecasts(rows, dataset.key)
    if len(found) == 1:
        return []
    known = ", ".join(
        f"{row['key']} ({', '.join(one['name'] for one in row['variables'])})" for row in rows[:12]
    )
    which = f"{len(found)} datasets have" if found else "no dataset has"
    text = (
        f"{which} {' and '.join(FORECAST)} by {', '.join(sorted(FORECAST_DIMS))}; wanted one of "
        f"{known or 'none'}"
    )
    return [FieldViolation(f"{field}.key", f"got {dataset.key!r}: {text}")]


def forecast_row(rows: Sequence[dict[str, Any]], key: str) -> dict[str, Any]:
    """The dataset with the forecasts; call after :func:`forecast_violations`."""
    return _forecasts(rows, key)[0]


def _forecasts(rows: Sequence[dict[str, Any]], key: str) -> list[dict[str, Any]]:
    return [
        row
        for row in rows
        if (row["key"] == key or not key)
        and set(FORECAST)
        <= {one["name"] for one in row["variables"] if set(one["dims"]) >= FORECAST_DIMS}
    ]


def _records(rows: Sequence[dict[str, Any]], key: str) -> list[dict[str, Any]]:
    return [
        row
        for row in rows
        if (row["key"] == key or not key)
        and set(WANTED) <= {one["name"] for one in row["variables"] if "basin" in one["dims"]}
    ]


def records_of(given: Sequence[BasinRecord], about: About) -> BasinRecords:
    """Records that a request brings; they may begin on different days but end on one.

    Basins are those of the forecaster's training, which knows their attributes.

    Raises
    ------
    InvalidData
        When they end on different days, or a basin is not one of the forecaster's.
    """
    ends = {record.issue for record in given}
    if len(ends) > 1:
        raise InvalidData(
            f"records end on {', '.join(sorted(ends)[:4])}; wanted one issue time for all"
        )
    end = np.datetime64(ends.pop(), "D")
    start = min(np.datetime64(record.start, "D") for record in given)
    days = np.arange(start, end + 1)
    weather = np.full((len(given), len(days), 2), np.nan, np.float32)
    flow = np.full((len(given), len(days)), np.nan, np.float32)
    for row, record in enumerate(given):
        length = len(record.precipitation)
        weather[row, -length:, 0] = record.precipitation
        weather[row, -length:, 1] = record.temperature
        if record.streamflow:
            flow[row, -length:] = record.streamflow
    basins = [record.basin for record in given]
    rows = known_rows(about.basins, basins)
    attributes = np.array(about.attributes, dtype=np.float64).reshape(len(about.basins), -1)
    return BasinRecords(
        basins=tuple(basins),
        days=days,
        weather=weather,
        weather_names=("pr", "tas"),
        flow=flow,
        attributes=attributes[rows].astype(np.float32),
        attribute_names=about.attribute_names,
        latitude=np.array(about.latitude, dtype=np.float64)[rows],
        longitude=np.array(about.longitude, dtype=np.float64)[rows],
        generated=about.generated,
    )


def forecast_values(given: Sequence[BasinRecord], leads: int) -> np.ndarray[Any, Any]:
    """Forecast weather that a request brings, (N, H, 2); NaN where there is none."""
    return np.stack(
        [
            np.stack(
                [
                    record.series("forecast_precipitation", leads),
                    record.series("forecast_temperature", leads),
                ],
                axis=-1,
            )
            for record in given
        ]
    ).astype(np.float32)
