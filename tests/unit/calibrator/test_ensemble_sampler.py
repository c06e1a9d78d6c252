"""The ensembles of walkers leave a known law as wide as it is, in as many dimensions as we use."""

from __future__ import annotations

import numpy as np
import pytest

from catena.calibrator import ensemble_sampler


def normal(x: np.ndarray) -> np.ndarray:
    return -0.5 * (x**2).sum(axis=1)


def test_the_spread_of_a_normal_law_in_eight_dimensions_is_right_to_a_percent():
    # a move with a wrong acceptance rule shows here: emcee's snooker move gives 0.95
    first = np.random.default_rng(0).standard_normal((2, 32, 8))
    state = ensemble_sampler.start(normal, first)
    draws = ensemble_sampler.advance(normal, state, 4000, warmup=0, seed=1)
    assert draws.std(axis=(0, 1, 2)).mean() == pytest.approx(1.0, abs=0.012)
    assert draws.mean() == pytest.approx(0.0, abs=0.02)
    assert 0.1 < state.accepted.sum() / (2 * 32 * 4000) < 0.6


def test_walkers_cross_between_two_peaks():
    def peaks(x: np.ndarray) -> np.ndarray:
        return np.logaddexp(
            -0.5 * ((x - 4) ** 2).sum(axis=1), np.log(3) - 0.5 * ((x + 4) ** 2).sum(axis=1)
        )

    first = 4 * np.random.default_rng(0).choice([-1.0, 1.0], size=(4, 32, 1)) + 0.1
    first = np.repeat(first, 2, axis=2) + 0.3 * np.random.default_rng(1).standard_normal((4, 32, 2))
    state = ensemble_sampler.start(peaks, first)
    ensemble_sampler.advance(peaks, state, 300, warmup=300, seed=1)
    draws = ensemble_sampler.advance(peaks, state, 2000, warmup=300, seed=1)
    # half the walkers started on the peak that holds a quarter of the mass
    assert (draws[..., 0] > 0).mean() == pytest.approx(0.25, abs=0.04)
