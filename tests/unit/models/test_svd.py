from __future__ import annotations

import numpy as np
import pytest

from catena.models.svd import LinearReduction, leading_directions


def field(n: int = 12, k: int = 300, rank: int = 3, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.standard_normal((n, rank)) @ rng.standard_normal((rank, k))


def test_directions_equal_those_of_a_full_decomposition() -> None:
    y = field(rank=8)
    y = y - y.mean(0)
    basis, share = leading_directions(y, 1.0, 4)
    _, s, vt = np.linalg.svd(y, full_matrices=False)
    np.testing.assert_allclose(np.abs(basis @ vt[:4].T), np.eye(4), atol=1e-8)
    np.testing.assert_allclose(share, s[:4] ** 2 / (s**2).sum(), atol=1e-10)


def test_a_field_of_rank_three_is_rebuilt_from_three_scores() -> None:
    y = field()
    offset = y.mean(0)
    basis, share = leading_directions(y - offset, 0.999999, 10)
    assert len(basis) == 3 and share.sum() == pytest.approx(1.0)
    reduction = LinearReduction(offset, np.full(300, 2.0), basis, np.zeros(300))
    np.testing.assert_allclose(reduction.decode(reduction.encode(y)), y, atol=1e-9)


def test_signs_do_not_depend_on_the_order_of_the_runs() -> None:
    y = field() - field().mean(0)
    a, _ = leading_directions(y, 0.99, 3)
    b, _ = leading_directions(y[::-1], 0.99, 3)
    np.testing.assert_allclose(a, b, atol=1e-8)


def test_decoded_variance_is_that_of_decoded_scores() -> None:
    rng = np.random.default_rng(3)
    basis, _ = leading_directions(field() - field().mean(0), 0.999999, 3)
    reduction = LinearReduction(np.zeros(300), np.full(300, 2.0), basis, np.full(300, 0.01))
    variance = np.array([[0.5, 2.0, 0.1]])
    scores = rng.standard_normal((40_000, 3)) * np.sqrt(variance)
    noise = 0.1 * rng.standard_normal((40_000, 300)) * 2.0
    sampled = (reduction.decode(scores) + noise).var(0)
    np.testing.assert_allclose(reduction.decode_variance(variance)[0], sampled, rtol=0.05)


def test_state_is_complete_with_and_without_a_basis() -> None:
    for basis in (None, np.eye(2, 5)):
        a = LinearReduction(np.arange(5.0), np.ones(5), basis, np.zeros(5))
        b = LinearReduction.from_state(a.state())
        y = np.random.default_rng(0).random((3, 5))
        assert np.array_equal(a.encode(y), b.encode(y))
