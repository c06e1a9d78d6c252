"""Noised forecasts: the formula, whose weather is lent, and what is drawn when."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from catena.forecaster.data.donors import Donors, ForecastNoise, noise_level
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
from catena.forecaster.data.splits import YearSplit, year_of
from catena.shared.errors import InvalidData

LEADS = 30


@pytest.fixture(scope="module")
def donors(records: BasinRecords, split: YearSplit) -> Donors:
    return Donors(records.days, split.days(records.days, "train"), LEADS, seed=7)


def test_weights_are_those_of_the_formula() -> None:
    weights = ForecastNoise().weights(30)
    for lead in (1, 2, 7, 30):
        assert weights[lead - 1] == pytest.approx(0.95 * np.exp(-(lead - 1) / 6), rel=1e-6)
    np.testing.assert_allclose(ForecastNoise(1.0, 2.0).weights(3), np.exp([0, -0.5, -1]))


def test_a_noised_forecast_is_truth_and_donor_by_the_weights(
    records: BasinRecords, donors: Donors
) -> None:
    issues = np.array([100, 1000, 2500])
    made = forecast_weather(records, issues, LEADS, ForecastWeather(NOISED, donors=donors))
    for place, t in enumerate(issues):
        start = donors.starts(np.array([t]))[0]
        for lead in (1, 5, 30):
            w = 0.95 * np.exp(-(lead - 1) / 6)
            truth = records.weather[:, t + lead]
            other = records.weather[:, start + lead - 1]
            np.testing.assert_allclose(
                made[:, place, lead - 1], w * truth + (1 - w) * other, rtol=1e-5, atol=1e-5
            )


def test_donors_are_training_days_of_the_same_season_in_another_year(
    records: BasinRecords, split: YearSplit, donors: Donors
) -> None:
    train = split.days(records.days, "train")
    issues = np.arange(len(records.days))
    for member in range(4):
        start = donors.starts(issues, member)
        window = start[:, None] + np.arange(LEADS)
        assert train[window].all()
        lent, first = records.days[start], records.days[0] + issues + 1
        assert (year_of(lent) != year_of(first)).all()
        apart = (lent - first).astype(int) % 365.2425
        assert (np.minimum(apart, 365.2425 - apart) <= 1.5).all()
        # No donor day is a day that the forecast is about.
        assert (np.abs(start - issues) > 300).all()


def test_weather_of_test_years_never_gets_into_training_forecasts(
    records: BasinRecords, split: YearSplit, donors: Donors
) -> None:
    from dataclasses import replace

    train = split.days(records.days, "train")
    weather = records.weather.copy()
    weather[:, ~train] = 1e6
    planted = replace(records, weather=weather)
    issues = split.issues(records.days, "train", leads=LEADS)
    feed = ForecastWeather(NOISED, donors=donors)
    a, b = (forecast_weather(each, issues, LEADS, feed) for each in (records, planted))
    np.testing.assert_array_equal(a, b)
    # In the test years forecasts hold their own truth, and training years' weather.
    later = split.issues(records.days, "test", leads=LEADS)[:50]
    made = forecast_weather(planted, later, LEADS, feed)
    w = ForecastNoise().weights(LEADS)[:, None]
    np.testing.assert_allclose(made / 1e6, np.broadcast_to(w, made.shape), atol=1e-3)


def test_donors_are_drawn_evenly_and_by_the_seed(
    records: BasinRecords, split: YearSplit, donors: Donors
) -> None:
    train = split.days(records.days, "train")
    other = Donors(records.days, train, LEADS, seed=8)
    issues = np.arange(len(records.days) - 1)
    one, again, two = donors.starts(issues), donors.starts(issues), other.starts(issues)
    np.testing.assert_array_equal(one, again)
    assert 0.1 < (one == two).mean() < 0.5
    late = issues[year_of(records.days[0] + issues + 1) > 2004]
    years, count = np.unique(year_of(records.days[donors.starts(late)]), return_counts=True)
    assert years.tolist() == [2001, 2002, 2003, 2004] and count.min() > 0.15 * late.size


def test_forecasts_without_any_other_year_are_refused(records: BasinRecords) -> None:
    one = year_of(records.days) == 2003
    alone = Donors(records.days, one, LEADS)
    assert len(alone.starts(np.array([10])))
    with pytest.raises(InvalidData, match="no other year may lend the 30 days of weather after"):
        alone.starts(np.flatnonzero(one)[[20]])
    with pytest.raises(InvalidData, match="donor days of shape"):
        Donors(records.days, one[:5], LEADS)


@given(shares=st.lists(st.floats(0.1, 5), min_size=1, max_size=4), seed=st.integers(0, 9))
def test_scenarios_come_with_their_shares(shares: list[float], seed: int) -> None:
    mixture = Mixture(
        tuple(Scenario(str(place), "perfect", place) for place in range(len(shares))),
        tuple(shares),
    )
    samples = np.arange(20_000)
    drawn = mixture.draw(samples, seed=seed, epoch=0)
    found = np.bincount(drawn, minlength=len(shares)) / len(samples)
    np.testing.assert_allclose(found, np.array(shares) / sum(shares), atol=0.02)
    np.testing.assert_array_equal(
        drawn[samples[::-1]], mixture.draw(samples[::-1], seed=seed, epoch=0)
    )


def test_training_sees_all_kinds_of_forecasts_and_new_donors_each_epoch(
    records: BasinRecords, donors: Donors
) -> None:
    feed = ForecastWeather(TRAINING_MIXTURE, donors=donors, seed=1)
    issues = np.arange(400, 1400)
    plans = [feed.plan(issues, issues, LEADS, epoch=epoch) for epoch in (0, 0, 1)]
    assert set(plans[0].reach) == {0, 7, 15, 30}
    assert (plans[0].weight[:, 0] == 1).any() and (plans[0].weight[:, 0] < 1).any()
    np.testing.assert_array_equal(plans[0].donor, plans[1].donor)
    noised = (plans[0].scenario == 1) & (plans[2].scenario == 1)
    assert (plans[0].donor[noised] != plans[2].donor[noised]).mean() > 0.4
    fixed = ForecastWeather(NOISED, donors=donors)
    one, two = (fixed.plan(issues, issues, LEADS, epoch=epoch) for epoch in (0, 5))
    np.testing.assert_array_equal(one.donor, two.donor)


def test_the_noise_level_is_found_again() -> None:
    rng = np.random.default_rng(0)
    truth, other = rng.normal(size=(2, 20_000, 4, 2))
    weight = np.array([1.0, 0.8, 0.3, 0.0])[:, None]
    forecast = weight * truth + (1 - weight) * other
    forecast[rng.uniform(size=forecast.shape) < 0.1] = np.nan
    found = noise_level(forecast.astype(np.float32), truth.astype(np.float32))
    np.testing.assert_allclose(found, 1 - weight[:, 0], atol=0.02)


def test_mixtures_and_noises_that_cannot_be_are_refused() -> None:
    for scenarios, shares in (
        ((), ()),
        ((PERFECT,), (0.5, 0.5)),
        ((PERFECT, PERFECT), (1, 1)),
        ((PERFECT, NO_FORECAST), (1, 0)),
    ):
        with pytest.raises(InvalidData):
            Mixture(scenarios, shares)
    with pytest.raises(InvalidData, match="quality 'good'"):
        Scenario("x", "good")  # type: ignore[arg-type]
    for first, decay in ((1.5, 6), (0.9, 0)):
        with pytest.raises(InvalidData, match="noise with"):
            ForecastNoise(first, decay)
