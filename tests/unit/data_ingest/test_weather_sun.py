"""The sun and the air obey their formulas."""

from __future__ import annotations

import numpy as np
import pytest

from catena.data_ingest.weather_air import (
    STEFAN_BOLTZMANN,
    longwave_down,
    saturation_pressure,
    specific_humidity,
    standard_pressure,
)
from catena.data_ingest.weather_sun import Sun, orbit

LATITUDES = [-90.0, -71.0, -33.0, 0.0, 23.4, 45.0, 66.6, 80.0, 90.0]


@pytest.mark.parametrize("latitude", LATITUDES)
@pytest.mark.parametrize("fraction", [0.0, 0.22, 0.47, 0.75])
def test_daily_mean_is_the_integral_over_the_day(latitude: float, fraction: float) -> None:
    declination, irradiance = orbit(fraction)
    a = np.sin(np.radians(latitude)) * np.sin(declination)
    b = np.cos(np.radians(latitude)) * np.cos(declination)
    angles = np.linspace(-np.pi, np.pi, 200_001)
    numeric = np.maximum(0.0, a + b * np.cos(angles))[1:].mean()
    mean = Sun(latitude, fraction).daily_mean()
    assert float(mean) == pytest.approx(irradiance * numeric, rel=1e-7, abs=1e-6)


@pytest.mark.parametrize("longitude", [-180.0, -92.2, -7.3, 0.0, 61.0, 179.9])
def test_hours_add_up_to_the_day(longitude: float) -> None:
    sun = Sun(np.array(LATITUDES)[:, None], np.linspace(0, 1, 37))
    hours = np.stack([sun.hourly_mean(hour, longitude) for hour in range(24)])
    assert (hours >= 0).all()
    np.testing.assert_allclose(hours.mean(axis=0), sun.daily_mean(), atol=1e-9)


def test_noon_is_where_it_should_be() -> None:
    sun = Sun(40.0, 0.5)
    greenwich = [float(sun.hourly_mean(hour, 0.0)) for hour in range(24)]
    west = [float(sun.hourly_mean(hour, -90.0)) for hour in range(24)]
    assert int(np.argmax(greenwich)) in (11, 12)
    np.testing.assert_allclose(np.roll(greenwich, 6), west, atol=1e-9)


def test_known_days() -> None:
    # FAO 56, example 8: 20 degrees south, 3 September, 32.2 MJ m-2 with a solar constant of 1367
    # and the declination as a single harmonic, 0.6 degrees off on that day.
    mean = float(Sun(-20.0, (246 - 0.5) / 365).daily_mean())
    assert mean * 86400e-6 * 1367 / 1361 == pytest.approx(32.2, rel=0.015)
    assert float(Sun(80.0, 0.95).daily_mean()) == 0.0  # polar night
    declination, _ = orbit(np.linspace(0, 1, 3650))
    assert np.degrees(declination.max()) == pytest.approx(23.44, abs=0.1)


def test_air() -> None:
    # 6.112 hPa at the freezing point; 23.37 hPa at 20 degC (Smithsonian tables), within 0.2 %.
    assert float(saturation_pressure(273.15)) == pytest.approx(611.2)
    assert float(saturation_pressure(293.15)) == pytest.approx(2337, rel=2e-3)
    # US standard atmosphere 1976.
    assert float(standard_pressure(1000.0)) == pytest.approx(89874, rel=1e-4)
    assert float(standard_pressure(5000.0)) == pytest.approx(54020, rel=1e-3)
    # e = q p / (0.622 + 0.378 q)
    humidity = float(specific_humidity(1500.0, 1e5))
    assert humidity * 1e5 / (0.622 + 0.378 * humidity) == pytest.approx(1500.0)


def test_longwave_is_between_clear_sky_and_a_black_body() -> None:
    black = STEFAN_BOLTZMANN * 290.0**4
    clear = float(longwave_down(290.0, 1200.0, 0.0))
    assert clear == pytest.approx(1.24 * (12 / 290) ** (1 / 7) * black)
    assert float(longwave_down(290.0, 1200.0, 1.0)) == pytest.approx(black)
    assert float(longwave_down(290.0, 1200.0, 0.4)) == pytest.approx(0.6 * clear + 0.4 * black)
