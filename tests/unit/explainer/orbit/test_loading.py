"""What can be explained is read as it is; what cannot is refused, and said why."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from support import planted_orbit as planted

from catena.explainer.orbit.loading import (
    ForecastModel,
    open_cache,
    read_ahead,
    read_checkpoint,
    read_fields,
    spread_steps,
    training_period,
)
from catena.models.orbit import Orbit, initialise
from catena.shared.errors import InvalidData, InvalidRequest
from catena.shared.hot_cache import HotCache
from catena.shared.hot_cache_period import Period


@pytest.fixture(scope="module")
def model() -> Orbit:
    return initialise(Orbit(planted.about().fields), seed=0).eval().requires_grad_(False)


@pytest.fixture(scope="module")
def forecast(model: Orbit) -> ForecastModel:
    return read_checkpoint(planted.checkpoint(model))


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> HotCache:
    files, _ = planted.put_cache(planted.series(), tmp_path_factory.mktemp("whole"))
    return open_cache(files)


def test_a_checkpoint_comes_back_as_the_model_it_was(model: Orbit, forecast: ForecastModel) -> None:
    fields = planted.smooth(2, seed=3)
    lead = torch.tensor([6.0, 24.0])
    assert torch.equal(forecast.model(fields, None, lead), model(fields, None, lead))
    assert forecast.about == planted.about() and forecast.units == planted.UNITS


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"task": "pretrain"}, "task 'pretrain' came; one of the task 'forecast' is wanted"),
        ({"task": "downscale"}, "task 'downscale' came"),
        ({"statistics": None}, "is not that of a checkpoint"),
    ],
)
def test_checkpoints_of_other_tasks_are_refused(
    model: Orbit, changed: dict[str, Any], said: str
) -> None:
    with pytest.raises(InvalidData, match=said):
        read_checkpoint(planted.checkpoint(model, **changed))


def test_other_artifacts_and_other_weights_are_refused(model: Orbit) -> None:
    good = planted.checkpoint(model)
    emulator = planted.PlainFiles("spin_up_emulator", good.json, good.arrays)
    with pytest.raises(InvalidData, match="kind 'spin_up_emulator' came, a checkpoint"):
        read_checkpoint(emulator)
    with pytest.raises(InvalidData, match="kind 'checkpoint' came, a hot_cache is wanted"):
        open_cache(good)
    for name, value, said in (
        ("head.norm.bias", np.full(64, np.nan, np.float32), "head.norm.bias has NaN"),
        ("head.norm.bias", np.zeros(3, np.float32), r"shape \(3,\), the architecture wants \(64,"),
    ):
        with pytest.raises(InvalidData, match=said):
            read_checkpoint(
                planted.PlainFiles("checkpoint", good.json, {**good.arrays, name: value})
            )


def test_fields_are_those_of_the_dataset_in_the_order_of_the_model(
    forecast: ForecastModel, cache: HotCache, tmp_path: Path
) -> None:
    steps = np.array([10, 0])
    found = read_fields(forecast, cache, steps)
    assert found.dates() == ["2001-01-03T12:00:00", "2001-01-01T00:00:00"]
    series = planted.series()
    for place, name in enumerate(planted.NAMES):
        np.testing.assert_allclose(found.values[:, place], series[name].values[[10, 0]], rtol=1e-6)
    # A cache without a variable, and in another order.
    _, few = planted.put_cache(planted.series(names=("va", "ua", "tas")), tmp_path)
    other = read_fields(forecast, few, steps)
    assert np.isnan(other.values[:, 1]).all()
    np.testing.assert_array_equal(other.values[:, [0, 2, 3]], found.values[:, [0, 2, 3]])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda d: d.assign(tas=d.tas.assign_attrs(units="degC")), "tas has units 'degC'.*'K'"),
        (lambda d: d.rename({name: f"x{name}" for name in d}), "xtas.*the model knows tas"),
        (lambda d: d.isel(lat=slice(0, 8)), "8 latitudes from -84.375.*the model 16"),
        (lambda d: d.isel(lat=slice(None, None, -1)), "from 84.375 to -84.375"),
        (lambda d: d.assign_coords(lon=d.lon + 5.0), "32 longitudes from 5 to 353.75"),
    ],
    ids=["units", "variables", "fewer rows", "rows turned", "columns moved"],
)
def test_caches_that_do_not_fit_the_model_are_refused(
    forecast: ForecastModel, tmp_path: Path, change: Callable[[Any], Any], said: str
) -> None:
    _, other = planted.put_cache(change(planted.series(steps=4)), tmp_path)
    with pytest.raises(InvalidData, match=said):
        read_fields(forecast, other, np.array([0]))


def test_steps_are_spread_and_have_what_came_of_them(cache: HotCache) -> None:
    days = Period("2001-01-02", "2001-01-12")
    assert spread_steps(cache, days, 4).tolist() == [9, 19, 29, 39]
    assert spread_steps(cache, days, 10**6).tolist() == list(range(4, 44))
    # 60 steps in all: none of the last four has a field 24 h later.
    assert spread_steps(cache, Period(), 1000, ahead_h=24.0).tolist() == list(range(56))
    with pytest.raises(InvalidRequest, match="has a field 24 h later; choose earlier days"):
        spread_steps(cache, Period("2001-01-15T12"), 2, ahead_h=24.0)
    with pytest.raises(InvalidData, match="whole number of steps"):
        spread_steps(cache, days, 2, ahead_h=7.0)


def test_what_came_is_nan_where_the_series_ends(forecast: ForecastModel, cache: HotCache) -> None:
    found = read_ahead(forecast, cache, np.array([0, 57]), (6.0, 24.0))
    tas = planted.series().tas.values
    assert found.shape == (2, 2, 1, *planted.GRID)
    np.testing.assert_allclose(found[0, :, 0], tas[[1, 4]], rtol=1e-6)
    np.testing.assert_allclose(found[1, 0, 0], tas[58], rtol=1e-6)
    assert np.isnan(found[1, 1]).all()


def test_the_background_is_the_last_training(forecast: ForecastModel) -> None:
    about = forecast.about
    assert training_period(about) == Period("2001-01-01", "2001-01-15T23:59:59")
    assert training_period(about, "first") == Period()
    with pytest.raises(InvalidRequest, match="not trained on this hot cache"):
        training_period(about, "another")
