"""Requests of the forecaster: every fault at once, the same meaning under the same name."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from catena.forecaster import queries
from catena.forecaster.vocabulary import NETWORKS, BasinRecord, Period
from catena.shared.errors import InvalidRequest
from catena.shared.query import Query
from catena.shared.requests import request_from_dict


def ref(kind: str, digit: str = "0") -> dict[str, str]:
    return {"uri": f"jobs/{kind}", "digest": f"sha256:{digit * 64}", "kind": kind}


BASINS = {"dataset": {"dataset": ref("dataset")}, "spread": 12}
TRAIN = {
    "basins": BASINS,
    "training_days": {"start": "1981-10-01", "end": "2003-09-30"},
    "validation_days": {"start": "2003-10-01", "end": "2007-09-30"},
}
RECORD = {
    "basin": "01022500",
    "start": "2010-01-01",
    "precipitation": [1.0, 0.0, 2.5],
    "temperature": [5.0, -3.0, 1.0],
}


def query(method: str, request: dict[str, Any]) -> Query:
    model: type[Query] = getattr(queries, f"{method}Query")
    return model.from_message(request_from_dict("forecaster", method, request))


def faults(method: str, request: dict[str, Any]) -> dict[str, str]:
    with pytest.raises(InvalidRequest) as caught:
        query(method, request)
    return {item.field: item.description for item in caught.value.violations}


def test_a_request_without_options_means_the_defaults() -> None:
    asked = query("TrainForecaster", TRAIN)
    assert isinstance(asked, queries.TrainForecasterQuery)
    assert (asked.model, asked.leads, asked.workers, asked.tune) == ("tst", 30, 1, False)
    spelt = query("TrainForecaster", {**TRAIN, "model": "tst", "leads": 30, "tune_trials": 8})
    assert spelt.digest("forecaster", "TrainForecaster", 1) == asked.digest(
        "forecaster", "TrainForecaster", 1
    )


def test_every_fault_of_a_request_is_told_at_once() -> None:
    found = faults(
        "TrainForecaster",
        {
            "basins": {"names": ["a", "a"], "spread": 3},
            "training_days": {"start": "2003-01-01", "end": "2002-01-01"},
            "leads": 400,
            "training": {"window": 3, "learning_rate": 7.0},
            "seed": -1,
        },
    )
    assert set(found) == {
        "basins.source",
        "basins.spread",
        "basins.names[1]",
        "training_days.end",
        "leads",
        "training.window",
        "training.learning_rate",
        "seed",
    }


def test_days_that_stop_the_training_are_none_that_were_learned() -> None:
    late = {"start": "2003-09-30", "end": "2005-01-01"}
    assert "validation_days.start" in faults("TrainForecaster", {**TRAIN, "validation_days": late})
    without = {name: value for name, value in TRAIN.items() if name != "validation_days"}
    assert "stops early" in faults("TrainForecaster", without)["validation_days"]
    assert query("TrainForecaster", {**without, "model": "gr4j"})


@pytest.mark.parametrize("model", ["persistence", "climatology", "gr4j"])
def test_settings_of_networks_are_refused_elsewhere(model: str) -> None:
    assert model not in NETWORKS
    asked = {
        **TRAIN,
        "model": model,
        "training": {"steps": 3},
        "workers": 2,
        "tune": True,
        "process": ref("forecaster"),
    }
    found = faults("TrainForecaster", asked)
    assert {"training", "workers", "tune", "process"} <= set(found)
    assert all("no network" in found[name] for name in ("training", "tune", "process"))


def test_trials_belong_to_a_search() -> None:
    assert "tune_trials" in faults("TrainForecaster", {**TRAIN, "tune_trials": 5})
    assert "workers" in faults("TrainForecaster", {**TRAIN, "tune": True, "workers": 2})
    assert query("TrainForecaster", {**TRAIN, "tune": True, "tune_trials": 5})


def test_references_are_of_the_right_kind() -> None:
    asked = {"forecaster": ref("intervals"), "basins": BASINS}
    assert "wanted forecaster" in faults("FitIntervals", asked)["forecaster"]


def test_records_may_miss_anything_but_their_length() -> None:
    nan = float("nan")
    asked = {
        "forecaster": ref("forecaster"),
        "records": [{**RECORD, "precipitation": [nan, nan, nan], "streamflow": [nan, 1.0, nan]}],
    }
    (record,) = query("Forecast", asked).records  # type: ignore[attr-defined]
    assert record.issue == "2010-01-03"
    assert np.isnan(record.series("forecast_temperature", 30)).all()
    found = faults("Forecast", {**asked, "records": [{**RECORD, "streamflow": [1.0]}]})
    assert "1 values for 3" in found["records[0].streamflow"]


def test_a_record_in_other_units_is_refused_once() -> None:
    kelvin = {**RECORD, "temperature": [280.0, 270.0, 275.0]}
    asked = {"forecaster": ref("forecaster"), "records": [kelvin]}
    found = faults("Forecast", asked)
    assert list(found) == ["records[0].temperature[0]"]
    assert "degC" in found["records[0].temperature[0]"]
    negative = {**RECORD, "streamflow": [0.1, -0.2, float("inf")]}
    assert "records[0].streamflow[1]" in faults("Forecast", {**asked, "records": [negative]})


def test_a_forecast_is_of_records_or_of_a_dataset() -> None:
    asked = {"forecaster": ref("forecaster")}
    assert set(faults("Forecast", asked)) == {"records"}
    assert set(faults("Forecast", {**asked, "basins": BASINS})) == {"issue"}
    both = {**asked, "basins": BASINS, "records": [RECORD], "issue": "2010-01-01"}
    assert set(faults("Forecast", both)) == {"records", "issue"}
    assert "levels[1]" in faults("Forecast", {**asked, "records": [RECORD], "levels": [0.9, 0.9]})


def test_samples_have_defaults_and_a_limit() -> None:
    asked = {
        "forecaster": ref("forecaster"),
        "basins": BASINS,
        "issues": {"start": "2008-01-01", "end": "2009-12-31"},
    }
    made = query("DrawSamples", asked)
    assert isinstance(made, queries.DrawSamplesQuery)
    assert (made.stride, made.count, made.background, made.seed) == (1, None, 32, 0)
    wrong = {
        "forecaster": ref("intervals"),
        "issues": {"start": "2009-01-01", "end": "2008-01-01"},
        "count": queries.MOST_SAMPLES + 1,
        "background": queries.MOST_BACKGROUND + 1,
        "stride": 400,
    }
    assert set(faults("DrawSamples", {**asked, **wrong})) == {
        "forecaster", "issues.end", "count", "background", "stride",
    }  # fmt: skip
    both = {"archive": ref("weather_archive"), "without_weather": True}
    assert "leave one" in faults("DrawSamples", {**asked, **both})["archive"]
    long = {"start": "1900-01-01", "end": "1999-12-31"}
    assert "issue times" in faults("DrawSamples", {**asked, "issues": long})["issues.end"]


def test_samples_go_round_all_basins() -> None:
    assert queries.wrong_count(4, 4) is None and queries.wrong_count(4, None) is None
    few = queries.wrong_count(5, 4)
    assert few is not None and "4 forecasts for 5 basins" in few.description
    most = queries.MOST_SAMPLES // queries.A_BASIN
    assert queries.wrong_count(most, None) is None
    many = queries.wrong_count(most + 1, None)
    assert many is not None and "say how many" in many.description
    assert queries.wrong_count(most + 1, most + 1) is None


def test_tracking_needs_intervals() -> None:
    asked = {
        "forecasters": [ref("forecaster"), ref("forecaster")],
        "basins": BASINS,
        "days": {"start": "2008-01-01", "end": "2009-12-31"},
        "track": True,
    }
    assert set(faults("EvaluateForecasts", asked)) == {"track", "forecasters[1]"}


def test_a_century_of_daily_issues_is_refused() -> None:
    days = {"start": "1900-01-01", "end": "1999-12-31"}
    asked = {"forecaster": ref("forecaster"), "basins": BASINS, "issues": days}
    assert "36524 issue times" in faults("IssueForecasts", asked)["issues.end"]
    assert query("StreamForecasts", {**asked, "stride": 7})


def test_a_reply_that_would_be_too_large_names_the_other_ways() -> None:
    assert queries.too_many_numbers(100, 30, 2) is None
    found = queries.too_many_numbers(2000, 30, 20)
    assert found is not None and "StreamForecasts" in found.description


def test_what_computes_too_long_for_a_call_names_the_job() -> None:
    year = Period(start="2010-01-01", end="2010-12-31")
    assert queries.too_many_basins(100) is None
    assert queries.too_many_forecasts(54, year, 1) is None
    assert queries.too_many_forecasts(531, year, 10) is None
    for found in (queries.too_many_basins(101), queries.too_many_forecasts(55, year, 1)):
        assert found is not None and "job IssueForecasts" in found.description


def test_the_days_of_a_record_are_bounded() -> None:
    long = {**RECORD, "precipitation": [0.0] * 5000, "temperature": [0.0] * 5000}
    assert "precipitation" in str(
        faults("Forecast", {"forecaster": ref("forecaster"), "records": [long]})
    )
    assert BasinRecord(**RECORD).issue == "2010-01-03"
