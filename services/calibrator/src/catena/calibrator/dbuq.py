"""DBUQ as published: diffusion-based uncertainty quantification, training-free score, trained map.

Lu et al. (2024), JGR: Machine Learning and Computation; Liu et al. (2024), diffusion-model-assisted
supervised learning of generative models. Sections and symbols follow the former. It learns from the
raw runs, has one observation error for all (``sigma_y`` in standardised units) and knows no
bounds: it is here to compare with, the generator is what to use.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from catena.calibrator.likelihood import Observations
from catena.calibrator.prior import Prior
from catena.calibrator.stages import ProgressReport, Stages
from catena.calibrator.training import torch_generator, train

# rows of the weight table at once: it stays in the processor's cache
ROWS = 256


def denoiser(
    z: Tensor, y: Tensor, x_j: Tensor, y_j: Tensor, t: float, dt: float, sigma_y: float
) -> Tensor:
    """Conditional mean of X_0 given X_t = z and the observation y: a weighted mean of the runs.

    Weights are ``w_j ~ exp(-|z - alpha x_j|^2 / 2 beta^2) exp(-|y - y_j|^2 / 2 sigma_y^2)``. What
    is the same for all j cancels in the softmax; the rest is bilinear in ``[z, y, 1]`` and
    ``[x_j, y_j, -alpha^2 |x_j|^2 / 2 beta^2 - |y_j|^2 / 2 sigma_y^2]``: one matrix product.

    Parameters
    ----------
    z, y : Tensor, (m, d), (m, k)
    x_j, y_j : Tensor, (J, d), (J, k)
    t, dt : float
        Time, and the shift away from the singular ends.
    sigma_y : float
        Standard deviation of the observation error, standardised.

    Returns
    -------
    Tensor, (m, d)
    """
    alpha, beta2 = schedule(t, dt)
    constant = -0.5 * (
        (alpha**2 / beta2) * (x_j * x_j).sum(1, keepdim=True)
        + (y_j * y_j).sum(1, keepdim=True) / sigma_y**2
    )
    keys = torch.cat([x_j, y_j, constant], dim=1).T.contiguous()
    queries = torch.cat(
        [z * (alpha / beta2), y / sigma_y**2, torch.ones(len(z), 1, dtype=z.dtype)], dim=1
    )
    out = torch.empty_like(z)
    for start in range(0, len(z), ROWS):
        rows = slice(start, start + ROWS)
        out[rows] = torch.softmax(queries[rows] @ keys, dim=1) @ x_j
    return out


def schedule(t: float, dt: float) -> tuple[float, float]:
    """``X_t | X_0 ~ N(alpha x, beta^2 I)``: alpha = 1 - t, beta^2 = t, both shifted by dt."""
    return 1.0 - t + dt, t + dt


def score(
    z: Tensor, y: Tensor, x_j: Tensor, y_j: Tensor, t: float, dt: float, sigma_y: float
) -> Tensor:
    """Score of X_t given y: ``s = -(z - alpha m) / beta^2``, no training."""
    alpha, beta2 = schedule(t, dt)
    return -(z - alpha * denoiser(z, y, x_j, y_j, t, dt, sigma_y)) / beta2


def probability_flow(
    z: Tensor, y: Tensor, x_j: Tensor, y_j: Tensor, *, sigma_y: float = 1.0, steps: int = 100
) -> Tensor:
    """Labels: the reverse ODE ``dz/dt = b z - sigma^2 s / 2`` from t = 1 to 0 by Euler steps.

    Drift ``b = d log alpha / dt`` and diffusion ``sigma^2 = d beta^2 / dt - 2 b beta^2``.

    Parameters
    ----------
    z : Tensor, (m, d)
        Standard normal start.
    y : Tensor, (m, k)
        Observation of each label, standardised.
    x_j, y_j : Tensor, (J, d), (J, k)
        The runs, standardised.
    sigma_y, steps
        Observation error (1 in the reference); Euler steps.

    Returns
    -------
    Tensor, (m, d)
        A draw of x given y for each z.
    """
    dt = 1.0 / steps
    for i in range(steps):
        t = 1.0 - (i + 1) * dt  # the end of the step, as the authors' code has it
        alpha, beta2 = schedule(t, dt)
        b = -1.0 / alpha
        sigma2 = 1.0 - 2.0 * b * beta2
        z = z - dt * (b * z - 0.5 * sigma2 * score(z, y, x_j, y_j, t, dt, sigma_y))
    return z


@dataclass(frozen=True)
class FaithfulConfig:
    """Choices of the published recipe.

    Parameters
    ----------
    sigma_y : float
        Observation error in standardised outputs.
    steps : int
        Euler steps of the flow.
    width, depth : int
        Of the tanh network.
    epochs, batch, learning_rate
        Of its training.
    """

    sigma_y: float = 1.0
    steps: int = 100
    width: int = 64
    depth: int = 2
    epochs: int = 100
    batch: int = 512
    learning_rate: float = 1e-2


class FaithfulMap(nn.Module):
    """The trained map F(y, z) -> x in standardised units.

    Parameters
    ----------
    parameters, outputs : int
    config : FaithfulConfig
    generator : torch.Generator
    """

    x_mean: Tensor
    x_sd: Tensor
    y_mean: Tensor
    y_sd: Tensor

    def __init__(
        self, parameters: int, outputs: int, config: FaithfulConfig, generator: torch.Generator
    ) -> None:
        super().__init__()
        self.parameters_count, self.outputs_count, self.config = parameters, outputs, config
        sizes = [outputs + parameters, *[config.width] * config.depth, parameters]
        self.weights = nn.ParameterList()
        self.biases = nn.ParameterList()
        for fan_in, fan_out in pairwise(sizes):
            weight = torch.randn(fan_in, fan_out, generator=generator) / fan_in**0.5
            self.weights.append(nn.Parameter(weight))
            self.biases.append(nn.Parameter(torch.zeros(1, fan_out)))
        # standardisation of the TRAINING runs, kept with the map: one site is enough to evaluate it
        for name, size in (
            ("x_mean", parameters),
            ("x_sd", parameters),
            ("y_mean", outputs),
            ("y_sd", outputs),
        ):
            self.register_buffer(name, torch.zeros(size, dtype=torch.float64))

    def forward(self, y: Tensor, z: Tensor) -> Tensor:
        """One pass: (m, k), (m, d) -> (m, d)."""
        hidden = torch.cat([y, z], dim=1)
        last = len(self.weights) - 1
        for layer, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            hidden = torch.addmm(bias, hidden, weight)
            if layer < last:
                hidden = torch.tanh(hidden)
        return hidden

    def state(self) -> dict[str, np.ndarray]:
        """Weights and standardisation by name."""
        return {name: value.detach().numpy() for name, value in self.state_dict().items()}

    def describe(self) -> dict[str, Any]:
        """Architecture for JSON."""
        return {
            "parameters": self.parameters_count,
            "outputs": self.outputs_count,
            "config": asdict(self.config),
        }

    @classmethod
    def from_state(cls, described: dict[str, Any], state: dict[str, np.ndarray]) -> FaithfulMap:
        """Inverse of :meth:`state` and :meth:`describe`."""
        model = cls(
            described["parameters"],
            described["outputs"],
            FaithfulConfig(**described["config"]),
            torch.Generator().manual_seed(0),
        )
        model.load_state_dict({k: torch.as_tensor(np.array(v)) for k, v in state.items()})
        return model

    @torch.no_grad()
    def sample(
        self,
        sites: Observations,
        center: np.ndarray,
        spread: np.ndarray,
        draws: int,
        random: torch.Generator,
    ) -> np.ndarray:
        """Draws in physical units (s, draws, d), not bounded: as published.

        Parameters
        ----------
        sites : Observations
            Fully observed; errors are not an input of this map.
        center, spread : ndarray, (k,)
            What `sites` was standardised with.
        draws, random
        """
        physical = sites.values * spread + center
        y = torch.as_tensor(
            (physical - self.y_mean.numpy()) / self.y_sd.numpy(), dtype=torch.float32
        )
        out = np.empty((len(sites), draws, self.parameters_count))
        for s in range(len(sites)):
            z = torch.randn(draws, self.parameters_count, generator=random)
            x = self(y[s : s + 1].expand(draws, -1), z).double()
            out[s] = (x * self.x_sd + self.x_mean).numpy()
        return out


def fit_faithful(
    parameters: np.ndarray,
    outputs: np.ndarray,
    *,
    labels: int,
    seed: int,
    stages: Stages,
    progress: ProgressReport | None = None,
    config: FaithfulConfig | None = None,
) -> FaithfulMap:
    """Make labels from the runs, then regress them (steps 4 and 5 of the recipe).

    Parameters
    ----------
    parameters, outputs : ndarray, (n, d), (n, k)
        The runs, checked, physical units.
    labels : int
    seed, stages, progress, config
    """
    config = config or FaithfulConfig()
    d, k = parameters.shape[1], outputs.shape[1]
    model = FaithfulMap(d, k, config, torch_generator(seed, 10))
    for name, table in (("x", parameters), ("y", outputs)):
        getattr(model, f"{name}_mean").copy_(torch.as_tensor(table.mean(0)))
        getattr(model, f"{name}_sd").copy_(torch.as_tensor(table.std(0)))
    x_j = torch.as_tensor((parameters - parameters.mean(0)) / parameters.std(0)).float()
    y_j = torch.as_tensor((outputs - outputs.mean(0)) / outputs.std(0)).float()
    random = torch_generator(seed, 11)
    y = y_j[torch.randint(0, len(y_j), (labels,), generator=random)]
    z = torch.randn(labels, d, generator=random)
    saved = stages.get("faithful labels")
    if saved is None:
        x = probability_flow(z, y, x_j, y_j, sigma_y=config.sigma_y, steps=config.steps)
        stages.put("faithful labels", {"x": x.numpy()}, {})
    else:
        x = torch.as_tensor(saved[0]["x"])
    batch = min(config.batch, labels)
    per_epoch = labels // batch

    def loss(step: int) -> Tensor:
        epoch, b = divmod(step, per_epoch)
        order = torch.randperm(labels, generator=torch_generator(seed, 12, epoch))
        rows = order[b * batch : (b + 1) * batch]
        miss: Tensor = model(y[rows], z[rows]) - x[rows]
        return miss.square().mean()

    train(
        list(model.parameters()),
        loss,
        steps=config.epochs * per_epoch,
        learning_rate=config.learning_rate,
        weight_decay=0.0,
        stages=stages,
        stage="faithful",
        progress=progress,
        message="training the map of DBUQ as published",
    )
    return model


def inside(prior: Prior, x: np.ndarray) -> np.ndarray:
    """Draws moved to the nearest face of the prior's box where the map left it."""
    return np.asarray(np.clip(x, prior.low, prior.high))
