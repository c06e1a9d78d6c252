"""What is known of a site to the pools of its equilibrium, through ORBIT's blocks.

Each kind of input (a series of forcing, site attributes, parameters of plant functional types,
states) has an encoder of its own that makes tokens of it; the blocks are those of ORBIT, of a
pre-trained one or new. There is no grid: a sample is a site.

Whatever is missing (NaN) comes as zero beside a flag: a plant type that a site lacks is a token
that says so.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu, pad

from catena.models.orbit import SPREAD, drawn, stacked_blocks

__all__ = ["InputKind", "OrbitSpinUp", "SpinUpConfig", "initial_spin_up"]


@dataclass(frozen=True)
class InputKind:
    """One kind of input and how it becomes tokens.

    Parameters
    ----------
    name : str
        E.g. ``forcing``, ``static``, ``parameters``, ``states``.
    rows, features : int
        Shape of a sample: months x variables, plant types x parameters, levels x pools. A plain
        vector has one row for each of its numbers and one feature.
    per_token : int
        Rows that share a token, e.g. 12 months.
    alike : bool
        Whether all tokens have the same meaning (years, plant types, levels) and share weights, or
        each its own (the numbers of a vector).

    Raises
    ------
    ValueError
        When a size is below 1.
    """

    name: str
    rows: int
    features: int
    per_token: int = 1
    alike: bool = True

    def __post_init__(self) -> None:
        if min(self.rows, self.features, self.per_token) < 1:
            raise ValueError(f"{self}; wanted sizes of 1 or more")

    @classmethod
    def vector(cls, name: str, length: int, per_token: int = 8) -> Self:
        """Of plain numbers, each with a meaning of its own."""
        return cls(name, length, 1, per_token, alike=False)

    @property
    def tokens(self) -> int:
        """Tokens that a sample becomes."""
        return math.ceil(self.rows / self.per_token)


@dataclass(frozen=True)
class SpinUpConfig:
    """Everything that shapes the weights of an emulator of spin-ups.

    Parameters
    ----------
    inputs : tuple of InputKind
    targets : int
        Pools (or whatever is predicted), K.
    width, depth, heads, feed : int
        As those of the ORBIT model whose blocks are used.
    decoder_depth : int
        Hidden layers of the head.
    drop_path : float

    Raises
    ------
    ValueError
        When there is nothing to read or to predict, or the sizes do not fit.
    """

    inputs: tuple[InputKind, ...]
    targets: int
    width: int = 256
    depth: int = 8
    heads: int = 4
    feed: int = 4
    decoder_depth: int = 2
    drop_path: float = 0.0

    def __post_init__(self) -> None:
        names = [kind.name for kind in self.inputs]
        if not names or len(set(names)) != len(names) or self.targets < 1:
            raise ValueError(
                f"inputs {names} for {self.targets} targets; wanted one or more of each, and each "
                "kind of input once"
            )
        if (
            min(self.width, self.heads, self.feed) < 1
            or min(self.depth, self.decoder_depth) < 0
            or self.width % self.heads
        ):
            raise ValueError(
                f"width {self.width}, {self.heads} heads, feed {self.feed}, depth {self.depth}, "
                f"decoder_depth {self.decoder_depth}; wanted a width that is a multiple of the "
                "heads, and depths of 0 or more"
            )
        if not 0 <= self.drop_path < 1:
            raise ValueError(f"drop_path {self.drop_path}; wanted 0 or more, less than 1")

    def to_dict(self) -> dict[str, Any]:
        """As JSON holds it."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Of what :meth:`to_dict` gave."""
        kinds = tuple(InputKind(**kind) for kind in values["inputs"])
        return cls(**{**values, "inputs": kinds})


class KindEncoder(nn.Module):
    """Numbers of one kind to tokens.

    Parameters
    ----------
    kind : InputKind
    width : int
        Length of a token.
    """

    def __init__(self, kind: InputKind, width: int) -> None:
        super().__init__()
        self.kind = kind
        own = 1 if kind.alike else kind.tokens
        self.values = nn.Parameter(torch.empty(own, 2 * kind.per_token * kind.features, width))
        self.place = nn.Parameter(torch.empty(kind.tokens, width))
        self.out = nn.Linear(width, width)

    def forward(self, values: Tensor) -> Tensor:
        """Tokens (N, tokens, D) of normalised values (N, rows, features), NaN where missing."""
        kind = self.kind
        filled, flags = _filled(values)
        short = kind.tokens * kind.per_token - kind.rows
        both = pad(torch.cat([filled, flags], -1), (0, 0, 0, short))
        both = both.reshape(len(values), kind.tokens, -1).to(self.values.dtype)
        weights = self.values.expand(kind.tokens, -1, -1)
        hidden = torch.einsum("ntf,tfd->ntd", both, weights) + self.place
        out: Tensor = self.out(gelu(hidden))
        return out


class OrbitSpinUp(nn.Module):
    """Sites to normalised pools of their equilibrium.

    The token that is read out has seen all others; a linear map of all inputs is added, so that
    what is nearly proportional to a state or a parameter need not be learned by the blocks.

    Parameters
    ----------
    config : SpinUpConfig
    """

    def __init__(self, config: SpinUpConfig) -> None:
        super().__init__()
        self.config = config
        self.encoders = nn.ModuleList(KindEncoder(kind, config.width) for kind in config.inputs)
        self.readout = nn.Parameter(torch.empty(config.width))
        self.blocks = stacked_blocks(
            config.width, config.heads, config.feed, config.depth, config.drop_path
        )
        self.norm = nn.LayerNorm(config.width)
        self.hidden = nn.ModuleList(
            nn.Linear(config.width, config.width) for _ in range(config.decoder_depth)
        )
        self.out = nn.Linear(config.width, config.targets)
        numbers = sum(2 * kind.rows * kind.features for kind in config.inputs)
        self.direct = nn.Linear(numbers, config.targets)

    def forward(self, inputs: Mapping[str, Tensor]) -> Tensor:
        """Normalised targets (N, K).

        Parameters
        ----------
        inputs : mapping of str to Tensor, (N, rows, features) or (N, rows)
            Normalised values by the name of their kind, NaN where missing.

        Raises
        ------
        ValueError
            When a kind lacks or has another shape.
        """
        parts = [_checked(inputs, kind) for kind in self.config.inputs]
        tokens = [encoder(part) for encoder, part in zip(self.encoders, parts, strict=True)]
        tokens.append(self.readout.expand(len(parts[0]), 1, -1))
        mixed = torch.cat(tokens, 1)
        for block in self.blocks.values():
            mixed = block(mixed)
        read = self.norm(mixed[:, -1])
        for layer in self.hidden:
            read = gelu(layer(read))
        plain = [half.flatten(1) for part in parts for half in _filled(part)]
        out: Tensor = self.out(read) + self.direct(torch.cat(plain, 1).to(read.dtype))
        return out


def initial_spin_up(
    config: SpinUpConfig, name: str, shape: tuple[int, ...], seed: int, dtype: torch.dtype
) -> Tensor:
    """Weights to begin with: a function of the seed and the parameter's name and shape.

    As :func:`catena.models.orbit.initial`: layers keep the variance of what they read, those that
    add to the tokens of a block ``1 / sqrt(2 depth)`` of it, and the last one predicts hardly
    anything. Tokens of a kind begin as different as their values are, and the linear map at 0.
    """
    if name.endswith(".bias") or name.startswith("direct."):
        return torch.zeros(shape, dtype=dtype)
    if "norm" in name:
        return torch.ones(shape, dtype=dtype)
    leaf = name.rsplit(".", 1)[-1]
    if leaf == "values":
        # Half of what comes in are flags.
        spread = math.sqrt(2 / shape[1])
    elif leaf == "place":
        spread = 1.0
    elif name.startswith("out.") or leaf != "weight":
        spread = SPREAD
    else:
        spread = shape[1] ** -0.5
        if name.endswith(("attention.out.weight", "feed.down.weight")):
            spread /= math.sqrt(2 * config.depth)
    return drawn(name, shape, seed, spread, dtype)


def _filled(values: Tensor) -> tuple[Tensor, Tensor]:
    known = ~values.isnan()
    return values.nan_to_num(0.0), known.to(values.dtype)


def _checked(inputs: Mapping[str, Tensor], kind: InputKind) -> Tensor:
    if kind.name not in inputs:
        raise ValueError(f"inputs {sorted(inputs)} came; {kind.name} is wanted too")
    values = inputs[kind.name]
    if values.ndim == 2 and kind.features == 1:
        values = values[..., None]
    if values.shape[1:] != (kind.rows, kind.features):
        raise ValueError(
            f"{kind.name} of shape {tuple(inputs[kind.name].shape)}; wanted "
            f"(samples, {kind.rows}, {kind.features})"
        )
    return values
