"""alpha and beta: closed forms, nesting, coverage of exchangeable data."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from catena.forecaster.intervals.order_statistics import (
    OrderStatistics,
    check_levels,
    conformal_rank,
    exceedances,
)
from catena.shared.errors import InvalidData

ONE = np.ones(1000)


def test_as_many_residuals_lie_beyond_alpha_as_the_paper_wants() -> None:
    r = np.random.default_rng(0).normal(size=1000)
    levels = np.array([0.5, 0.8, 0.9, 0.95, 0.997])
    alpha, beta = OrderStatistics.of(r, ONE, ONE, conformal=False).factors(levels)
    wanted = np.ceil(np.round(1000 * (1 - levels) / 2, 9)).astype(int)
    assert [int((r > a).sum()) for a in alpha] == wanted.tolist()
    assert [int((r < -b).sum()) for b in beta] == wanted.tolist()


def test_the_count_is_rounded_up_so_that_few_rows_at_a_high_level_are_no_crash() -> None:
    assert exceedances(30, np.array([0.95])).tolist() == [1]  # int() gives 0
    r = np.arange(30.0) - 15
    alpha, _ = OrderStatistics.of(r, ONE[:30], ONE[:30], conformal=False).factors(np.array([0.95]))
    assert alpha.tolist() == [13.0]  # one residual, 14, is beyond


@pytest.mark.parametrize("n, level, count", [(40, 0.9, 2), (60, 0.9, 3), (1000, 0.9, 50)])
def test_a_whole_count_is_not_raised_by_rounding_of_floats(
    n: int, level: float, count: int
) -> None:
    assert exceedances(n, np.array([level])).tolist() == [count]


def test_the_conformal_bound_is_infinite_just_below_the_rows_it_needs() -> None:
    for level in (0.5, 0.8, 0.9, 0.95, 0.99):
        r = np.random.default_rng(1).normal(size=500)
        needed = OrderStatistics.of(r, ONE[:500], ONE[:500]).least(level)
        for n, finite in ((needed, True), (needed - 1, False)):
            alpha, beta = OrderStatistics.of(r[:n], ONE[:n], ONE[:n]).factors(np.array([level]))
            assert np.isfinite([alpha[0], beta[0]]).tolist() == [finite, finite], (level, n)


def test_coverage_of_new_exchangeable_scores_is_that_of_the_ranks() -> None:
    rng, n, level, tries = np.random.default_rng(2), 59, 0.9, 4000
    scores = rng.exponential(size=(tries, n + 1)) * rng.choice([-1, 1], (tries, n + 1))
    inside = 0
    for row in scores:
        alpha, beta = OrderStatistics.of(row[:n], ONE[:n], ONE[:n]).factors(np.array([level]))
        inside += -beta[0] <= row[n] <= alpha[0]
    # both ranks are 57 of 60: 3 of 60 new scores lie beyond each
    assert conformal_rank(n, np.array([level])).tolist() == [57]
    low, high = binom.ppf([1e-4, 1 - 1e-4], tries, 0.9)
    assert low <= inside <= high


def test_factors_are_quantiles_of_scaled_residuals() -> None:
    rng = np.random.default_rng(3)
    u, v = rng.uniform(0.5, 2, (2, 999))
    r = rng.normal(size=999)
    alpha, beta = OrderStatistics.of(r, u, v).factors(np.array([0.9]))
    assert alpha[0] == np.sort(r / u)[949]
    assert beta[0] == np.sort(-r / v)[949]


@given(
    st.lists(st.integers(-5, 5), max_size=60),
    st.lists(st.floats(0.01, 0.99), min_size=2, max_size=6),
    st.booleans(),
)
def test_levels_are_nested_whatever_the_ties(
    residuals: list[int], levels: list[float], conformal: bool
) -> None:
    r = np.array(residuals, dtype=float)
    one = np.ones(len(r))
    factors = OrderStatistics.of(r, one, one, conformal=conformal).factors(np.sort(levels))
    for side in factors:
        assert not np.isnan(side).any() and (side >= 0).all()
        assert (side[1:] >= side[:-1]).all()


def test_missing_residuals_do_not_count() -> None:
    r = np.array([1.0, np.nan, -2.0, 3.0, np.nan])
    with_gaps = OrderStatistics.of(r, ONE[:5], ONE[:5])
    without = OrderStatistics.of(r[[0, 2, 3]], ONE[:3], ONE[:3])
    assert np.array_equal(with_gaps.above, without.above)
    assert len(with_gaps) == 3


@pytest.mark.parametrize("levels", [[0.0], [1.0], [90.0], [np.nan], []])
def test_levels_that_are_no_fractions_are_refused(levels: list[float]) -> None:
    with pytest.raises(InvalidData, match="fractions between 0 and 1"):
        check_levels(levels)
