"""Limits beyond which an observation counts as impossible."""

from __future__ import annotations

import numpy as np

from catena.calibrator.likelihood import Observations
from catena.calibrator.range_check import FRACTIONS, RangeLimits, beyond_all
from catena.calibrator.sir import Bank


def test_outputs_that_tell_nothing_do_not_move_the_limit_of_the_others() -> None:
    """A month without photosynthesis has a spread of zero, so its error is a million spreads."""
    limits = RangeLimits(np.array([1, 6]), np.outer(FRACTIONS, [1.0, 1.0]))
    error = np.array([[0.3, 0.3, 0.3, 0.3, 1e6, 1e6]])
    sites = Observations(np.zeros((1, 6)), error, np.ones((1, 6), bool))
    assert not limits.exceeded(sites, np.array([0.299]))[0]
    assert limits.exceeded(sites, np.array([0.301]))[0]


def test_where_all_tell_nothing_the_last_limit_holds() -> None:
    limits = RangeLimits(np.array([1, 2]), np.outer(FRACTIONS, [1.0, 1.0]))
    sites = Observations(np.zeros((1, 2)), np.full((1, 2), 1e6), np.ones((1, 2), bool))
    assert limits.exceeded(sites, np.array([3.01]))[0]
    assert not limits.exceeded(sites, np.array([2.99]))[0]


def test_one_output_beyond_all_members_is_seen_among_many() -> None:
    rng = np.random.default_rng(0)
    mean = rng.uniform(-1, 1, (500, 80)).astype(np.float32)
    bank = Bank(np.zeros((500, 2), np.float32), mean, np.full((500, 80), 0.01, np.float32))
    values = np.tile(mean[0].astype(float), (3, 1))
    values[1, 7] = mean[:, 7].max() + 5 * 0.3
    values[2, 7] = mean[:, 7].max() + 1 * 0.3
    sites = Observations(values, np.full((3, 80), 0.3), np.ones((3, 80), bool))
    assert beyond_all(bank, sites).tolist() == [False, True, False]
    masked = Observations(values, sites.error_sd, np.arange(80) != np.full((3, 1), 7))
    assert not beyond_all(bank, masked).any()


def test_noise_on_what_members_give_seldom_passes_the_limit() -> None:
    rng = np.random.default_rng(1)
    bank = Bank(np.zeros((2, 2)), np.zeros((2, 90)), np.full((2, 90), 1e-12))
    values = rng.standard_normal((4000, 90)) * 0.3
    sites = Observations(values, np.full(values.shape, 0.3), np.ones(values.shape, bool))
    assert 0.01 < beyond_all(bank, sites).mean() < 0.03, "2 % was wanted where members are alike"
