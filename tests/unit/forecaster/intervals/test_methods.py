"""What every method promises: shapes, nesting, gaps, storage, refusals."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from catena.forecaster.intervals import (
    CrossFitConfig,
    IntervalModel,
    PI3NNConfig,
    fit_cmal,
    fit_cqr,
    fit_crossfit,
    fit_deep_ensemble,
    fit_gp,
    fit_laplace,
    fit_mc_dropout,
    fit_pi3nn,
    from_arrays,
)
from catena.forecaster.intervals.networks import NetworkConfig
from catena.shared.errors import InvalidData

SHORT = NetworkConfig(width=8, depth=1, steps=60)
CROSS = CrossFitConfig(folds=3, members=2, size_members=1, mean=SHORT, size=SHORT)
FITS: dict[str, Callable[..., IntervalModel]] = {
    "pi3nn": lambda x, y: fit_pi3nn(x, y, config=PI3NNConfig(SHORT, SHORT)),
    "crossfit": lambda x, y: fit_crossfit(x, y, config=CROSS),
    "cqr": lambda x, y: fit_cqr(x, y, config=SHORT),
    "deep_ensemble": lambda x, y: fit_deep_ensemble(x, y, config=SHORT),
    "mc_dropout": lambda x, y: fit_mc_dropout(x, y, config=SHORT),
    "laplace": lambda x, y: fit_laplace(x, y, config=SHORT),
    "gp": fit_gp,
    "cmal": lambda x, y: fit_cmal(x, y, config=SHORT),
}
LEVELS = [0.2, 0.5, 0.77, 0.9, 0.95]
every_method = pytest.mark.parametrize("method", FITS)


def data(n: int = 80) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(5)
    x = rng.normal(size=(n, 2))
    y = np.stack([x[:, 0] + 0.3 * rng.normal(size=n), 5 - x[:, 1] + rng.normal(size=n)], axis=1)
    y[3, 0] = y[7, 1] = np.nan
    y[11] = np.nan
    return x, y


@cache
def fitted(method: str) -> IntervalModel:
    return FITS[method](*data())


@every_method
def test_intervals_have_shape_hold_the_centre_and_are_nested(method: str) -> None:
    model, x = fitted(method), np.random.default_rng(6).normal(size=(9, 2))
    lower, upper = model.predict(x, LEVELS)
    assert lower.shape == upper.shape == (9, 2, 5)
    assert np.isfinite(lower).all() and np.isfinite(upper).all()
    centre = model.centre(x)[..., None]
    assert (lower <= centre).all() and (centre <= upper).all()
    assert (np.diff(lower, axis=-1) <= 1e-9).all() and (np.diff(upper, axis=-1) >= -1e-9).all()


@every_method
def test_levels_may_come_in_any_order_and_alone(method: str) -> None:
    model, x = fitted(method), data()[0][:4]
    together = model.predict(x, [0.9, 0.5])
    for i, level in enumerate([0.9, 0.5]):
        for side, one in zip(together, model.predict(x, [level]), strict=True):
            np.testing.assert_allclose(side[..., i], one[..., 0], rtol=1e-12)


@every_method
def test_a_row_is_predicted_alike_alone_and_among_others(method: str) -> None:
    model, x = fitted(method), data()[0][:6]
    np.testing.assert_allclose(
        model.predict(x, [0.9])[1][2:3], model.predict(x[2:3], [0.9])[1], rtol=1e-4, atol=1e-5
    )


@every_method
def test_saved_intervals_come_back_from_safetensors_and_json(method: str, tmp_path: Path) -> None:
    model, (x, y) = FITS[method](*data(40)), data(40)
    model.update(y[:5], x[:5])
    arrays, meta = model.to_arrays()
    save_file(arrays, tmp_path / "intervals.safetensors")
    again = from_arrays(
        load_file(tmp_path / "intervals.safetensors"), json.loads(json.dumps(meta, allow_nan=False))
    )
    for mine, theirs in zip(model.predict(x, LEVELS), again.predict(x, LEVELS), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(model.confidence(x), again.confidence(x), rtol=1e-5)
    assert np.array_equal(model.is_out_of_distribution(x), again.is_out_of_distribution(x))


@every_method
def test_the_same_seed_gives_the_same_numbers(method: str) -> None:
    x, y = data(40)
    one, two = (FITS[method](x, y).predict(x, [0.9])[0] for _ in range(2))
    assert np.array_equal(one, two)


@every_method
def test_a_constant_target_is_no_crash(method: str) -> None:
    x = data(40)[0]
    lower, upper = FITS[method](x, np.full(40, 3.0)).predict(x, [0.9])
    # Networks that were trained for a moment, on forty rows.
    assert (lower <= 3.0 + 1.0).all() and (upper >= 3.0 - 1.0).all()
    assert not np.isnan(lower).any() and not np.isnan(upper).any()


@every_method
def test_updates_widen_intervals_that_miss_and_narrow_ones_that_are_too_wide(method: str) -> None:
    x, y = data(40)
    model = FITS[method](x, y)
    before = model.predict(x[:1], [0.9])
    rng = np.random.default_rng(0)
    rows = np.repeat(x[:1], 200, axis=0)
    centre = model.centre(x[:1])
    half = (before[1] - before[0])[..., 0] / 2
    model.update(centre + 4 * half * rng.normal(size=(200, 2)), rows)
    wide = model.predict(x[:1], [0.9])
    assert (wide[1] - wide[0] > 2.0 * (before[1] - before[0])).all()
    model.update(centre + 0.05 * half * rng.normal(size=(300, 2)), np.repeat(x[:1], 300, axis=0))
    narrow = model.predict(x[:1], [0.9])
    assert (narrow[1] - narrow[0] < before[1] - before[0]).all()


@pytest.mark.parametrize("method", ["pi3nn", "crossfit", "cqr", "cmal"])
def test_bad_data_is_refused_with_what_to_do(method: str) -> None:
    fit, (x, y) = FITS[method], data(40)
    with pytest.raises(InvalidData, match="input 1 of row 2 is nan"):
        fit(np.where(np.arange(80).reshape(40, 2) == 5, np.nan, x), y)
    with pytest.raises(InvalidData, match="targets of shape"):
        fit(x, y[:-1])
    with pytest.raises(InvalidData, match="infinite"):
        fit(x, np.where(np.isnan(y), np.inf, y))
    with pytest.raises(InvalidData, match="output 1 has 0 targets"):
        fit(x, np.stack([y[:, 0], np.full(40, np.nan)], axis=1))
    with pytest.raises(InvalidData, match="want \\(n, 2\\)"):
        fitted(method).predict(x[:, :1], [0.9])


def test_saved_state_that_does_not_fit_is_refused() -> None:
    arrays, meta = fitted("pi3nn").to_arrays()
    with pytest.raises(InvalidData, match="known are pi3nn"):
        from_arrays(arrays, {**meta, "method": "magic"})
    with pytest.raises(InvalidData, match="do not fit together"):
        from_arrays({k: v for k, v in arrays.items() if k != "shift"}, meta)


def test_too_few_rows_for_a_level_give_an_infinite_bound_and_a_note() -> None:
    x, y = data(25)
    model = fit_crossfit(x, y[:, :1], config=CROSS)
    lower, upper = model.predict(x[:1], [0.5, 0.95])
    assert np.isfinite(upper[0, 0, 0]) and np.isinf(upper[0, 0, 1]) and np.isinf(lower[0, 0, 1])
    [note] = model.notes([0.5, 0.95])
    assert "level 0.95" in note and "23 rows" in note and "it takes 39" in note
    assert np.isfinite(model.confidence(x)).all()


def test_a_gaussian_process_of_too_many_rows_is_refused() -> None:
    with pytest.raises(InvalidData, match="at most 2000"):
        fit_gp(np.zeros((2001, 1)), np.zeros(2001))
