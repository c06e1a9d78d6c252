"""What is known of a basin as a table of attributes, as one short vector."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import silu

from catena.models.flow_features import filled

ENCODING = 32
"""Length of the vector that tells a recurrence about its basin."""


@dataclass(frozen=True, kw_only=True)
class StaticConfig:
    """Architecture of a :class:`StaticNet`.

    Parameters
    ----------
    attributes : int
        Numbers per basin.
    width, outputs : int
        Units of the hidden layer, and length of the encoding.
    """

    attributes: int
    width: int = 64
    outputs: int = ENCODING


class StaticNet(nn.Module):
    """A perceptron with one hidden layer; what is missing is a zero with a flag.

    The encoding lies in (-1, 1): a basin unlike any that was learned from cannot push a recurrence
    where it has never been.

    Parameters
    ----------
    config : StaticConfig

    Raises
    ------
    ValueError
        When there are no attributes to encode.
    """

    def __init__(self, config: StaticConfig) -> None:
        super().__init__()
        if config.attributes < 1:
            raise ValueError(f"{config.attributes} attributes came; at least 1 wanted to encode")
        self._attributes = config.attributes
        self.hidden = nn.Linear(2 * config.attributes, config.width)
        self.out = nn.Linear(config.width, config.outputs)

    def forward(self, attributes: Tensor) -> Tensor:
        """Encodings (N, outputs) of scaled attributes (N, S), NaN where missing.

        Raises
        ------
        ValueError
            When there are more or fewer attributes than the weights have.
        """
        if attributes.ndim != 2 or attributes.shape[1] != self._attributes:
            raise ValueError(
                f"attributes of shape {tuple(attributes.shape)} came; (basins, {self._attributes}) "
                "wanted"
            )
        out: Tensor = self.out(silu(self.hidden(torch.cat(filled(attributes), -1)))).tanh()
        return out
