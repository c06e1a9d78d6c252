from __future__ import annotations

import numpy as np
import pytest
import torch
from support.linear_model import exact_posterior, linear_surrogate

from catena.calibrator.generator import Generator, GeneratorConfig
from catena.calibrator.generator_fit import GeneratorTraining, fit_generator
from catena.calibrator.likelihood import Observations
from catena.calibrator.moments import Moments, products, weighted_moments
from catena.calibrator.prior import Prior
from catena.calibrator.reweighting import quasi_normal, sample_reweighted, shifted_normal
from catena.calibrator.sir import make_bank, weigh
from catena.calibrator.stages import Stages

SLOPE = np.array([[1.0, 0.0, 0.5], [0.2, 1.0, 0.0], [0.0, 0.3, 1.0]])


def generator(bend: float = 0.3) -> Generator:
    model = Generator(
        GeneratorConfig(3, 3, 8, 6), torch.full((3,), 0.01), torch.Generator().manual_seed(0)
    )
    with torch.no_grad():
        model.last.copy_(
            bend * torch.randn(model.last.shape, generator=torch.Generator().manual_seed(1))
        )
    return model


def some_sites(n: int = 2) -> Observations:
    rng = np.random.default_rng(0)
    return Observations(
        0.2 * rng.standard_normal((n, 3)), np.full((n, 3), 0.2), np.ones((n, 3), bool)
    )


def some_moments(n: int = 2) -> Moments:
    random = torch.Generator().manual_seed(2)
    axes = torch.linalg.qr(torch.randn(n, 3, 3, generator=random))[0]
    return Moments(
        torch.randn(n, 3, generator=random), axes, torch.rand(n, 3, generator=random) + 0.1
    )


def test_density_is_that_of_the_change_of_variables() -> None:
    model, moments = generator(), some_moments()
    context = model.read_sites(some_sites(), moments)
    z = torch.randn(2, 4, 3, generator=torch.Generator().manual_seed(3))
    x, log_density = model.push_with_density(context, z)
    torch.testing.assert_close(x, model.push(context, z))
    for site in range(2):
        for row in range(4):

            def move(point: torch.Tensor, site: int = site, row: int = row) -> torch.Tensor:
                whole = z.clone()
                whole[site, row] = point
                return model.push(context, whole)[site, row]

            jacobian = torch.autograd.functional.jacobian(move, z[site, row])
            normal = torch.distributions.Normal(0.0, 1.0).log_prob(z[site, row]).sum()
            expected = normal - torch.linalg.slogdet(jacobian)[1]
            assert log_density[site, row].item() == pytest.approx(expected.item(), abs=1e-4)


def test_without_a_correction_draws_have_the_moments_given() -> None:
    model, moments = generator(bend=0.0), some_moments()
    z = torch.randn(2, 60_000, 3, generator=torch.Generator().manual_seed(3))
    x = model.push(model.read_sites(some_sites(), moments), z).detach()
    for site in range(2):
        np.testing.assert_allclose(x[site].mean(0), moments.centre[site], atol=0.02)
        wanted = moments.root[site] @ moments.root[site]
        np.testing.assert_allclose(np.cov(x[site].T), wanted, atol=0.03)


def test_values_under_the_mask_are_not_read() -> None:
    model, moments = generator(), some_moments(1)
    observed = torch.tensor([[True, False, True]])
    z = torch.randn(1, 5, 3, generator=torch.Generator().manual_seed(3))
    values = torch.tensor([[0.1, 0.2, 0.3]])
    junk = torch.tensor([[0.1, float("nan"), 0.3]])
    outs = [
        model.push(model.read(v, torch.full((1, 3), 0.2), observed, moments), z)
        for v in (values, junk)
    ]
    assert torch.equal(*outs)


def test_shifted_points_stay_even_and_normal() -> None:
    box = Prior(("a", "b"), np.zeros(2), np.ones(2))
    base = quasi_normal(box, 4096, 0, ordered=True)
    shift = torch.rand(3, 2, generator=torch.Generator().manual_seed(0))
    z = shifted_normal(base, shift)
    assert torch.isfinite(z).all()
    for site in range(3):
        np.testing.assert_allclose(z[site].mean(0), 0.0, atol=0.005)
        np.testing.assert_allclose(np.cov(z[site].T), np.eye(2), atol=0.02)


def test_weights_correct_a_bad_generator(prior: Prior) -> None:
    """A wrongly bent proposal, off centre and too wide, still ends in the exact posterior."""
    surrogate = linear_surrogate(prior, SLOPE, 0.01)
    values, error = np.array([0.1, -0.2, 0.15]), np.full(3, 0.2)
    sites = Observations(values[None], error[None], np.ones((1, 3), bool))
    bank = make_bank(surrogate, 2**14, 0)
    table = products(torch.as_tensor(prior.unit_to_probit(bank.unit), dtype=torch.float32))
    true = weighted_moments(weigh(bank, sites).weight, table, 3)
    wrong = Moments(true.centre + 0.5 * true.variance.sqrt(), true.axes, 2.0 * true.variance)
    x, effective = sample_reweighted(
        generator(bend=0.15),
        surrogate,
        sites,
        wrong,
        quasi_normal(prior, 40_000, 1, ordered=True),
        torch.zeros(1, 3),
        20_000,
        torch.Generator().manual_seed(0),
    )
    unit = torch.special.ndtr(torch.as_tensor(x[0])).numpy()
    mean, covariance = exact_posterior(SLOPE, values, error**2 + 0.01)
    assert 500 < effective[0] < 30_000
    np.testing.assert_allclose(unit.mean(0), mean, atol=0.004)
    np.testing.assert_allclose(np.cov(unit.T), covariance, atol=0.06 * covariance.max())


def test_training_is_deterministic_and_its_state_complete(prior: Prior) -> None:
    surrogate = linear_surrogate(prior, SLOPE, 0.001)
    bank = make_bank(surrogate, 2**13, 0)
    training = GeneratorTraining(bank=2**13, epochs=4, per_context=4)
    models = [
        fit_generator(
            prior,
            bank,
            labels=4096,
            error_range=(0.1, 1.0),
            seed=seed,
            stages=Stages(),
            training=training,
        )
        for seed in (1, 1, 2)
    ]
    states = [{k: v.tobytes() for k, v in model.state().items()} for model in models]
    assert states[0] == states[1] != states[2]
    again = Generator.from_state(models[0].describe(), models[0].state())
    moments, sites = some_moments(), some_sites()
    z = torch.randn(2, 5, 3, generator=torch.Generator().manual_seed(3))
    a, b = (m.push(m.read_sites(sites, moments), z) for m in (models[0], again))
    assert torch.equal(a, b)


def test_an_output_that_says_next_to_nothing_is_not_read() -> None:
    """Photosynthesis in January: a spread of zero, so values and errors of a million spreads."""
    model, moments, sites = generator(), some_moments(), some_sites()
    values, error_sd = sites.values.copy(), sites.error_sd.copy()
    values[:, 1], error_sd[:, 1] = 3e5, 1e6
    faint = Observations(values, error_sd, sites.observed)
    masked = Observations(sites.values, sites.error_sd, np.array([[True, False, True]] * 2))
    z = torch.randn(2, 4, 3, generator=torch.Generator().manual_seed(3))
    x = model.push(model.read_sites(faint, moments), z)
    torch.testing.assert_close(x, model.push(model.read_sites(masked, moments), z))
