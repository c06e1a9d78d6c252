"""Scores against closed forms, numerical integrals and slow loops."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, stats
from scores.continuous import quantile_score

from catena.forecaster import metrics
from catena.shared.errors import InvalidData

rng = np.random.default_rng(0)


def gappy(shape: tuple[int, ...], seed: int, share: float = 0.2) -> tuple[np.ndarray, np.ndarray]:
    """Forecasts and observations that belong together, each with gaps of its own."""
    random = np.random.default_rng(seed)
    y = random.gamma(1.0, 2.0, shape)
    f = y + random.normal(0.3, 0.8, shape)
    f[random.random(shape) < share], y[random.random(shape) < share] = np.nan, np.nan
    return f, y


# --- point forecasts


def slow_nse(f: np.ndarray, y: np.ndarray) -> float:
    pairs = [(a, b) for a, b in zip(f, y, strict=True) if a == a and b == b]
    mean = sum(b for _, b in pairs) / len(pairs)
    return 1 - sum((a - b) ** 2 for a, b in pairs) / sum((b - mean) ** 2 for _, b in pairs)


def slow_kge(f: np.ndarray, y: np.ndarray) -> float:
    both = np.isfinite(f) & np.isfinite(y)
    f, y = f[both], y[both]
    r, ratio, bias = np.corrcoef(f, y)[0, 1], f.std() / y.std(), f.mean() / y.mean()
    return 1 - ((r - 1) ** 2 + (ratio - 1) ** 2 + (bias - 1) ** 2) ** 0.5


@pytest.mark.parametrize(
    ("score", "slow"), [(metrics.nse, slow_nse), (metrics.kge, slow_kge)], ids=["nse", "kge"]
)
@pytest.mark.parametrize("seed", range(3))
def test_point_scores_equal_slow_loops_per_basin_and_lead(score, slow, seed: int) -> None:
    f, y = gappy((3, 40, 5), seed)
    value = score(f, y)
    assert value.shape == (3, 5)
    for b in range(3):
        for h in range(5):
            assert value[b, h] == pytest.approx(slow(f[b, :, h], y[b, :, h]), rel=1e-12)
    # (sample, lead) is the same without basins
    np.testing.assert_array_equal(score(f[1], y[1]), value[1])


def test_nse_has_its_closed_forms() -> None:
    y = rng.gamma(1.0, 2.0, (50, 2))
    assert metrics.nse(y, y) == pytest.approx([1.0, 1.0])
    mean = np.broadcast_to(y.mean(0), y.shape)
    assert metrics.nse(mean, y) == pytest.approx([0.0, 0.0], abs=1e-12)
    assert metrics.nse(y + 1.0, y) == pytest.approx(1.0 - 1.0 / y.var(0))
    # correlation and spread are perfect, the mean is half as large again
    assert metrics.kge(y + 0.5 * y.mean(0), y) == pytest.approx([0.5, 0.5])


@pytest.mark.parametrize("score", [metrics.nse, metrics.kge])
def test_basins_without_variation_or_pairs_get_no_score_and_leave_others_alone(score) -> None:
    f, y = gappy((4, 30, 1), 1)
    whole = score(f, y)
    y[0], y[1] = 0.1 + 0.2, np.nan  # constant and no binary fraction; nothing observed
    f[2] = np.nan
    value = score(f, y)
    assert np.isnan(value[:3]).all()
    assert value[3] == whole[3]


def test_a_forecast_that_never_changes_has_an_nse_but_no_kge() -> None:
    y = rng.gamma(1.0, 2.0, (50, 1))
    f = np.full((50, 1), 0.1)  # by rounding its sum of squares is not exactly zero
    assert np.isnan(metrics.kge(f, y)).all()
    assert metrics.nse(f, y) == pytest.approx([slow_nse(f[:, 0], y[:, 0])])
    both = metrics.kge(np.stack([f, y]), np.stack([y, y]))
    assert np.isnan(both[0]).all() and both[1] == pytest.approx([1.0])


@pytest.mark.parametrize("score", [metrics.nse, metrics.kge])
@pytest.mark.parametrize("issues", [0, 1])
def test_one_issue_time_or_none_gives_no_score(score, issues: int) -> None:
    y = np.ones((3, issues, 4))
    assert np.isnan(score(y, y)).all() and score(y, y).shape == (3, 4)


# --- CRPS


def integral_crps(cdf, y: float, points: list[float]) -> float:
    """int (F(z) - 1{y <= z})^2 dz."""
    edges = sorted({*points, y, y - 60.0, y + 60.0})
    total = 0.0
    for low, high in pairwise(edges):
        step = 1.0 if low >= y else 0.0
        total += integrate.quad(lambda z, s=step: (cdf(z) - s) ** 2, low, high, limit=200)[0]
    return total


@settings(max_examples=25)
@given(st.lists(st.floats(-5, 5), min_size=1, max_size=8), st.floats(-6, 6))
def test_crps_of_an_ensemble_is_the_integral_over_its_steps(members, y: float) -> None:
    def cdf(z: float) -> float:
        return sum(m <= z for m in members) / len(members)

    edges = sorted({*members, y})
    slow = sum((cdf(low) - (y <= low)) ** 2 * (high - low) for low, high in pairwise(edges))
    assert metrics.crps_ensemble([members], [y])[0] == pytest.approx(slow, abs=1e-9)


def test_crps_of_ensembles_leaves_missing_members_out() -> None:
    members, y = rng.normal(size=(6, 4, 9)), rng.normal(size=(6, 4))
    full = metrics.crps_ensemble(members, y)
    padded = np.concatenate([members, np.full((6, 4, 3), np.nan)], axis=-1)
    np.testing.assert_allclose(metrics.crps_ensemble(padded, y), full, rtol=1e-12)
    y[2, 1], padded[3, 2] = np.nan, np.nan
    gone = np.isnan(metrics.crps_ensemble(padded, y))
    assert gone.sum() == 2 and gone[2, 1] and gone[3, 2]


def test_fair_crps_does_not_depend_on_the_size_of_the_ensemble() -> None:
    y = rng.normal(size=40000)
    two, many = rng.normal(size=(40000, 2)), rng.normal(size=(40000, 40))
    fair = [metrics.crps_ensemble(x, y, fair=True).mean() for x in (two, many)]
    # a standard normal for standard normal observations: 1 / sqrt(pi)
    assert fair == pytest.approx([np.pi**-0.5] * 2, abs=0.01)


def test_crps_of_many_quantiles_is_that_of_the_law() -> None:
    levels = (np.arange(2000) + 0.5) / 2000
    y = np.array([-2.0, 0.0, 0.7, 3.0])
    q = np.broadcast_to(stats.norm.ppf(levels), (4, 2000))
    z = stats.norm
    closed = y * (2 * z.cdf(y) - 1) + 2 * z.pdf(y) - np.pi**-0.5
    assert metrics.crps_quantiles(q, levels, y) == pytest.approx(closed, abs=1e-3)


def test_crps_of_quantiles_weighs_the_quantile_score_of_the_package() -> None:
    import xarray as xr

    levels, y = [0.1, 0.5, 0.9], rng.normal(size=7)
    q = np.sort(rng.normal(size=(7, 3)), axis=1)
    each = [
        quantile_score(xr.DataArray(q[:, k]), xr.DataArray(y), level, preserve_dims="all").values
        for k, level in enumerate(levels)
    ]
    expected = 2.0 * (0.3 * each[0] + 0.4 * each[1] + 0.3 * each[2])
    np.testing.assert_allclose(metrics.crps_quantiles(q, levels, y), expected, rtol=1e-12)


def test_crps_of_one_quantile_at_the_median_is_the_absolute_error() -> None:
    assert metrics.crps_quantiles([[2.0]], [0.5], [5.0]) == pytest.approx([3.0])


# --- PIT


def test_pit_is_uniform_for_reliable_forecasts_and_not_for_others() -> None:
    y, members = rng.normal(size=4000), rng.normal(size=(4000, 99))
    levels = np.arange(0.02, 0.99, 0.02)
    q = np.broadcast_to(stats.norm.ppf(levels), (4000, len(levels)))
    for pit in (metrics.pit_ensemble(members, y), metrics.pit_quantiles(q, levels, y)):
        assert stats.kstest(pit, "uniform").statistic < 0.03
    assert stats.kstest(metrics.pit_ensemble(members, y + 1.0), "uniform").statistic > 0.3


def test_pit_between_beyond_and_on_tied_quantiles() -> None:
    levels = [0.1, 0.5, 0.9]
    q = [[1.0, 2.0, 4.0]]
    for y, wanted in ((1.5, 0.3), (3.0, 0.7), (2.0, 0.5), (0.0, 0.05), (9.0, 0.95)):
        assert metrics.pit_quantiles(q, levels, [y])[0] == pytest.approx(wanted)
    # no flow in half of the cases
    assert metrics.pit_quantiles([[0.0, 0.0, 3.0]], levels, [0.0])[0] == pytest.approx(0.3)
    assert np.isnan(metrics.pit_quantiles(q, levels, [np.nan])[0])
    assert metrics.pit_ensemble([[1.0, 2.0, 2.0, np.nan]], [2.0])[0] == pytest.approx(2 / 3)
    assert np.isnan(metrics.pit_ensemble([[np.nan, np.nan]], [2.0])[0])


# --- intervals


@settings(max_examples=20)
@given(st.integers(0, 1000))
def test_interval_scores_equal_slow_loops(seed: int) -> None:
    random = np.random.default_rng(seed)
    low, y = gappy((2, 12, 3), seed)
    high = low + random.gamma(1.0, 1.0, low.shape)
    high[random.random(low.shape) < 0.1] = np.nan
    level, alpha = 0.8, 0.2
    covered, width, score = (
        f(low, high, y) for f in (metrics.picp, metrics.mpiw, lambda *a: metrics.winkler(*a, 0.8))
    )
    for b in range(2):
        for h in range(3):
            inside, widths, scores = [], [], []
            for i in range(12):
                a, c, o = low[b, i, h], high[b, i, h], y[b, i, h]
                if np.isnan(a + c + o):
                    continue
                inside.append(a <= o <= c)
                widths.append(c - a)
                scores.append(c - a + 2 / alpha * max(a - o, 0.0, o - c))
            for value, slow in ((covered, inside), (width, widths), (score, scores)):
                wanted = np.mean(slow) if slow else np.nan
                assert value[b, h] == pytest.approx(wanted, nan_ok=True, rel=1e-9)
    assert level + alpha == 1.0


def test_levels_may_lie_on_a_last_axis() -> None:
    y = rng.normal(size=(2, 50, 3))
    levels = [0.5, 0.9]
    half = stats.norm.ppf(0.5 + 0.5 * np.array(levels))
    low, high = np.broadcast_to(-half, (*y.shape, 2)), np.broadcast_to(half, (*y.shape, 2))
    for score in (metrics.picp, metrics.mpiw):
        value = score(low, high, y)
        assert value.shape == (2, 3, 2)
        np.testing.assert_array_equal(value[..., 1], score(low[..., 1], high[..., 1], y))
    value = metrics.winkler(low, high, y, levels)
    np.testing.assert_allclose(value[..., 0], metrics.winkler(low[..., 0], high[..., 0], y, 0.5))


def test_winkler_is_best_at_the_true_quantiles() -> None:
    y = rng.normal(size=(20000, 1))
    scores = [
        metrics.winkler(np.full(y.shape, -z), np.full(y.shape, z), y, 0.9)[0]
        for z in (1.3, 1.6449, 2.0)
    ]
    # E = 2 z + 2 / alpha * 2 (pdf(z) - z (1 - cdf(z))) at z = 1.6449
    z = stats.norm.ppf(0.95)
    assert scores[1] == pytest.approx(2 * z + 40 * (stats.norm.pdf(z) - 0.05 * z), rel=0.02)
    assert scores[1] < scores[0] and scores[1] < scores[2]


def test_infinite_bounds_cover_and_cost_without_end() -> None:
    y = np.zeros((5, 1))
    assert metrics.picp(y - np.inf, y + np.inf, y)[0] == 1.0
    assert metrics.winkler(y - np.inf, y + np.inf, y, 0.9)[0] == np.inf


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda y: metrics.picp(y + 1, y, y), r"lower bounds lie above .* \[0, 0\]"),
        (lambda y: metrics.picp(y, y, y[:, :1]), "bounds have shape"),
        (lambda y: metrics.winkler(y, y, y, 90), "fractions between 0 and 1"),
        (lambda y: metrics.winkler(y, y, y, [0.5, 0.9]), "as last axis"),
        (lambda y: metrics.nse(y, y[:2]), "want the same"),
        (lambda y: metrics.crps_quantiles(y, [0.9, 0.1], y[:, 0]), "ascending"),
        (lambda y: metrics.crps_quantiles(y, [0.9], y[:, 0]), "as many of both"),
        (lambda y: metrics.crps_ensemble(y, y), "one more axis"),
    ],
)
def test_what_cannot_be_scored_is_refused(call, message: str) -> None:
    with pytest.raises(InvalidData, match=message):
        call(np.zeros((4, 2)))


# --- skill


def test_crpss_compares_the_same_pairs_only() -> None:
    ours, theirs = np.full((6, 2), 1.0), np.full((6, 2), 4.0)
    theirs[0], ours[1] = np.nan, np.nan
    ours[0] = 1e6  # has no partner
    assert metrics.crpss(ours, theirs) == pytest.approx([0.75, 0.75])
    theirs[:, 1] = 0.0
    assert np.isnan(metrics.crpss(ours, theirs)[1])


def test_mean_of_nothing_is_nan() -> None:
    value = metrics.mean_score(np.array([[1.0, np.nan], [3.0, np.nan]]))
    assert value[0] == 2.0 and np.isnan(value[1])
