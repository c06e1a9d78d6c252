"""Scores without the noise that averaging takes away: closed forms, and coverage of a fit."""

from __future__ import annotations

import numpy as np
import pytest

from catena.forecaster.intervals import CrossFitConfig, crossfit, fit_crossfit
from catena.forecaster.intervals.averaging import Noise, averaged_scores
from catena.forecaster.intervals.means import NetworkMean
from catena.forecaster.intervals.networks import NetworkConfig
from catena.forecaster.intervals.order_statistics import OrderStatistics
from catena.forecaster.intervals.sizes import SizeModel

LEVELS = np.array([0.5, 0.9, 0.95])
MEAN = NetworkConfig(width=16, depth=2, steps=400, learning_rate=1e-2)
SIZE = NetworkConfig(width=16, depth=1, steps=400, learning_rate=1e-2)
CONFIG = CrossFitConfig(mean=MEAN, size=SIZE)


def noise(n: int, residual: float, size: float) -> Noise:
    return Noise(np.full((n, 1), residual), np.full((n, 1), size), np.full((n, 1), size))


@pytest.mark.parametrize("share", [0.25, 1.0])
def test_gaussian_noise_of_the_mean_is_taken_away_up_to_its_closed_form(share: float) -> None:
    n, rng = 100_000, np.random.default_rng(0)
    error = rng.normal(size=(n, 1))
    measured = error + np.sqrt(share) * rng.normal(size=(n, 1))
    one = np.ones((n, 1))
    [found] = averaged_scores(measured, one, one, noise(n, np.sqrt(share), 0.0), 1)
    true = np.array(OrderStatistics.of(error[:, 0], one[:, 0], one[:, 0]).factors(LEVELS))
    wanted = (1 + share) / np.sqrt(1 + 2 * share)  # against sqrt(1 + share) of what was measured
    np.testing.assert_allclose(np.array(found.factors(LEVELS)) / true, wanted, rtol=0.02)


def test_noise_of_the_sizes_is_taken_away_where_scores_have_a_power_tail() -> None:
    n, k, deviation, rng = 400_000, 4.0, 0.3, np.random.default_rng(1)
    error = (rng.pareto(k, (n, 1)) + 1.0) * rng.choice([-1, 1], (n, 1))
    size = np.exp(deviation * rng.normal(size=(n, 1)))
    tail = np.array([0.95, 0.98])
    [found] = averaged_scores(error, size, size, noise(n, 0.0, deviation), 1)
    true = (1.0 - tail) ** (-1 / k)  # beyond lies half of (1 - level), of one sign
    np.testing.assert_allclose(np.array(found.factors(tail)), [true, true], rtol=0.02)
    with_noise = OrderStatistics.of(error[:, 0], size[:, 0], size[:, 0]).factors(tail)[0]
    np.testing.assert_allclose(with_noise, true * np.exp(k * deviation**2 / 2), rtol=0.02)


def test_without_noise_nothing_changes_and_with_it_no_score_grows() -> None:
    rng = np.random.default_rng(2)
    r, (u, v) = rng.normal(size=(80, 2)), rng.uniform(0.5, 2, (2, 80, 2))
    r[3, 0] = r[7, 1] = np.nan
    nothing, some = (Noise(*np.full((3, 80, 2), s)) for s in (0.0, 0.4))
    for j, (same, less) in enumerate(
        zip(averaged_scores(r, u, v, nothing, 0), averaged_scores(r, u, v, some, 0), strict=True)
    ):
        plain = OrderStatistics.of(r[:, j], u[:, j], v[:, j])
        assert len(same) == len(less) == len(plain) == 79
        for side in ("above", "below"):
            before, after = getattr(plain, side), getattr(less, side)
            np.testing.assert_allclose(getattr(same, side), before, rtol=1e-12)
            assert (after <= before).all() and (np.diff(after) >= 0).all()
            assert (after >= 0.5 * before).all() and after.sum() < 0.98 * before.sum()


def test_sizes_of_a_fold_take_the_mean_and_the_spread_of_that_fold() -> None:
    rng = np.random.default_rng(3)
    x, y = planted(120, rng, 0.1)
    fold = np.stack([rng.permutation(np.arange(120) % 3) for _ in range(2)])
    short = NetworkConfig(width=8, depth=1, steps=60)
    mean, own, spread = NetworkMean.fit(x, y[:, None], fold, short, 0)
    model, _ = SizeModel.fit(x, own, spread, y[:, None] - own, fold[0], 2, short, 1)
    of_fold, deviation = mean.by_fold(x)
    np.testing.assert_allclose(mean.predict(x), of_fold.mean(axis=0))
    logs = []
    for f in range(3):
        parts = SizeModel(
            model.scaler,
            model.networks.select(slice(2 * f, 2 * f + 2)),
            np.ones((2, 1)),
            np.ones((2, 1)),
            np.zeros((2, 1)),
        )
        logs.append(np.log(parts(x, of_fold[f], deviation[f])))
    z, typical, weight = np.mean(logs, axis=0)[..., 0], model.typical[:, 0], model.weight[:, 0]
    wanted = np.log(typical) + (1 - weight) * model.middle[:, 0] + weight * z.T
    sizes = np.log(model(x, of_fold, deviation))[..., 0]
    np.testing.assert_allclose(sizes.T, wanted, rtol=1e-4, atol=1e-5)
    between = model.noise(x, of_fold, deviation)[0][:, 0]
    np.testing.assert_allclose(
        between, weight[0] * np.std([a[0][:, 0] for a in logs], axis=0, ddof=1), rtol=1e-3
    )


def planted(n: int, rng: np.random.Generator, deviation: float) -> tuple[np.ndarray, np.ndarray]:
    """A smooth function of three inputs, with Gaussian noise or none."""
    x = rng.uniform(-1, 1, (n, 3))
    y = np.sin(3 * x[:, 0]) * x[:, 1] + x[:, 2] ** 2
    return x, y + deviation * rng.normal(size=n)


def covered(deviation: float, seeds: int = 2) -> float:
    """Coverage of new rows at 90 %, mean over a few data sets."""
    found = []
    for seed in range(seeds):
        rng = np.random.default_rng(seed)
        fitted = fit_crossfit(*planted(500, rng, deviation), config=CONFIG, seed=seed)
        x, y = planted(4000, rng, deviation)
        lower, upper = (b[:, 0, 0] for b in fitted.predict(x, [0.9]))
        found.append(np.mean((lower <= y) & (y <= upper)))
    return float(np.mean(found))


def test_a_function_with_noise_is_covered_as_often_as_asked_for() -> None:
    assert covered(0.3) == pytest.approx(0.9, abs=0.02)


def test_a_function_without_noise_is_not_covered_much_more_often(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = covered(0.0)
    assert 0.88 <= now <= 0.95

    def uncorrected(r, u, v, noise, seed) -> list[OrderStatistics]:
        return [OrderStatistics.of(r[:, 0], u[:, 0], v[:, 0])]

    monkeypatch.setattr(crossfit, "averaged_scores", uncorrected)
    assert covered(0.0) > now + 0.01
