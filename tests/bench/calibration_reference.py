"""The published DBUQ recipe, plainly: the anchor that costs and quality are compared with.

Written from the description in Lu et al. (2024) and Liu et al. (2024): Monte Carlo score with
broadcast weights over all ensemble members, likelihood of standard deviation 1 in standardised
units, 100 Euler steps, 20,000 labels, a tanh network trained on them by mean squared error. One
trial of its hyperparameter search, with the values that the authors give as their best: two hidden
layers of 128, learning rate 0.002, dropout 0.028, batches of 32, 15 epochs. One kindness: outputs
are standardised with the training runs' statistics, not those of the test set.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

Array = NDArray[np.float64]

LABELS = 20_000
STEPS = 100
ERROR_SD = 1.0


def broadcast_labels(
    z: torch.Tensor,
    y: torch.Tensor,
    bank_x: torch.Tensor,
    bank_y: torch.Tensor,
    *,
    error_sd: float = ERROR_SD,
    steps: int = STEPS,
    batch: int = 1000,
) -> torch.Tensor:
    """Probability-flow labels with every (label, member, parameter) difference written out.

    Parameters
    ----------
    z, y : (b, d) and (b, k) tensors
        Start of the flow at t = 1 and the observation, standardised.
    bank_x, bank_y : (j, d) and (j, k) tensors
        Ensemble, standardised.
    """
    out = torch.empty_like(z)
    dt = 1.0 / steps
    for first in range(0, len(z), batch):
        rows = slice(first, first + batch)
        x = z[rows]
        misfit = ((y[rows][:, None, :] - bank_y[None, :, :]) ** 2).sum(dim=2)
        log_likelihood = -0.5 * misfit / error_sd**2
        for i in range(steps):
            t = 1.0 - (i + 1) * dt
            # both ends of the flow are singular: times are shifted by one step
            alpha, beta2 = 1.0 - t + dt, t + dt
            drift = -1.0 / alpha
            diffusion2 = 1.0 - 2.0 * drift * beta2
            difference = x[:, None, :] - alpha * bank_x[None, :, :]
            log_weight = -0.5 * (difference**2).sum(dim=2) / beta2 + log_likelihood
            weight = torch.softmax(log_weight, dim=1)
            score = -(weight[:, :, None] * difference / beta2).sum(dim=1)
            x = x - (drift * x - 0.5 * diffusion2 * score) * dt
        out[rows] = x
    return out


@dataclass(frozen=True)
class ReferenceRecipe:
    """The trained network with the statistics that it was standardised by."""

    network: torch.nn.Sequential
    x_mean: Array
    x_sd: Array
    y_mean: Array
    y_sd: Array
    label_cpu_s: float
    train_cpu_s: float

    def sample(self, values: Array, *, draws: int, seed: int) -> Array:
        """Draws (s, draws, d) in physical units; nothing keeps them inside the prior."""
        generator = torch.Generator().manual_seed(seed)
        y = torch.as_tensor((values - self.y_mean) / self.y_sd, dtype=torch.float32)
        z = torch.randn(len(y), draws, len(self.x_mean), generator=generator)
        inputs = torch.cat([y[:, None, :].expand(-1, draws, -1), z], dim=2)
        with torch.no_grad():
            x = self.network(inputs)
        return self.x_mean + x.numpy().astype(float) * self.x_sd


def fit_reference(parameters: Array, outputs: Array, *, seed: int = 0) -> ReferenceRecipe:
    """Label and train, once; CPU seconds are recorded."""
    x_mean, x_sd = parameters.mean(axis=0), parameters.std(axis=0)
    y_mean, y_sd = outputs.mean(axis=0), outputs.std(axis=0)
    bank_x = torch.as_tensor((parameters - x_mean) / x_sd, dtype=torch.float32)
    bank_y = torch.as_tensor((outputs - y_mean) / y_sd, dtype=torch.float32)
    generator = torch.Generator().manual_seed(seed)
    began = time.process_time()
    y = bank_y[torch.randint(len(bank_y), (LABELS,), generator=generator)]
    z = torch.randn(LABELS, bank_x.shape[1], generator=generator)
    x = broadcast_labels(z, y, bank_x, bank_y)
    labelled = time.process_time()
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = _train(torch.cat([y, z], dim=1), x)
    trained = time.process_time()
    return ReferenceRecipe(
        network, x_mean, x_sd, y_mean, y_sd, labelled - began, trained - labelled
    )


def _train(inputs: torch.Tensor, targets: torch.Tensor) -> torch.nn.Sequential:
    network = torch.nn.Sequential(
        torch.nn.Linear(inputs.shape[1], 128),
        torch.nn.Tanh(),
        torch.nn.Linear(128, 128),
        torch.nn.Tanh(),
        torch.nn.Dropout(0.028),
        torch.nn.Linear(128, targets.shape[1]),
    )
    optimiser = torch.optim.Adam(network.parameters(), lr=0.002)
    for _ in range(15):
        for rows in torch.randperm(len(inputs)).split(32):
            loss = torch.nn.functional.mse_loss(network(inputs[rows]), targets[rows])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    return network.eval()
