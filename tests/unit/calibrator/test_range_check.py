"""Limits beyond which an observation counts as impossible."""

from __future__ import annotations

import numpy as np

from catena.calibrator.likelihood import Observations
from catena.calibrator.range_check import FRACTIONS, RangeLimits


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
