"""Nothing of the future is in the inputs: signals are planted there and must not be found."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest
import torch

from catena.forecaster.data.donors import Donors
from catena.forecaster.data.noise import (
    NO_FORECAST,
    NOISED,
    PERFECT,
    TRAINING_MIXTURE,
    ForecastWeather,
    Scenario,
)
from catena.forecaster.data.records import BasinRecords
from catena.forecaster.data.scaling import Scalers
from catena.forecaster.data.splits import YearSplit
from catena.forecaster.data.windows import Windows
from catena.models.forecast_inputs import ForecastInputs

PAST, LEADS = 60, 20


def planted(records: BasinRecords, day: int, flow: bool, weather: bool) -> BasinRecords:
    """Everything from `day` on is another signal."""
    made_flow, made_weather = records.flow.copy(), records.weather.copy()
    if flow:
        made_flow[:, day:] = 500.0
    if weather:
        made_weather[:, day:] = -300.0
    return replace(records, flow=made_flow, weather=made_weather)


def same(one: ForecastInputs, two: ForecastInputs) -> dict[str, bool]:
    pairs = {each.name: (getattr(one, each.name), getattr(two, each.name)) for each in fields(one)}
    return {
        name: a is b is None or bool(torch.equal(torch.nan_to_num(a), torch.nan_to_num(b)))
        for name, (a, b) in pairs.items()
    }


@pytest.fixture(scope="module")
def parts(records: BasinRecords, split: YearSplit) -> tuple[Scalers, Donors]:
    train = split.days(records.days, "train")
    return Scalers.fit(records, train), Donors(records.days, train, LEADS, seed=2)


def batch(
    records: BasinRecords, parts: tuple[Scalers, Donors], issue: int, forecasts: ForecastWeather
) -> tuple[ForecastInputs, torch.Tensor]:
    windows = Windows(
        records, parts[0], past=PAST, leads=LEADS, issues=[issue], forecasts=forecasts,
        predict=True,
    )  # fmt: skip
    return windows.batch(np.arange(len(windows)))


@pytest.mark.parametrize("issue", [400, 1600, 2400])
@pytest.mark.parametrize("scenario", [PERFECT, NOISED, NO_FORECAST])
def test_flow_after_the_issue_time_is_in_the_targets_alone(
    records: BasinRecords, parts: tuple[Scalers, Donors], issue: int, scenario: Scenario
) -> None:
    feed = ForecastWeather(scenario, donors=parts[1])
    a, targets = batch(records, parts, issue, feed)
    b, others = batch(planted(records, issue + 1, True, False), parts, issue, feed)
    assert all(same(a, b).values())
    assert not torch.equal(targets, others)
    # The issue day itself is known: the test would see a change of it.
    c, _ = batch(planted(records, issue, True, False), parts, issue, feed)
    assert not same(a, c)["past_flow"]


@pytest.mark.parametrize("issue", [400, 1600, 2400])
def test_weather_after_the_issue_time_is_in_the_forecast_alone(
    records: BasinRecords, parts: tuple[Scalers, Donors], issue: int
) -> None:
    later = planted(records, issue + 1, False, True)
    a, _ = batch(records, parts, issue, ForecastWeather(PERFECT))
    b, _ = batch(later, parts, issue, ForecastWeather(PERFECT))
    changed = {name for name, equal in same(a, b).items() if not equal}
    assert changed == {"future_weather"}
    a, b = (batch(each, parts, issue, ForecastWeather(NO_FORECAST))[0] for each in (records, later))
    assert all(same(a, b).values())
    reach = ForecastWeather(Scenario("to 7 d", "perfect", reach=7))
    behind = planted(records, issue + 8, False, True)
    a, b = (batch(each, parts, issue, reach)[0] for each in (records, behind))
    assert all(same(a, b).values())


def test_weather_behind_the_last_lead_is_nowhere(
    records: BasinRecords, parts: tuple[Scalers, Donors]
) -> None:
    for scenario in (PERFECT, NOISED):
        feed = ForecastWeather(scenario, donors=parts[1])
        # Behind the training years, which lend their weather.
        later = planted(records, 1700 + LEADS + 1, True, True)
        a, b = (batch(each, parts, 1700, feed) for each in (records, later))
        assert all(same(a[0], b[0]).values()) and torch.equal(
            torch.nan_to_num(a[1]), torch.nan_to_num(b[1])
        )


def test_training_batches_know_nothing_of_held_out_years(
    records: BasinRecords, split: YearSplit
) -> None:
    """Scales, windows, donors, sums of rain and targets together, as training has them."""
    train = split.days(records.days, "train")
    weather, flow = records.weather.copy(), records.flow.copy()
    weather[:, ~train], flow[:, ~train] = 777.0, 777.0
    rows = None
    made = []
    for each in (records, replace(records, weather=weather, flow=flow)):
        scalers = Scalers.fit(each, train)
        donors = Donors(each.days, train, LEADS, seed=3)
        windows = Windows(
            each, scalers, past=PAST, leads=LEADS,
            issues=split.issues(each.days, "train", leads=LEADS, past=PAST),
            forecasts=ForecastWeather(TRAINING_MIXTURE, donors=donors),
        )  # fmt: skip
        rows = np.arange(0, len(windows), 5) if rows is None else rows
        made.append([windows.batch(rows, epoch=epoch) for epoch in (0, 1)])
    for (a, targets), (b, others) in zip(*made, strict=True):
        assert all(same(a, b).values())
        assert torch.equal(torch.nan_to_num(targets), torch.nan_to_num(others))


def test_a_test_basin_is_scaled_and_read_without_its_flow(
    records: BasinRecords, split: YearSplit
) -> None:
    """An ungauged basin: whatever its flow, the inputs of its forecasts are the same."""
    train = split.days(records.days, "train")
    flow = records.flow.copy()
    flow[3] = 1e3
    made = []
    for each in (records, records.with_flow(flow)):
        scalers = Scalers.fit(each, train, basins=records.basins[:3], flow_by="precipitation")
        windows = Windows(
            each, scalers, past=PAST, leads=LEADS, basins=records.basins[3:], gauged=False,
            issues=[1900, 2500], forecasts=ForecastWeather(PERFECT), predict=True,
        )  # fmt: skip
        made.append(windows.batch([0, 1])[0])
    assert all(same(*made).values())
    assert torch.isnan(made[0].past_flow).all()
