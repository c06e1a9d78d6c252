from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, DotProduct, Matern, WhiteKernel

from catena.models.gp import GaussianProcess, GPHyperparameters


@pytest.fixture
def model() -> GaussianProcess:
    rng = np.random.default_rng(0)
    x = torch.as_tensor(rng.uniform(-1, 1, (40, 3)))
    y = torch.stack([torch.sin(3 * x[:, 0]) + x[:, 1], x[:, 2] ** 2 - 0.3], dim=1)
    return GaussianProcess(
        x,
        y,
        GPHyperparameters(
            torch.tensor([[0.7, 1.3, 2.0], [1.5, 0.9, 0.6]]).log(),
            torch.tensor([1.4, 0.8]).log(),
            torch.tensor([0.2, 0.5]).log(),
            torch.tensor([0.01, 0.002]).log(),
        ),
    )


def test_prediction_equals_an_independent_implementation(model: GaussianProcess) -> None:
    new = np.random.default_rng(1).uniform(-1, 1, (25, 3))
    mean, variance = model.predict(torch.as_tensor(new))
    hyper = model.hyper
    for k in range(2):
        kernel = (
            ConstantKernel(hyper.log_amplitude[k].exp().item())
            * Matern(hyper.log_lengthscale[k].exp().numpy(), nu=2.5)
            + ConstantKernel(hyper.log_linear[k].exp().item()) * DotProduct(1e-12)
            + WhiteKernel(hyper.log_noise[k].exp().item())
        )
        other = GaussianProcessRegressor(kernel, optimizer=None, alpha=0.0)
        other.fit(model.inputs.numpy(), model.targets[:, k].numpy())
        other_mean, other_sd = other.predict(new, return_std=True)
        noise = hyper.log_noise[k].exp().item()
        np.testing.assert_allclose(mean[:, k], other_mean, atol=1e-8)
        np.testing.assert_allclose(variance[:, k] + noise, other_sd**2, atol=1e-8)


def test_gradient_equals_finite_differences(model: GaussianProcess) -> None:
    x = torch.tensor([[0.1, -0.4, 0.3]], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda v: model.predict(v), (x,))


def test_gradient_is_finite_at_a_training_point(model: GaussianProcess) -> None:
    x = model.inputs[:1].clone().requires_grad_()
    mean, variance = model.predict(x)
    (mean.sum() + variance.sum()).backward()
    assert torch.isfinite(x.grad).all()


def test_a_linear_function_is_extrapolated_by_the_linear_part() -> None:
    x = torch.linspace(-1, 1, 12, dtype=torch.float64)[:, None]
    hyper = GPHyperparameters(
        torch.tensor([[0.0]]), torch.tensor([-12.0]), torch.tensor([2.0]), torch.tensor([-14.0])
    )
    model = GaussianProcess(x, 2.0 * x, hyper)
    assert model.predict(torch.tensor([[3.0]]))[0].item() == pytest.approx(6.0, abs=1e-2)


def test_state_rebuilds_the_same_predictions(model: GaussianProcess) -> None:
    again = GaussianProcess.from_state(model.config(), model.state())
    x = torch.rand(5, 3, dtype=torch.float64)
    for a, b in zip(model.predict(x), again.predict(x), strict=True):
        assert torch.equal(a, b)


def test_state_of_other_sizes_is_refused(model: GaussianProcess) -> None:
    with pytest.raises(ValueError, match="do not fit the configuration"):
        GaussianProcess.from_state({**model.config(), "runs": 7}, model.state())
