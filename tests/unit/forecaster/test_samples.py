"""Samples for the explainer: what the network saw, evenly over a period, beside its climate."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from support import forecasts as small

from catena.forecaster import jobs, storage
from catena.forecaster.data.calendar import day_of_year
from catena.forecaster.data.generated import generated_records
from catena.forecaster.data.records import BasinRecords
from catena.forecaster.data.splits import year_of
from catena.forecaster.forecasters import About, in_period
from catena.forecaster.issue import days_of_issue, weather_of
from catena.forecaster.network_forecaster import NetworkForecaster, Settings
from catena.forecaster.samples import draw as draw_both
from catena.forecaster.samples import samples_of, to_compare, to_explain
from catena.forecaster.scenarios import no_weather
from catena.forecaster.vocabulary import Basins
from catena.models.flow_model import FlowModel
from catena.models.flow_models import load_flow_model
from catena.models.flow_samples import FlowSamples
from catena.shared.artifacts import Artifact, ArtifactStore
from catena.shared.errors import InvalidData

MADE = small.made()
WINDOW, LEADS = 30, 6
TRAINING = ("2001-01-01", "2006-12-31")


@cache
def records() -> BasinRecords:
    return generated_records(3, 9, seed=5, missing_flow=0.1)


@cache
def forecaster(model: str = "lstm") -> NetworkForecaster:
    about = About.of(
        records(), model=model, title="", leads=LEADS, training_days=TRAINING,
        validation_days=("2007-01-01", "2007-12-31"), seed=2,
    )  # fmt: skip
    settings = Settings(window=WINDOW, width=12, steps=5, batch=32)
    return NetworkForecaster.fit(about, records(), settings)


def loaded(made: NetworkForecaster) -> FlowModel[Any]:
    """The network as others read it: from the weights and the architecture in the artifact."""
    weights = {
        name.removeprefix("network."): torch.as_tensor(value)
        for name, value in made.arrays().items()
        if name.startswith("network.")
    }
    return load_flow_model(made.about.model, made.meta()["network"], weights).eval()


def predicted(made: NetworkForecaster, samples: FlowSamples) -> np.ndarray[Any, Any]:
    with torch.inference_mode():
        scaled = loaded(made)(samples.inputs).mean().numpy()
    return scaled * samples.flow_scale[:, None] + samples.flow_mean[:, None]


@pytest.mark.parametrize("model", ["lstm", "tst"])
def test_a_network_forecasts_from_its_samples_what_the_forecaster_forecasts(model: str) -> None:
    made = forecaster(model)
    issues = days_of_issue(records(), "2008-01-01", "2008-12-31", 9)
    weather = weather_of(made, records())
    places = to_explain(made, records(), issues, weather, 40)
    samples = samples_of(made, records(), places, weather)
    forecasts = made.forecast(records(), issues, weather).flow
    at = np.searchsorted(issues, places.issue)
    flow = predicted(made, samples)
    np.testing.assert_allclose(
        np.maximum(flow, 0.0), forecasts[places.basin, at], rtol=1e-4, atol=1e-4
    )
    assert np.abs(flow - flow.mean(axis=0)).max() > 0.01, "forecasts differ"


def test_what_is_missing_stays_missing() -> None:
    made, weather = forecaster(), no_weather()
    issues = days_of_issue(records(), "2008-01-01", "2009-12-31")
    places = to_explain(made, records(), issues, weather, 60)
    samples = samples_of(made, records(), places, weather)
    assert 0.02 < samples.inputs.past_flow.isnan().float().mean() < 0.3
    back = places.issue[:, None] + np.arange(-WINDOW + 1, 1)
    hidden = np.isnan(records().flow[places.basin[:, None], back])
    assert (samples.inputs.past_flow.isnan().numpy() == hidden).all()
    assert samples.inputs.future_weather[..., :-2].isnan().all(), "no forecast weather"
    ahead = places.issue[:, None] + np.arange(1, LEADS + 1)
    inside = ahead < len(records().days)
    there = records().flow[places.basin[:, None], np.where(inside, ahead, 0)]
    np.testing.assert_array_equal(samples.observed, np.where(inside, there, np.nan))
    assert samples.basins == tuple(records().basins[row] for row in places.basin)
    assert (samples.issues == records().days[places.issue]).all()
    assert samples.statics[-3:] == ("pr_30d", "pr_120d", "pr_365d")
    flow = samples.inputs.past_flow.numpy()[:, -1] * samples.flow_scale + samples.flow_mean
    np.testing.assert_allclose(flow, records().flow[places.basin, places.issue], rtol=1e-4)


def test_forecasts_are_spread_evenly_over_basins_and_days() -> None:
    issues = days_of_issue(records(), "2008-01-01", "2008-12-31")
    places = to_explain(forecaster(), records(), issues, no_weather(), 50)
    assert np.bincount(places.basin).tolist() == [16, 17, 17]
    for row in range(3):
        days = places.issue[places.basin == row]
        assert set(np.diff(days)) <= {21, 22, 23}
        assert days[0] - issues[0] < 13 and issues[-1] - days[-1] < 13
    every = to_explain(forecaster(), records(), issues[::50], no_weather(), 1000)
    assert [every.issue[every.basin == row].tolist() for row in range(3)] == [
        issues[::50].tolist()
    ] * 3


def test_days_without_a_past_are_left_out_and_none_at_all_is_refused() -> None:
    issues = np.arange(0, 60)
    places = to_explain(forecaster(), records(), issues, no_weather(), 1000)
    assert places.issue.min() == WINDOW - 1 and len(places) == 3 * (60 - WINDOW + 1)
    with pytest.raises(InvalidData, match="no basin has 30 days of weather up to any of the 10"):
        to_explain(forecaster(), records(), issues[:10], no_weather(), 10)


def test_the_background_goes_round_seasons_years_and_basins() -> None:
    made = forecaster()
    places = to_compare(made, records(), no_weather(), 36, seed=1)
    assert len(places) == 36 and len(set(zip(places.basin, places.issue, strict=True))) == 36
    assert np.bincount(places.basin).tolist() == [12, 12, 12]
    days = records().days[places.issue]
    assert np.bincount(year_of(days) - 2001).tolist() == [6] * 6
    # A stratum is 10 days of the year; two days of neighbours are less than two strata apart.
    for which in (slice(None), places.basin == 0):
        season = np.sort(day_of_year(days)[which])
        gaps = np.diff(np.concatenate([season, season[:1] + 366]))
        assert gaps.max() <= 2 * 366 / len(season) + 1
    inside = in_period(records(), TRAINING)
    for issue in places.issue:
        assert inside[issue - WINDOW + 1 : issue + LEADS + 1].all(), "as in training"


def test_the_background_is_decided_by_the_seed() -> None:
    one, two, other = (
        to_compare(forecaster(), records(), no_weather(), 20, seed=seed) for seed in (3, 3, 4)
    )
    assert (one.issue == two.issue).all() and (one.basin == two.basin).all()
    assert set(one.issue) != set(other.issue)


def test_a_small_background_stands_for_the_climate_better_than_days_by_chance() -> None:
    inside = np.flatnonzero(in_period(records(), TRAINING))[WINDOW:-LEADS]
    warmth = records().weather[:, :, records().column("tas")].astype(np.float64)
    truth = warmth[:, inside].mean()
    stratified, random = [], []
    for seed in range(40):
        places = to_compare(forecaster(), records(), no_weather(), 24, seed=seed)
        stratified.append(warmth[places.basin, places.issue].mean() - truth)
        rng = np.random.default_rng(seed)
        drawn = warmth[rng.integers(3, size=24), rng.choice(inside, 24)]
        random.append(drawn.mean() - truth)
    assert np.std(stratified) < 0.6 * np.std(random)
    assert abs(np.mean(stratified)) < 3 * np.std(stratified) / np.sqrt(40) + 0.05, "no bias"


def test_few_days_of_training_give_a_small_background_without_repeats() -> None:
    one = records().select(records().basins[:1])
    short = to_compare(_until(forecaster(), "2001-02-15"), one, no_weather(), 32, seed=0)
    wanted = np.arange(WINDOW - 1, one.day("2001-02-15") - LEADS + 1)
    assert sorted(short.issue.tolist()) == wanted.tolist()
    issues = days_of_issue(one, "2008-01-01", "2008-12-31")
    made = _until(forecaster(), "2001-02-15")
    drawn = draw_both(made, one, issues, no_weather(), count=5, background=32, seed=0)
    assert len(drawn.background) == len(wanted)
    assert drawn.background.inputs.future_weather[..., :-2].isnan().all(), "none was asked for"


def _until(made: NetworkForecaster, end: str) -> NetworkForecaster:
    """The same as if it had been trained on days up to `end` alone."""
    about = replace(made.about, training_days=(TRAINING[0], end))
    return NetworkForecaster(about, made.network, made.scalers, made.settings)


def test_records_without_days_of_training_have_no_background() -> None:
    late = records()
    first = late.day("2008-01-01")
    cut = replace(
        late, days=late.days[first:], weather=late.weather[:, first:], flow=late.flow[:, first:]
    )
    with pytest.raises(InvalidData, match="no forecast of the days of training, 2001-01-01 to"):
        to_compare(forecaster(), cut, no_weather(), 8, seed=0)


# ------------------------------------------------------------------ the job


def opened(ref: small.Ref) -> Artifact:
    return MADE.store.open(ref["uri"])


@cache
def network() -> small.Ref:
    return MADE.train("lstm")


def asked(forecaster: small.Ref, **changes: Any) -> dict[str, Any]:
    return {"forecaster": forecaster, "basins": small.BASINS, "issues": small.TEST, **changes}


def draw(forecaster: small.Ref, **changes: Any) -> Artifact:
    return opened(MADE.run(jobs.draw_samples, asked(forecaster, **changes)))


def read(artifact: Artifact) -> tuple[FlowSamples, FlowSamples]:
    explained, background = (
        FlowSamples.from_dataset(artifact.open_dataset(name))
        for name in (storage.SAMPLES, storage.BACKGROUND)
    )
    return explained, background


def test_an_artifact_has_samples_background_and_basins() -> None:
    made = draw(network(), title="a title", background=8)
    assert made.manifest.kind == "flow_samples"
    explained, background = read(made)
    assert len(explained) == 2 * 60 and len(background) == 8
    about = made.read_json(storage.SAMPLES_ABOUT)
    assert about["forecaster"] == network()["digest"]
    assert (about["model"], about["title"], about["generated"]) == ("lstm", "a title", True)
    start, end = about["periods"]["explained"]
    assert small.TEST["start"] <= start < end <= small.TEST["end"]
    assert about["periods"]["training"] == list(small.TRAINING.values())
    assert set(about["basins"]) == set(explained.basins) == {"generated-001", "generated-002"}
    for basin in about["basins"].values():
        assert basin["class"] in ("snow", "groundwater", "rain")
        assert 24 < basin["latitude"] < 50 and basin["recession_days"] > 1
    # The network reads them as the service's own forecasts.
    forecaster = storage.read_forecaster(opened(network()))
    assert isinstance(forecaster, NetworkForecaster)
    flow = np.maximum(predicted(forecaster, explained), 0.0)
    day = str(explained.issues[-1])
    issued = opened(MADE.issue(network(), None, issues={"start": day, "end": day}))
    theirs = issued.open_dataset("forecasts.zarr")["streamflow"].sel(basin=explained.basins[-1])
    np.testing.assert_allclose(flow[-1], theirs.values[0], rtol=1e-4, atol=1e-4)


@pytest.mark.slow
def test_the_process_flow_of_a_hybrid_is_among_its_samples() -> None:
    explained, background = read(draw(small.hybrid(), count=20))
    for samples in (explained, background):
        assert samples.inputs.process_flow is not None
        assert samples.inputs.process_flow.isfinite().all(), "the process model had warmed up"
    forecaster = storage.read_forecaster(opened(small.hybrid()))
    assert isinstance(forecaster, NetworkForecaster)
    records = jobs.known_basins(
        Basins.model_validate(small.BASINS), forecaster.about, MADE.store.open
    )
    issues = np.unique([records.day(day) for day in explained.issues])
    forecasts = forecaster.forecast(records, issues, weather_of(forecaster, records)).flow
    at = np.searchsorted(records.days[issues], explained.issues)
    rows = records.rows(explained.basins)
    np.testing.assert_allclose(
        np.maximum(predicted(forecaster, explained), 0), forecasts[rows, at], rtol=1e-4, atol=1e-4
    )


def test_the_same_request_draws_the_same_samples() -> None:
    elsewhere = small.Made(ArtifactStore("memory://samples-again"))
    again = elsewhere.run(jobs.draw_samples, asked(elsewhere.train("lstm"), seed=3))
    assert again["digest"] == MADE.run(jobs.draw_samples, asked(network(), seed=3))["digest"]
    other = draw(network(), seed=4)
    assert (read(other)[1].issues != read(draw(network(), seed=3))[1].issues).any()
    assert (read(other)[0].issues == read(draw(network(), seed=3))[0].issues).all()


@pytest.mark.slow
def test_only_days_of_an_archive_are_explained_with_its_weather() -> None:
    made = {"basins": small.BASINS, "stride": 3, "seed": 4}
    archive = MADE.run(jobs.archive_weather, {"generated": made, "leads": small.LEADS})
    artifact = draw(network(), archive=archive, count=40)
    about = artifact.read_json(storage.SAMPLES_ABOUT)
    assert about["weather"]["explained"] == about["weather"]["background"]
    assert "generated forecasts from an archive" in about["weather"]["explained"]
    start = np.datetime64("2001-01-01")
    for samples in read(artifact):
        assert ((samples.issues - start).astype(int) % 3 == 0).all()
    # An archive with few days of training: the background has the observed weather, noised.
    rare = MADE.run(
        jobs.archive_weather, {"generated": {**made, "stride": 100}, "leads": small.LEADS}
    )
    about = draw(network(), archive=rare, count=6).read_json(storage.SAMPLES_ABOUT)
    assert about["weather"]["explained"] != about["weather"]["background"]
    assert "noised more with each lead" in about["weather"]["background"]
    with pytest.raises(InvalidData, match="archive has no forecast issued on the 3 days from 2006"):
        draw(network(), archive=rare, issues={"start": "2006-08-01", "end": "2006-08-03"})


def test_samples_may_go_without_forecast_weather() -> None:
    explained, background = read(draw(network(), without_weather=True, count=4, background=4))
    for samples in (explained, background):
        assert samples.inputs.future_weather[..., :-2].isnan().all()
    about = draw(network(), without_weather=True, count=4, background=4)
    assert about.read_json(storage.SAMPLES_ABOUT)["weather"]["explained"] == "no forecast weather"


def test_days_outside_the_records_and_models_without_a_network_are_refused() -> None:
    with pytest.raises(InvalidData, match="the records are of 2001-01-01 to 2006-12-31"):
        draw(network(), issues={"start": "2006-12-01", "end": "2007-01-31"})
    with pytest.raises(InvalidData, match="persistence is no network"):
        draw(MADE.train("persistence"))
