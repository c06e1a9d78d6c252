"""PI3NN as published, without the defects of its reference code, and cross-fitted."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.linear_model import LinearRegression
from torch import nn

from catena.forecaster.intervals import (
    CrossFitConfig,
    PI3NNConfig,
    fit_crossfit,
    fit_pi3nn,
    from_arrays,
)
from catena.forecaster.intervals.networks import NetworkConfig
from catena.shared.errors import InvalidData

SHORT = NetworkConfig(width=16, depth=1, steps=300, learning_rate=1e-2)
PAPER = PI3NNConfig(SHORT, SHORT)
CROSS = CrossFitConfig(folds=4, members=2, size_members=2, mean=SHORT, size=SHORT)


def planted(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """x, y and the true size of the noise, which grows tenfold along x."""
    rng = np.random.default_rng(seed)
    x = rng.uniform(-1, 1, (n, 1))
    size = 0.1 * 10 ** ((x[:, 0] + 1) / 2)
    return x, 2 * x[:, 0] + size * rng.normal(size=n), size


@pytest.mark.parametrize("fit", [fit_pi3nn, fit_crossfit])
def test_widths_follow_a_planted_noise(fit) -> None:
    x, y, _ = planted(600)
    new, _, size = planted(300, 1)
    width = fit(x, y, config=PAPER if fit is fit_pi3nn else CROSS).width(new)[:, 0]
    assert np.corrcoef(np.log(width), np.log(size))[0, 1] > 0.9
    assert width.std() / width.mean() > 0.3  # with a floor it is next to nothing


def test_small_sizes_have_no_floor() -> None:
    x, y, _ = planted(600)
    y = np.where(x[:, 0] < 0, 2 * x[:, 0] + 1e-3 * (y - 2 * x[:, 0]), y)
    model = fit_crossfit(x, y, model=LinearRegression(), config=CROSS)
    up = model.parts(np.array([[-0.7], [0.9]])).up[:, 0] / y.std()
    assert up[0] < 0.05 and up[0] < 0.2 * up[1]  # the reference: at least sqrt(.2)


def test_the_centre_is_shifted_by_the_median() -> None:
    rng = np.random.default_rng(3)
    x = rng.normal(size=(400, 1))
    y = x[:, 0] + rng.exponential(size=400) ** 2  # mean of the noise 2, median .48
    regressor = LinearRegression()
    model = fit_pi3nn(x, y, model=regressor, config=PAPER)
    residuals = y - LinearRegression().fit(x, y).predict(x)
    np.testing.assert_allclose(model.shift, np.median(residuals), rtol=1e-9)
    assert np.mean(y > model.centre(x)[:, 0]) == pytest.approx(0.5, abs=0.01)


def test_training_rows_beyond_each_bound_are_as_many_as_published() -> None:
    x, y, _ = planted(333)
    model = fit_pi3nn(x, y, config=PAPER)
    for level in (0.5, 0.9, 0.95):
        lower, upper = (b[:, 0, 0] for b in model.predict(x, [level]))
        wanted = np.ceil(333 * (1 - level) / 2)
        assert abs((y > upper + 1e-9).sum() - wanted) <= 1
        assert abs((y < lower - 1e-9).sum() - wanted) <= 1


def test_ties_and_tiny_data_cost_no_search() -> None:
    x = np.arange(30.0)[:, None]
    y = np.round(np.sin(x[:, 0]))
    lower, upper = fit_pi3nn(x, y, config=PAPER).predict(x, [0.95])
    assert np.isfinite(lower).all() and np.isfinite(upper).all()


def test_a_large_bias_keeps_widths_large_far_from_the_data() -> None:
    rng = np.random.default_rng(4)
    x = rng.normal(size=(400, 3))
    y = x.sum(axis=1) + 0.5 * rng.normal(size=400)
    far = x + 6.0
    plain = fit_pi3nn(x, y, config=PAPER)
    raised = fit_pi3nn(x, y, config=replace(PAPER, bias=10.0))
    assert raised.confidence(far).mean() < plain.confidence(far).mean()
    assert raised.confidence(far).mean() < raised.confidence(x).mean()


def test_cross_fitted_widths_grow_outside_and_only_there() -> None:
    rng = np.random.default_rng(5)
    x = rng.normal(size=(400, 4))
    y = x.sum(axis=1) + rng.normal(size=400)
    model = fit_crossfit(x, y, config=CROSS)
    inside, outside = rng.normal(size=(200, 4)), rng.normal(size=(200, 4)) + 4.0
    assert model.confidence(outside).mean() < 0.25 < 0.7 < model.confidence(inside).mean()
    assert model.is_out_of_distribution(outside).mean() > 0.95
    assert model.is_out_of_distribution(inside).mean() < 0.06
    assert model.is_out_of_distribution(x).mean() < 0.06


def test_residuals_that_a_network_has_seen_cover_too_little_and_out_of_fold_ones_do_not() -> None:
    rng = np.random.default_rng(6)
    x, new = rng.normal(size=(120, 8)), rng.normal(size=(2000, 8))
    y, y_new = x[:, 0] + rng.normal(size=120), new[:, 0] + rng.normal(size=2000)
    long = NetworkConfig(width=32, depth=2, steps=600)

    def covered(model) -> float:
        lower, upper = (b[:, 0, 0] for b in model.predict(new, [0.9]))
        return float(np.mean((lower <= y_new) & (y_new <= upper)))

    assert covered(fit_pi3nn(x, y, config=PI3NNConfig(long, SHORT))) < 0.8
    assert 0.84 < covered(fit_crossfit(x, y, config=replace(CROSS, mean=long))) <= 0.99


class Encoder(nn.Module):
    """A module with features, as a forecaster has them."""

    def features(self, x: torch.Tensor) -> torch.Tensor:
        return torch.stack([x[:, 0], x[:, 0] ** 2, x[:, 0] ** 3], dim=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return 2 * x[:, 0]


@pytest.mark.parametrize("model", [Encoder(), LinearRegression()])
@pytest.mark.parametrize("fit", [fit_pi3nn, fit_crossfit])
def test_any_module_or_regressor_can_be_wrapped_and_is_asked_for_when_loaded(fit, model) -> None:
    x, y, size = planted(300)
    fitted = fit(x, y, model=model, config=PAPER if fit is fit_pi3nn else CROSS)
    assert np.corrcoef(fitted.width(x)[:, 0], size)[0, 1] > 0.8
    arrays, meta = fitted.to_arrays()
    with pytest.raises(InvalidData, match="pass it as `mean`"):
        from_arrays(arrays, meta)
    again = from_arrays(arrays, meta, mean=fitted.mean)
    np.testing.assert_allclose(again.predict(x, [0.9])[0], fitted.predict(x, [0.9])[0], rtol=1e-6)


def test_blocks_of_years_are_folds_and_bad_folds_are_refused() -> None:
    x, y, _ = planted(200)
    model = fit_crossfit(x, y, folds=np.arange(200) // 50 + 1990, config=CROSS)
    assert model.mean.folds == 4
    with pytest.raises(InvalidData, match="at least 2"):
        fit_crossfit(x, y, folds=np.zeros(200), config=CROSS)
    with pytest.raises(InvalidData, match="cannot be wrapped"):
        fit_crossfit(x, y, model="lstm", config=CROSS)


def test_out_of_fold_predictions_are_what_scores_come_from() -> None:
    x, y, _ = planted(300)
    perfect = fit_crossfit(x, y, model=Encoder(), out_of_fold=y, config=CROSS)
    honest = fit_crossfit(x, y, model=Encoder(), config=CROSS)
    assert perfect.width(x).max() < 1e-6 < honest.width(x).min()
