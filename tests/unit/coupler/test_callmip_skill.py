"""Agreement of simulated and observed fluxes, with gaps, seasons and periods."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pytest

from catena.coupler.callmip.observations import Observations, season_of
from catena.coupler.callmip.skill import agreement, scores, split_years
from catena.shared.errors import InvalidData, InvalidRequest

DAYS = 3 * 365
DATES = np.datetime64("2001-01-01") + np.arange(DAYS)


def observed(nee: np.ndarray) -> Observations:
    other = np.sin(np.arange(DAYS) / 58) * 50
    values = {"nee": nee, "hfls": other, "hfss": -other}
    return Observations("XX-Yyy", 0, 0, dt.date(2001, 1, 1), values,
                        {name: np.ones(DAYS) for name in values})  # fmt: skip


def test_against_closed_forms() -> None:
    truth = np.sin(np.arange(DAYS) / 10)
    (score,) = scores({"nee": 2 * truth + 0.5}, observed(truth), weights="equal")
    error = truth + 0.5
    assert score.bias == pytest.approx(error.mean())
    assert score.rmse == pytest.approx(np.sqrt((error**2).mean()))
    assert score.correlation == pytest.approx(1)
    assert (score.days, score.of, score.units) == (DAYS, DAYS, "gC m-2 d-1")
    (score,) = scores({"nee": -truth}, observed(truth), weights="equal")
    assert score.correlation == pytest.approx(-1)


def test_days_that_were_not_observed_do_not_count() -> None:
    rng = np.random.default_rng(0)
    truth, simulated = rng.normal(size=DAYS), rng.normal(size=DAYS)
    gaps = rng.random(DAYS) < 0.8
    (score,) = scores({"nee": simulated}, observed(np.where(gaps, np.nan, truth)), weights="equal")
    off = (simulated - truth)[~gaps]
    assert score.days == (~gaps).sum()
    assert score.rmse == pytest.approx(np.sqrt((off**2).mean()))
    expected = np.corrcoef(simulated[~gaps], truth[~gaps])[0, 1]
    assert score.correlation == pytest.approx(expected)


def test_seasons_weigh_their_length_not_their_luck() -> None:
    season = season_of(DATES)
    truth = np.zeros(DAYS)
    simulated = np.where(season == 2, 4.0, 0.0)  # wrong in summer only
    holes = truth.copy()
    holes[np.flatnonzero(season == 2)[5:]] = np.nan  # and summer is hardly seen
    (equal,) = scores({"nee": simulated}, observed(holes), weights="equal")
    (weighted,) = scores({"nee": simulated}, observed(holes))
    share = (season == 2).mean()
    assert equal.bias < 0.03
    # The weight of a day is capped at 10, so 5 days stand for 50.
    assert weighted.bias == pytest.approx(
        4 * 5 * 10 / (5 * 10 + (1 - share) * (DAYS - 271)), rel=0.1
    )
    (whole,) = scores({"nee": simulated}, observed(truth))
    assert whole.bias == pytest.approx(4 * share)


def test_the_last_years_are_held_back() -> None:
    truth = np.zeros(DAYS)
    simulated = np.where(np.datetime64("2003-01-01") > DATES, 1.0, 3.0)
    data = observed(truth)
    periods = split_years(data, 1)
    assert periods["validation"] == (dt.date(2003, 1, 1), dt.date(2003, 12, 31))
    made = scores({"nee": simulated, "hfls": simulated}, data, periods=periods)
    assert [(score.flux, score.period) for score in made] == [
        ("nee", "calibration"), ("nee", "validation"), ("hfls", "calibration"),
        ("hfls", "validation"),
    ]  # fmt: skip
    assert [score.bias for score in made[:2]] == pytest.approx([1, 3])
    assert made[0].of + made[1].of == DAYS
    for years in (0, 3):
        with pytest.raises(InvalidRequest, match="wanted 1 to 2"):
            split_years(data, years)


def test_too_few_days_say_nothing() -> None:
    nee = np.full(DAYS, np.nan)
    nee[:2] = 1.0
    (score,) = scores({"nee": np.ones(DAYS)}, observed(nee))
    assert score.days == 2
    assert np.isnan([score.rmse, score.bias, score.correlation]).all()
    assert np.isnan(agreement(np.ones(5), np.arange(5.0), np.ones(5))[2])  # nothing varies


def test_what_is_wrong_is_named() -> None:
    data = observed(np.zeros(DAYS))
    with pytest.raises(InvalidData, match=r"simulated nee: found shape \(10,\), wanted \(1095,\)"):
        scores({"nee": np.zeros(10)}, data)
    holes = np.zeros(DAYS)
    holes[4] = np.nan
    with pytest.raises(InvalidData, match="1 missing values, first on 2001-01-05"):
        scores({"nee": holes}, data)
    with pytest.raises(InvalidRequest, match="found 'nep', wanted nee, hfls, hfss"):
        scores({"nep": np.zeros(DAYS)}, data)
    with pytest.raises(InvalidRequest, match="weights"):
        scores({"nee": np.zeros(DAYS)}, data, weights="by luck")
    with pytest.raises(InvalidRequest, match="period later: found 2010"):
        scores({"nee": np.zeros(DAYS)}, data,
               periods={"later": (dt.date(2010, 1, 1), dt.date(2011, 1, 1))})  # fmt: skip
