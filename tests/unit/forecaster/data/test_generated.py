"""Generated basins: the known model keeps its water, and attributes say what the flow does."""

from __future__ import annotations

import numpy as np
import pytest

from catena.forecaster.data.generated import (
    ATTRIBUTES,
    Reservoirs,
    generated_records,
    reservoir_flow,
)
from catena.forecaster.data.records import unusable
from catena.forecaster.data.splits import year_of
from catena.shared.errors import InvalidData


def test_no_water_is_made_or_lost() -> None:
    rng = np.random.default_rng(0)
    rain, temperature = rng.gamma(0.5, 6, (3, 900)), rng.normal(5, 9, (3, 900))
    parameters = Reservoirs(
        np.array([50.0, 200.0, 400.0]), np.array([0.0, 0.5, 1.0]), np.full(3, 2.0), np.full(3, 60.0)
    )
    flow, evaporation, storage = reservoir_flow(rain, temperature, parameters)
    np.testing.assert_allclose(np.diff(storage, axis=1), rain - flow - evaporation, atol=1e-9)
    assert flow.min() >= 0 and evaporation.min() >= 0 and storage.min() >= 0


def test_a_single_storm_drains_as_two_linear_reservoirs() -> None:
    rain, cold = np.zeros((1, 60)), np.full((1, 60), 0.0)
    rain[0, 0] = 1000.0
    cold[0] = -5.0 + 5.0 * (np.arange(60) < 1)  # 0 degC on the first day: rain, no demand after
    parameters = Reservoirs(*(np.array([value]) for value in (100.0, 0.4, 3.0, 30.0)))
    flow, _, _ = reservoir_flow(rain, cold, parameters)
    excess = 0.5 * 100.0 + 1000.0 - 100.0
    day = np.arange(60)
    wanted = excess * (0.4 / 3 * (1 - 1 / 3) ** day + 0.6 / 30 * (1 - 1 / 30) ** day)
    np.testing.assert_allclose(flow[0], wanted, rtol=1e-9)


def test_records_are_complete_called_generated_and_the_same_again() -> None:
    one, two = (generated_records(6, 4, seed=5, first_year=1999) for _ in range(2))
    np.testing.assert_array_equal(one.flow, two.flow)
    np.testing.assert_array_equal(one.weather, two.weather)
    assert one.generated and one.attribute_names == ATTRIBUTES
    assert np.unique(year_of(one.days)).tolist() == [1999, 2000, 2001, 2002]
    assert not np.isnan(one.weather).any() and not unusable(one)
    assert (generated_records(6, 4, seed=6).flow[:, :99] != one.flow[:, :99]).any()
    gaps = np.isnan(generated_records(20, 6, missing_flow=0.2).flow).mean()
    assert 0.12 < gaps < 0.25
    assert not np.isnan(generated_records(3, 2, missing_flow=0).flow).any()


def test_attributes_matter() -> None:
    made = generated_records(150, 3, seed=1, missing_flow=0.0)
    mean, slow = made.flow.mean(axis=1), np.percentile(made.flow, 20, axis=1)
    runoff = mean / made.weather[..., 0].mean(axis=1)
    rank = lambda values: np.argsort(np.argsort(values))  # noqa: E731
    related = lambda a, b: np.corrcoef(rank(a), rank(b))[0, 1]  # noqa: E731
    assert related(runoff, made.attribute("aridity")) < -0.6
    # Flashy on steep slopes.
    jumps = np.abs(np.diff(made.flow, axis=1)).mean(axis=1) / mean
    assert related(jumps, made.attribute("slope_mean")) > 0.4
    assert related(slow / mean, made.attribute("slope_mean")) < 0
    summer = (made.days.astype("datetime64[M]").astype(int) % 12) == 6
    temperature = made.weather[..., 1]
    assert (temperature[:, summer].mean(axis=1) > temperature.mean(axis=1) + 3).all()


def test_nothing_is_made_of_nothing() -> None:
    for basins, years, share in ((0, 3, 0), (2, 0, 0), (2, 3, 1.0)):
        with pytest.raises(InvalidData, match="at least one basin and year"):
            generated_records(basins, years, missing_flow=share)
