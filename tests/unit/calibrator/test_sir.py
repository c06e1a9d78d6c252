from __future__ import annotations

import numpy as np
import pytest
import torch
from support.linear_model import exact_posterior, linear_surrogate

from catena.calibrator.likelihood import Observations, gaussian_log_likelihood
from catena.calibrator.moments import products, temper, weighted_moments
from catena.calibrator.prior import Prior
from catena.calibrator.sir import (
    Bank,
    log_likelihood_table,
    make_bank,
    space_filling_order,
    systematic,
    weigh,
)

SLOPE = np.array([[1.0, 0.0, 0.5], [0.2, 1.0, 0.0], [0.0, 0.3, 1.0]])


def some_bank(n: int = 300, k: int = 4) -> Bank:
    rng = np.random.default_rng(0)
    return Bank(
        rng.random((n, 2)).astype("f4"),
        rng.standard_normal((n, k)).astype("f4"),
        rng.gamma(2.0, 0.05, (n, k)).astype("f4"),
    )


def some_sites(s: int = 12, k: int = 4) -> Observations:
    rng = np.random.default_rng(1)
    error = rng.choice([0.1, 0.3], (s, 1)) * np.ones((s, k))
    observed = rng.random((s, k)) < 0.7
    observed[:, 0] = True
    return Observations(rng.standard_normal((s, k)), error, observed)


def test_matrix_form_equals_the_densities_up_to_a_constant_per_site() -> None:
    bank, sites = some_bank(), some_sites()
    table = log_likelihood_table(bank, sites).double()
    slow = gaussian_log_likelihood(
        torch.as_tensor(bank.mean)[None].double(),
        torch.as_tensor(bank.variance)[None].double(),
        torch.as_tensor(sites.values)[:, None],
        torch.as_tensor(sites.error_sd)[:, None],
        torch.as_tensor(sites.observed)[:, None],
    )
    np.testing.assert_allclose(
        table - table.amax(1, keepdim=True), slow - slow.amax(1, keepdim=True), atol=2e-3
    )


def test_a_site_alone_gets_the_weights_it_gets_among_others() -> None:
    bank, sites = some_bank(), some_sites()
    together = weigh(bank, sites)
    for s in range(len(sites)):
        alone = weigh(bank, sites.rows(slice(s, s + 1)))
        torch.testing.assert_close(alone.weight[0], together.weight[s], atol=1e-4, rtol=1e-3)
        assert alone.distance.item() == pytest.approx(together.distance[s].item(), rel=1e-6)


def test_systematic_resampling_is_within_one_of_the_expected_counts() -> None:
    weight = torch.rand(5, 40, generator=torch.Generator().manual_seed(0))
    chosen = systematic(weight, 1000, torch.Generator().manual_seed(1))
    expected = 1000 * weight / weight.sum(1, keepdim=True)
    for row in range(5):
        counts = torch.bincount(chosen[row], minlength=40)
        assert ((counts - expected[row]).abs() < 1.0 + 1e-6).all()


def test_members_without_weight_are_never_chosen() -> None:
    weight = torch.tensor([[0.0, 1.0, 0.0, 0.0, 2.0, 0.0]])
    chosen = systematic(weight, 500, torch.Generator().manual_seed(1))
    assert set(chosen.unique().tolist()) == {1, 4}


def test_chunks_do_not_change_draws() -> None:
    weight = torch.rand(7, 50, generator=torch.Generator().manual_seed(0))
    whole = systematic(weight, 20, torch.Generator().manual_seed(1))
    random = torch.Generator().manual_seed(1)
    parts = [systematic(part, 20, random) for part in weight.split(3)]
    assert torch.equal(torch.cat(parts), whole)


def test_neighbours_in_the_bank_are_neighbours_in_space() -> None:
    unit = np.random.default_rng(0).random((4096, 3))
    ordered = unit[space_filling_order(unit)]
    assert sorted(map(tuple, ordered)) == sorted(map(tuple, unit))
    near = np.linalg.norm(np.diff(ordered, axis=0), axis=1).mean()
    assert near < 0.4 * np.linalg.norm(np.diff(unit, axis=0), axis=1).mean()


def test_weighted_bank_has_the_moments_of_the_exact_posterior(prior: Prior) -> None:
    surrogate = linear_surrogate(prior, SLOPE, 0.002)
    values, error = np.array([0.1, -0.2, 0.15]), np.full(3, 0.1)
    bank = make_bank(surrogate, 2**16, 0)
    sites = Observations(values[None], error[None], np.ones((1, 3), bool))
    weights = weigh(bank, sites)
    mean, covariance = exact_posterior(SLOPE, values, error**2 + 0.002)
    w = weights.weight[0].numpy() / weights.weight.sum().item()
    np.testing.assert_allclose(w @ bank.unit, mean, atol=2e-3)
    np.testing.assert_allclose(
        np.cov(bank.unit.T, aweights=w), covariance, atol=0.03 * covariance.max()
    )
    assert weights.effective.item() == pytest.approx(1.0 / (w**2).sum(), rel=1e-3)


def test_moments_are_those_of_numpy() -> None:
    rng = np.random.default_rng(0)
    x, w = rng.standard_normal((500, 3)).astype("f4"), rng.random((2, 500)).astype("f4")
    moments = weighted_moments(torch.as_tensor(w), products(torch.as_tensor(x)), 3)
    for row in range(2):
        np.testing.assert_allclose(
            moments.centre[row], np.average(x, axis=0, weights=w[row]), atol=1e-5
        )
        square = (moments.root @ moments.root)[row]
        wanted = np.cov(x.T, aweights=w[row], ddof=0)
        np.testing.assert_allclose(square, wanted, atol=1e-4)
        assert moments.log_det_root[row] == pytest.approx(
            0.5 * np.linalg.slogdet(wanted)[1], abs=1e-3
        )


def test_tempering_leaves_enough_members_and_rich_rows_alone() -> None:
    logs = -torch.rand(3, 2000, generator=torch.Generator().manual_seed(0)) * torch.tensor(
        [[1.0], [200.0], [5000.0]]
    )
    logs -= logs.amax(1, keepdim=True)
    weight = logs.exp()
    effective = weight.sum(1) ** 2 / weight.square().sum(1)
    after = temper(weight, effective, 150.0)
    size = after.sum(1) ** 2 / after.square().sum(1)
    assert effective[1] < 150 and effective[2] < 150
    assert torch.equal(after[0], weight[0])
    np.testing.assert_allclose(size[1:], 150.0, rtol=0.1)
