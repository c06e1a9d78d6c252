"""AdamW on whatever part of the weights a process has."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.optim.adamw import adamw

from catena.orbit_trainer.parallel.parallelize import local

__all__ = ["AdamW", "decays"]

_TABLES = ("position", "offset", "place")
"""Embeddings: vectors of their own, not maps of others."""


def decays(name: str, weight: Tensor) -> bool:
    """Whether a parameter decays: matrices do; norms, biases and embeddings do not."""
    return weight.ndim > 1 and name.rsplit(".", 1)[-1] not in _TABLES


class AdamW:
    """Adam with decoupled weight decay (Loshchilov & Hutter 2019, algorithm 2).

    It works on each element alone, so parts of tensors are all that it needs. Moments are
    distributed as their weights are: checkpoints take them as they are.

    Parameters
    ----------
    weights : mapping of str to Parameter
        By name; frozen ones are left out.
    betas : tuple of float
    decay : float
        Of those that decay (:func:`decays`).
    """

    def __init__(
        self, weights: Mapping[str, nn.Parameter], betas: tuple[float, float], decay: float
    ) -> None:
        self.weights = {name: weight for name, weight in weights.items() if weight.requires_grad}
        self.steps = 0
        self.first = {name: torch.zeros_like(one.detach()) for name, one in self.weights.items()}
        self.second = {name: torch.zeros_like(one.detach()) for name, one in self.weights.items()}
        self._betas, self._decay = betas, decay

    def step(self, gradients: Mapping[str, Tensor], learning_rate: float) -> None:
        """Change the weights by the local parts of their gradients; the others stay."""
        groups: dict[bool, list[str]] = {True: [], False: []}
        for name in gradients:
            if gradients[name].numel():
                groups[decays(name, self.weights[name])].append(name)
        for decaying, names in groups.items():
            if not names:
                continue
            parts = [local(self.weights[name].detach()) for name in names]
            # adamw counts each one's steps by itself
            counted = torch.full((len(names),), float(self.steps), device=parts[0].device)
            adamw(
                parts,
                [gradients[name] for name in names],
                [local(self.first[name]) for name in names],
                [local(self.second[name]) for name in names],
                [],
                list(counted.unbind()),
                fused=True,
                amsgrad=False,
                beta1=self._betas[0],
                beta2=self._betas[1],
                lr=learning_rate,
                weight_decay=self._decay if decaying else 0.0,
                eps=1e-8,
                maximize=False,
            )
        self.steps += 1
