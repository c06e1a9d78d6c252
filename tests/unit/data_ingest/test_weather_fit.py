"""The fit finds the climate that made a series; real sites are made alike."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from scipy import stats

from catena.data_ingest.weather import VARIABLES, generate, weather_dataset
from catena.data_ingest.weather_air import saturation_pressure
from catena.data_ingest.weather_climate import CLIMATES, basis, feasible, innovation
from catena.data_ingest.weather_fit import (
    fit_weather,
    gamma_regression,
    gamma_shape,
    logistic_regression,
)
from catena.data_ingest.weather_site import Period, Site
from catena.shared.errors import InvalidData

DATA = os.environ.get("CATENA_DATA")


def series(name: str, lat: float, days: int, seed: int = 1) -> xr.Dataset:
    site = Site("planted", lat, 0.0, 200.0, CLIMATES[name])
    return weather_dataset([site], Period(days=days), seed).isel(site=0, drop=True).load()


@pytest.mark.parametrize(
    ("name", "lat"),
    [("temperate_continental", 40.0), ("mediterranean", -38.0), ("tropical_wet", 0.0)],
)
def test_planted_climates_are_found(name: str, lat: float) -> None:
    planted = CLIMATES[name]
    found = fit_weather(series(name, lat, 365 * 100), lat=lat, elevation_m=200.0)
    # Tolerances: about four standard errors of a hundred years, with rare wet summers in mind.
    assert np.abs(found.wet_after_dry - planted.wet_after_dry).max() < 0.12
    assert np.abs(found.wet_after_wet - planted.wet_after_wet).max() < 0.2
    assert np.abs(found.amount - planted.amount).max() < 0.12
    assert found.amount_shape == pytest.approx(planted.amount_shape, rel=0.05)
    assert found.wind_shape == pytest.approx(planted.wind_shape, rel=0.02)
    assert np.abs(found.wind_scale - planted.wind_scale).max() < 0.04
    spread = np.exp(planted.spread[:, :, 0])
    assert (np.abs(found.mean - planted.mean).max(axis=2) < 0.12 * spread).all()
    assert np.abs(found.spread - planted.spread).max() < 0.1
    assert np.abs(found.lag0 - planted.lag0).max() < 0.04
    assert np.abs(found.lag1 - planted.lag1).max() < 0.04


def test_gaps_are_left_out() -> None:
    whole = series("temperate_continental", 40.0, 365 * 30)
    gaps = np.random.default_rng(0).random(365 * 30) < 0.15
    holed = whole.copy(deep=True)
    for name in ("pr", "tasmax", "hurs"):
        holed[name][gaps] = np.nan
    holed = holed.isel(time=np.r_[0:4000, 4500 : 365 * 30])
    planted = CLIMATES["temperate_continental"]
    found = fit_weather(holed, lat=40.0, elevation_m=200.0)
    assert np.abs(found.wet_after_wet - planted.wet_after_wet).max() < 0.3
    assert np.abs(found.lag1 - planted.lag1).max() < 0.08
    assert np.isfinite(found.mean).all()


def test_what_a_series_lacks_comes_from_the_base() -> None:
    base = CLIMATES["boreal"]
    found = fit_weather(
        series("temperate_continental", 40.0, 365 * 10)[["pr", "tasmin", "tasmax"]],
        lat=40.0,
        base=base,
    )
    assert np.array_equal(found.mean[2:], base.mean[2:])
    assert np.array_equal(found.wind_scale, base.wind_scale)
    assert found.lag1[3, 3] == pytest.approx(base.lag1[3, 3])
    assert found.lag0[0, 3] == 0.0
    generate([Site("x", 40.0, climate=found)], Period(days=400), 1)  # it can be used


def test_refusals() -> None:
    good = series("semi_arid", 32.0, 800)
    with pytest.raises(InvalidData, match=r"missing \['tasmin'\]"):
        fit_weather(good.drop_vars("tasmin"), lat=32.0)
    with pytest.raises(InvalidData, match="100 days"):
        fit_weather(good.isel(time=slice(100)), lat=32.0)
    with pytest.raises(InvalidData, match=r"0 days with more than 0.1 mm.*kg m-2 s-1"):
        fit_weather(good.assign(pr=good["pr"] / 86400 / 100), lat=32.0)
    with pytest.raises(InvalidData, match=r"not on time alone \['pr'\]"):
        fit_weather(good.assign(pr=good["pr"].expand_dims("site")), lat=32.0)


# --- the regressions, against what is known otherwise ----------------------------------------


def test_gamma_shape_is_the_maximum_of_the_likelihood() -> None:
    values = np.random.default_rng(1).gamma(0.7, 1 / 0.7, 5000)
    shape, _, _ = stats.gamma.fit(values, floc=0)
    assert gamma_shape(values) == pytest.approx(shape, rel=1e-3)


def test_regressions_find_what_was_planted_and_stand_at_zero_slope() -> None:
    random = np.random.default_rng(2)
    functions = basis(random.random(200_000))
    truth = np.array([0.4, 0.8, -0.3, 0.2, 0.1])
    outcome = random.random(functions.shape[0]) < 1 / (1 + np.exp(-functions @ truth))
    assert np.abs(logistic_regression(functions, outcome) - truth).max() < 0.05
    values = np.exp(functions @ truth) * random.standard_gamma(0.7, functions.shape[0]) / 0.7
    found = gamma_regression(functions, values)
    assert np.abs(found - truth).max() < 0.02
    slope = functions.T @ (values / np.exp(functions @ found) - 1)
    assert np.abs(slope).max() < 1.0  # of 200,000 terms; the weak pull is what is left


def test_months_without_rain_stay_finite() -> None:
    functions = basis((np.arange(3650) % 365) / 365)
    outcome = (np.arange(3650) % 365 < 100) & (np.random.default_rng(1).random(3650) < 0.3)
    coefficients = logistic_regression(functions, outcome)
    assert np.isfinite(coefficients).all()
    chance = 1 / (1 + np.exp(-functions @ coefficients))
    assert chance[200:250].max() < 0.05


def test_impossible_correlations_are_weakened() -> None:
    lag0 = np.full((6, 6), 0.99) + 0.01 * np.eye(6)
    lag1 = 0.999 * np.eye(6)
    small0, small1 = feasible(lag0, lag1)
    assert np.linalg.eigvalsh(innovation(small0, small1)).min() > 0
    assert np.allclose(np.diag(small0), 1)


# --- real sites ------------------------------------------------------------------------------


def daily_forcing(path: Path) -> tuple[xr.Dataset, float]:
    """Half-hourly forcing of a tower as a daily series, and its latitude."""
    with xr.open_dataset(path, decode_times=False) as forcing:
        per_day = round(1 / float(forcing["DTIME"][1] - forcing["DTIME"][0]))

        def days(name: str) -> np.ndarray:
            values = forcing[name].values[0].astype(np.float64)
            return values[: values.size // per_day * per_day].reshape(-1, per_day)

        temperature = days("TBOT")
        vapour = np.clip(days("RH"), 0, 100) / 100 * saturation_pressure(temperature)
        columns = {
            "tasmin": temperature.min(axis=1),
            "tasmax": temperature.max(axis=1),
            **{
                name: days(source).mean(axis=1)
                for name, source in (
                    ("pr", "PRECTmms"), ("rsds", "FSDS"), ("ps", "PSRF"), ("sfcWind", "WIND"),
                )
            },
        }  # fmt: skip
        # As the generator means it: at the mean of the day's extremes.
        middle = saturation_pressure((columns["tasmin"] + columns["tasmax"]) / 2)
        columns["hurs"] = np.minimum(100 * vapour.mean(axis=1) / middle, 100.0)
        time = xr.date_range(
            f"{int(forcing['start_year'][0])}-01-01",
            periods=temperature.shape[0],
            calendar="noleap",
            use_cftime=True,
        )
        latitude = float(forcing["LATIXY"][0])
    return xr.Dataset({k: ("time", v) for k, v in columns.items()}, {"time": time}), latitude


@pytest.mark.data
@pytest.mark.skipif(not DATA, reason="CATENA_DATA is not set")
@pytest.mark.parametrize(
    ("site", "elevation"),
    [("US-MOz", 219), ("US-Ha1", 340), ("US-MMS", 275), ("US-NR1", 3050), ("US-WCr", 520)],
)
def test_real_sites_are_made_alike(site: str, elevation: float) -> None:
    observed, lat = daily_forcing(
        Path(str(DATA)) / "flux_sites" / "drivers" / f"{site}_forcing.nc4"
    )
    climate = fit_weather(observed, lat=lat, elevation_m=elevation, name=site)
    made = generate([Site(site, lat, 0.0, elevation, climate)], Period(days=365 * 40), 1)
    made = {name: values[:, 0] for name, values in made.items()}
    assert set(made) == set(VARIABLES)
    real = {name: observed[name].values for name in observed.data_vars}
    assert made["pr"].mean() == pytest.approx(real["pr"].mean(), rel=0.1)
    assert (made["pr"] > 0).mean() == pytest.approx((real["pr"] * 86400 > 0.1).mean(), abs=0.03)
    for name, tolerance in (("tasmax", 1.0), ("tasmin", 1.0), ("rsds", 6.0), ("hurs", 3.0)):
        assert made[name].mean() == pytest.approx(real[name].mean(), abs=tolerance)
        assert made[name].std() == pytest.approx(real[name].std(), rel=0.2)
    assert made["sfcWind"].mean() == pytest.approx(real["sfcWind"].mean(), rel=0.05)
    assert made["ps"].mean() == pytest.approx(real["ps"].mean(), abs=100)
    # Season by season.
    for name, tolerance in (("tasmax", 2.5), ("rsds", 15.0)):
        for season in range(4):
            one, other = (
                values[name][np.arange(values[name].size) % 365 // 92 == season].mean()
                for values in (made, real)
            )
            assert one == pytest.approx(other, abs=tolerance)
