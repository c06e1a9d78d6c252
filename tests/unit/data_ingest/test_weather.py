"""Generated weather has the statistics it was asked for, and none of its sums is lost."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.special import expit

from catena.data_ingest.weather import HOURLY, VARIABLES, generate, weather_dataset
from catena.data_ingest.weather_air import saturation_pressure, standard_pressure
from catena.data_ingest.weather_climate import (
    CLIMATES,
    LATENT,
    WET_MM,
    Climate,
    basis,
    default_correlations,
    innovation,
    seasonal,
)
from catena.data_ingest.weather_days import Days, _residuals, generate_days
from catena.data_ingest.weather_hours import generate_hours
from catena.data_ingest.weather_site import Period, Site
from catena.data_ingest.weather_sun import Sun
from catena.shared.errors import InvalidData

YEARS = 100
DAY = 86400.0
PERIOD = Period(days=365 * YEARS)


@pytest.fixture(scope="module", params=["temperate_continental", "mediterranean", "tropical_wet"])
def century(request: pytest.FixtureRequest) -> tuple[Climate, Days]:
    """A hundred years at one site."""
    climate = CLIMATES[request.param]
    return climate, generate_days([Site("x", 40.0, 0.0, 300.0, climate)], PERIOD, seed=3)


def test_wet_days_follow_the_chain(century: tuple[Climate, Days]) -> None:
    climate, days = century
    wet = days.fields["pr"][:, 0] > 0
    functions = basis(PERIOD.year_fraction())
    for before, coefficients in ((False, climate.wet_after_dry), (True, climate.wet_after_wet)):
        chance = expit(seasonal(coefficients, functions))[1:]
        after = wet[:-1] == before
        for season in range(4):  # each season by itself: the seasonal course is right too
            some = after & (np.arange(1, wet.size) % 365 // 92 == season)
            expected = chance[some].sum()
            sd = np.sqrt((chance[some] * (1 - chance[some])).sum())
            assert abs(wet[1:][some].sum() - expected) < 4 * sd


def test_amounts_are_gamma_distributed(century: tuple[Climate, Days]) -> None:
    climate, days = century
    amounts = days.fields["pr"][:, 0] * DAY
    wet = amounts > 0
    mean = np.exp(seasonal(climate.amount, basis(PERIOD.year_fraction())))[wet]
    scaled = (amounts[wet] - WET_MM) / mean
    gamma = stats.gamma(climate.amount_shape, scale=1 / climate.amount_shape)
    assert stats.kstest(scaled, gamma.cdf).pvalue > 1e-3


def test_means_and_spreads_of_temperature(century: tuple[Climate, Days]) -> None:
    climate, days = century
    functions = basis(PERIOD.year_fraction())
    wet = days.fields["pr"][:, 0] > 0
    # Where the day's range is forced open, the mean of both is kept.
    values = (days.fields["tasmax"] + days.fields["tasmin"])[:, 0] / 2
    assert np.allclose(values, days.fields["tas"][:, 0])
    for state, chosen in enumerate((~wet, wet)):
        middle = (
            seasonal(climate.mean[0, state], functions)
            + seasonal(climate.mean[1, state], functions)
        )[chosen] / 2
        one, other = (np.exp(seasonal(climate.spread[k, state], functions)) for k in (0, 1))
        variance = (one**2 + other**2 + 2 * climate.lag0[0, 1] * one * other)[chosen] / 4
        z = (values[chosen] - middle) / np.sqrt(variance)
        # Days are correlated: about a seventh of them are independent.
        assert abs(z.mean()) < 4 / np.sqrt(z.size / 7)
        assert z.std() == pytest.approx(1.0, abs=4 / np.sqrt(2 * z.size / 7))


@pytest.mark.parametrize("name", ["temperate_continental", "savanna"])
def test_residuals_have_the_correlations_asked_for(name: str) -> None:
    site = Site("x", 10.0, climate=CLIMATES[name])
    z = np.stack(_residuals([site], 5, 80_000))[:, :, 0]
    error = 4 / np.sqrt(80_000 / 5)
    np.testing.assert_allclose(np.cov(z), site.climate.lag0, atol=error)
    lagged = (z[:, 1:] @ z[:, :-1].T) / (z.shape[1] - 1)
    np.testing.assert_allclose(lagged, site.climate.lag1, atol=error)
    np.testing.assert_allclose(z.mean(axis=1), 0, atol=error)
    for row in z:
        assert stats.kstest(row[::20], "norm").pvalue > 1e-4


def test_wind_is_weibull_distributed(century: tuple[Climate, Days]) -> None:
    climate, days = century
    functions = basis(PERIOD.year_fraction())
    scale = np.exp(seasonal(climate.wind_scale[0], functions))  # the same on wet days here
    ratio = (days.fields["sfcWind"][:, 0] / scale)[::11]
    assert stats.kstest(ratio, stats.weibull_min(climate.wind_shape).cdf).pvalue > 1e-3


@pytest.mark.parametrize("name", CLIMATES)
@pytest.mark.parametrize("latitude", [-35.0, 5.0, 48.0, 78.0])
def test_physical_limits(name: str, latitude: float) -> None:
    period = Period(days=365 * 4)
    site = Site("x", latitude, 30.0, 500.0, CLIMATES[name])
    days = generate_days([site], period, seed=1)
    fields = days.fields
    top = Sun(latitude, period.year_fraction()).daily_mean()[:, None]
    assert (fields["rsds"] >= 0).all()
    assert (fields["rsds"] <= 0.85 * top).all()
    assert (fields["tasmin"] < fields["tasmax"]).all()
    assert ((fields["hurs"] > 0) & (fields["hurs"] <= 100)).all()
    assert (days.vapour_pressure <= saturation_pressure(fields["tas"])).all()
    assert (fields["pr"] >= 0).all()
    assert (fields["sfcWind"] > 0).all()
    assert np.abs(fields["ps"] - standard_pressure(500.0)).max() < 8000
    hours = generate_hours(days, [site], period, seed=1)
    sun = Sun(latitude, period.year_fraction())
    hourly_top = np.stack([sun.hourly_mean(hour, 30.0) for hour in range(24)], axis=1).ravel()
    assert (hours["rsds"][:, 0] <= hourly_top + 1e-9).all()
    assert (hours["hurs"] <= 100 + 1e-9).all()
    assert all(np.isfinite(values).all() for values in (*fields.values(), *hours.values()))


def test_southern_seasons_are_half_a_year_off() -> None:
    climate = CLIMATES["temperate_continental"]
    sites = [Site("n", 40.0, climate=climate), Site("s", -40.0, climate=climate)]
    tas = generate_days(sites, Period(days=365 * 20), seed=1).fields["tas"]
    january = np.arange(365 * 20) % 365 < 31
    july = (np.arange(365 * 20) % 365 >= 181) & (np.arange(365 * 20) % 365 < 212)
    assert tas[july, 0].mean() > tas[january, 0].mean() + 15
    assert tas[january, 1].mean() > tas[july, 1].mean() + 15


# --- hours -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def hourly() -> tuple[list[Site], Period, Days, dict[str, np.ndarray]]:
    """Two years of hours at places all round the world."""
    places = [(-33.0, -180.0), (0.0, -92.2), (45.0, 0.0), (62.0, 24.3), (75.0, 150.0)]
    names = list(CLIMATES)
    sites = [
        Site(f"s{number}", lat, lon, 100.0, CLIMATES[names[number]])
        for number, (lat, lon) in enumerate(places)
    ]
    period = Period(days=730)
    days = generate_days(sites, period, seed=2)
    hours = generate_hours(days, sites, period, seed=2)
    return sites, period, days, {name: one.reshape(730, 24, 5) for name, one in hours.items()}


def test_daily_sums_are_kept(hourly: tuple[list[Site], Period, Days, dict]) -> None:
    _, _, days, hours = hourly
    for name in ("pr", "rsds", "sfcWind"):
        np.testing.assert_allclose(
            hours[name].mean(axis=1), days.fields[name], rtol=1e-12, atol=1e-12
        )
    assert (hours["pr"] >= 0).all()


def test_temperature_meets_the_extremes_of_each_day(
    hourly: tuple[list[Site], Period, Days, dict],
) -> None:
    sites, _, days, hours = hourly
    for number, site in enumerate(sites):
        cold = int(np.floor(np.mod(5 - site.lon / 15, 24)))
        warm = int(np.floor(np.mod(15 - site.lon / 15, 24)))
        tas = hours["tas"][:, :, number]
        np.testing.assert_allclose(tas[:, cold], days.fields["tasmin"][:, number], rtol=1e-12)
        np.testing.assert_allclose(tas[:, warm], days.fields["tasmax"][:, number], rtol=1e-12)
        # Within the extremes of the day and its neighbours, and without a jump.
        lowest, highest = (days.fields[name][:, number] for name in ("tasmin", "tasmax"))
        padded = np.pad(lowest, 1, mode="edge"), np.pad(highest, 1, mode="edge")
        low = np.min([padded[0][:-2], padded[0][1:-1], padded[0][2:]], axis=0)
        high = np.max([padded[1][:-2], padded[1][1:-1], padded[1][2:]], axis=0)
        # A day's cold and the next day's warmth may lie on either side.
        low, high = np.minimum(low, high), np.maximum(low, high)
        assert (tas >= low[:, None] - 1e-9).all()
        assert (tas <= high[:, None] + 1e-9).all()
        steps = np.abs(np.diff(tas.ravel()))
        spans = np.abs(np.diff(np.sort(np.stack([lowest, highest]), axis=0), axis=0)).max()
        assert steps.max() < 0.25 * (spans + 25)
        assert abs((tas.mean(axis=1) - days.fields["tas"][:, number]).mean()) < 1.0


def test_rain_falls_in_a_few_hours_of_a_wet_day(
    hourly: tuple[list[Site], Period, Days, dict],
) -> None:
    _, _, days, hours = hourly
    wet = days.fields["pr"] > 0
    share = (hours["pr"] > 0).sum(axis=1)[wet] / 24
    assert (share > 0).all()  # rounding lets no day run dry
    assert 0.1 < share.mean() < 0.4
    # No hour is preferred: 3 h are cut into 1 + 2 with the right shares.
    by_hour = (hours["pr"] / np.where(wet, days.fields["pr"], 1)[:, None])[:, :, :].sum(axis=(0, 2))
    by_hour = by_hour / by_hour.mean()
    assert np.abs(by_hour - 1).max() < 0.35


def test_moisture_is_the_days_unless_the_hour_is_too_cold(
    hourly: tuple[list[Site], Period, Days, dict],
) -> None:
    _, _, days, hours = hourly
    vapour = hours["hurs"] / 100 * saturation_pressure(hours["tas"])
    allowed = np.minimum(days.vapour_pressure[:, None], saturation_pressure(hours["tas"]))
    np.testing.assert_allclose(vapour, allowed, rtol=1e-10)


# --- seeds and company -----------------------------------------------------------------------


def digest(values: dict[str, np.ndarray]) -> str:
    return hashlib.sha256(b"".join(values[name].tobytes() for name in sorted(values))).hexdigest()


def crowd(count: int) -> list[Site]:
    names = list(CLIMATES)
    return [
        Site(f"s{number}", (number * 37) % 160 - 80, number * 7 % 360 - 180, 10.0 * number,
             CLIMATES[names[number % len(names)]])
        for number in range(count)
    ]  # fmt: skip


@settings(deadline=None, max_examples=12)
@given(
    company=st.lists(st.integers(0, 39), min_size=1, max_size=12, unique=True),
    frequency=st.sampled_from(["day", "1hr"]),
)
def test_a_site_does_not_care_who_else_is_generated(company: list[int], frequency: str) -> None:
    sites = crowd(40)
    period = Period(days=70)
    together = generate([sites[number] for number in company], period, 7, frequency)  # type: ignore[arg-type]
    alone = generate([sites[company[0]]], period, 7, frequency)  # type: ignore[arg-type]
    for name, values in together.items():
        assert np.array_equal(values[:, :1], alone[name]), name


def test_a_longer_series_begins_as_a_shorter_one() -> None:
    long = generate(crowd(3), Period(days=900), 1)
    short = generate(crowd(3), Period(days=300), 1)
    assert digest({name: values[:300] for name, values in long.items()}) == digest(short)


def test_same_seed_same_bytes_other_seed_other_weather() -> None:
    first, again, other = (generate(crowd(2), Period(days=200), seed) for seed in (4, 4, 5))
    assert digest(first) == digest(again)
    for name in ("pr", "tas", "sfcWind", "ps"):
        assert not np.array_equal(first[name], other[name])


def test_sites_of_one_climate_have_weather_of_their_own() -> None:
    sites = [Site(name, 40.0) for name in ("a", "b")]
    days = generate_days(sites, Period(days=365 * 30), 1)
    # Seasons aside, nothing is shared.
    anomaly = days.fields["tas"].reshape(30, 365, 2)
    anomaly = (anomaly - anomaly.mean(axis=0)).reshape(-1, 2)
    assert abs(np.corrcoef(anomaly.T)[0, 1]) < 0.06
    with pytest.raises(InvalidData, match="comes twice"):
        generate_days([sites[0], sites[0]], Period(days=3), 1)


# --- datasets --------------------------------------------------------------------------------


@pytest.mark.parametrize("calendar", ["noleap", "standard"])
@pytest.mark.parametrize("frequency", ["day", "1hr"])
def test_dataset_is_canonical_and_lazy(calendar: str, frequency: str) -> None:
    period = Period("2003-12-30", 64, calendar)  # type: ignore[arg-type]
    dataset = weather_dataset(crowd(5), period, 1, frequency, sites_a_chunk=2)  # type: ignore[arg-type]
    names = VARIABLES if frequency == "day" else HOURLY
    assert tuple(dataset.data_vars) == names
    assert dataset["tas"].chunks is not None
    assert dataset["tas"].chunks[1] == (2, 2, 1)
    assert dataset["time"].dt.calendar.replace("proleptic_gregorian", "standard") == calendar
    days = dataset["time"].values[:: 1 if frequency == "day" else 24]
    assert ("2004-02-29" in [str(day)[:10] for day in days]) == (calendar == "standard")
    edges = dataset["time_bnds"].values
    assert np.array_equal(edges[1:, 0], edges[:-1, 1])
    assert np.array_equal(edges[:, 0], dataset["time"].values)
    whole = generate(crowd(5), period, 1, frequency)  # type: ignore[arg-type]
    for name in names:
        assert np.array_equal(dataset[name].values, whole[name])
    assert dataset.attrs["generated"] == "true"


def test_leap_years_have_a_season_of_their_length() -> None:
    fraction = Period("2004-01-01", 731, "standard").year_fraction()
    assert fraction[365] == pytest.approx(365.5 / 366)
    assert fraction[366] == pytest.approx(0.5 / 365)


def test_refusals() -> None:
    with pytest.raises(InvalidData, match="every '3hr'"):
        weather_dataset(crowd(1), Period(days=2), 1, "3hr")  # type: ignore[arg-type]
    with pytest.raises(InvalidData, match="latitude 95"):
        Site("x", 95.0)
    with pytest.raises(InvalidData, match="0 days"):
        Period(days=0)
    climate = CLIMATES["boreal"]
    with pytest.raises(InvalidData, match="no stationary process"):
        Climate(**{**climate.__dict__, "lag1": climate.lag1 * 3})
    with pytest.raises(InvalidData, match=r"amount has shape \(4,\), wanted \(5,\)"):
        Climate(**{**climate.__dict__, "amount": np.zeros(4)})


def test_climate_survives_json_and_correlations_solve_their_equation() -> None:
    import json

    climate = CLIMATES["boreal"]
    back = Climate.from_dict(json.loads(json.dumps(climate.to_dict())))
    assert all(np.array_equal(getattr(back, n), getattr(climate, n)) for n in climate.__dict__)
    a, b = climate.dynamics()
    np.testing.assert_allclose(a @ climate.lag0 @ a.T + b @ b.T, climate.lag0, atol=1e-12)
    lag0, lag1 = default_correlations()
    assert np.allclose(np.diag(lag0), 1)
    assert np.linalg.eigvalsh(innovation(lag0, lag1)).min() > 0
    assert len(LATENT) + 1 == lag0.shape[0]
