"""Spectra of fields: waves are found where they are, and no variance is lost."""

from __future__ import annotations

import numpy as np
import pytest

from catena.orbit_trainer.evaluation.scores import area_mean
from catena.orbit_trainer.evaluation.spectra import (
    BANDS,
    band_power,
    is_periodic,
    power_ratio,
    zonal_power,
)
from catena.shared.latitudes import latitude_weights

LAT = np.linspace(-90, 90, 2 * 9 + 1)[1::2]


@pytest.mark.parametrize("width", [16, 15])
def test_the_sum_over_wavenumbers_is_the_mean_square(width: int) -> None:
    fields = np.random.default_rng(0).normal(2.0, 1.0, (3, 9, width))
    power = zonal_power(fields)
    assert power.shape == (3, 9, width // 2 + 1)
    np.testing.assert_allclose(power.sum(-1), (fields**2).mean(-1), rtol=1e-12)
    np.testing.assert_allclose(power[..., 1:].sum(-1), fields.var(-1), rtol=1e-12)
    whole = band_power(fields, LAT)[:, 0].sum(-1)
    np.testing.assert_allclose(whole, area_mean(fields**2, latitude_weights(LAT)), rtol=1e-12)


@pytest.mark.parametrize("wave", [0, 3, 8])
def test_a_wave_is_at_its_wavenumber(wave: int) -> None:
    lon = np.arange(16) * 2 * np.pi / 16
    power = zonal_power(2.0 * np.cos(wave * lon)[None])[0]
    assert power[wave] == pytest.approx(2.0 if wave == 3 else 4.0)
    assert np.delete(power, wave).max() < 1e-25


def test_bands_hold_their_rows_alone() -> None:
    lon = np.arange(16) * 2 * np.pi / 16
    fields = np.where(LAT[:, None] > 30, 2.0 * np.cos(5 * lon), 0.0)
    power = dict(zip(BANDS, band_power(fields, LAT), strict=True))
    assert power["north"][5] == pytest.approx(2.0)
    assert power["south"].max() == power["tropics"].max() == 0.0
    area = (np.sin(np.radians(90)) - np.sin(np.radians(30))) / 2
    assert power["globe"][5] == pytest.approx(2.0 * area, rel=0.05)


def test_rows_with_a_gap_do_not_count() -> None:
    fields = np.random.default_rng(1).normal(size=(9, 16))
    holed = fields.copy()
    holed[0, 3] = np.nan
    weights = latitude_weights(LAT)[1:]
    wanted = (weights[:, None] * zonal_power(fields)[1:]).sum(0) / weights.sum()
    np.testing.assert_allclose(band_power(holed, LAT)[0], wanted, rtol=1e-12)
    assert np.isnan(band_power(np.full((9, 16), np.nan), LAT)).all()


def test_a_smoothed_forecast_lacks_short_waves() -> None:
    fields = np.random.default_rng(2).normal(size=(40, 9, 16))
    smooth = (np.roll(fields, 1, -1) + 2 * fields + np.roll(fields, -1, -1)) / 4
    ratio = power_ratio(band_power(smooth, LAT).mean(0), band_power(fields, LAT).mean(0))[0]
    wave = np.arange(9)
    np.testing.assert_allclose(ratio, ((1 + np.cos(2 * np.pi * wave / 16)) / 2) ** 2, atol=1e-9)
    assert np.isnan(power_ratio(np.ones(2), np.array([1.0, 0.0]))[1])


def test_only_whole_circles_have_wavenumbers() -> None:
    assert is_periodic(np.arange(16) * 22.5)
    assert not is_periodic(np.arange(15) * 22.5)
    assert not is_periodic(np.array([0.0, 10.0, 30.0]))
