"""The process model as a forecaster: records in, forecasts out, nothing from the future."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.process_weather import some_records

from catena.forecaster.process.calibration import Search
from catena.forecaster.process.forecaster import (
    ProcessForecaster,
    band_warmth_of,
    fit_process,
    weather_climate,
)
from catena.forecaster.process.mos import at_leads
from catena.shared.errors import InvalidData

LEADS = 7
ISSUES = np.arange(800, 1790, 3)


@pytest.fixture(scope="module")
def truth():
    """Records, and the forecaster that has the parameters that made their flow."""
    records, model = some_records(3, 1800)
    climate = weather_climate(records, np.ones(1800, bool))
    return records, ProcessForecaster(records.basins, model, climate, np.zeros(3))


def perfect(records, issues=ISSUES, leads=LEADS):
    at = issues[:, None] + np.arange(1, leads + 1)
    return records.weather[:, at]


def test_the_true_model_with_perfect_weather_forecasts_the_flow_itself(truth) -> None:
    records, model = truth
    forecast = model.forecast(records, ISSUES, LEADS, perfect(records))
    np.testing.assert_allclose(forecast, at_leads(records.flow, ISSUES, LEADS), rtol=1e-4)


def test_a_future_signal_is_not_found(truth) -> None:
    records, model = truth
    fitted = model.with_mos(records, ISSUES[:200], LEADS, perfect(records, ISSUES[:200]))
    issue = np.array([1500])
    weather = np.full((3, 1, LEADS, 2), 4.0, np.float32)
    before = fitted.forecast(records, issue, LEADS, weather)
    flow, observed = records.flow.copy(), records.weather.copy()
    flow[:, 1501:], observed[:, 1501:] = 500.0, 60.0
    planted = replace(records, flow=flow, weather=observed)
    np.testing.assert_array_equal(before, fitted.forecast(planted, issue, LEADS, weather))
    flow[:, 1500] = 400.0  # the issue day itself is known
    known = replace(records, flow=flow)
    assert (before != fitted.forecast(known, issue, LEADS, weather)).any()


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.0, 1.0), st.floats(0.0, 1.0))
def test_any_missing_flow_and_weather_give_finite_forecasts(truth, seed, of_flow, of_weather):
    records, model = truth
    fitted = model.with_mos(records, ISSUES, LEADS, perfect(records))
    rng = np.random.default_rng(seed)
    flow, weather = records.flow.copy(), perfect(records).copy()
    flow[rng.random(flow.shape) < of_flow] = np.nan
    weather[rng.random(weather.shape) < of_weather] = np.nan
    forecast = fitted.forecast(records.with_flow(flow), ISSUES, LEADS, weather)
    assert np.isfinite(forecast).all() and (forecast >= 0.0).all()


def test_no_forecast_weather_is_the_same_as_all_of_it_missing(truth) -> None:
    records, model = truth
    gone = np.full((3, len(ISSUES), LEADS, 2), np.nan)
    np.testing.assert_array_equal(
        model.forecast(records, ISSUES, LEADS), model.forecast(records, ISSUES, LEADS, gone)
    )


def test_a_hot_start_equals_the_whole_record(truth) -> None:
    records, model = truth

    def part(days: slice):
        return replace(
            records,
            days=records.days[days],
            weather=records.weather[:, days],
            flow=records.flow[:, days],
        )

    states = model.simulate(part(slice(0, 1200))).states
    issues = np.array([1200, 1300])
    weather = perfect(records, issues)
    whole = model.forecast(records, issues, LEADS, weather)
    hot = model.forecast(part(slice(1200, 1800)), issues - 1200, LEADS, weather, states=states)
    np.testing.assert_array_equal(whole, hot)


def test_some_basins_in_another_order_get_their_own_forecasts(truth) -> None:
    records, model = truth
    fitted = model.with_mos(records, ISSUES, LEADS, perfect(records))
    turned = records.select(["basin-2", "basin-0"])
    np.testing.assert_array_equal(
        fitted.forecast(turned, ISSUES, LEADS, perfect(turned)),
        fitted.forecast(records, ISSUES, LEADS, perfect(records))[[2, 0]],
    )
    with pytest.raises(InvalidData, match="basin-1"):
        model._select(("basin-0",)).forecast(records, ISSUES, LEADS)


def test_a_forecaster_comes_back_from_its_state(truth) -> None:
    records, model = truth
    weather = perfect(records)
    for one in (
        model,
        model.with_mos(records, ISSUES, LEADS, weather),
        model.with_mos(records, ISSUES, LEADS, weather, lean_on_climate=True),
    ):
        again = ProcessForecaster.from_state(one.config(), one.state())
        np.testing.assert_array_equal(
            again.forecast(records, ISSUES, LEADS), one.forecast(records, ISSUES, LEADS)
        )


def test_the_correction_takes_a_planted_bias_away(truth) -> None:
    records, model = truth
    biased = records.with_flow(0.5 * records.flow + 1.0)
    train, test = ISSUES[:200], ISSUES[210:]
    raw = model.forecast(biased, test, LEADS, perfect(records, test))
    fitted = model.with_mos(biased, train, LEADS, perfect(records, train), ridge=1e-8)
    good = fitted.forecast(biased, test, LEADS, perfect(records, test))
    wanted = at_leads(biased.flow, test, LEADS)
    assert np.abs(good - wanted).max() < 1e-3 < np.abs(raw - wanted).mean()
    assert fitted.without_mos().mos is None and model.mos is None


def test_leaning_on_the_climate_helps_where_forecast_weather_is_worthless(truth) -> None:
    records, model = truth
    leads, train, test = 20, ISSUES[:200], ISSUES[205:320]
    other = [perfect(records, i - 200, leads)[[1, 2, 0]] for i in (train, test)]
    came = at_leads(records.flow, test, leads)
    plain, leaning = (
        np.nanmean(
            (
                model.with_mos(records, train, leads, other[0], lean_on_climate=lean).forecast(
                    records, test, leads, other[1]
                )
                - came
            )[..., 10:]
            ** 2
        )
        for lean in (False, True)
    )
    assert leaning < plain


def test_issue_times_without_a_warm_up_are_refused(truth) -> None:
    records, model = truth
    with pytest.raises(InvalidData, match="want 365 to warm the process model up"):
        model.forecast(records, np.array([364]), LEADS)
    with pytest.raises(InvalidData, match="ascending positions"):
        model.forecast(records, np.array([900, 800]), LEADS)
    with pytest.raises(InvalidData, match="forecast weather has shape"):
        model.forecast(records, ISSUES, LEADS, perfect(records)[:, :, :3])
    with pytest.raises(InvalidData, match="1 or more"):
        model.forecast(records, ISSUES, 0)


def test_gaps_of_observed_weather_are_bridged_and_basins_without_any_named(truth) -> None:
    records, _ = truth
    weather = records.weather.copy()
    weather[0, 900:930] = np.nan
    gappy = replace(records, weather=weather)
    fitted = fit_process(gappy, np.ones(1800, bool), seed=0, search=Search(8, 1))
    assert np.isfinite(fitted.simulate(gappy).flow).all()
    weather[2] = np.nan
    with pytest.raises(InvalidData, match="basin-2"):
        fit_process(replace(records, weather=weather), np.ones(1800, bool), seed=0)


def test_how_bands_were_guessed_is_said(truth) -> None:
    records, _ = truth
    warmth, note = band_warmth_of(records)
    assert "mean slope" in note and (warmth[2] != 0.0).any()
    bare = replace(records, attributes=np.empty((3, 0)), attribute_names=())
    warmth, note = band_warmth_of(bare)
    assert (warmth == 0.0).all() and "no relief" in note


@pytest.mark.parametrize("latitude", [np.nan, 120.0])
def test_basins_without_a_latitude_or_with_a_fill_value_as_slope_are_named(truth, latitude) -> None:
    records, _ = truth
    days = np.ones(1800, bool)
    places = records.latitude.copy()
    places[1] = latitude
    with pytest.raises(InvalidData, match=r"basin-1\]: latitude (nan|120); want degrees north"):
        fit_process(replace(records, latitude=places), days, seed=0)
    attributes = records.attributes.copy()
    attributes[2, records.attribute_names.index("slope_mean")] = -9999.0
    with pytest.raises(InvalidData, match=r"basin-2\]: slope_mean of -9999"):
        fit_process(replace(records, attributes=attributes), days, seed=0)
