"""Windows against a slow loop, and what they leave out."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from catena.forecaster.data.donors import Donors, ForecastNoise
from catena.forecaster.data.noise import (
    NO_FORECAST,
    NOISED,
    PERFECT,
    TRAINING_MIXTURE,
    ForecastWeather,
    Mixture,
    Scenario,
    forecast_weather,
)
from catena.forecaster.data.records import BasinRecords
from catena.forecaster.data.scaling import Scalers
from catena.forecaster.data.splits import YearSplit
from catena.forecaster.data.windows import Windows
from catena.models.forecast_inputs import ForecastInputs
from catena.shared.errors import InvalidData

PAST, LEADS = 40, 12


@pytest.fixture(scope="module")
def scalers(records: BasinRecords, split: YearSplit) -> Scalers:
    return Scalers.fit(records, split.days(records.days, "train"))


@pytest.fixture(scope="module")
def donors(records: BasinRecords, split: YearSplit) -> Donors:
    return Donors(records.days, split.days(records.days, "train"), LEADS, seed=5)


def slowly(windows: Windows, row: int, donors: Donors | None = None) -> dict[str, np.ndarray]:
    """One sample of perfect or noised weather, value by value and in doubles."""
    records, scalers = windows.records, windows.scalers
    n, t = int(windows.basin[row]), int(windows.issue[row])
    past, leads = windows.past, windows.leads
    f = len(records.weather_names)

    def doy(day: np.datetime64) -> tuple[float, float]:
        number = int(str((day - day.astype("datetime64[Y]").astype("datetime64[D]")).astype(int)))
        angle = 2 * np.pi * number / 365.2425
        return np.sin(angle), np.cos(angle)

    def weather(day: int) -> np.ndarray:
        value = np.full(f, np.nan)
        if day < len(records.days):
            for each in range(f):
                mean, scale = scalers.weather_mean[each], scalers.weather_scale[each]
                value[each] = (float(records.weather[n, day, each]) - mean) / scale
        return np.concatenate([value, doy(records.days[0] + day)])

    def flow(day: int) -> float:
        if day >= len(records.days):
            return np.nan
        return (float(records.flow[n, day]) - scalers.flow_mean[n]) / scalers.flow_scale[n]

    future, noise = [], []
    start = None if donors is None else int(donors.starts(np.array([t]))[0])
    for lead in range(1, leads + 1):
        now = weather(t + lead)
        w = 1.0
        if start is not None:
            w = 0.95 * np.exp(-(lead - 1) / 6)
            now[:f] = w * now[:f] + (1 - w) * weather(start + lead - 1)[:f]
        future.append(now)
        noise.append(1.0 if np.isnan(now[:f]).all() else 1 - w)
    memory = []
    for place, length in enumerate(scalers.memory_days):
        rain = records.weather[n, max(t - length + 1, 0) : t + 1, 0].astype(float)
        mean = np.nan if np.isnan(rain).all() else np.nanmean(rain)
        memory.append((mean - scalers.memory_mean[place]) / scalers.memory_scale[place])
    fixed = (records.attributes[n] - scalers.attribute_mean) / scalers.attribute_scale
    return {
        "past_weather": np.array([weather(day) for day in range(t - past + 1, t + 1)]),
        "past_flow": np.array([flow(day) for day in range(t - past + 1, t + 1)]),
        "future_weather": np.array(future),
        "noise": np.array(noise),
        "statics": np.concatenate([fixed, memory]),
        "targets": np.array([flow(t + lead) for lead in range(1, leads + 1)]),
    }


def assert_batch(windows: Windows, rows: np.ndarray, donors: Donors | None = None) -> None:
    inputs, targets = windows.batch(rows)
    for place, row in enumerate(rows):
        wanted = slowly(windows, row, donors)
        got = {name: getattr(inputs, name)[place] for name in wanted if name != "targets"}
        for name, value in {**got, "targets": targets[place]}.items():
            np.testing.assert_allclose(value, wanted[name], rtol=2e-5, atol=2e-5, err_msg=name)


@pytest.mark.parametrize("scenario", [PERFECT, NOISED])
def test_a_batch_equals_a_slow_loop(
    records: BasinRecords, scalers: Scalers, donors: Donors, scenario: Scenario
) -> None:
    weather = ForecastWeather(scenario, donors=donors)
    windows = Windows(records, scalers, past=PAST, leads=LEADS, forecasts=weather, predict=True)
    rows = np.random.default_rng(0).choice(len(windows), 40, replace=False)
    # The last issue times too, whose targets and weather lie behind the record.
    rows = np.concatenate([rows, np.flatnonzero(windows.issue >= len(records.days) - 3)])
    assert_batch(windows, rows, donors if scenario is NOISED else None)


@settings(max_examples=10)
@given(seed=st.integers(0, 999), share=st.sampled_from([0.02, 0.3, 0.9]), noised=st.booleans())
def test_missing_values_may_be_anywhere(
    records: BasinRecords, scalers: Scalers, donors: Donors, seed: int, share: float, noised: bool
) -> None:
    rng = np.random.default_rng(seed)
    parts = {
        name: np.where(rng.uniform(size=values.shape) < share, np.nan, values)
        for name, values in (
            ("weather", records.weather),
            ("flow", records.flow),
            ("attributes", records.attributes),
        )
    }
    weather = ForecastWeather(NOISED if noised else PERFECT, donors=donors)
    windows = Windows(
        replace(records, **parts), scalers, past=PAST, leads=LEADS, forecasts=weather, predict=True
    )
    rows = rng.choice(len(windows), 3, replace=False)
    assert_batch(windows, rows, donors if noised else None)


@settings(max_examples=15)
@given(
    past=st.integers(1, 60),
    leads=st.integers(1, 30),
    size=st.integers(1, 9),
    basins=st.sets(st.integers(0, 3), min_size=1),
    seed=st.integers(0, 99),
)
def test_shapes_are_those_of_the_contract(
    records: BasinRecords,
    scalers: Scalers,
    past: int,
    leads: int,
    size: int,
    basins: set[int],
    seed: int,
) -> None:
    named = [records.basins[row] for row in sorted(basins)]
    windows = Windows(
        records, scalers, past=past, leads=leads, basins=named, forecasts=ForecastWeather(PERFECT)
    )
    rows = next(windows.batches(size, seed=seed))
    inputs, targets = windows.batch(rows)
    sizes = windows.sizes
    assert inputs.past_weather.shape == (len(rows), past, sizes.past_weather)
    assert inputs.past_flow.shape == (len(rows), past)
    assert inputs.future_weather.shape == (len(rows), leads, sizes.future_weather)
    assert inputs.noise.shape == targets.shape == (len(rows), leads)
    assert inputs.statics.shape == (len(rows), sizes.statics)
    assert inputs.process_flow is None and targets.dtype == torch.float32
    assert set(windows.basins_of(np.arange(len(windows)))) == set(named)
    assert (~torch.isnan(targets)).any(dim=1).all()


def test_each_sample_comes_once_per_epoch_in_an_order_of_its_own(
    records: BasinRecords, scalers: Scalers
) -> None:
    windows = Windows(records, scalers, past=PAST, leads=LEADS)
    one, again, other, two = (
        np.concatenate(list(windows.batches(64, seed=seed, epoch=epoch)))
        for seed, epoch in ((1, 0), (1, 0), (2, 0), (1, 1))
    )
    np.testing.assert_array_equal(np.sort(one), np.arange(len(windows)))
    np.testing.assert_array_equal(one, again)
    assert (one != other).mean() > 0.9 and (one != two).mean() > 0.9
    left = np.concatenate(list(windows.batches(64, seed=1, first=70)))
    np.testing.assert_array_equal(left, one[70 * 64 :])


def test_a_sample_does_not_depend_on_its_batch(
    records: BasinRecords, scalers: Scalers, donors: Donors
) -> None:
    weather = ForecastWeather(TRAINING_MIXTURE, donors=donors, seed=4)
    windows = Windows(records, scalers, past=PAST, leads=LEADS, forecasts=weather)
    fewer = windows.at(basins=[records.basins[2]])
    row = int(np.flatnonzero((windows.basin == 2) & (windows.issue == 500))[0])
    alone = int(np.flatnonzero(fewer.issue == 500)[0])
    for epoch in range(6):
        many, _ = windows.batch([5, row, 17], epoch=epoch)
        single, _ = fewer.batch([alone], epoch=epoch)
        for name in ("past_weather", "past_flow", "future_weather", "noise", "statics"):
            torch.testing.assert_close(
                getattr(many, name)[1], getattr(single, name)[0], rtol=0, atol=0, equal_nan=True
            )


def test_samples_without_any_target_are_left_out_unless_nobody_has_observed_it_yet(
    records: BasinRecords, scalers: Scalers
) -> None:
    flow = records.flow.copy()
    flow[1, 290:410] = 1.0
    flow[1, 300:400] = np.nan
    hidden = records.with_flow(flow)
    windows = Windows(hidden, scalers, past=PAST, leads=LEADS)
    there = set(windows.issue[windows.basin == 1].tolist())
    # Issue times whose days t + 1 to t + LEADS all lie in the gap.
    gap = set(range(299, 400 - LEADS))
    assert not there & gap and {298, 400 - LEADS} <= there
    assert windows.issue.max() == len(records.days) - 2
    predicted = windows.at(predict=True)
    assert len(predicted) == len(records) * (len(records.days) - PAST + 1)
    inputs, targets = predicted.at(issues=[len(records.days) - 1]).batch(np.arange(4))
    assert torch.isnan(targets).all() and not torch.isnan(inputs.past_weather).any()


def test_weather_behind_the_record_is_no_forecast_and_its_days_are_known(
    records: BasinRecords, scalers: Scalers
) -> None:
    last = len(records.days) - 5
    windows = Windows(records, scalers, past=PAST, leads=LEADS, issues=[last], predict=True,
                      forecasts=ForecastWeather(PERFECT))  # fmt: skip
    inputs, _ = windows.batch([0])
    assert torch.isnan(inputs.future_weather[0, 4:, :-2]).all()
    assert not torch.isnan(inputs.future_weather[0, :4]).any()
    assert not torch.isnan(inputs.future_weather[0, :, -2:]).any()
    assert inputs.noise[0].tolist() == [0.0] * 4 + [1.0] * 8


def test_no_forecast_is_all_missing_and_all_noise(records: BasinRecords, scalers: Scalers) -> None:
    windows = Windows(records, scalers, past=PAST, leads=LEADS)
    inputs, _ = windows.batch([0, 9])
    assert windows.forecasts.mixture.scenarios == (NO_FORECAST,)
    assert torch.isnan(inputs.future_weather[:, :, :-2]).all()
    assert (inputs.noise == 1).all()


def test_forecasts_cut_short_are_missing_behind_their_reach(
    records: BasinRecords, scalers: Scalers, donors: Donors
) -> None:
    whole = ForecastWeather(NOISED, donors=donors)
    short = ForecastWeather(Scenario("noised to 7 d", reach=7), donors=donors)
    windows = Windows(records, scalers, past=PAST, leads=LEADS, forecasts=whole)
    full, cut = windows.batch([3, 99])[0], windows.at(forecasts=short).batch([3, 99])[0]
    torch.testing.assert_close(cut.future_weather[:, :7], full.future_weather[:, :7])
    torch.testing.assert_close(cut.noise[:, :7], full.noise[:, :7])
    assert torch.isnan(cut.future_weather[:, 7:, :-2]).all() and (cut.noise[:, 7:] == 1).all()


def test_models_and_process_models_get_the_same_forecast_weather(
    records: BasinRecords, scalers: Scalers, donors: Donors
) -> None:
    scenario = Scenario("noised to 9 d", reach=9, member=2)
    weather = ForecastWeather(scenario, donors=donors)
    issues = np.array([100, 700, 1500])
    given_out = forecast_weather(records, issues, LEADS, weather)
    windows = Windows(
        records, scalers, past=PAST, leads=LEADS, issues=issues, forecasts=weather, predict=True
    )
    inputs, _ = windows.batch(np.arange(len(windows)))
    scaled = inputs.future_weather[:, :, :-2].numpy().reshape(given_out.shape)
    np.testing.assert_allclose(scaled, scalers.weather(given_out), rtol=1e-4, atol=1e-5)


def test_process_flow_is_that_of_the_scenario_drawn(
    records: BasinRecords, scalers: Scalers, donors: Donors
) -> None:
    mixture = Mixture((PERFECT, NOISED), (0.5, 0.5))
    shape = (len(records), len(records.days), LEADS)
    rng = np.random.default_rng(1)
    flow = {name: rng.gamma(1, 2, shape).astype(np.float32) for name in ("perfect", "noised")}
    windows = Windows(
        records, scalers, past=PAST, leads=LEADS, process_flow=flow,
        forecasts=ForecastWeather(mixture, donors=donors),
    )  # fmt: skip
    rows = np.arange(0, 400, 7)
    inputs, _ = windows.batch(rows)
    assert windows.sizes.process_flow and inputs.process_flow is not None
    perfect = inputs.noise[:, 0].numpy() == 0
    assert 0.2 < perfect.mean() < 0.8
    back = windows.unscaled(inputs.process_flow, rows)
    for place, row in enumerate(rows):
        name = "perfect" if perfect[place] else "noised"
        wanted = flow[name][windows.basin[row], windows.issue[row]]
        np.testing.assert_allclose(back[place], wanted, rtol=1e-4, atol=1e-5)
    with pytest.raises(InvalidData, match="scenario 'none'"):
        windows.at(forecasts=ForecastWeather(NO_FORECAST))
    with pytest.raises(InvalidData, match="changes with each epoch"):
        changing = Scenario("noised", member=None)
        windows.at(forecasts=ForecastWeather(changing, donors=donors))


def test_flow_that_is_hidden_is_missing_and_still_asked_for(
    records: BasinRecords, scalers: Scalers
) -> None:
    seen = records.flow.copy()
    seen[:, 90:100] = np.nan
    made = {
        "hidden": Windows(records, scalers, past=20, leads=5, issues=[99], flow_seen=seen),
        "open": Windows(records, scalers, past=20, leads=5, issues=[99]),
        "ungauged": Windows(records, scalers, past=20, leads=5, issues=[99], gauged=False),
    }
    rows = {name: windows.batch([0]) for name, windows in made.items()}
    assert torch.isnan(rows["hidden"][0].past_flow[0, 10:]).all()
    torch.testing.assert_close(
        rows["hidden"][0].past_flow[:, :10], rows["open"][0].past_flow[:, :10], equal_nan=True
    )
    assert torch.isnan(rows["ungauged"][0].past_flow).all()
    for name in ("hidden", "ungauged"):
        torch.testing.assert_close(rows[name][1], rows["open"][1], equal_nan=True)


def test_missing_weather_stays_missing_and_touches_nothing_else(
    records: BasinRecords, scalers: Scalers, donors: Donors
) -> None:
    weather = records.weather.copy()
    weather[0, 200, 1] = np.nan
    holed = replace(records, weather=weather)
    whole, gap = (
        Windows(each, scalers, past=PAST, leads=LEADS, forecasts=ForecastWeather(PERFECT))
        for each in (records, holed)
    )
    rows = np.flatnonzero(whole.basin == 0)[:400]
    a, b = whole.batch(rows)[0], gap.batch(rows)[0]
    for name in ("past_weather", "future_weather"):
        one, two = getattr(a, name), getattr(b, name)
        differ = one != two
        assert (
            torch.isnan(two[differ]).all()
            and differ.any()
            and differ[:, :, 1].sum() == (differ.sum())
        )
    torch.testing.assert_close(a.noise, b.noise)


def test_scaled_flow_comes_back(records: BasinRecords, scalers: Scalers) -> None:
    windows = Windows(records, scalers, past=PAST, leads=LEADS)
    rows = next(windows.batches(64, seed=0))
    _, targets = windows.batch(rows)
    back = windows.unscaled(targets, rows)
    for place, row in enumerate(rows):
        n, t = windows.basin[row], windows.issue[row]
        wanted = np.full(LEADS, np.nan)
        observed = records.flow[n, t + 1 : t + 1 + LEADS]
        wanted[: len(observed)] = observed
        np.testing.assert_allclose(back[place], wanted, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(windows.scaled_sd(rows), 1.0, rtol=1e-6)
    days = windows.issue_days(rows)
    assert days.dtype == "datetime64[D]" and days[0] == records.days[windows.issue[rows[0]]]


def test_windows_that_cannot_be_are_refused_by_name(
    records: BasinRecords, scalers: Scalers
) -> None:
    weather = records.weather.copy()
    weather[2, 30:] = np.nan
    short = replace(records, weather=weather)
    with pytest.raises(InvalidData, match=r"basins\[generated-003\]: 30 days of weather"):
        Windows(short, scalers, past=PAST, leads=LEADS)
    assert len(Windows(short, scalers, past=30, leads=LEADS)) > 0
    with pytest.raises(InvalidData, match="basins\\[nowhere\\]: is not in the records"):
        Windows(records, scalers, basins=["nowhere"])
    with pytest.raises(InvalidData, match="no sample is left"):
        Windows(records, scalers, past=PAST, leads=LEADS, issues=[3])
    with pytest.raises(InvalidData, match="issue times 0 to 99999"):
        Windows(records, scalers, issues=[0, 99999])
    with pytest.raises(InvalidData, match="no archive"):
        Windows(records, scalers, forecasts=ForecastWeather(Scenario("a", "archived")))
    with pytest.raises(InvalidData, match="need donors"):
        ForecastWeather(NOISED)
    with pytest.raises(InvalidData, match="flow_seen of shape"):
        Windows(records, scalers, flow_seen=records.flow[:2])
    with pytest.raises(InvalidData, match="a past of 0"):
        Windows(records, scalers, past=0)


def test_inputs_are_the_models_own_class(records: BasinRecords, scalers: Scalers) -> None:
    inputs, _ = Windows(records, scalers, past=PAST, leads=LEADS).batch([0, 1, 2])
    assert isinstance(inputs, ForecastInputs) and len(inputs) == 3 and inputs.leads == LEADS
    assert ForecastNoise().weights(2)[0] == np.float32(0.95)
