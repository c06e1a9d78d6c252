"""A one-pass generator of posterior draws: any observation, error and mask in, draws out.

It is the probability-flow map of DBUQ (Lu et al. 2024; Liu et al. 2024) in probit space, where the
uniform prior is standard normal and every draw maps back into the prior's box. For a Gaussian
posterior that map is ``x = mean + covariance^(1/2) z`` exactly; the weighted bank gives both
moments in one matrix product, for any error and mask. What a network has to learn is how the
posterior differs from a Gaussian.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import silu

from catena.calibrator.likelihood import Observations
from catena.calibrator.moments import Moments


@dataclass(frozen=True)
class GeneratorConfig:
    """Architecture of a :class:`Generator`.

    Parameters
    ----------
    parameters, outputs : int
        d and k.
    context_width : int
        Units of the network that reads the observation (once per site).
    draw_width : int
        Units of the network that bends the draws (once per draw; small).
    """

    parameters: int
    outputs: int
    context_width: int = 64
    draw_width: int = 32


@dataclass(frozen=True, eq=False)
class Context:
    """What the generator made of c observations: the arguments of the map from z to draws.

    Parameters
    ----------
    moments : Moments
        Of the posteriors, in probit space.
    scales, shifts : tuple of Tensor, (c, 1, width) each
        Modulation of the two hidden layers of the correction.
    """

    moments: Moments
    scales: tuple[Tensor, Tensor]
    shifts: tuple[Tensor, Tensor]


FAINT = 10.0
"""Errors of so many spreads and more leave an output unread: it says next to nothing, and in units
of a spread near zero its value would drown all others."""


class Generator(nn.Module):
    """Maps standard normal z to posterior draws in probit space, given an observation.

    Parameters
    ----------
    config : GeneratorConfig
    floor : Tensor, (k,)
        Typical surrogate variance of each standardised output: errors far below it change nothing.
    generator : torch.Generator
        Source of initial weights.
    """

    floor: Tensor

    def __init__(self, config: GeneratorConfig, floor: Tensor, generator: torch.Generator) -> None:
        super().__init__()
        self.config = config
        self.register_buffer("floor", floor.float())
        d, k, wide, width = (
            config.parameters,
            config.outputs,
            config.context_width,
            config.draw_width,
        )

        def matrix(fan_in: int, fan_out: int, gain: float) -> nn.Parameter:
            values = torch.randn(fan_in, fan_out, generator=generator)
            return nn.Parameter(values * gain / math.sqrt(fan_in))

        self.context_weights = nn.ParameterList([matrix(3 * k, wide, 1.5), matrix(wide, wide, 1.3)])
        self.context_biases = nn.ParameterList(
            [nn.Parameter(torch.zeros(1, wide)) for _ in self.context_weights]
        )
        self.heads = matrix(wide, 4 * width, 0.3)
        self.heads_bias = nn.Parameter(torch.zeros(1, 4 * width))
        self.first = matrix(d, width, 1.3)
        self.second = matrix(width, width, 1.3)
        self.last = matrix(width, d, 0.1)

    def read(self, values: Tensor, error_sd: Tensor, observed: Tensor, moments: Moments) -> Context:
        """Read observations.

        Parameters
        ----------
        values, error_sd : Tensor, (c, k)
            Standardised observation and error; ignored where not observed.
        observed : Tensor of bool, (c, k)
        moments : Moments
            Of the c posteriors, from the weighted bank.

        Returns
        -------
        Context
        """
        mask = observed.float()
        total = torch.where(observed, error_sd, 1.0) ** 2 + self.floor
        hidden = torch.cat(
            [torch.where(observed, values, 0.0), (0.5 * total.log() + 1.0) * mask, mask - 0.5],
            dim=1,
        )
        for weight, bias in zip(self.context_weights, self.context_biases, strict=True):
            hidden = silu(torch.addmm(bias, hidden, weight))
        heads = torch.addmm(self.heads_bias, hidden, self.heads)
        scale1, shift1, scale2, shift2 = (part[:, None, :] for part in heads.chunk(4, dim=1))
        return Context(moments, (1.0 + scale1, 1.0 + scale2), (shift1, shift2))

    def bend(self, context: Context, z: Tensor) -> Tensor:
        """The correction, in whitened space: standard normal (c, r, d) to whitened draws."""
        first = silu((z @ self.first) * context.scales[0] + context.shifts[0])
        second = silu((first @ self.second) * context.scales[1] + context.shifts[1])
        return z + second @ self.last

    def push(self, context: Context, z: Tensor) -> Tensor:
        """Draws in probit space from standard normal `z`: (c, r, d) -> (c, r, d)."""
        moments = context.moments
        return moments.centre[:, None, :] + self.bend(context, z) @ moments.root

    def push_with_density(self, context: Context, z: Tensor) -> tuple[Tensor, Tensor]:
        """Draws as :meth:`push`, and the log density that the generator gives them.

        Returns
        -------
        x : Tensor, (c, r, d)
        log_density : Tensor, (c, r)
            ``log N(z; 0, I) - log |det dx/dz|``: the change of variables, the Jacobian carried
            forward through the two small layers.
        """
        d = z.shape[-1]
        a = (z @ self.first) * context.scales[0] + context.shifts[0]
        slope1 = _silu_slope(a) * context.scales[0]
        b = (silu(a) @ self.second) * context.scales[1] + context.shifts[1]
        slope2 = _silu_slope(b) * context.scales[1]
        moments = context.moments
        x = moments.centre[:, None, :] + (z + silu(b) @ self.last) @ moments.root
        # rows of `tangent` follow one component of z each: (c, r, d, width)
        tangent = (slope1[..., None, :] * self.first) @ self.second
        jacobian = (tangent * slope2[..., None, :]) @ self.last + torch.eye(d)
        log_det = torch.linalg.slogdet(jacobian)[1] + moments.log_det_root[:, None]
        normal = -0.5 * (z * z).sum(-1) - 0.5 * d * math.log(2.0 * math.pi)
        return x, normal - log_det

    def read_sites(self, sites: Observations, moments: Moments) -> Context:
        """:meth:`read` of checked observations."""
        return self.read(
            torch.as_tensor(sites.values, dtype=torch.float32),
            torch.as_tensor(sites.error_sd, dtype=torch.float32),
            torch.as_tensor(sites.observed & (sites.error_sd < FAINT)),
            moments,
        )

    def state(self) -> dict[str, np.ndarray]:
        """Weights by name."""
        return {name: value.detach().numpy() for name, value in self.state_dict().items()}

    def describe(self) -> dict[str, Any]:
        """Architecture for JSON."""
        return asdict(self.config)

    @classmethod
    def from_state(cls, config: dict[str, Any], state: dict[str, np.ndarray]) -> Generator:
        """Inverse of :meth:`state` and :meth:`describe`."""
        tensors = {name: torch.as_tensor(np.array(value)) for name, value in state.items()}
        model = cls(GeneratorConfig(**config), tensors["floor"], torch.Generator().manual_seed(0))
        model.load_state_dict(tensors)
        return model


def _silu_slope(x: Tensor) -> Tensor:
    s = torch.sigmoid(x)
    return s * (1.0 + x * (1.0 - s))
