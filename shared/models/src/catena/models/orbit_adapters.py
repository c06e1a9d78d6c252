"""Low-rank adapters in the blocks of an ORBIT model, and backbones that stay as they are.

Hu et al. 2022 (LoRA, section 4.1): a weight W of a block stays frozen and gets a change of low
rank, ``W + (alpha / r) B A``, with A (r, in) and B (out, r); B begins at zero, so the model begins
as it was. Weights keep their names, and a merged model is an ordinary one again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from catena.models.orbit import SPREAD

__all__ = [
    "ADAPTED",
    "AdaptedLinear",
    "add_adapters",
    "freeze_backbone",
    "is_adapter",
    "merge_adapters",
    "merged_weights",
]

ADAPTED = ("qkv", "out", "up", "down")
"""Layers of a block that take an adapter."""
INWARD, OUTWARD = "adapter_in", "adapter_out"

Model = TypeVar("Model", bound=nn.Module)


class AdaptedLinear(nn.Module):
    """A frozen linear layer with a change of low rank.

    Parameters
    ----------
    frozen : Linear
        Its weight and bias are taken over, under the same names, and are not trained any more.
    rank : int
        Rank r of the change.
    alpha : float
        The change counts ``alpha / rank`` times.
    """

    def __init__(self, frozen: nn.Linear, rank: int, alpha: float) -> None:
        super().__init__()
        self.scale = alpha / rank
        self.weight = frozen.weight.requires_grad_(False)
        self.bias = None if frozen.bias is None else frozen.bias.requires_grad_(False)
        self.adapter_in = nn.Parameter(self.weight.new_empty(rank, self.weight.shape[1]))
        self.adapter_out = nn.Parameter(self.weight.new_zeros(self.weight.shape[0], rank))
        if not self.weight.is_meta:
            nn.init.normal_(self.adapter_in, std=SPREAD)

    def forward(self, tokens: Tensor) -> Tensor:
        """Tokens (..., out) of tokens (..., in)."""
        change = linear(linear(tokens, self.adapter_in), self.adapter_out)
        return linear(tokens, self.weight, self.bias) + self.scale * change

    def merged(self) -> nn.Linear:
        """The same map as one ordinary layer, trainable."""
        out, inward = self.weight.shape
        layer = nn.Linear(inward, out, self.bias is not None, device="meta")
        layer.weight = nn.Parameter(
            _merged(self.weight.detach(), self.adapter_in, self.adapter_out, self.scale)
        )
        if self.bias is not None:
            layer.bias = nn.Parameter(self.bias.detach().clone())
        return layer


def is_adapter(name: str) -> bool:
    """Whether a parameter of this name belongs to an adapter."""
    return name.rsplit(".", 1)[-1] in (INWARD, OUTWARD)


def add_adapters(model: Model, rank: int, alpha: float | None = None) -> Model:
    """Give the linear layers of all blocks an adapter, in place; what else blocks hold is frozen.

    Parameters
    ----------
    model : Module
        With `blocks` as :class:`catena.models.orbit.Orbit` has them.
    rank : int
    alpha : float, optional
        `rank` by default: the change counts once.

    Raises
    ------
    ValueError
        When the rank is below 1 or above the width of a token, or the blocks have adapters already.
    """
    blocks = _blocks(model)
    if any(isinstance(part, AdaptedLinear) for part in blocks.modules()):
        raise ValueError("the blocks have adapters already; merge them before adding others")
    layers = {name: part for name, part in blocks.named_modules() if isinstance(part, nn.Linear)}
    widest = min((min(layer.weight.shape) for layer in layers.values()), default=0)
    if not 1 <= rank <= widest:
        raise ValueError(f"adapters of rank {rank}; wanted 1 to {widest}, the width of a token")
    freeze_backbone(model)
    for name, layer in layers.items():
        parent, _, leaf = name.rpartition(".")
        if leaf in ADAPTED:
            adapted = AdaptedLinear(layer, rank, rank if alpha is None else alpha)
            setattr(blocks.get_submodule(parent), leaf, adapted)
    return model


def freeze_backbone(model: Model) -> Model:
    """Keep all blocks as they are, in place: embeddings and heads are trained alone."""
    _blocks(model).requires_grad_(False)
    return model


def merge_adapters(model: Model) -> Model:
    """Put the changes of all adapters into the weights, in place: an ordinary model again."""
    blocks = _blocks(model)
    for name, part in list(blocks.named_modules()):
        if isinstance(part, AdaptedLinear):
            parent, _, leaf = name.rpartition(".")
            setattr(blocks.get_submodule(parent), leaf, part.merged())
    blocks.requires_grad_(True)
    return model


def merged_weights(
    weights: Mapping[str, Tensor], rank: int, alpha: float | None = None
) -> dict[str, Tensor]:
    """Weights of the ordinary model out of those of a model with adapters.

    Parameters
    ----------
    weights : mapping of str to Tensor
        As a state dict names them.
    rank, alpha
        What :func:`add_adapters` was given.
    """
    scale = 1.0 if alpha is None else alpha / rank
    merged = {}
    for name, weight in weights.items():
        if is_adapter(name):
            continue
        place, _, leaf = name.rpartition(".")
        if leaf == "weight" and f"{place}.{INWARD}" in weights:
            inward, outward = weights[f"{place}.{INWARD}"], weights[f"{place}.{OUTWARD}"]
            weight = _merged(weight, inward, outward, scale)
        merged[name] = weight
    return merged


def _merged(weight: Tensor, inward: Tensor, outward: Tensor, scale: float) -> Tensor:
    # In double precision: merging adds no error of its own to weights of single precision.
    with torch.no_grad():
        change = scale * (outward.double() @ inward.double())
        return (weight.double() + change).to(weight.dtype)


def _blocks(model: nn.Module) -> nn.Module:
    blocks: Any = getattr(model, "blocks", None)
    if not isinstance(blocks, nn.Module):
        raise ValueError(f"{type(model).__name__} has no blocks; wanted a model on ORBIT's blocks")
    return blocks
