"""The process model: against a slow one, its budget, its states."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import slow_gr4j
from support.process_weather import some_days, some_weather

from catena.forecaster.process import kernels
from catena.forecaster.process.bands import LAPSE_RATE, bands_from_hypsometry, bands_from_slope
from catena.forecaster.process.model import ProcessModel, fresh_states, stored_water
from catena.forecaster.process.parameters import HIGH, LOW, NAMES, from_unit
from catena.forecaster.process.pet import oudin_pet
from catena.shared.errors import InvalidData

unit_points = st.lists(st.floats(0.0, 1.0), min_size=9, max_size=9)


def model_of(unit: np.ndarray, slope: float = 80.0) -> ProcessModel:
    basins = len(unit)
    return ProcessModel(
        from_unit(unit), np.linspace(30.0, 50.0, basins), bands_from_slope([slope] * basins)
    )


def random_model(basins: int, seed: int = 0) -> ProcessModel:
    return model_of(np.random.default_rng(seed).random((basins, 9)))


def test_compiled_model_equals_the_slow_one() -> None:
    model, days = random_model(12), some_days(900)
    p, t = some_weather(12, 900)
    run = model.run(p, t, days)
    pet = oudin_pet(t, model.latitude, days)
    for b, (x1, x2, x3, x4, melt, threshold, memory, kp, ke) in enumerate(model.parameters):
        water = slow_gr4j.snow(kp * p[b], t[b], model.band_warmth[b], melt, threshold, memory)
        slow = slow_gr4j.gr4j(water, ke * pet[b], x1, x2, x3, x4, 0.5 * x1, 0.4 * x3)
        np.testing.assert_allclose(run.flow[b], slow, rtol=1e-9, atol=1e-11)
        assert slow.std() > 0.0


@given(st.floats(LOW[3], HIGH[3]))
def test_unit_hydrographs_sum_to_one_and_end_in_time(x4: float) -> None:
    both = np.empty(kernels.MAX_UH1 + kernels.MAX_UH2)
    kernels.unit_hydrographs(x4, both)
    one, two = both[: kernels.MAX_UH1], both[kernels.MAX_UH1 :]
    assert one.sum() == pytest.approx(1.0, abs=1e-12)
    assert two.sum() == pytest.approx(1.0, abs=1e-12)
    assert (both >= 0.0).all()
    # the queue that the model moves along holds all of them
    assert (one[int(np.ceil(x4)) :] == 0.0).all() and (two[int(np.ceil(2 * x4)) :] == 0.0).all()


@settings(max_examples=60)
@given(unit_points, st.integers(0, 9), st.sampled_from([-15.0, 0.0, 12.0]))
def test_water_balance_closes(unit: list[float], seed: int, shift: float) -> None:
    model, days = model_of(np.array([unit])), some_days(800)
    p, t = some_weather(1, 800, seed=seed)
    t += shift
    start = fresh_states(model.parameters)
    run = model.run(p, t, days, states=start)
    came = model.parameters[0, kernels.P_FACTOR] * p.sum() + run.exchange.sum()
    went = run.evapotranspiration.sum() + run.flow.sum()
    change = stored_water(run.states)[0] - stored_water(start)[0]
    assert came - went - change == pytest.approx(0.0, abs=1e-9 * max(1.0, p.sum()))
    assert (run.flow >= 0.0).all() and (run.states[:, : kernels.PACK_TEMPERATURE] >= 0.0).all()
    pet = oudin_pet(t, model.latitude, days) * model.parameters[0, kernels.E_FACTOR]
    assert (run.evapotranspiration <= pet + 1e-12).all()


def test_snow_is_kept_in_the_cold_and_all_comes_out_in_the_warm() -> None:
    unit = np.full((1, 9), 0.5)
    state = fresh_states(from_unit(unit))[0]
    parameters, warmth = from_unit(unit)[0], bands_from_slope([150.0])[0]
    liquid = [kernels.snow_day(state, 4.0, -20.0, warmth, parameters) for _ in range(50)]
    assert sum(liquid) == 0.0
    assert state[kernels.SNOW : kernels.PACK_TEMPERATURE] == pytest.approx(np.full(5, 200.0))
    liquid = [kernels.snow_day(state, 0.0, 15.0, warmth, parameters) for _ in range(400)]
    assert sum(liquid) == pytest.approx(200.0, abs=1e-9)
    # and the warm bands lose theirs first: melt goes on, less and less
    assert (state[kernels.SNOW :] == 0.0).all()
    assert liquid[1] > liquid[-300]


def test_a_run_that_is_cut_equals_one_that_is_not_to_the_last_bit() -> None:
    model, days = random_model(5), some_days(1000)
    p, t = some_weather(5, 1000)
    whole = model.run(p, t, days, keep=np.array([411, 700]))
    first = model.run(p[:, :412], t[:, :412], days[:412])
    second = model.run(p[:, 412:], t[:, 412:], days[412:], states=first.states)
    np.testing.assert_array_equal(whole.kept[:, 0], first.states)
    np.testing.assert_array_equal(whole.flow[:, 412:], second.flow)
    np.testing.assert_array_equal(whole.states, second.states)


def test_forecasts_with_perfect_weather_are_the_run_itself_to_the_last_bit() -> None:
    model, days, leads = random_model(4), some_days(900), 30
    p, t = some_weather(4, 900)
    issues = np.array([365, 500, 501, 869])
    at = issues[:, None] + np.arange(1, leads + 1)
    forecast, simulated = model.hindcast(p, t, days, issues, p[:, at], t[:, at])
    np.testing.assert_array_equal(forecast, simulated[:, at])
    np.testing.assert_array_equal(simulated, model.run(p, t, days).flow)


def test_a_basin_alone_equals_itself_among_others() -> None:
    model, days = random_model(6), some_days(500)
    p, t = some_weather(6, 500)
    together = model.run(p, t, days).flow
    for b in range(6):
        row = slice(b, b + 1)
        np.testing.assert_array_equal(model.rows(row).run(p[row], t[row], days).flow, together[row])


def test_weather_after_an_issue_day_does_not_reach_its_forecast() -> None:
    model, days = random_model(3), some_days(700)
    p, t = some_weather(3, 700)
    issues, ahead = np.array([400]), np.full((3, 1, 10), 3.0)
    forecast, _ = model.hindcast(p, t, days, issues, ahead, ahead)
    p[:, 401:], t[:, 401:] = 500.0, 40.0
    flooded, _ = model.hindcast(p, t, days, issues, ahead, ahead)
    np.testing.assert_array_equal(forecast, flooded)


def test_a_model_comes_back_from_its_state() -> None:
    model = random_model(3)
    again = ProcessModel.from_state(model.state())
    for name, value in model.state().items():
        np.testing.assert_array_equal(again.state()[name], value)


def test_order_of_bands_does_not_matter() -> None:
    model, days = random_model(1), some_days(400)
    p, t = some_weather(1, 400)
    turned = ProcessModel(model.parameters, model.latitude, model.band_warmth[:, ::-1])
    np.testing.assert_array_equal(turned.run(p, t, days).flow, model.run(p, t, days).flow)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda p, t: p.__setitem__((1, 5), np.nan), r"precipitation\[1, 5\] is nan"),
        (lambda p, t: p.__setitem__((0, 2), -1.0), r"precipitation\[0, 2\] is -1"),
        (lambda p, t: t.__setitem__((1, 9), np.inf), r"temperature\[1, 9\] is inf"),
    ],
)
def test_bad_weather_is_named(change, message: str) -> None:
    p, t = some_weather(2, 20)
    change(p, t)
    with pytest.raises(InvalidData, match=message):
        random_model(2).run(p, t, some_days(20))


def test_bad_parameters_states_and_days_are_named() -> None:
    model = random_model(2)
    wrong = model.parameters.copy()
    wrong[1, 3] = 99.0
    with pytest.raises(InvalidData, match=r"parameters\[1\].x4: 99; want 0.5 to 15 d"):
        ProcessModel(wrong, model.latitude, model.band_warmth)
    p, t = some_weather(2, 20)
    with pytest.raises(InvalidData, match="states have shape"):
        model.run(p, t, some_days(20), states=np.zeros((3, kernels.N_STATE)))
    with pytest.raises(InvalidData, match="must ascend from 0 to 19"):
        model.run(p, t, some_days(20), keep=np.array([3, 25]))
    with pytest.raises(InvalidData, match="band_warmth has shape"):
        ProcessModel(model.parameters, model.latitude, np.zeros((2, 3)))
    assert len(NAMES) == kernels.E_FACTOR + 1


def test_bands_follow_the_curve_they_are_given() -> None:
    # a plane from 1000 to 2000 m: middles of fifths at 1100, 1300, ... m
    bands = bands_from_hypsometry([[1000.0, 1500.0, 2000.0]], [1500.0])
    np.testing.assert_allclose(bands[0], -LAPSE_RATE * np.array([-400, -200, 0, 200, 400]))
    with pytest.raises(InvalidData, match="ascending"):
        bands_from_hypsometry([[1000.0, 900.0]], [950.0])


def test_bands_from_slope_have_no_mean_and_grow_with_it() -> None:
    bands = bands_from_slope([0.0, 50.0, 100.0])
    np.testing.assert_allclose(bands.mean(1), 0.0, atol=1e-12)
    assert (bands[0] == 0.0).all()
    np.testing.assert_allclose(bands[2], 2.0 * bands[1])
    assert bands[2, 0] > 0.0 > bands[2, -1]
    with pytest.raises(InvalidData, match="mean slopes"):
        bands_from_slope([np.nan])
