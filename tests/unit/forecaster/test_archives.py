"""Archives of forecast weather: made, learned from, judged with, and refused by name."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from support import forecasts as small

from catena.data_ingest.jobs import ingest_dataset
from catena.data_ingest.queries import IngestDatasetQuery
from catena.forecaster import jobs, storage
from catena.forecaster.basins import read_basins
from catena.forecaster.data.donors import ForecastNoise
from catena.forecaster.data.noise import ARCHIVED
from catena.forecaster.data.records import BasinRecords
from catena.forecaster.data.store import ForecastArchive
from catena.forecaster.forecast_intervals import targets
from catena.forecaster.forecasters import in_period
from catena.forecaster.metrics import nse
from catena.forecaster.preflight import check_against_artifacts
from catena.forecaster.scenarios import ARCHIVED_SHARE, given_weather, training_weather
from catena.forecaster.vocabulary import Basins
from catena.shared.artifacts import Artifact
from catena.shared.errors import InvalidData, InvalidRequest
from catena.shared.requests import request_from_dict
from catena.shared.testing import run_job

MADE = small.made()
STRIDE = 3
WORDS = "generated forecasts from an archive"


def opened(ref: small.Ref) -> Artifact:
    return MADE.store.open(ref["uri"])


@cache
def archive(members: int = 0) -> small.Ref:
    made = {"basins": small.BASINS, "stride": STRIDE, "seed": 4, "members": members}
    return MADE.run(jobs.archive_weather, {"generated": made, "leads": small.LEADS})


@cache
def gr4j() -> small.Ref:
    return MADE.train("gr4j", archive=archive())


@cache
def hybrid() -> small.Ref:
    return MADE.train("tst", process=gr4j(), archive=archive())


@cache
def records() -> BasinRecords:
    return read_basins(Basins.model_validate(small.BASINS), lambda ref: None)  # type: ignore[arg-type,return-value]


def bound() -> ForecastArchive:
    return ForecastArchive(storage.ArchivedForecasts(opened(archive())), records(), small.LEADS)


def training_days() -> Any:
    return in_period(records(), (small.TRAINING["start"], small.TRAINING["end"]))


@pytest.mark.parametrize("members", [0, 2])
def test_generated_forecasts_lose_the_truth_as_their_formula_says(members: int) -> None:
    artifact = opened(archive(members))
    about = storage.read_archive_about(artifact)
    assert about["generated"] and about["members"] == members
    weather = artifact.open_dataset(storage.ARCHIVE)["weather"].values
    days = records().days
    issues = np.arange(0, len(days), STRIDE)
    assert weather.shape[:4] == (2, len(issues), small.LEADS, 2)
    one = weather[..., 0] if members else weather
    weight = ForecastNoise().weights(small.LEADS)
    for row, issue in ((40, issues[40]), (500, issues[500])):
        for lead in range(1, small.LEADS + 1):
            truth = records().weather[:, issue + lead]
            other = (one[:, row, lead - 1] - weight[lead - 1] * truth) / (1 - weight[lead - 1])
            # What is left is the weather of the same days of another year.
            gap = np.abs(records().weather - other[:, None]).max(axis=(0, 2))
            donor = np.flatnonzero(gap < 1e-2)
            apart = (days[donor] - days[issue + lead]).astype(int)
            assert donor.size and (np.abs(apart) > 300).all()
    if members:
        assert (weather[..., 0] != weather[..., 1]).any()


def test_the_noise_of_an_archive_is_learned_from_days_of_training() -> None:
    noise = np.array(storage.read_about(opened(gr4j())).archive_noise)
    assert np.abs(noise - (1 - ForecastNoise().weights(small.LEADS))).max() < 0.05
    assert storage.read_about(opened(small.gr4j())).archive_noise is None


def test_training_sees_archived_forecasts_where_some_were_issued_and_else_what_it_always_saw() -> (
    None
):
    from catena.forecaster.data.noise import TRAINING_MIXTURE

    made = {
        given: training_weather(
            records(),
            training_days(),
            small.LEADS,
            seed=1,
            mixture=TRAINING_MIXTURE,
            archive=bound() if given else None,
            noise=[0.1] * small.LEADS,
        )
        for given in (True, False)
    }
    issues = np.tile(np.arange(0, 1200), 20)
    samples = np.arange(len(issues))
    plan, usual = (
        made[given].forecasts.plan(samples, issues, small.LEADS) for given in (True, False)
    )
    there = issues % STRIDE == 0
    assert not plan.archived[~there].any()
    assert plan.archived[there].mean() == pytest.approx(ARCHIVED_SHARE, abs=0.02)
    count = len(TRAINING_MIXTURE.scenarios)
    expected = np.bincount(usual.scenario, minlength=count) / len(issues)
    for rows in (~there, there & ~plan.archived):
        found = np.bincount(plan.scenario[rows], minlength=count)[:count] / rows.sum()
        assert np.abs(found - expected).max() < 0.02


def test_models_that_learned_with_an_archive_are_judged_with_it() -> None:
    request = {
        "forecasters": [hybrid(), gr4j(), small.gr4j()],
        "basins": small.BASINS,
        "days": small.TEST,
        "stride": 2,
        "archive": archive(),
    }
    evaluation = opened(MADE.run(jobs.evaluate_forecasts, request))
    assert WORDS in evaluation.read_bytes("report.html").decode()
    # One forecast after the other, with the values of the archive as a request would bring them.
    forecaster = storage.read_forecaster(opened(gr4j()))
    dataset = opened(archive()).open_dataset(storage.ARCHIVE)["weather"].values
    first, last = (records().day(small.TEST[name]) for name in ("start", "end"))
    issues = [i for i in range(first - 1, last - small.LEADS + 1) if i % STRIDE == 0][::2]
    noise = forecaster.about.archive_noise
    flows = []
    for issue in issues:
        weather = given_weather(dataset[:, issue // STRIDE])
        assert noise is not None and weather.scenario == ARCHIVED
        flows.append(forecaster.forecast(records(), np.array([issue]), weather).flow)
    flow = np.concatenate(flows, axis=1)
    wanted = nse(flow, targets(records(), np.array(issues), small.LEADS))
    skill = evaluation.open_dataset("skill.zarr")
    found = skill["nse"].sel(model="GR4J + MOS").values
    assert np.allclose(found, wanted, atol=1e-6)
    other = skill["nse"].sel(model="GR4J + MOS (2)").values
    assert np.abs(found - other).max() > 0, "the correction of archived forecasts is another one"


def test_a_day_without_a_forecast_is_forecast_without_and_it_is_said() -> None:
    issues = {"start": "2006-02-01", "end": "2006-02-03"}
    made = opened(MADE.issue(hybrid(), None, issues=issues, archive=archive()))
    flow = made.open_dataset("forecasts.zarr")["streamflow"].values
    about = made.read_json("forecasts.json")
    assert np.isfinite(flow).all() and WORDS in about["weather"]
    there = [int(records().day(f"2006-02-0{day}")) % STRIDE == 0 for day in (1, 2, 3)]
    none = opened(MADE.issue(hybrid(), None, issues=issues, without_weather=True))
    without = none.open_dataset("forecasts.zarr")["streamflow"].values
    for place, known in enumerate(there):
        assert np.allclose(flow[:, place], without[:, place], rtol=1e-4) is not known
    said = any("no forecast weather was issued" in note for note in about["notes"]["generated-001"])
    assert said is not there[-1]


def test_intervals_are_fitted_and_go_on_with_the_archive() -> None:
    fitted = MADE.fit(hybrid(), archive=archive(), stride=1)
    request = {
        "intervals": fitted,
        "forecaster": hybrid(),
        "basins": small.BASINS,
        "end": small.DAY,
        "archive": archive(),
    }
    after = storage.read_intervals(opened(MADE.run(jobs.update_intervals, request)))
    assert after.until == small.DAY
    plain = MADE.fit(hybrid(), stride=1)
    assert opened(fitted).manifest.digest != opened(plain).manifest.digest


# ------------------------------------------------------------------ a user's own


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that data-ingest may read."""
    monkeypatch.setenv("CATENA_ARCHIVES", str(tmp_path))
    return tmp_path


def users(**change: Any) -> xr.Dataset:
    """Forecasts as an archive of reforecasts has them: CF names, basins and units of its own."""
    rng = np.random.default_rng(3)
    shape = (2, 40, small.LEADS)
    axes = ("basin", "forecast_reference_time", "leadtime")
    start = np.datetime64("2006-01-01T00", "ns")
    made = xr.Dataset(
        {
            "pr": (axes, rng.gamma(1.0, 3.0, shape) / 86400, {
                "units": "kg m-2 s-1", "standard_name": "precipitation_flux"}),
            "tas": (axes, 280 + rng.normal(size=shape), {
                "units": "K", "standard_name": "air_temperature"}),
        },
        coords={
            "basin": ["generated-001", "generated-002"],
            "forecast_reference_time": ("forecast_reference_time",
                start + np.arange(40) * np.timedelta64(1, "D"),
                {"standard_name": "forecast_reference_time"}),
            "leadtime": ("leadtime", np.arange(1, small.LEADS + 1),
                {"units": "days", "standard_name": "forecast_period"}),
        },
    )  # fmt: skip
    return made.assign_coords(change) if change else made


def ingested(dataset: xr.Dataset, folder: Path) -> small.Ref:
    folder.mkdir(exist_ok=True)
    dataset.to_netcdf(folder / "reforecasts.nc")
    query = IngestDatasetQuery.model_validate(
        {"source": "forecast", "location": str(folder), "as_of": "2026-01-31"}
    )
    return small.plain(run_job(ingest_dataset, query, MADE.store))


def test_a_users_netcdf_becomes_an_archive_with_the_same_values(folder: Path) -> None:
    dataset = users()
    ref = ingested(dataset, folder / "own")
    request = {"dataset": {"dataset": ref, "names": ["generated-002", "generated-001"]}}
    check("ArchiveWeather", request)
    made = MADE.run(jobs.archive_weather, request)
    about = storage.read_archive_about(opened(made))
    assert not about["generated"] and about["leads"] == small.LEADS
    assert about["issues"] == ["2005-12-31", "2006-02-08"], "00 UTC ends the day before"
    weather = opened(made).open_dataset(storage.ARCHIVE)["weather"]
    own = dataset.sel(basin=["generated-002", "generated-001"])
    assert np.allclose(weather.sel(variable="pr"), own["pr"] * 86400, rtol=1e-5)
    assert np.allclose(weather.sel(variable="tas"), own["tas"] - 273.15, atol=1e-3)
    issues = {"start": "2006-02-08", "end": "2006-02-08"}
    asked = {"forecaster": small.gr4j(), "issues": issues, "basins": small.BASINS, "archive": made}
    check("IssueForecasts", asked)
    page = opened(MADE.run(jobs.issue_forecasts, asked)).read_bytes("report.html").decode()
    assert "forecasts as they were issued" in page


def check(method: str, request: dict[str, Any]) -> None:
    job = {"ArchiveWeather": jobs.archive_weather, "IssueForecasts": jobs.issue_forecasts}
    job |= {"TrainForecaster": jobs.train_forecaster, "EvaluateForecasts": jobs.evaluate_forecasts}
    query = job[method].query.from_message(request_from_dict("forecaster", method, request))
    check_against_artifacts(query, MADE.store)


def faults(method: str, request: dict[str, Any]) -> dict[str, str]:
    with pytest.raises(InvalidRequest) as caught:
        check(method, request)
    return {item.field: item.description for item in caught.value.violations}


def test_forecasts_that_cannot_be_used_are_refused_by_name(folder: Path) -> None:
    noon = users()["forecast_reference_time"] + np.timedelta64(12, "h")
    noon.attrs = {"standard_name": "forecast_reference_time"}
    hours = ("leadtime", 6 * np.arange(1, small.LEADS + 1), {
        "units": "hours", "standard_name": "forecast_period"})  # fmt: skip
    for number, (change, words) in enumerate((
        ({"forecast_reference_time": noon}, "T12:00:00 came; wanted 00 UTC"),
        ({"leadtime": hours}, r"leads of 0\.25, .* make daily values first"),
    )):  # fmt: skip
        ref = ingested(users(**change), folder / str(number))
        with pytest.raises(InvalidData, match=words):
            MADE.run(jobs.archive_weather, {"dataset": {"dataset": ref}})
    ref = ingested(users(), folder / "own")
    with pytest.raises(InvalidData, match="lack the basins elsewhere"):
        MADE.run(jobs.archive_weather, {"dataset": {"dataset": ref, "names": ["elsewhere"]}})
    dry = ingested(users().drop_vars("pr"), folder / "dry")
    found = faults("ArchiveWeather", {"dataset": {"dataset": dry}})
    assert "no dataset has pr and tas by basin, forecast_reference_time" in found["dataset.key"]
    assert "wanted one of" in faults("ArchiveWeather", {"leads": 3})["source"]


def test_an_archive_of_other_basins_or_days_is_refused_before_a_job(folder: Path) -> None:
    own = users().isel(basin=[0])
    ref = MADE.run(jobs.archive_weather, {"dataset": {"dataset": ingested(own, folder / "one")}})
    issues = {"start": small.DAY, "end": small.DAY}
    asked = {"forecaster": small.gr4j(), "basins": small.BASINS, "archive": ref}
    found = faults("IssueForecasts", {**asked, "issues": issues})
    assert "1 of 2 basins: generated-002" in found["archive"]
    train = faults("TrainForecaster", small.train_request("gr4j", archive=ref))
    assert "forecasts of 2005-12-31 to 2006-02-08, but training_days" in train["archive"]
    with pytest.raises(InvalidData) as caught:
        MADE.train("gr4j", archive=ref)
    assert "generated-002" in str(caught.value)
    both = faults("IssueForecasts", {**asked, "issues": issues, "without_weather": True})
    assert "one of the two" in both["archive"]
    simple = faults("TrainForecaster", small.train_request("persistence", archive=ref))
    assert "looks at no weather" in simple["archive"]
