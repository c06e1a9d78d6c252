from __future__ import annotations

import numpy as np
import pytest

from catena.forecaster.training.denoise import denoised
from catena.shared.errors import InvalidData

RNG = np.random.default_rng(0)


def test_perfect_weather_passes_and_noise_or_no_forecast_is_the_climate() -> None:
    weather = RNG.normal(3, 2, (5, 4, 2))
    weather[:, 3] = np.nan
    climate = np.full((5, 4, 2), 3.0)
    out = denoised(weather, np.array([0.0, 0.0, 1.0, 0.0]), climate)
    np.testing.assert_allclose(out[:, :2], weather[:, :2], rtol=1e-6)
    np.testing.assert_allclose(out[:, 2:], 3.0)


@pytest.mark.parametrize("noise", [0.05, 0.3, 0.65, 0.9, 1.0])
def test_no_other_line_through_the_climate_comes_nearer_to_the_truth(noise: float) -> None:
    truth, donor = RNG.gamma(2.0, 1.5, (2, 200_000, 1, 1))
    forecast = (1 - noise) * truth + noise * donor
    climate = np.full_like(truth, 3.0)
    found = denoised(forecast, np.array([noise]), climate)
    error = ((found - truth) ** 2).mean()
    slope = ((forecast - 3.0) * (truth - 3.0)).mean() / ((forecast - 3.0) ** 2).mean()
    best = ((3.0 + slope * (forecast - 3.0) - truth) ** 2).mean()
    assert best <= error <= best * 1.001
    assert error <= ((forecast - truth) ** 2).mean() + 1e-9


@pytest.mark.parametrize("noise", [-0.1, 1.1, np.nan])
def test_noise_outside_is_refused(noise: float) -> None:
    with pytest.raises(InvalidData, match="0 to 1 wanted"):
        denoised(np.zeros((1, 1, 1)), [noise], np.zeros((1, 1, 1)))
