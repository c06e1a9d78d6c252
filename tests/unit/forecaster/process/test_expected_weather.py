from __future__ import annotations

import numpy as np
import pytest

from catena.forecaster.process.expected_weather import LEAST, ExpectedWeather
from catena.shared.errors import InvalidData

Array = np.ndarray


def rain(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Dry on half of the days, heavy on few."""
    return np.where(rng.random(shape) < 0.5, 0.0, rng.gamma(0.7, 6.0, shape))


def forecasts(weight: float, seed: int) -> tuple[Array, Array, Array]:
    """(forecast, observed, climate): the truth mixed with that of another day."""
    rng = np.random.default_rng(seed)
    shape = (4, 20_000, 1)
    truth, other = rain(rng, shape), rain(rng, shape)
    warm, cool = 5.0 + 4.0 * rng.standard_normal((2, *shape))
    observed = np.stack([truth, warm], -1)
    forecast = weight * observed + (1 - weight) * np.stack([other, cool], -1)
    return forecast, observed, np.broadcast_to(np.array([2.1, 5.0]), observed.shape).copy()


def left(found: Array, observed: Array) -> float:
    return float(((found - observed)[..., 0] ** 2).mean() / observed[..., 0].var())


@pytest.mark.parametrize("weight", [0.2, 0.4, 0.7])
def test_rain_is_told_better_than_by_any_straight_line(weight: float) -> None:
    """Judged on other forecasts than those learned from."""
    learned = ExpectedWeather.fit(*forecasts(weight, 1))
    forecast, observed, climate = forecasts(weight, 2)
    curve = left(learned(forecast, climate), observed)
    slope, level = np.polyfit(forecast[..., 0].ravel(), observed[..., 0].ravel(), 1)
    line = left(level + slope * forecast, observed)
    assert curve < line - 0.01


def test_the_curve_is_the_conditional_mean_of_a_planted_truth() -> None:
    """Forecasts of which half are right and half are some other day's."""
    rng = np.random.default_rng(3)
    truth, other = rain(rng, (1, 60_000, 1)), rain(rng, (1, 60_000, 1))
    said = np.where(rng.random(truth.shape) < 0.5, truth, other)
    warm = np.zeros_like(said)
    both = [np.stack([each, warm], -1) for each in (said, truth, np.full_like(said, 2.0))]
    learned = ExpectedWeather.fit(*both)
    asked = np.array([0.0, 1.0, 5.0, 15.0]).reshape(1, 4, 1)
    asked = np.stack([asked, np.zeros_like(asked)], -1)
    found = learned(asked, np.broadcast_to(both[2][:, :4], asked.shape))[0, :, 0, 0]
    assert found == pytest.approx(0.5 * asked[0, :, 0, 0] + 0.5 * truth.mean(), abs=0.35)


def test_a_perfect_forecast_is_believed() -> None:
    _, observed, climate = forecasts(1.0, 4)
    learned = ExpectedWeather.fit(observed, observed, climate)
    found = learned(observed, climate)
    assert np.abs(found - observed)[..., 0].max() < 0.02 * observed[..., 0].max()
    assert found[..., 1] == pytest.approx(observed[..., 1])


def test_a_forecast_that_says_nothing_is_the_climate() -> None:
    forecast, observed, climate = forecasts(0.0, 5)
    found = ExpectedWeather.fit(forecast, observed, climate)(forecast, climate)
    assert left(found, observed) == pytest.approx(1.0, abs=0.01)
    assert found[..., 1] == pytest.approx(climate[..., 1], abs=0.2)


def test_no_forecast_is_the_climate_and_more_rain_never_means_less() -> None:
    learned = ExpectedWeather.fit(*forecasts(0.4, 6))
    asked = np.full((1, 300, 1, 2), np.nan)
    asked[0, 1:, 0, 0] = np.linspace(0.0, 200.0, 299)
    climate = np.broadcast_to(np.array([2.1, 5.0]), asked.shape)
    found = learned(asked, climate)
    assert np.array_equal(found[0, 0, 0], [2.1, 5.0])
    assert (found[..., 1] == 5.0).all()
    told = found[0, 1:, 0, 0]
    assert (np.diff(told) >= 0).all() and (told >= 0).all()


def test_few_forecasts_teach_nothing() -> None:
    few = [each[:1, : LEAST - 1] for each in forecasts(0.9, 7)]
    assert ExpectedWeather.fit(*few)(few[0], few[2]) == pytest.approx(few[2])


def test_what_is_kept_tells_the_same() -> None:
    forecast, observed, climate = forecasts(0.5, 8)
    learned = ExpectedWeather.fit(forecast, observed, climate)
    again = ExpectedWeather.from_state(learned.state())
    assert np.array_equal(again(forecast, climate), learned(forecast, climate))


def test_shapes_that_differ_are_refused() -> None:
    forecast, observed, climate = forecasts(0.5, 9)
    with pytest.raises(InvalidData, match="wanted for each"):
        ExpectedWeather.fit(forecast[:, :9], observed, climate)
