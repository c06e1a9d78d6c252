"""A plain implementation of UQnet's recipe for UCI sets, for comparison.

Facts from the package (liusiyan/UQnet, ICLR_2022/PI3NN_UCI): one hidden layer of ReLU after a
linear layer, Adam at .01 on all rows at once, 1000 iterations for each of three networks, L1 and L2
penalties of .02 on the hidden weights, ``sqrt(z^2 + .2)`` for positive outputs with a start bias
of 3, no shift by the median, ``int`` of the outliers, alpha and beta by bisection on training rows.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

NEURONS = 75
ITERATIONS = 1000
PENALTY = 0.02
FLOOR = 0.2


class Network(nn.Module):
    """Linear, hidden, output; with `positive` a floor under its square root."""

    def __init__(self, inputs: int, positive: bool, generator: torch.Generator) -> None:
        super().__init__()
        self.first = nn.Linear(inputs, inputs)
        self.hidden = nn.Linear(inputs, NEURONS)
        self.last = nn.Linear(NEURONS, 1)
        self.bias = nn.Parameter(torch.tensor(3.0 if positive else 0.0), requires_grad=positive)
        self.positive = positive
        with torch.no_grad():
            for layer in (self.first, self.last):
                limit = (6.0 / (layer.in_features + layer.out_features)) ** 0.5
                layer.weight.uniform_(-limit, limit, generator=generator)
                layer.bias.zero_()
            self.hidden.weight.normal_(0.1, 0.1, generator=generator)
            self.hidden.bias.zero_()

    def forward(self, x: Tensor) -> Tensor:
        z = self.last(torch.relu(self.hidden(self.first(x))))[:, 0] + self.bias
        return torch.sqrt(z * z + FLOOR) if self.positive else z


def train(network: Network, x: Tensor, y: Tensor) -> Network:
    optimizer = torch.optim.Adam(network.parameters(), lr=0.01)
    for step in range(ITERATIONS):
        optimizer.param_groups[0]["lr"] = 0.01 * 0.8 ** (step / 3000)
        optimizer.zero_grad()
        weight = network.hidden.weight
        loss = torch.mean((network(x) - y) ** 2)
        loss = loss + PENALTY * (weight.abs().sum() + weight.square().sum())
        loss.backward()
        optimizer.step()
    return network


def bisect(residual: np.ndarray, size: np.ndarray, outliers: int) -> float:
    """The factor that leaves so many rows beyond it, or what is left after 1000 halvings."""
    low, high, factor = 0.0, 1000.0, 0.0
    for _ in range(1000):
        factor = 0.5 * (low + high)
        beyond = np.count_nonzero(residual >= factor * size) - outliers
        if beyond == 0 or high - low < 1e-12:
            break
        low, high = (factor, high) if beyond > 0 else (low, factor)
    return factor


def fit_predict(
    x: np.ndarray, y: np.ndarray, x_test: np.ndarray, levels: np.ndarray, seed: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Centre (n,), lower and upper (n, levels) at the test rows."""
    generator = torch.Generator().manual_seed(seed)
    rows, target, wanted = (torch.as_tensor(v, dtype=torch.float32) for v in (x, y, x_test))
    mean = train(Network(x.shape[1], False, generator), rows, target)
    with torch.no_grad():
        residual = target - mean(rows)
        centre = mean(wanted).double().numpy()
    sides = []
    for sign in (1.0, -1.0):
        own = sign * residual > 0
        network = train(Network(x.shape[1], True, generator), rows[own], sign * residual[own])
        with torch.no_grad():
            size, at = network(rows).double().numpy(), network(wanted).double().numpy()
        r = sign * residual.double().numpy()
        factors = [bisect(r, size, int(len(x) * (1.0 - level) / 2.0)) for level in levels]
        sides.append(at[:, None] * np.array(factors))
    return centre, centre[:, None] - sides[1], centre[:, None] + sides[0]
