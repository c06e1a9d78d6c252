"""The correction by last errors: planted errors, gaps, nothing from the future."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catena.forecaster.process.mos import LEAST, MEMORY, Mos, at_leads, fit_mos, last_errors
from catena.shared.errors import InvalidData

LEADS, DAYS = 5, 900
ISSUES = np.arange(40, DAYS - LEADS)


def planted(seed: int = 0, rho: float = 0.8, noise: float = 0.05):
    """Simulated flow, and observed flow that is off by a factor, a shift and an AR(1) error."""
    rng = np.random.default_rng(seed)
    simulated = 3.0 + 2.0 * np.sin(np.arange(DAYS) / 9.0) + rng.gamma(1.0, 1.0, (2, DAYS))
    error = np.zeros((2, DAYS))
    for day in range(1, DAYS):
        error[:, day] = rho * error[:, day - 1] + noise * rng.normal(size=2)
    return simulated, 0.7 + 1.2 * simulated + error, error


def test_a_planted_linear_error_is_taken_away_whole() -> None:
    simulated, flow, _ = planted(noise=0.0)
    forecast = at_leads(simulated, ISSUES, LEADS)
    train = ISSUES < 600
    mos = fit_mos(forecast[:, train], simulated, flow, ISSUES[train], ridge=1e-10)
    corrected = mos.correct(forecast, simulated, flow, ISSUES)
    np.testing.assert_allclose(corrected, at_leads(flow, ISSUES, LEADS), atol=1e-4)


def test_an_autoregressive_error_is_forecast_as_well_as_it_can_be() -> None:
    rho, noise = 0.8, 0.3
    simulated, flow, error = planted(rho=rho, noise=noise)
    flow = simulated + error
    forecast = at_leads(simulated, ISSUES, LEADS)
    mos = fit_mos(forecast, simulated, flow, ISSUES)
    left = mos.correct(forecast, simulated, flow, ISSUES) - at_leads(flow, ISSUES, LEADS)
    lead = np.arange(1, LEADS + 1)
    best = noise * np.sqrt((1 - rho ** (2 * lead)) / (1 - rho**2))
    np.testing.assert_allclose(left.std(axis=(0, 1)), best, rtol=0.08)
    np.testing.assert_allclose(mos.persistence, rho, atol=0.06)


def test_errors_equal_a_slow_loop() -> None:
    error = np.array([[np.nan, 2.0, np.nan, np.nan, 1.0, -1.0, np.nan]])
    filled, mean = last_errors(error, np.array([0.5]))
    assert filled[0].tolist() == [0.0, 2.0, 1.0, 0.5, 1.0, -1.0, -0.5]
    average = 0.0
    for day, value in enumerate(filled[0]):
        average += (value - average) / MEMORY
        assert mean[0, day] == pytest.approx(average, rel=1e-12)


def test_errors_go_on_from_a_day_as_if_they_had_not_stopped() -> None:
    rng = np.random.default_rng(2)
    error = np.where(rng.random((3, 80)) < 0.4, np.nan, rng.normal(size=(3, 80)))
    error[0, 35:50] = np.nan
    persistence = np.array([0.3, 0.9, 0.0])
    whole = last_errors(error, persistence)
    start = np.stack(whole, axis=-1)[:, 39]
    for one, two in zip(whole, last_errors(error[:, 40:], persistence, start), strict=True):
        np.testing.assert_array_equal(one[:, 40:], two)


def test_flow_after_an_issue_day_does_not_reach_its_forecast() -> None:
    simulated, flow, _ = planted()
    forecast = at_leads(simulated, ISSUES, LEADS)
    mos = fit_mos(forecast, simulated, flow, ISSUES)
    before = mos.correct(forecast, simulated, flow, ISSUES)
    planted_flow = flow.copy()
    planted_flow[:, 500:] = 1e6
    after = mos.correct(forecast, simulated, planted_flow, ISSUES)
    early = ISSUES < 500
    np.testing.assert_array_equal(before[:, early], after[:, early])
    assert (before[:, ISSUES == 500] != after[:, ISSUES == 500]).any()


def test_fit_sees_only_flow_of_its_issue_days_their_leads_and_what_lies_before() -> None:
    simulated, flow, _ = planted()
    train = ISSUES[ISSUES < 600]
    forecast = at_leads(simulated, train, LEADS)
    one = fit_mos(forecast, simulated, flow, train)
    flow = flow.copy()
    flow[:, train[-1] + LEADS + 1 :] = 1e6
    two = fit_mos(forecast, simulated, flow, train)
    np.testing.assert_array_equal(one.weights, two.weights)
    np.testing.assert_array_equal(one.persistence, two.persistence)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.0, 1.0))
def test_any_gaps_of_flow_give_finite_forecasts_that_are_not_negative(seed, share) -> None:
    simulated, flow, _ = planted(seed=1)
    flow[np.random.default_rng(seed).random(flow.shape) < share] = np.nan
    forecast = at_leads(simulated, ISSUES, LEADS)
    corrected = fit_mos(forecast, simulated, flow, ISSUES).correct(
        forecast, simulated, flow, ISSUES
    )
    assert np.isfinite(corrected).all() and (corrected >= 0.0).all()


def test_with_too_few_pairs_a_forecast_stays_as_it_is() -> None:
    simulated, flow, _ = planted()
    flow[0] = np.nan
    flow[0, 300 : 300 + LEAST - 1] = 2.0
    forecast = at_leads(simulated, ISSUES, LEADS)
    corrected = fit_mos(forecast, simulated, flow, ISSUES).correct(
        forecast, simulated, flow, ISSUES
    )
    np.testing.assert_array_equal(corrected[0], forecast[0])
    assert (corrected[1] != forecast[1]).any()


def test_a_strong_ridge_moves_the_mean_only() -> None:
    simulated, flow, _ = planted()
    forecast = at_leads(simulated, ISSUES, LEADS)
    mos = fit_mos(forecast, simulated, flow, ISSUES, ridge=1e9)
    shift = mos.correct(forecast, simulated, flow, ISSUES) - forecast
    wanted = (at_leads(flow, ISSUES, LEADS) - forecast).mean(axis=1, keepdims=True)
    np.testing.assert_allclose(shift, np.broadcast_to(wanted, shift.shape), rtol=1e-5)


def test_a_missing_last_flow_costs_little() -> None:
    simulated, flow, error = planted(noise=0.3)
    flow = simulated + error
    forecast, truth = at_leads(simulated, ISSUES, LEADS), at_leads(flow, ISSUES, LEADS)
    mos = fit_mos(forecast, simulated, flow, ISSUES)
    gappy = flow.copy()
    gappy[np.random.default_rng(3).random(flow.shape) < 0.2] = np.nan
    whole, part = (
        np.mean((mos.correct(forecast, simulated, q, ISSUES) - truth)[..., 0] ** 2)
        for q in (flow, gappy)
    )
    without = np.mean(error[:, ISSUES + 1] ** 2)
    assert whole < part < whole + 0.35 * (without - whole)


def test_basins_do_not_mix_and_states_come_back() -> None:
    simulated, flow, _ = planted()
    forecast = at_leads(simulated, ISSUES, LEADS)
    both = fit_mos(forecast, simulated, flow, ISSUES)
    alone = fit_mos(forecast[1:], simulated[1:], flow[1:], ISSUES)
    np.testing.assert_array_equal(alone.weights[0], both.weights[1])
    np.testing.assert_array_equal(Mos.from_state(both.state()).weights, both.weights)
    np.testing.assert_array_equal(both.rows(np.array([1])).weights, alone.weights)


def test_a_second_forecast_is_used_where_the_first_is_worthless() -> None:
    simulated, flow, _ = planted(noise=0.0)
    truth = at_leads(flow, ISSUES, LEADS)
    noise = np.random.default_rng(4).gamma(2.0, 2.0, truth.shape)
    mos = fit_mos(noise, simulated, flow, ISSUES, truth, ridge=1e-8)
    assert mos.has_second
    np.testing.assert_allclose(mos.correct(noise, simulated, flow, ISSUES, truth), truth, atol=1e-3)
    with pytest.raises(InvalidData, match="fitted with a second forecast"):
        mos.correct(noise, simulated, flow, ISSUES)


def test_targets_are_the_days_after_the_issue_day() -> None:
    series = np.arange(10.0)[None]
    wanted = [[1.0, 2.0], [8.0, 9.0], [9.0, np.nan]]
    np.testing.assert_array_equal(at_leads(series, np.array([0, 7, 8]), 2)[0], wanted)


def test_what_does_not_fit_is_refused() -> None:
    simulated, flow, _ = planted()
    forecast = at_leads(simulated, ISSUES, LEADS)
    with pytest.raises(InvalidData, match="do not fit"):
        fit_mos(forecast, simulated[:, 1:], flow, ISSUES)
    mos = fit_mos(forecast[:, :, :2], simulated, flow, ISSUES)
    with pytest.raises(InvalidData, match="2 basins and 5 leads"):
        mos.correct(forecast, simulated, flow, ISSUES)
