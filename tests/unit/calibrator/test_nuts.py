"""The No-U-Turn sampler against laws with known moments."""

from __future__ import annotations

import numpy as np
import pytest

from catena.calibrator import nuts

MEAN = np.array([1.0, -2.0, 0.5])
COVARIANCE = np.array([[4.0, 1.2, 0.0], [1.2, 1.0, 0.02], [0.0, 0.02, 0.01]])
PRECISION = np.linalg.inv(COVARIANCE)


def gaussian(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    gradient = -(x - MEAN) @ PRECISION
    return 0.5 * ((x - MEAN) * gradient).sum(axis=1), gradient


def run(target, start, *, draws, warmup=400, seed=0):
    state = nuts.start(target, start)
    nuts.advance(target, state, warmup, warmup=warmup, seed=seed)
    return nuts.advance(target, state, draws, warmup=warmup, seed=seed), state


def test_moments_of_a_correlated_gaussian_with_scales_from_a_tenth_to_two():
    draws, state = run(gaussian, np.zeros((4, 3)), draws=2000)
    flat = draws.reshape(-1, 3)
    sd = np.sqrt(np.diag(COVARIANCE))
    assert (flat.mean(axis=0) - MEAN) / sd == pytest.approx(np.zeros(3), abs=0.06)
    assert np.cov(flat.T) / np.outer(sd, sd) == pytest.approx(
        COVARIANCE / np.outer(sd, sd), abs=0.06
    )
    assert state.divergences.sum() == 0
    # masses found the scales
    assert np.sqrt(state.variance).mean(axis=0) == pytest.approx(sd, rel=0.35)


def test_the_spread_of_a_normal_law_in_eight_dimensions_is_right_to_a_percent():
    def normal(x):
        return -0.5 * (x**2).sum(axis=1), -x

    draws, _ = run(normal, np.zeros((4, 8)), draws=1500, warmup=200)
    assert draws.std(axis=(0, 1)).mean() == pytest.approx(1.0, abs=0.015)


def test_quantiles_of_a_skewed_law():
    # u = log x for x ~ Gamma(3): density exp(3 u - e^u)
    def target(u):
        return (3 * u - np.exp(u)).sum(axis=1), 3 - np.exp(u)

    draws, _ = run(target, np.zeros((4, 1)), draws=2000)
    from scipy.stats import gamma

    levels = np.array([0.05, 0.25, 0.5, 0.75, 0.95])
    below = [(np.exp(draws) < q).mean() for q in gamma(3).ppf(levels)]
    assert below == pytest.approx(levels, abs=0.03)


def test_an_interrupted_run_goes_on_as_if_it_had_not_been():
    start = np.random.default_rng(0).standard_normal((3, 3))
    state = nuts.start(gaussian, start)
    whole = np.concatenate(
        [nuts.advance(gaussian, state, n, warmup=60, seed=9) for n in (60, 50)], axis=1
    )
    state = nuts.start(gaussian, start)
    parts = [nuts.advance(gaussian, state, 60, warmup=60, seed=9)]
    state = nuts.NutsState.from_arrays(state.to_arrays())
    parts.append(nuts.advance(gaussian, state, 50, warmup=60, seed=9))
    assert whole.tobytes() == np.concatenate(parts, axis=1).tobytes()


def test_chains_do_not_depend_on_their_neighbours():
    start = np.random.default_rng(0).standard_normal((3, 3))
    three, _ = run(gaussian, start, draws=20, warmup=30)
    one, _ = run(gaussian, start[:1], draws=20, warmup=30)
    assert three[:1] == pytest.approx(one)


def test_another_seed_gives_other_draws():
    a, _ = run(gaussian, np.zeros((1, 3)), draws=5, warmup=5, seed=1)
    b, _ = run(gaussian, np.zeros((1, 3)), draws=5, warmup=5, seed=2)
    assert not np.allclose(a, b)


def test_infinite_density_is_a_wall_that_is_counted_not_a_crash():
    # a normal cut at zero, with nothing beyond: trajectories diverge at the wall
    def target(x):
        inside = (x > 0).all(axis=1)
        value = np.where(inside, -0.5 * (x**2).sum(axis=1), np.nan)
        return value, -x

    draws, state = run(target, np.ones((2, 1)), draws=300, warmup=100)
    assert (draws > 0).all()
    assert state.divergences.sum() > 0
    assert state.divergences.sum() <= 600


@pytest.mark.parametrize("warmup", [1, 20, 50, 100, 500, 1000, 5000])
def test_windows_of_the_warm_up_lie_inside_it_and_double(warmup):
    ends = nuts.window_ends(warmup)
    assert all(0 < end <= 0.9 * warmup for end in ends)
    assert ends == sorted(set(ends))
    if warmup >= 100:
        assert ends[-1] == int(0.9 * warmup)
