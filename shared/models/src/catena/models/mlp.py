"""An ensemble of multilayer perceptrons, evaluated together by batched matrix products."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import silu


@dataclass(frozen=True)
class MLPConfig:
    """Architecture of an :class:`MLPEnsemble`.

    Parameters
    ----------
    inputs, outputs : int
        Length of one input and of one output.
    members : int
        Networks in the ensemble; they share the architecture, not the weights.
    width, depth : int
        Units per hidden layer and number of hidden layers.
    """

    inputs: int
    outputs: int
    members: int = 8
    width: int = 48
    depth: int = 3


class MLPEnsemble(nn.Module):
    """Networks with SiLU activations whose members live in one leading axis.

    Parameters
    ----------
    config : MLPConfig
        The architecture.
    generator : torch.Generator, optional
        Source of the initial weights; seed 0 if left out. The global generator is never used.

    Notes
    -----
    All members are one ``baddbmm`` per layer, so that an ensemble of small networks uses the
    processor like one large network. Weights start at ``N(0, g^2/fan_in)`` with a gain a little
    over 1: SiLU halves small signals.
    """

    def __init__(self, config: MLPConfig, generator: torch.Generator | None = None) -> None:
        super().__init__()
        self._config = config
        generator = generator or torch.Generator().manual_seed(0)
        sizes = [config.inputs, *[config.width] * config.depth, config.outputs]
        self.weights = nn.ParameterList()
        self.biases = nn.ParameterList()
        for layer, (fan_in, fan_out) in enumerate(pairwise(sizes)):
            gain = 1.5 if layer == 0 else 1.3
            weight = torch.randn(config.members, fan_in, fan_out, generator=generator)
            bias = torch.rand(config.members, 1, fan_out, generator=generator) - 0.5
            self.weights.append(nn.Parameter(weight * gain / math.sqrt(fan_in)))
            self.biases.append(nn.Parameter(bias))

    def forward(self, x: Tensor) -> Tensor:
        """Outputs of every member.

        Parameters
        ----------
        x : Tensor, (n, inputs) or (members, n, inputs)
            The same inputs for all members, or each member's own.

        Returns
        -------
        Tensor, (members, n, outputs)
        """
        hidden = x.expand(self._config.members, *x.shape[-2:])
        last = len(self.weights) - 1
        for layer, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            hidden = torch.baddbmm(bias, hidden, weight)
            if layer < last:
                hidden = silu(hidden)
        return hidden

    def mean_and_spread(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Mean over members and their variance, which grows where data are thin.

        Parameters
        ----------
        x : Tensor, (n, inputs)

        Returns
        -------
        mean, variance : Tensor, (n, outputs)
            The variance is the unbiased one; zero for a single member.
        """
        members = self(x)
        if self._config.members == 1:
            return members[0], torch.zeros_like(members[0])
        # Twelve times as fast as torch.var_mean over a leading dimension.
        mean = members.mean(dim=0)
        variance = (members - mean).square().sum(dim=0) / (self._config.members - 1)
        return mean, variance

    def select(self, members: slice) -> MLPEnsemble:
        """An ensemble of some of the members (copies of their weights)."""
        kept = len(range(*members.indices(self._config.members)))
        chosen = MLPEnsemble(MLPConfig(**{**asdict(self._config), "members": kept}))
        with torch.no_grad():
            for mine, other in zip(chosen.parameters(), self.parameters(), strict=True):
                mine.copy_(other[members])
        return chosen

    def config(self) -> dict[str, int]:
        """Architecture as JSON-able numbers; :meth:`from_state` reads it."""
        return asdict(self._config)

    def state(self) -> dict[str, Tensor]:
        """Weights by name, detached: what safetensors stores."""
        return {name: value.detach().contiguous() for name, value in self.named_parameters()}

    @classmethod
    def from_state(cls, config: Mapping[str, int], state: Mapping[str, Tensor]) -> MLPEnsemble:
        """Rebuild an ensemble from :meth:`config` and :meth:`state`.

        Raises
        ------
        KeyError, RuntimeError
            When a tensor is missing or has another shape than the architecture.
        """
        model = cls(MLPConfig(**config))
        model.load_state_dict({name: torch.as_tensor(value) for name, value in state.items()})
        return model
