"""Scores of downscaled fields equal slow loops; interpolation keeps what it must."""

from __future__ import annotations

import numpy as np
import pytest

from catena.orbit_trainer.evaluation.downscaling import (
    QUANTILES,
    bicubic,
    downscaling_scores,
    ssim,
)
from catena.shared.errors import InvalidData


def noise(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape)


def test_the_table_equals_plain_definitions() -> None:
    truth = np.exp(noise(0, 5, 2, 16, 20))
    predicted = truth + 0.3 * noise(1, 5, 2, 16, 20)
    predicted[0, 0, 3, 4], truth[1, 0, 2, 2] = np.nan, np.nan
    found = downscaling_scores(predicted, truth, (0.68, 0.95))
    for v in range(2):
        known = ~np.isnan(predicted[:, v] + truth[:, v])
        p, t = predicted[:, v][known], truth[:, v][known]
        centred = ((p - p.mean()) * (t - t.mean())).mean()
        np.testing.assert_allclose(found.correlation[v], centred / (p.std() * t.std()))
        np.testing.assert_allclose(found.rmse[v], np.sqrt(np.mean((p - t) ** 2)))
        np.testing.assert_allclose(found.bias[v], np.mean(p) - np.mean(t), atol=1e-12)
        ordered = np.sort(t)
        for q, level in enumerate((0.68, 0.95)):
            place = level * (t.size - 1)
            low = int(place)
            limit = ordered[low] + (place - low) * (ordered[low + 1] - ordered[low])
            high = [(a - b) ** 2 for a, b in zip(p, t, strict=True) if b > limit]
            np.testing.assert_allclose(found.above[q, v], np.sqrt(np.mean(high)))
            assert found.cells[q, v] == len(high)
    assert (found.above[1] > 0).all()


def test_a_perfect_field_scores_perfectly_and_nothing_scores_nothing() -> None:
    truth = noise(2, 3, 2, 12, 12)
    truth[:, 1] = np.nan
    found = downscaling_scores(truth, truth)
    assert found.correlation[0] == pytest.approx(1.0)
    assert found.rmse[0] == found.bias[0] == 0.0
    assert found.ssim[0] == pytest.approx(1.0)
    assert found.levels == QUANTILES
    assert np.isnan([found.correlation[1], found.rmse[1], found.ssim[1]]).all()
    assert found.cells[:, 1].tolist() == [0.0] * 4
    with pytest.raises(InvalidData, match="wanted \\(N, V, H, W\\)"):
        downscaling_scores(truth, truth[:, :1])


def slow_ssim(a: np.ndarray, b: np.ndarray, span: float) -> float:
    """Window by window, as the paper writes it."""
    offsets = np.arange(-5, 6)
    window = np.exp(-(offsets[:, None] ** 2 + offsets**2) / (2 * 1.5**2))
    window /= window.sum()
    c1, c2 = (0.01 * span) ** 2, (0.03 * span) ** 2
    values = []
    for i in range(a.shape[0] - 10):
        for j in range(a.shape[1] - 10):
            x, y = a[i : i + 11, j : j + 11], b[i : i + 11, j : j + 11]
            if np.isnan(x + y).any():
                continue
            mx, my = (window * x).sum(), (window * y).sum()
            vx, vy = (window * (x - mx) ** 2).sum(), (window * (y - my) ** 2).sum()
            both = (window * (x - mx) * (y - my)).sum()
            values.append(
                (2 * mx * my + c1) * (2 * both + c2) / ((mx**2 + my**2 + c1) * (vx + vy + c2))
            )
    return float(np.mean(values))


def test_ssim_equals_the_paper_window_by_window() -> None:
    a, b = 3.0 + noise(3, 2, 14, 16), 3.0 + noise(4, 2, 14, 16)
    b = 0.6 * a + 0.4 * b
    b[1, 12, 2] = np.nan
    span = float(np.ptp(a))
    found = ssim(a, b, span)
    for place in range(2):
        assert found[place] == pytest.approx(slow_ssim(a[place], b[place], span), rel=1e-9)
    assert np.isnan(ssim(a, a, 0.0)).all()
    with pytest.raises(InvalidData, match="11 x 11"):
        ssim(a[:, :10], b[:, :10], span)


def test_bicubic_keeps_straight_slopes_and_goes_round_the_globe() -> None:
    slope = np.arange(8.0)[None] + np.zeros((8, 1))
    fine = bicubic(slope, 4)
    assert fine.shape == (32, 32)
    centres = (np.arange(32) + 0.5) / 4 - 0.5
    np.testing.assert_allclose(fine[:, 8:24], np.broadcast_to(centres[8:24], (32, 16)), atol=0.06)
    rolled = noise(5, 3, 8, 16)
    moved = bicubic(np.roll(rolled, 5, -1), 4, periodic=True)
    whole = bicubic(rolled, 4, periodic=True)
    assert whole.shape == (3, 32, 64)
    np.testing.assert_allclose(np.roll(whole, 20, -1), moved, atol=1e-5)
    assert np.abs(np.roll(bicubic(rolled, 4), 20, -1) - moved).max() > 0.01


def test_a_grid_smaller_than_the_window_has_all_scores_but_ssim() -> None:
    truth = np.random.default_rng(0).normal(size=(2, 1, 8, 16))
    found = downscaling_scores(truth + 0.5, truth)
    assert found.rmse[0] == pytest.approx(0.5) and np.isnan(found.ssim[0])
