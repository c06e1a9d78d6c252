"""Forecasts of a trained model in physical units."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from support.orbit_training import built

from catena.models.orbit_config import OrbitConfig
from catena.models.orbit_statistics import Statistics
from catena.orbit_trainer.evaluation.forecasters import Direct, RollOut
from catena.orbit_trainer.tasks.forecast import OrbitForecaster, forecast_task
from catena.shared.errors import InvalidData, InvalidRequest

CONFIG = OrbitConfig(("tas", "psl", "ua"), ("ua", "tas"), (8, 16), width=32, depth=1, heads=2)
STATISTICS = Statistics(
    ("tas", "psl", "ua"),
    ("K", "Pa", "m s-1"),
    (280.0, 1e5, 3.0),
    (10.0, 500.0, 8.0),
    (6.0, 24.0),
    ((2.0, 100.0, 4.0), (5.0, 300.0, 7.0)),
)
LATITUDES = [-78.75 + 22.5 * row for row in range(8)]


@pytest.fixture
def forecaster() -> OrbitForecaster:
    return OrbitForecaster(built(forecast_task(CONFIG, LATITUDES)), STATISTICS)  # type: ignore[arg-type]


def initial(count: int = 2) -> np.ndarray:
    noise = np.random.default_rng(0).standard_normal((count, 3, 8, 16))
    return (noise * [[[[10.0]], [[500.0]], [[8.0]]]] + [[[[280.0]], [[1e5]], [[3.0]]]]).astype("f4")


def test_changes_are_added_in_the_units_of_each_channel_and_lead(
    forecaster: OrbitForecaster,
) -> None:
    fields, leads = initial(), np.array([6.0, 24.0], np.float32)
    normal = (fields - [[[[280.0]], [[1e5]], [[3.0]]]]) / [[[[10.0]], [[500.0]], [[8.0]]]]
    with torch.no_grad():
        change = forecaster.model(
            torch.from_numpy(normal.astype("f4")), lead_hours=torch.from_numpy(leads)
        ).numpy()
    scale = np.array([[4.0, 2.0], [7.0, 5.0]])[:, :, None, None]  # ua, tas at 6 h and 24 h
    wanted = fields[:, [2, 0]] + change * scale
    made = forecaster.forecast(fields, leads)
    np.testing.assert_allclose(made, wanted, rtol=1e-5, atol=1e-3)
    assert np.abs(made - fields[:, [2, 0]]).max() > 1e-3


def test_steps_of_six_hours_are_calls_one_after_the_other(forecaster: OrbitForecaster) -> None:
    fields = initial()
    [rolled] = RollOut(forecaster, 6.0, places=[2, 0]).run(fields, [12.0])
    state = fields.copy()
    for _ in range(2):
        state[:, [2, 0]] = forecaster.forecast(state, np.array([6.0, 6.0]))
    np.testing.assert_allclose(rolled[0], state[:, [2, 0]], rtol=1e-6)
    np.testing.assert_array_equal(state[:, 1], fields[:, 1])  # pressure is no output: it stays
    [direct] = Direct(forecaster).run(fields, [24.0])
    np.testing.assert_array_equal(direct[0], forecaster.forecast(fields, np.array([24.0, 24.0])))


def test_missing_channels_do_not_spoil_others(forecaster: OrbitForecaster) -> None:
    fields = initial()
    lacking = fields.copy()
    lacking[0, 1] = np.nan
    leads = np.array([6.0, 6.0])
    made = forecaster.forecast(lacking, leads)
    assert np.isfinite(made).all()
    np.testing.assert_allclose(made[1], forecaster.forecast(fields, leads)[1], rtol=1e-6)
    few = OrbitForecaster(forecaster.model, STATISTICS, ("ua", "tas"))
    np.testing.assert_allclose(
        few.forecast(fields[:, [2, 0]], leads)[0], made[0], rtol=1e-5, atol=1e-3
    )


def test_what_cannot_be_forecast_is_refused(forecaster: OrbitForecaster) -> None:
    with pytest.raises(InvalidData, match=r"wanted \(times, 3, 8, 16\): tas, psl, ua"):
        forecaster.forecast(initial()[:, :2], np.array([6.0, 6.0]))
    with pytest.raises(InvalidRequest, match="lead of 7 h"):
        forecaster.forecast(initial(), np.array([7.0, 7.0]))
    few = OrbitForecaster(forecaster.model, STATISTICS, ("psl", "tas"))
    with pytest.raises(InvalidData, match="predicts changes of ua, tas"):
        few.forecast(initial()[:, [1, 0]], np.array([6.0, 6.0]))
